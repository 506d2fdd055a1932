import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from wif_pipelines.errors import (
    AccessDeniedError,
    ConflictError,
    HomeNotFoundError,
    NotFoundError,
    RemoteError,
    UnavailableError,
    WifError,
)
from wif_pipelines.wire.aws_errors import is_transient, remote_error, translated


def answer(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "its words"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject"
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer("AccessDenied", 403), AccessDeniedError),
        (answer("ExpiredToken"), AccessDeniedError),
        (answer("NoSuchKey", 404), NotFoundError),
        (answer("404", 404), NotFoundError),
        (answer("PreconditionFailed", 412), ConflictError),
        (answer("SlowDown", 503), UnavailableError),
        (answer("InternalError", 500), UnavailableError),
        (answer("MalformedXML"), RemoteError),
        (NoCredentialsError(), HomeNotFoundError),
        (NoRegionError(), RemoteError),
        (EndpointConnectionError(endpoint_url="https://x"), UnavailableError),
        (ReadTimeoutError(endpoint_url="https://x"), UnavailableError),
        (ResponseParserError("half an answer"), UnavailableError),
    ],
)
def test_botos_exceptions_become_our_errors(error: Exception, kind: type[WifError]) -> None:
    found = remote_error(error, doing="reading s3://b/k")
    assert type(found) is kind
    assert found.message.startswith("While reading s3://b/k, AWS answered: ")
    assert is_transient(error) == (kind is UnavailableError)


def test_a_stale_session_is_told_apart_from_a_missing_right() -> None:
    assert "renew" in remote_error(answer("ExpiredToken"), doing="x").remedy
    assert "policy" in remote_error(answer("AccessDenied"), doing="x").remedy


def test_a_block_is_translated_and_bugs_pass() -> None:
    with pytest.raises(NotFoundError), translated("x"):
        raise answer("NoSuchBucket", 404)
    with pytest.raises(KeyError), translated("x"):
        raise KeyError("bug")
