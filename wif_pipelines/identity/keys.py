"""The rule that there are no keys: what a long-lived key looks like, and what to use instead.

A service account's key never expires and works from anywhere; whoever finds a copy is the service account. Federation
needs none, so one that lies about is refused rather than ignored.
https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from wif_pipelines.errors import StaticKeyError
from wif_pipelines.settings import Settings

logger = logging.getLogger("wif_pipelines.identity")

KeyPolicy = Literal["warn", "strict"]

_INSTEAD = (
    "Use workload identity federation (audience: the provider's full name), then disable and delete the key:\n"
    "gcloud iam service-accounts keys delete {key} --iam-account {account}"
)


def refuse_google_key(value: Mapping[str, Any] | str | Path, *, where: str) -> None:
    """Refuse a service account's key, whether it comes as a mapping, as JSON text or as the path of a file.

    Args:
        value: What was given. A path that cannot be read, and text that is neither JSON nor a path, holds no key.
        where: Where it was given, for the message; it follows "in".

    Raises:
        StaticKeyError: It is a key. The message names the account and the key's id, never the key.
    """
    found = value if isinstance(value, Mapping) else _parsed(value)
    if not isinstance(found, Mapping):
        return
    if found.get("type") == "service_account" or "private_key" in found:
        account, key = found.get("client_email", "ACCOUNT"), found.get("private_key_id", "KEY_ID")
        raise StaticKeyError(
            f"A service account key was given in {where} (key {key} of {account}).",
            remedy=_INSTEAD.format(account=account, key=key),
        )
    for name, inner in found.items():
        if isinstance(inner, Mapping):
            refuse_google_key(inner, where=f"{where}, field {name}")


def refuse_key_in_environment(settings: Settings) -> None:
    """Refuse a key behind ``GOOGLE_APPLICATION_CREDENTIALS``, though nothing here would use it: other tools do.

    Raises:
        StaticKeyError: See `refuse_google_key`.
    """
    if settings.google_application_credentials is not None:
        refuse_google_key(settings.google_application_credentials, where="GOOGLE_APPLICATION_CREDENTIALS")


def judge_aws_key(access_key_id: str, *, has_session_token: bool, method: str, policy: KeyPolicy) -> None:
    """Warn about an AWS user's static key, or refuse it under a strict policy.

    Args:
        access_key_id: Long-lived ones begin with ``AKIA``.
        has_session_token: Whether a session token goes with it, which makes it short-lived.
        method: How botocore found it.
        policy: What to do.

    Raises:
        StaticKeyError: It is a static key and the policy is strict.
    """
    if has_session_token or not access_key_id.startswith("AKIA"):
        return
    message = f"AWS gave a static access key (…{access_key_id[-4:]}, found by {method}), which never expires."
    remedy = "Use the platform's role (EC2, ECS, EKS, Lambda), `aws sso login` on a laptop, or name aws_role_arn."
    if policy == "strict":
        raise StaticKeyError(message, remedy=remedy)
    logger.warning("%s %s", message, remedy)


def _parsed(value: str | Path) -> object:
    text = str(value)
    if not text.lstrip().startswith("{"):
        try:
            text = Path(value).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError):
            return None
    try:
        return json.loads(text)
    except ValueError:
        return None
