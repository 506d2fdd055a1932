"""Take secrets out of text before anybody sees it.

This is the last line of defence: nothing here writes secrets in the first place, but the text of other libraries'
errors repeats requests and answers. It knows the shapes of Google access tokens, JWTs, AWS session tokens and
signatures, PEM keys, and the field names under which they and AWS secret keys travel. A secret of an unknown shape
under an unknown name passes.
"""

import logging
import re

REDACTED = "[redacted]"

# Field names are matched in JSON, form bodies, query strings, headers and `key = value` files, plain or encoded.
_FIELDS = (
    r"access_?token|refresh_?token|id_?token|subject_?token|actor_?token|session_?token|security_?token|identity_?token"
    r"|x-amz-security-token|x-amz-signature|x-goog-signature|x-aws-ec2-metadata-token|x-goog-api-key"
    r"|secret_?access_?key|aws_secret_access_key|aws_session_token|client_?secret|private_?key|signed_?jwt|assertion"
)
_SEPARATOR = r"(?:\\?[\"']|%22)?\s*(?:[:=]|%3[ad])\s*(?:\\?[\"']|%22)?"
# A secret begins after something that is no letter or digit, or after a percent-encoded character.
_START = r"(?:(?<!\w)|(?<=%[0-9A-Fa-f]{2}))"
_VALUE = r"[^\s\"'&,;<>{}\\]+"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REDACTED),
    (re.compile(_START + r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), REDACTED),
    (re.compile(_START + r"ya29\.[\w.~+/=-]+"), REDACTED),
    (re.compile(_START + r"(Bearer|Basic)(\s+|%20|\+)[\w.~+/=%-]{8,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"(Signature(?:=|%3D))[0-9a-f]{64}", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(_START + r"(?:IQoJb3JpZ2lu|F[QwA]oGZXIv)[\w+/=%-]{20,}"), REDACTED),
    (re.compile(rf"({_FIELDS})({_SEPARATOR}){_VALUE}", re.IGNORECASE), rf"\1\2{REDACTED}"),
    # google-auth's AWS subject token lists its headers as {"key": name, "value": value}.
    (
        re.compile(r'("key":\s*"(?:authorization|x-amz-security-token)",\s*"value":\s*")[^"]*', re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
)


def redacted(text: str) -> str:
    """The text without the secrets whose shape or field name is known; otherwise unchanged."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


class RedactingFilter(logging.Filter):
    """Redacts each record that passes: its message with its arguments, and its exception's text."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without its secrets."""
        record.msg = redacted(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redacted(record.exc_text)
        return True
