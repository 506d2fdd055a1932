"""Who am I, and becoming someone else: signatures, trust and lifetimes, over the wire."""

import datetime
import json
import time
import urllib.parse
import uuid
from pathlib import Path
from typing import Any

import boto3
import google.auth.aws
import google.auth.transport.requests
import jwt
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from wif_pipelines.sandbox.lifecycle import Sandbox


def _signed_request(sandbox_environment: dict[str, str]) -> dict[str, Any]:
    """The subject token that google-auth sends: a signed GetCallerIdentity, as Google's token service replays it."""
    path = Path(sandbox_environment["GOOGLE_APPLICATION_CREDENTIALS"])
    credentials = google.auth.aws.Credentials.from_info(json.loads(path.read_text()))
    token = credentials.retrieve_subject_token(google.auth.transport.requests.Request())
    return dict(json.loads(urllib.parse.unquote(token)))


def _replay(signed: dict[str, Any]) -> requests.Response:
    headers = {item["key"]: item["value"] for item in signed["headers"]}
    return requests.request(signed["method"], signed["url"], headers=headers, timeout=10)


def test_boto3_is_told_who_it_is(workload: Any) -> None:
    identity = workload.client("sts").get_caller_identity()

    assert identity["Arn"] == "arn:aws:sts::210987654321:assumed-role/pipeline-workload/tests"
    assert identity["Account"] == "210987654321"
    assert identity["UserId"].startswith("AROA")
    assert identity["UserId"].endswith(":tests")


def test_what_google_auth_signed_can_be_replayed(sandbox_environment: dict[str, str]) -> None:
    signed = _signed_request(sandbox_environment)

    answer = _replay(signed)

    assert "x-goog-cloud-target-resource" in {item["key"] for item in signed["headers"]}
    assert answer.status_code == 200
    assert "<Arn>arn:aws:sts::210987654321:assumed-role/pipeline-workload/tests</Arn>" in answer.text


def test_a_signed_target_resource_cannot_be_exchanged(sandbox_environment: dict[str, str]) -> None:
    """google-auth sends this header unsigned; a workload that signs it, as Google recommends, is protected."""
    keys = google.auth.aws.AwsSecurityCredentials(
        sandbox_environment["AWS_ACCESS_KEY_ID"],
        sandbox_environment["AWS_SECRET_ACCESS_KEY"],
        sandbox_environment["AWS_SESSION_TOKEN"],
    )
    url = "https://sts.us-east-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    target = {"x-goog-cloud-target-resource": sandbox_environment["SANDBOX_AUDIENCE"]}
    signer = google.auth.aws.RequestSigner("us-east-1")
    signed = signer.get_request_options(keys, url, "POST", additional_headers=target)

    faithful = requests.post(url, headers=signed["headers"], timeout=10)
    exchanged = {**signed["headers"], "x-goog-cloud-target-resource": "//another/audience"}
    forged = requests.post(url, headers=exchanged, timeout=10)

    assert faithful.status_code == 200
    assert forged.status_code == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in forged.text


def test_another_query_is_refused(sandbox_environment: dict[str, str]) -> None:
    signed = _signed_request(sandbox_environment)
    signed["url"] += "&Extra=1"

    assert "<Code>SignatureDoesNotMatch</Code>" in _replay(signed).text


@pytest.mark.parametrize(("minutes", "text"), [(-16, "Signature expired: "), (16, "Signature not yet current: ")])
def test_a_signature_is_good_for_a_quarter_of_an_hour(
    sandbox_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, minutes: int, text: str
) -> None:
    then = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr("google.auth.aws._helpers.utcnow", lambda: then)
    answer = _replay(_signed_request(sandbox_environment))

    assert answer.status_code == 403
    assert f"<Message>{text}{then:%Y%m%dT%H%M%SZ} is " in answer.text
    assert "15 min.)" in answer.text


