"""Tokens of OpenID Connect issuers at the token exchange: a cluster, a pipeline, anything with a key set."""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from google.auth.transport.requests import AuthorizedSession

from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines_tests.sandbox.google.conftest import SCOPE

_SUBJECT = "system:serviceaccount:training:pipeline"
_MAPPING = {"google.subject": "assertion.sub", "attribute.team": "assertion.team", "google.groups": "assertion.groups"}
_CLUSTER = "https://oidc.cluster.example/id/7"


class Issuer:
    """Signs tokens, and shows its keys."""

    def __init__(self, url: str, algorithm: str = "RS256") -> None:
        self.url = url
        self.algorithm = algorithm
        self._key: Any = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048)
            if algorithm == "RS256"
            else ec.generate_private_key(ec.SECP256R1())
        )

    @property
    def key_set(self) -> str:
        implementation = jwt.get_algorithm_by_name(self.algorithm)
        public = json.loads(implementation.to_jwk(self._key.public_key()))  # type: ignore[attr-defined]
        public.pop("key_ops", None)
        return json.dumps({"keys": [{**public, "kid": "1", "alg": self.algorithm, "use": "sig"}]})

    def token(self, audience: str, **changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "sub": _SUBJECT, "aud": audience, "iat": now, "exp": now + 600}
        claims |= {"team": "training", "groups": ["a", "b"]}
        return jwt.encode(claims | changes, self._key, self.algorithm, headers={"kid": "1"})


@contextlib.contextmanager
def _trusting(sandbox: Sandbox, session: AuthorizedSession, issuer: Issuer, **fields: Any) -> Iterator[str]:
    """The name of a provider that trusts the issuer."""
    pool, given = sandbox.world.pool_name, f"t-{uuid.uuid4().hex[:12]}"
    url = f"https://iam.googleapis.com/v1/{pool}/providers"
    oidc = {"issuerUri": issuer.url, "jwksJson": issuer.key_set} | fields.pop("oidc", {})
    oidc = {name: value for name, value in oidc.items() if value is not None}
    body = {"oidc": oidc, "attributeMapping": _MAPPING} | fields
    answer = session.post(f"{url}?workloadIdentityPoolProviderId={given}", json=body)
    assert answer.status_code == 200, answer.text
    yield f"{pool}/providers/{given}"
    session.delete(f"{url}/{given}")


def _exchange(name: str, token: str) -> requests.Response:
    body = {
        "audience": f"//iam.googleapis.com/{name}",
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
        "scope": SCOPE,
        "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
        "subjectToken": token,
    }
    return requests.post("https://sts.googleapis.com/v1/token", json=body, timeout=20)


def _text(answer: requests.Response) -> str:
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] == "invalid_grant"
    return str(answer.json()["error_description"])


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_token_against_uploaded_keys(sandbox: Sandbox, as_administrator: AuthorizedSession, algorithm: str) -> None:
    issuer = Issuer(_CLUSTER, algorithm)
    with _trusting(sandbox, as_administrator, issuer) as name:
        for audience in (f"//iam.googleapis.com/{name}", f"https://iam.googleapis.com/{name}"):
            answer = _exchange(name, issuer.token(audience))

            assert answer.status_code == 200, answer.text
            # Not past the source's own end, which comes in ten minutes.
            assert 590 <= answer.json()["expires_in"] <= 600


