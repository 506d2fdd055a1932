"""The gate in front of moto: every request is named, its caller proven, its permission weighed, and only then served.

Moto's own enforcement stays off. It breaks on unsigned requests and on presigned URLs, knows neither conditions nor
session expiry, and rejects genuine GetCallerIdentity requests; the gate takes its place for every service.
"""

import datetime
import io
import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from moto.s3.models import s3_backends

from wif_pipelines.sandbox.aws.authorization import Context, authorize, context_of
from wif_pipelines.sandbox.aws.callers import ANONYMOUS, Caller, Callers
from wif_pipelines.sandbox.aws.errors import AwsError, render_error
from wif_pipelines.sandbox.aws.keeper import StateKeeper
from wif_pipelines.sandbox.aws.operations import AwsOperation, form_of, operation_of, query_of
from wif_pipelines.sandbox.aws.payload import CHECKSUM_HEADERS, check_digests, unwrap
from wif_pipelines.sandbox.aws.permissions import needs_of
from wif_pipelines.sandbox.aws.policies import Statement, statements_of
from wif_pipelines.sandbox.aws.signature import (
    Call,
    check_freshness,
    check_payload,
    check_signature,
    claim_of,
)
from wif_pipelines.sandbox.aws.sts import SecurityTokenService

__all__ = ["HEADERS_KEY", "Gate"]

HEADERS_KEY = "sandbox.headers"
"""Where the server leaves the request's headers in the WSGI environment: as sent, with lower-case names."""

_LOGGER = logging.getLogger(__name__)
# A change of S3 may put a message on a queue.
_CHANGED_BY = {"s3": ("s3", "sqs"), "iam": ("iam",), "sqs": ("sqs",), "sts": ("sts",)}
_READING = ("Get", "List", "Head")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class _Asked(NamedTuple):
    call: Call
    operation: AwsOperation
    query: Mapping[str, str]
    form: Mapping[str, str]


class Gate:
    """A WSGI application around moto's, of which there is one for each service."""

    def __init__(
        self,
        moto: Mapping[str, Application],
        *,
        account: str,
        region: str,
        callers: Callers,
        sts: SecurityTokenService,
        keeper: StateKeeper,
    ) -> None:
        self._moto = moto
        self._account = account
        self._region = region
        self._callers = callers
        self._sts = sts
        self._keeper = keeper

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request; a refusal is answered in the service's own shape."""
        call = _call_of(environ)
        query = query_of(call.raw_query)
        form = form_of(call.headers.get("content-type", ""), call.body)
        operation = operation_of(
            method=call.method,
            host=call.host,
            raw_path=call.raw_path,
            query=query,
            headers=call.headers,
            form=form,
        )
        try:
            return self._serve(environ, start_response, _Asked(call, operation, query, form))
        except AwsError as refusal:
            return _refuse(start_response, refusal, operation, call)
        except Exception:
            _LOGGER.exception("%s failed", operation.method or call.host)
            failure = AwsError(500, "InternalError", "The local cloud failed to serve this; its log says why.")
            return _refuse(start_response, failure, operation, call)

    def _serve(
        self,
        environ: Environ,
        start_response: StartResponse,
        asked: _Asked,
    ) -> Iterable[bytes]:
        call, operation, query, form = asked
        if operation.service != "sts" and operation.service not in self._moto:
            text = f"The local cloud has S3, IAM, SQS and STS of AWS, not {operation.service or call.host}."
            raise AwsError(501, "NotImplemented", text)
        parameters = {**query, **form}
        if operation.method == "sts:AssumeRoleWithWebIdentity":
            with self._keeper.changing(["sts"]):
                return _answer_xml(start_response, self._sts.assume_role_with_web_identity(parameters))
        caller = self._authenticate(call, operation, query)
        context = context_of(caller, self._region, query, call.headers)
        if operation.service == "sts":
            return self._answer_sts(start_response, operation, parameters, caller, context)
        needs = needs_of(
            operation,
            account=self._account,
            region=self._region,
            query=query,
            headers=call.headers,
            form=form,
            body=call.body,
        )
        authorize(caller, needs, context, self._bucket_policy(operation))
        body = _unwrapped(environ, call) if operation.service == "s3" else call.body
        return self._pass_on(environ, start_response, body, operation)

    def _answer_sts(
        self,
        start_response: StartResponse,
        operation: AwsOperation,
        parameters: Mapping[str, str],
        caller: Caller,
        context: Context,
    ) -> Iterable[bytes]:
        if operation.name == "GetCallerIdentity":
            return _answer_xml(start_response, self._sts.answer(operation.name, parameters, caller, context))
        with self._keeper.changing(["sts"]):
            return _answer_xml(start_response, self._sts.answer(operation.name, parameters, caller, context))

    def _authenticate(self, call: Call, operation: AwsOperation, query: Mapping[str, str]) -> Caller:
        claim = claim_of(call, query)
        if claim is None:
            if operation.service == "s3":
                return ANONYMOUS
            raise AwsError(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
        if claim.service != operation.service:
            text = f"Credential should be scoped to correct service: '{operation.service}'."
            raise AwsError(403, "SignatureDoesNotMatch", text)
        now = datetime.datetime.now(datetime.UTC)
        caller, secret = self._callers.find(claim, now)
        check_freshness(claim, now)
        check_signature(call, claim, secret)
        check_payload(call, claim)
        return caller

    def _bucket_policy(self, operation: AwsOperation) -> list[Statement]:
        bucket = s3_backends[self._account]["aws"].buckets.get(operation.bucket) if operation.bucket else None
        return statements_of(bucket.policy) if bucket is not None and bucket.policy else []

    def _pass_on(
        self, environ: Environ, start_response: StartResponse, body: bytes, operation: AwsOperation
    ) -> Iterable[bytes]:
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.url_scheme"] = "https"
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("wsgi.input_terminated", None)
        moto, changed = self._moto[operation.service], _CHANGED_BY[operation.service]
        if operation.name == "ReceiveMessage":  # may wait for 20 seconds, and must not hold up the keeper
            answer = moto(environ, start_response)
            self._keeper.touch(changed)
            return answer
        if operation.name.startswith(_READING):
            return moto(environ, start_response)
        with self._keeper.changing(changed):
            return moto(environ, start_response)


def _call_of(environ: Environ) -> Call:
    raw_path, _, raw_query = environ["REQUEST_URI"].partition("?")
    if environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read()
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    headers = environ[HEADERS_KEY]
    return Call(environ["REQUEST_METHOD"], headers.get("host", ""), raw_path, raw_query, headers, body)


def _unwrapped(environ: Environ, call: Call) -> bytes:
    body, checksums = unwrap(call)
    check_digests(body, call.headers | checksums)
    if body is not call.body:
        environ["HTTP_X_AMZ_CONTENT_SHA256"] = "UNSIGNED-PAYLOAD"
        environ.pop("HTTP_X_AMZ_TRAILER", None)
    for name, value in (call.headers | checksums).items():
        if name in CHECKSUM_HEADERS:  # moto remembers a checksum only if it is told its algorithm
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
            environ["HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"] = name.rpartition("-")[2].upper()
    return body


def _answer_xml(start_response: StartResponse, body: bytes) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
    return [body]


def _refuse(start_response: StartResponse, refusal: AwsError, operation: AwsOperation, call: Call) -> Iterable[bytes]:
    as_json = "x-amz-target" in call.headers
    content_type, body = render_error(refusal, operation.service, as_json=as_json, resource=call.raw_path)
    if call.method == "HEAD":
        body = b""
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", headers)
    return [body]
