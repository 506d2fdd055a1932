import pytest
import requests
from google.api_core import exceptions
from google.api_core.exceptions import from_http_status
from google.auth.exceptions import RefreshError, TransportError
from google.cloud.storage.exceptions import InvalidResponse

from wif_pipelines.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    RemoteError,
    TransferError,
    UnavailableError,
    WifError,
)
from wif_pipelines.wire.google_errors import is_transient, remote_error, retry_after, translated

TOKEN = "ya29.c.b0Aaekm1K0123456789"


def response(status: int, **headers: str) -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return answer


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_rest_base_classes_count_as_transient(status: int) -> None:
    assert is_transient(from_http_status(status, "busy"))


@pytest.mark.parametrize(
    "kind", [exceptions.ResourceExhausted, exceptions.ServiceUnavailable, exceptions.DeadlineExceeded]
)
def test_grpc_subclasses_count_alike(kind: type[exceptions.GoogleAPICallError]) -> None:
    assert is_transient(kind("busy"))


@pytest.mark.parametrize(
    "error",
    [
        TransportError("reset"),
        requests.ConnectionError("reset"),
        requests.ReadTimeout("slow"),
        requests.exceptions.ChunkedEncodingError("cut"),
        ConnectionResetError(),
        InvalidResponse(response(503)),
        exceptions.RetryError("gave up", cause=exceptions.ServiceUnavailable("busy")),
    ],
)
def test_what_was_lost_on_the_way_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error", [from_http_status(403, "no"), from_http_status(400, "no"), RefreshError("no"), ValueError()]
)
def test_the_rest_is_final(error: Exception) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RemoteError),
        (401, AccessDeniedError),
        (403, AccessDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (412, ConflictError),
        (429, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_statuses_become_our_errors(status: int, kind: type[WifError]) -> None:
    error = remote_error(from_http_status(status, "the service's own words"), doing="reading a thing")
    assert type(error) is kind
    assert f"While reading a thing, the service answered {status}: the service's own words" in str(error)
    assert error.remedy


def test_a_refusal_names_the_permission_it_lacks() -> None:
    said = "Permission 'cloudkms.cryptoKeys.get' denied on resource 'projects/p' (or it may not exist)."
    assert "cloudkms.cryptoKeys.get" in remote_error(from_http_status(403, said), doing="x").remedy
    said = "a@b.iam.gserviceaccount.com does not have storage.objects.create access to the Google Cloud Storage object."
    assert "storage.objects.create" in remote_error(from_http_status(403, said), doing="x").remedy


def test_a_disabled_api_is_told_apart() -> None:
    said = "Cloud KMS API has not been used in project 1 before or it is disabled."
    assert "gcloud services enable" in remote_error(from_http_status(403, said), doing="x").remedy


def test_secrets_in_the_services_words_do_not_pass() -> None:
    error = remote_error(from_http_status(400, f"invalid access_token={TOKEN}"), doing="x")
    assert TOKEN not in str(error)


def test_the_wait_that_the_service_asks_for() -> None:
    assert retry_after(InvalidResponse(response(429, Retry_After="17"))) == 17.0
    assert retry_after(InvalidResponse(response(429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"))) is None
    assert retry_after(ValueError()) is None
    busy = from_http_status(429, "busy", response=response(429, Retry_After="17"))
    assert vars(remote_error(busy, doing="x"))["retry_after"] == 17.0


@pytest.mark.parametrize(
    "error",
    [
        from_http_status(503, "busy"),
        TransportError("reset"),
        requests.ConnectionError("x"),
        InvalidResponse(response(503)),
    ],
)
def test_a_block_is_translated(error: Exception) -> None:
    with pytest.raises(UnavailableError) as caught, translated("copying"):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [TransferError("ours", remedy="r"), KeyError("a bug")])
def test_ours_and_bugs_pass_a_block_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translated("copying"):
        raise error
    assert caught.value is error
