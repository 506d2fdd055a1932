import json
import logging
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from google.auth.aws import AwsSecurityCredentials, RequestSigner

from wif_pipelines.wire import RedactingFilter, redacted
from wif_pipelines.wire.redaction import REDACTED

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"
SESSION = "IQoJb3JpZ2luX2VjEO" + "z" * 60 + "+/=="
TOKEN = "ya29.c.b0Aaekm1K" + "x" * 40
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlLWJ5dGVz"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        (TOKEN, f"Authorization: Bearer {TOKEN}"),
        (TOKEN, json.dumps({"access_token": TOKEN, "expires_in": 3599})),
        ("opaque-token-1", json.dumps({"accessToken": "opaque-token-1", "expireTime": "2026-01-01T00:00:00Z"})),
        ("opaque-token-2", "grant_type=x&subject_token=opaque-token-2&audience=y"),
        (JWT, f"The audience in ID Token [{JWT}] does not match"),
        (SECRET, f"aws_secret_access_key = {SECRET}"),
        (SECRET, json.dumps({"SecretAccessKey": SECRET, "AccessKeyId": "ASIAEXAMPLE"})),
        (SECRET, json.dumps(json.dumps({"secretAccessKey": SECRET}))),
        (SESSION, f"<SessionToken>{SESSION}</SessionToken>"),
        (SESSION, f"session {SESSION} ended"),
        (SESSION, f"https://s3/?X-Amz-Security-Token={quote(SESSION, safe='')}&X-Amz-Date=1"),
        ("a" * 64, f"https://s3/?X-Amz-Signature={'a' * 64}&x=1"),
        ("MIIEvQIBADANBg", f"key {PEM} found"),
        ("MIIEvQIBADANBg", json.dumps({"private_key": PEM})),
        ("hunter2hunter2", "proxy: Basic hunter2hunter2"),
    ],
)
def test_takes_the_secret_and_leaves_the_rest(secret: str, text: str) -> None:
    cleaned = redacted(text)
    assert secret not in cleaned
    assert REDACTED in cleaned
    assert cleaned[:4] == text[:4]


@pytest.mark.parametrize(
    "text",
    [
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        'The target service indicated by the "audience" parameters is invalid.',
        "token sha256 3a7bd3e2360a became pipeline@p.iam.gserviceaccount.com until 2026-01-01T00:00:00Z",
        "arn:aws:sts::210987654321:assumed-role/pipeline-workload/i-0abc",
        "crc32c=AAAAAA== md5=1B2M2Y8AsgTpgAmY7PhCfg==",
        "The security token included in the request is invalid.",
    ],
)
def test_leaves_what_is_no_secret(text: str) -> None:
    assert redacted(text) == text


def test_a_signed_request_of_botocore_loses_signature_and_session() -> None:
    request = AWSRequest(method="GET", url="https://s3.amazonaws.com/b/k")
    SigV4Auth(Credentials("ASIAEXAMPLE", SECRET, SESSION), "s3", "us-east-1").add_auth(request)
    cleaned = redacted(str(dict(request.headers)))
    assert request.headers["Authorization"].rpartition("=")[2] not in cleaned
    assert SESSION not in cleaned
    assert "ASIAEXAMPLE" in cleaned


def test_googles_aws_subject_token_loses_signature_and_session() -> None:
    signed = RequestSigner("us-east-1").get_request_options(
        AwsSecurityCredentials("ASIAEXAMPLE", SECRET, SESSION), "https://sts.us-east-1.amazonaws.com?Action=X", "POST"
    )
    plain = json.dumps({"headers": [{"key": key, "value": value} for key, value in signed["headers"].items()]})
    signature = signed["headers"]["Authorization"].rpartition("=")[2]
    for text in (plain, quote(plain)):
        assert signature not in redacted(text)
        assert SESSION not in redacted(text)
        assert quote(SESSION) not in redacted(text)


def test_a_loggers_records_are_cleaned_with_their_arguments_and_traces(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("wif_pipelines_tests.redaction")
    logger.addFilter(cleaner := RedactingFilter())
    try:
        int(f"access_token={TOKEN}")
    except ValueError:
        logger.exception("sent %s to %d places", f"Bearer {TOKEN}", 2)
    finally:
        logger.removeFilter(cleaner)
    assert f"sent Bearer {REDACTED} to 2 places" in caplog.text
    assert "ValueError" in caplog.text
    assert TOKEN not in caplog.text
