"""A workload on AWS: its session for AWS's services, and its proof of identity for Google.

botocore finds the credentials, so that EC2, ECS, EKS (IRSA and Pod Identity), Lambda, SSO and profiles all work.
google-auth alone would read three variables or the instance's metadata, and in a pod with IRSA would silently become
the node. https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wif_pipelines.errors import ConfigurationError, HomeNotFoundError, WrongIdentityError
from wif_pipelines.identity.keys import KeyPolicy, judge_aws_key
from wif_pipelines.identity.provider import ProviderName
from wif_pipelines.identity.sharing import PerProcess
from wif_pipelines.settings import Settings
from wif_pipelines.wire import aws_errors

if TYPE_CHECKING:
    import boto3
    import botocore.credentials
    import botocore.session
    from google.auth import external_account

AWS4_REQUEST = "urn:ietf:params:aws:token-type:aws4_request"

_ROLE = re.compile(
    r"arn:[\w-]+:(?:sts|iam)::(?P<account>\d+):(?:assumed-role/(?P<assumed>[^/]+)|role/(?:.*/)?(?P<role>[^/]+))"
)

_METHODS = {
    "iam-role": "the instance's metadata service, so it is the machine's own role: in a pod or a task, its own role "
    "did not arrive. Check the service account's annotation or the Pod Identity association",
    "container-role": "the container's credential endpoint (an ECS task role or EKS Pod Identity)",
    "assume-role-with-web-identity": "a web identity token (IRSA); check the role that the service account names",
    "env": "AWS_* environment variables, which come before every other source: unset them",
    "shared-credentials-file": "the shared credentials file; check the profile",
    "config-file": "the AWS config file; check the profile",
    "assume-role": "a role assumed first; check aws_role_arn or the profile's role_arn",
    "sso": "an SSO session; check the profile",
}


@dataclass(frozen=True)
class Caller:
    """Who AWS says we are.

    Attributes:
        arn: For a role, ``arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION``.
        account: The account's number.
        method: How botocore found the credentials (``iam-role``, ``container-role``, ``env``, ...).
    """

    arn: str
    account: str
    method: str


@dataclass(frozen=True)
class AwsHome:
    """An identity that botocore finds.

    Attributes:
        region: Where to sign for; None means ``AWS_REGION``, the profile's, or the instance's.
        profile: A profile of the AWS config, for laptops; None means botocore's usual chain.
        role_arn: A role to assume first, with what the chain gives; None means none.
        expected_role_arn: The role that must come out; anything else is an error. None means no expectation.
        key_policy: What to do about static keys.
    """

    region: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    expected_role_arn: str | None = None
    key_policy: KeyPolicy = "warn"

    @property
    def name(self) -> str:
        """See `Home`."""
        return "aws"

    def detect(self) -> str | None:
        """Here when botocore finds credentials; it may ask the metadata service, for about two seconds."""
        try:
            return f"botocore found AWS credentials by {self.credentials().method}"
        except HomeNotFoundError:
            return None

    def subject(self) -> str:
        """The caller's ARN."""
        return self.caller().arn

    def member(self, provider: ProviderName) -> str:
        """For ``attribute.aws_role`` as the API maps it by default: the role's full ARN, without the session."""
        arn = self.caller().arn
        role = arn.rpartition("/")[0] if ":assumed-role/" in arn else arn
        return f"principalSet://iam.googleapis.com/{provider.pool_name}/attribute.aws_role/{role}"

    def credentials(self) -> "botocore.credentials.Credentials":
        """The process's one set of credentials for this home; botocore renews it.

        Raises:
            HomeNotFoundError: botocore finds none.
            StaticKeyError: It found a static key and the policy is strict.
        """
        return _credentials.get(self, lambda: _found(self))

    def session(self) -> "boto3.Session":
        """A session over the shared credentials. A session is for one thread, so every call gives a new one.

        Raises:
            WrongIdentityError: The caller is not the expected role.
            IdentityError: There are no credentials.
        """
        self.verify()
        return _session(self, self.credentials())

    def caller(self) -> Caller:
        """Who AWS says we are; asked once in a process.

        Raises:
            WifError: AWS cannot be asked, or does not accept the credentials.
        """
        return _callers.get(self, lambda: _asked(self))

    def verify(self) -> None:
        """Compare the caller with the expectation, if there is one.

        Raises:
            WrongIdentityError: They differ; both are named, and where the unexpected one comes from.
        """
        if self.expected_role_arn is None:
            return
        caller = self.caller()
        if _role_of(caller.arn) != _role_of(self.expected_role_arn):
            origin = _METHODS.get(caller.method, f"botocore's {caller.method} provider")
            raise WrongIdentityError(
                f"This workload should be {self.expected_role_arn} but is {caller.arn}.",
                remedy=f"The identity comes from {origin}.",
                expected=self.expected_role_arn,
                found=caller.arn,
                method=caller.method,
            )

    def signing_region(self) -> str:
        """The region whose STS the proof is signed for.

        Raises:
            ConfigurationError: Nobody says.
        """
        return _regions.get(self, lambda: _region(self))

    def external_account(
        self, provider: ProviderName, *, token_url: str, scopes: Sequence[str], universe_domain: str
    ) -> "external_account.Credentials":
        """See `Home`."""
        from google.auth import aws

        self.verify()
        return aws.Credentials(
            audience=provider.audience,
            subject_token_type=AWS4_REQUEST,
            token_url=token_url,
            aws_security_credentials_supplier=_Supplier(self),
            scopes=list(scopes),
            universe_domain=universe_domain,
        )


