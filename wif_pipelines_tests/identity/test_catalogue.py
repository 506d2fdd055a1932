import string

import pytest

from wif_pipelines.identity.catalogue import CATALOGUE, Entry, fill, look_up

KNOWN = {"audience", "pool", "pool_id", "provider", "project", "service_account", "member", "source"}

AWS = "Received invalid AWS response of type {} with error message: {}"
# The texts as the services were seen to send them (the three about signatures and sessions: composed).
ANSWERS = {
    "audience-malformed": (
        "invalid_request",
        'Invalid value for "audience". This value should be the full resource name of the Identity Provider.',
    ),
    "provider-not-found": (
        "invalid_target",
        'The target service indicated by the "audience" parameters is invalid.',
    ),
    "condition-rejected": ("unauthorized_client", "The given credential is rejected by the attribute condition."),
    "token-audience": ("invalid_grant", "The audience in ID Token [X] does not match the expected audience."),
    "token-issuer": ("invalid_grant", "The issuer in ID Token X does not match the expected ones: Y"),
    "issuer-unreachable": ("invalid_grant", "Error connecting to the given credential's issuer."),
    "token-stale": ("invalid_grant", "ID Token issued at 1700000000 is stale to sign-in."),
    "subject-too-long": (
        "invalid_request",
        "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your mapping",
    ),
    "exchange-throttled": (
        "quota_exceeded",
        "The request was throttled due to rate limit: sts.googleapis.com/requests/default.",
    ),
    "aws-key-unknown": (
        "invalid_grant",
        AWS.format("InvalidClientTokenId", "The security token included in the request is invalid."),
    ),
    "aws-signature": ("invalid_grant", AWS.format("SignatureDoesNotMatch", "The request signature we calculated")),
    "aws-signature-expired": ("invalid_grant", AWS.format("InvalidRequest", "Signature expired: 2026 is now earlier")),
    "aws-session-expired": ("invalid_grant", AWS.format("ExpiredToken", "The security token is expired")),
    "aws-request-malformed": ("invalid_grant", "AWS request has invalid format."),
    "aws-credentials-malformed": ("invalid_grant", "Invalid format of AWS credentials:Error at line 0:0"),
    "sts-api-disabled": ("", "Security Token Service API has not been used in project 1 before or it is disabled."),
}


@pytest.mark.parametrize(("code", "answer"), ANSWERS.items())
def test_answers_of_the_exchange_find_their_entry(code: str, answer: tuple[str, str]) -> None:
    error, text = answer
    entry = look_up("exchange", f"{error}: {text}", error=error)
    assert entry is not None
    assert entry.code == code


def test_every_entry_of_the_exchange_is_tried() -> None:
    codes = {entry.code for entry in CATALOGUE if entry.stage == "exchange"}
    assert codes - set(ANSWERS) == {"perimeter"}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "impersonation-unbound",
            "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        ),
        ("principal-set-malformed", "The caller does not have permission"),
        ("impersonation-invalid", "Request contains an invalid argument."),
        (
            "iamcredentials-api-disabled",
            "IAM Service Account Credentials API has not been used in project 1 before or it is disabled. Enable it",
        ),
        ("lifetime-too-long", "The access token lifetime cannot exceed 3600 seconds."),
        ("quota-project", "Caller does not have required permission to use project p. Grant the caller the roles/…"),
        (
            "federated-token-refused",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie",
        ),
        ("perimeter", "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: abc"),
    ],
)
def test_answers_of_the_impersonation_find_their_entry(code: str, text: str) -> None:
    entry = look_up("impersonation", text)
    assert entry is not None
    assert entry.code == code


def test_the_oauth_error_must_fit() -> None:
    text = "The given credential is rejected by the attribute condition."
    assert look_up("exchange", text, error="invalid_grant") is None
    assert look_up("impersonation", text, error="unauthorized_client") is None


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: f"{entry.stage}-{entry.code}")
def test_an_entry_is_whole(entry: Entry) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(entry.cause + entry.remedy) if name}
    assert names <= KNOWN
    assert entry.cause.endswith(".")
    assert entry.text.strip()


def test_a_value_that_is_not_at_hand_stays_a_word() -> None:
    assert fill("bind {member} to {service_account}", {"service_account": "a@b"}) == "bind MEMBER to a@b"