def test_a_missing_session_token_is_an_unknown_key(
    sandbox_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    answer = _replay(_signed_request(sandbox_environment))

    assert answer.status_code == 403
    assert "<Code>InvalidClientTokenId</Code>" in answer.text
    assert "<Message>The security token included in the request is invalid.</Message>" in answer.text


def test_an_unsigned_request_is_refused(sandbox_environment: dict[str, str]) -> None:
    url = "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    answer = requests.get(url, timeout=10)

    assert answer.status_code == 403
    assert "<Code>MissingAuthenticationToken</Code>" in answer.text


def _make_role(operator: Any, trust: dict[str, Any], **settings: Any) -> str:
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    name = f"role-{uuid.uuid4().hex[:8]}"
    role = operator.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document, **settings)
    return str(role["Role"]["Arn"])


def test_a_role_is_assumed_with_its_permissions_only(operator: Any, workload: Any, source_bucket: str) -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    arn = _make_role(operator, {**trust, "Principal": {"AWS": "arn:aws:iam::210987654321:role/pipeline-workload"}})
    keys = workload.client("sts").assume_role(RoleArn=arn, RoleSessionName="chained")["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")

    assert session.client("sts").get_caller_identity()["Arn"].endswith(f"assumed-role/{arn.split('/')[1]}/chained")
    with pytest.raises(ClientError, match="AccessDenied"):
        session.client("s3").list_objects_v2(Bucket=source_bucket)


def test_a_session_policy_narrows(operator: Any, source_bucket: str) -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "210987654321"}}
    arn = _make_role(operator, trust)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    operator.client("iam").put_role_policy(
        RoleName=arn.split("/")[1], PolicyName="all", PolicyDocument=json.dumps(everything)
    )
    listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    narrow = json.dumps({"Version": "2012-10-17", "Statement": [listing]})
    keys = operator.client("sts").assume_role(RoleArn=arn, RoleSessionName="narrow", Policy=narrow)["Credentials"]
    s3 = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1").client("s3")

    assert s3.list_objects_v2(Bucket=source_bucket)["KeyCount"] == 0
    with pytest.raises(ClientError, match="no session policy allows the s3:PutObject action"):
        s3.put_object(Bucket=source_bucket, Key="k", Body=b"x")


@pytest.mark.parametrize(
    "trust",
    [
        {"Principal": {"AWS": "arn:aws:iam::210987654321:role/somebody-else"}},
        {
            "Principal": {"AWS": "arn:aws:iam::210987654321:root"}
        },  # trusts the account, which did not permit the workload
        {"Principal": {"Service": "ec2.amazonaws.com"}},
        {"Principal": {"AWS": "*"}, "Condition": {"StringEquals": {"sts:ExternalId": "right"}}},
        {"Principal": {"AWS": "*"}, "Condition": {"NoSuchOperator": {"aws:PrincipalArn": "*"}}},
    ],
)
def test_who_is_not_trusted_is_refused(operator: Any, workload: Any, trust: dict[str, Any]) -> None:
    arn = _make_role(operator, {"Effect": "Allow", "Action": "sts:AssumeRole", **trust})

    with pytest.raises(ClientError) as caught:
        workload.client("sts").assume_role(RoleArn=arn, RoleSessionName="no", ExternalId="wrong")

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert caught.value.response["Error"] == {
        "Type": "Sender",
        "Code": "AccessDenied",
        "Message": "User: arn:aws:sts::210987654321:assumed-role/pipeline-workload/tests is not authorized to perform: "
        f"sts:AssumeRole on resource: {arn}",
    }


def test_the_external_id_opens(operator: Any, workload: Any) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "right"}}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}, "Condition": condition}
    arn = _make_role(operator, trust)

    answer = workload.client("sts").assume_role(RoleArn=arn, RoleSessionName="yes", ExternalId="right")

    assert answer["AssumedRoleUser"]["Arn"].endswith("/yes")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (899, "Member must have value greater than or equal to 900"),
        (3601, "exceeds the 1 hour session limit for roles assumed by role chaining"),
    ],
)
def test_a_lifetime_has_limits(operator: Any, seconds: int, text: str) -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    arn = _make_role(operator, trust, MaxSessionDuration=43200)
    sts = operator.client("sts", config=Config(parameter_validation=False))

    with pytest.raises(ClientError, match=text):
        sts.assume_role(RoleArn=arn, RoleSessionName="long", DurationSeconds=seconds)