@dataclass(frozen=True)
class _Supplier:
    """google-auth's supplier interface over a home."""

    home: AwsHome

    def get_aws_security_credentials(self, context: object, request: object) -> Any:  # noqa: ARG002 - its interface
        from google.auth.aws import AwsSecurityCredentials

        with aws_errors.translated("renewing the AWS credentials"):
            frozen = self.home.credentials().get_frozen_credentials()
        return AwsSecurityCredentials(frozen.access_key, frozen.secret_key, frozen.token)

    def get_aws_region(self, context: object, request: object) -> str:  # noqa: ARG002 - its interface
        return self.home.signing_region()


# A child of a fork asks again: botocore's own locks may have been held when it was forked.
_credentials: PerProcess[AwsHome, Any] = PerProcess(inherit=False)
_callers: PerProcess[AwsHome, Caller] = PerProcess(inherit=True)
_regions: PerProcess[AwsHome, str] = PerProcess(inherit=True)


def _botocore_session(home: AwsHome) -> "botocore.session.Session":
    import botocore.session

    session = botocore.session.Session(profile=home.profile)
    region = home.region or Settings.from_environment().aws_region
    if region:
        session.set_config_variable("region", region)
    return session


def _found(home: AwsHome) -> Any:
    with aws_errors.translated("looking for AWS credentials"):
        credentials = _botocore_session(home).get_credentials()
        if credentials is None:
            raise HomeNotFoundError(
                "botocore finds no AWS credentials here.",
                remedy="Run on EC2, ECS, EKS or Lambda with a role, or name aws_profile after `aws sso login`.",
            )
        frozen = credentials.get_frozen_credentials()
        judge_aws_key(
            frozen.access_key, has_session_token=bool(frozen.token), method=credentials.method, policy=home.key_policy
        )
        return _assumed(home, credentials) if home.role_arn else credentials


def _assumed(home: AwsHome, credentials: Any) -> Any:
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    fetcher = AssumeRoleCredentialFetcher(
        _botocore_session(home).create_client,
        credentials,
        home.role_arn,
        extra_args={"RoleSessionName": "wif-pipelines"},
    )
    return DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="assume-role")


@dataclass(frozen=True)
class _Given:
    """A link of botocore's credential chain that always has the answer."""

    credentials: Any
    METHOD: str = "wif-pipelines"
    CANONICAL_NAME: str = "WifPipelines"

    def load(self) -> Any:
        return self.credentials


def _session(home: AwsHome, credentials: Any) -> "boto3.Session":
    import boto3
    from botocore.credentials import CredentialResolver

    session = _botocore_session(home)
    session.register_component("credential_provider", CredentialResolver([_Given(credentials)]))
    return boto3.Session(botocore_session=session)


def _asked(home: AwsHome) -> Caller:
    from botocore.config import Config

    credentials = home.credentials()
    patience = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "max_attempts": 2})
    with aws_errors.translated("asking AWS who we are"):
        sts = _session(home, credentials).client("sts", region_name=home.signing_region(), config=patience)
        try:
            answer = sts.get_caller_identity()
        finally:
            sts.close()
    return Caller(arn=answer["Arn"], account=answer["Account"], method=credentials.method)


def _region(home: AwsHome) -> str:
    from botocore.utils import IMDSRegionProvider

    session = _botocore_session(home)
    region = session.get_config_variable("region")
    if not region and home.credentials().method == "iam-role":
        region = IMDSRegionProvider(session).provide()
    if not region:
        raise ConfigurationError(
            "Nobody says which AWS region this is.", remedy="Set AWS_REGION, or region in the identity's configuration."
        )
    return str(region)


def _role_of(arn: str) -> tuple[str, str]:
    """Account and role name; a session's ARN leaves out the role's path, so paths do not count."""
    match = _ROLE.match(arn)
    if match is None:
        return "", arn
    return match["account"], match["assumed"] or match["role"]