def test_a_token_against_discovered_keys(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    with _discoverable() as issuer, _trusting(sandbox, as_administrator, issuer, oidc={"jwksJson": None}) as name:
        answer = _exchange(name, issuer.token(f"https://iam.googleapis.com/{name}"))

    assert answer.status_code == 200, answer.text


def test_an_issuer_that_cannot_be_reached(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    issuer = Issuer("http://127.0.0.1:9")
    with _trusting(sandbox, as_administrator, issuer, oidc={"jwksJson": None}) as name:
        text = _text(_exchange(name, issuer.token(f"https://iam.googleapis.com/{name}")))

    assert text == "Error connecting to the given credential's issuer."


def test_groups_and_attributes_are_members(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    issuer = Issuer(_CLUSTER)
    project = f"https://cloudresourcemanager.googleapis.com/v3/projects/{sandbox.world.project}"
    root = f"iam.googleapis.com/{sandbox.world.pool_name}"
    members = [
        f"principal://{root}/subject/{_SUBJECT}",
        f"principalSet://{root}/group/b",
        f"principalSet://{root}/attribute.team/training",
        f"principalSet://{root}/*",
    ]
    with _trusting(sandbox, as_administrator, issuer) as name:
        token = _exchange(name, issuer.token(f"https://iam.googleapis.com/{name}")).json()["access_token"]
        before = as_administrator.post(f"{project}:getIamPolicy", json={}).json()["bindings"]
        seen = []
        for member in [*members, f"principalSet://{root}/group/c"]:
            policy = {"bindings": [*before, {"role": "roles/browser", "members": [member]}]}
            assert as_administrator.post(f"{project}:setIamPolicy", json={"policy": policy}).status_code == 200
            answer = requests.get(project, headers={"Authorization": f"Bearer {token}"}, timeout=10)
            seen.append(answer.status_code)
        as_administrator.post(f"{project}:setIamPolicy", json={"policy": {"bindings": before}})

    assert seen == [200, 200, 200, 200, 403]


def test_allowed_audiences_take_the_place_of_the_default(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    issuer = Issuer(_CLUSTER)
    with _trusting(sandbox, as_administrator, issuer, oidc={"allowedAudiences": ["api://training"]}) as name:
        good = _exchange(name, issuer.token("api://training"))
        bad = _text(_exchange(name, issuer.token(f"https://iam.googleapis.com/{name}")))

    assert good.status_code == 200
    assert bad == (
        f"The audience in ID Token [https://iam.googleapis.com/{name}] does not match the expected audience."
    )


def test_another_issuer(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    issuer = Issuer(_CLUSTER)
    with _trusting(sandbox, as_administrator, issuer) as name:
        text = _text(_exchange(name, issuer.token(f"https://iam.googleapis.com/{name}", iss=_CLUSTER + "/")))

    assert text == f"The issuer in ID Token {_CLUSTER}/ does not match the expected ones: {_CLUSTER}"


def test_a_stale_token(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    issuer, issued = Issuer(_CLUSTER), int(time.time()) - 7200
    with _trusting(sandbox, as_administrator, issuer) as name:
        stale = issuer.token(f"https://iam.googleapis.com/{name}", iat=issued, exp=issued + 3600)
        text = _text(_exchange(name, stale))

    assert text == f"ID Token issued at {issued} is stale to sign-in."


def test_a_token_signed_by_somebody_else(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    issuer, impostor = Issuer(_CLUSTER), Issuer(_CLUSTER)
    with _trusting(sandbox, as_administrator, issuer) as name:
        forged = _text(_exchange(name, impostor.token(f"https://iam.googleapis.com/{name}")))
        unsigned = jwt.encode({"iss": _CLUSTER, "aud": "x", "sub": "x"}, "", "none")
        without = _text(_exchange(name, unsigned))

    assert forged == "The signature of the ID Token is invalid."
    assert "algorithm" in without


def test_what_is_no_token(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    with _trusting(sandbox, as_administrator, Issuer(_CLUSTER)) as name:
        assert "not a valid ID Token" in _text(_exchange(name, "three.little.words"))


def test_a_condition_over_claims_and_attributes(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    issuer = Issuer(_CLUSTER)
    condition = "attribute.team == 'training' && 'a' in google.groups && assertion.sub.startsWith('system:')"
    with _trusting(sandbox, as_administrator, issuer, attributeCondition=condition) as name:
        audience = f"https://iam.googleapis.com/{name}"
        good = _exchange(name, issuer.token(audience))
        bad = _exchange(name, issuer.token(audience, team="marketing"))

    assert good.status_code == 200
    assert bad.json() == {
        "error": "unauthorized_client",
        "error_description": "The given credential is rejected by the attribute condition.",
    }


@contextlib.contextmanager
def _discoverable() -> Iterator[Issuer]:
    """An issuer whose discovery document is served on loopback while a block runs."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages = {"/.well-known/openid-configuration": document, "/keys": issuer.key_set}
            self.send_response(200 if self.path in pages else 404)
            self.end_headers()
            self.wfile.write(pages.get(self.path, "").encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    document = json.dumps({"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