def _id_token(sandbox: Sandbox, key: str | None = None, **claims: Any) -> str:
    now = int(time.time())
    pem = key or (sandbox.directory / "issuer" / "google-issuer.pem").read_text()
    key_set = json.loads((sandbox.directory / "issuer" / "google-issuer.jwks.json").read_text())
    subject = sandbox.world.transfer_agent_subject
    standard = {"iss": "https://accounts.google.com", "sub": subject, "aud": subject, "iat": now, "exp": now + 600}
    return jwt.encode({**standard, **claims}, pem, algorithm="RS256", headers={"kid": key_set["keys"][0]["kid"]})


def _assume_with(workload: Any, arn: str, token: str) -> Any:
    sts = workload.client("sts", config=Config(signature_version=UNSIGNED))
    return sts.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="transfer", WebIdentityToken=token)


def test_googles_service_agent_becomes_the_transfer_role(sandbox: Sandbox, workload: Any, source_bucket: str) -> None:
    workload.client("s3").put_object(Bucket=source_bucket, Key="k", Body=b"x")
    answer = _assume_with(workload, sandbox.world.transfer_role_arn, _id_token(sandbox))
    keys = answer["Credentials"]
    s3 = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1").client("s3")

    assert answer["SubjectFromWebIdentityToken"] == sandbox.world.transfer_agent_subject
    assert answer["Provider"] == "accounts.google.com"
    assert s3.get_object(Bucket=source_bucket, Key="k")["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=source_bucket, Key="k", Body=b"y")


@pytest.mark.parametrize("claims", [{"sub": "somebody-else"}, {"iss": "accounts.google.com", "sub": "1"}])
def test_another_subject_is_not_trusted(sandbox: Sandbox, workload: Any, claims: dict[str, str]) -> None:
    with pytest.raises(ClientError) as caught:
        _assume_with(workload, sandbox.world.transfer_role_arn, _id_token(sandbox, **claims))

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert caught.value.response["Error"]["Message"] == "Not authorized to perform sts:AssumeRoleWithWebIdentity"


def test_audience_conditions_read_the_documented_claims(sandbox: Sandbox, workload: Any, operator: Any) -> None:
    condition = {"StringEquals": {"accounts.google.com:aud": "the-party", "accounts.google.com:oaud": "the-audience"}}
    arn = _make_role(
        operator,
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": "accounts.google.com"},
            "Condition": condition,
        },
    )
    _assume_with(workload, arn, _id_token(sandbox, azp="the-party", aud="the-audience"))

    with pytest.raises(ClientError, match="Not authorized to perform sts:AssumeRoleWithWebIdentity"):
        _assume_with(workload, arn, _id_token(sandbox, aud="the-audience"))


def test_a_role_that_is_not_there_is_refused_alike(sandbox: Sandbox, workload: Any) -> None:
    with pytest.raises(ClientError, match="Not authorized to perform sts:AssumeRoleWithWebIdentity"):
        _assume_with(workload, sandbox.world.role_arn("no-such-role"), _id_token(sandbox))


def test_a_token_must_verify(sandbox: Sandbox, workload: Any) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    arn = sandbox.world.transfer_role_arn

    with pytest.raises(ClientError, match="InvalidIdentityToken"):
        _assume_with(workload, arn, _id_token(sandbox, key=forger.decode()))
    with pytest.raises(ClientError, match="InvalidIdentityToken"):
        _assume_with(workload, arn, _id_token(sandbox, iss="https://evil.example"))
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        _assume_with(workload, arn, _id_token(sandbox, iat=1, exp=2))
    with pytest.raises(ClientError, match="InvalidIdentityToken"):
        _assume_with(workload, arn, "not.a.token")
