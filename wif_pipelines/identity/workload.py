"""Who a workload is, on AWS and on Google Cloud: one plain value that gives every client its credential."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.identity.aws import AwsHome, Caller
from wif_pipelines.identity.credential_config import read_credential_config
from wif_pipelines.identity.exchange import Exchange
from wif_pipelines.identity.google_credential import google_credential
from wif_pipelines.identity.home import Home
from wif_pipelines.identity.impersonation import Impersonation
from wif_pipelines.identity.keys import KeyPolicy, refuse_google_key, refuse_key_in_environment
from wif_pipelines.identity.oidc_file import JWT, OidcFileHome
from wif_pipelines.identity.provider import ProviderName
from wif_pipelines.identity.sharing import PerProcess
from wif_pipelines.identity.tokens import AccessToken, TokenSource
from wif_pipelines.settings import Settings

if TYPE_CHECKING:
    import boto3
    from google.auth.credentials import Credentials

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
IAM = "https://www.googleapis.com/auth/iam"


@dataclass(frozen=True)
class WorkloadIdentity:
    """A workload that lives somewhere and becomes somebody on Google Cloud, without a key.

    A value: two equal ones share their tokens within a process, and it can be pickled, hashed and compared. Making one
    touches no network; its first credential's first use does.

    Attributes:
        audience: The full name of the workload identity provider, with the project's number.
        service_account: The account to impersonate; None means that the federated principal itself holds the roles.
        delegates: E-mail addresses of the accounts to pass through to it, in order.
        lifetime: Seconds that an impersonated token lives; above 3600 an organisation policy must allow it.
        home: Where the workload lives.
        region: The AWS region; None means what the platform says.
        aws_profile: A profile of the AWS config, for laptops.
        aws_role_arn: An AWS role to assume first.
        expected_role_arn: The AWS role that this workload must turn out to have.
        token_file: For the home ``oidc-file``: where the platform writes the token.
        token_field: The JSON field of the token in it; None when the file holds the token alone.
        token_type: The type of the token in it, as RFC 8693 names them.
        scopes: What tokens may be used for, unless a caller asks otherwise.
        quota_project_id: The project that pays for calls, if not the resource's own.
        universe_domain: The cloud's domain.
        token_url: Another address of the Security Token Service than the domain's.
        impersonation_url: Another address of the account's ``generateAccessToken`` than the domain's.
        key_policy: Whether a static AWS key is a warning or an error.

    Raises:
        ConfigurationError: A value cannot be right.
        StaticKeyError: The audience or a file that is named turns out to be a key.
    """

    audience: str
    service_account: str | None = None
    delegates: tuple[str, ...] = ()
    lifetime: int = 3600
    home: Literal["aws", "oidc-file"] = "aws"
    region: str | None = None
    aws_profile: str | None = None
    aws_role_arn: str | None = None
    expected_role_arn: str | None = None
    token_file: Path | None = None
    token_field: str | None = None
    token_type: str = JWT
    scopes: tuple[str, ...] = (CLOUD_PLATFORM,)
    quota_project_id: str | None = None
    universe_domain: str = "googleapis.com"
    token_url: str | None = None
    impersonation_url: str | None = None
    key_policy: KeyPolicy = "warn"

    def __post_init__(self) -> None:
        """Check what can be checked without a network."""
        refuse_google_key(self.audience, where="audience")
        if self.token_file is not None:
            refuse_google_key(self.token_file, where="token_file")
        object.__setattr__(self, "audience", ProviderName.parse(self.audience).audience)
        _check(self)

    @classmethod
    def from_credential_config(cls, source: Path | str | Mapping[str, Any], **rest: Any) -> "WorkloadIdentity":
        """The identity that a ``gcloud … create-cred-config`` file describes, after checking its addresses.

        On AWS the credentials come from botocore all the same, which knows more places than the file can name.

        Args:
            source: The file's path, or its content.
            rest: Attributes that the file cannot say, such as ``expected_role_arn``.

        Raises:
            ConfigurationError: See `read_credential_config`.
        """
        config = read_credential_config(source)
        return cls(**{**vars(config), **rest})

    @property
    def provider(self) -> ProviderName:
        """The provider that vouches for us."""
        return ProviderName.parse(self.audience)

    @property
    def principal(self) -> str:
        """Whom we become, as people say it: the service account, or the pool whose principal we are."""
        return self.service_account or self.provider.pool_name

    def google_credentials(self, scopes: Sequence[str] | None = None) -> "Credentials":
        """The process's one Google credential for this identity and these scopes; give it to every client.

        It renews itself: one exchange for each expiry, whatever the number of threads and clients.

        Raises:
            StaticKeyError: ``GOOGLE_APPLICATION_CREDENTIALS`` points at a service account's key.
        """
        wanted = tuple(scopes or self.scopes)
        return _credentials.get((self, wanted), lambda: _credential(self, wanted))

    def token(self, scopes: Sequence[str] | None = None) -> AccessToken:
        """A token that is good for some minutes yet, for the few clients that take no credential.

        Raises:
            IdentityError: We cannot become who we should be.
        """
        return _tokens(self, tuple(scopes or self.scopes)).token()

    def obstore_token(self) -> dict[str, Any]:
        """The same as obstore's ``credential_provider=`` wants it: pass this method itself."""
        token = self.token()
        return {"token": token.value, "expires_at": token.expires_at}

    def aws_session(self) -> "boto3.Session":
        """A boto3 session as the workload's AWS identity, whatever its home. Sessions are for one thread: ask for each.

        Raises:
            WrongIdentityError: AWS says that we are another than the expected role.
            HomeNotFoundError: There are no AWS credentials here.
        """
        return self.aws.session()

    def caller(self) -> Caller:
        """Who AWS says we are.

        Raises:
            WifError: AWS cannot be asked, or does not accept the credentials.
        """
        return self.aws.caller()

    @property
    def aws(self) -> AwsHome:
        """Our identity on AWS."""
        return AwsHome(
            region=self.region,
            profile=self.aws_profile,
            role_arn=self.aws_role_arn,
            expected_role_arn=self.expected_role_arn,
            key_policy=self.key_policy,
        )

    @property
    def lives_in(self) -> Home:
        """The home that proves who we are."""
        if self.home == "oidc-file" and self.token_file is not None:
            return OidcFileHome(self.token_file, field=self.token_field, token_type=self.token_type)
        return self.aws


# A child of a fork keeps its parent's tokens, which are as good for it; the sources mend their locks themselves.
_credentials: "PerProcess[tuple[WorkloadIdentity, tuple[str, ...]], Credentials]" = PerProcess(inherit=True)
_sources: PerProcess[tuple[WorkloadIdentity, tuple[str, ...], str], TokenSource] = PerProcess(inherit=True)


def _credential(identity: WorkloadIdentity, scopes: tuple[str, ...]) -> "Credentials":
    return google_credential(
        _tokens(identity, scopes),
        again=(_again, (identity, scopes)),
        quota_project_id=identity.quota_project_id,
        universe_domain=identity.universe_domain,
    )


def _again(identity: WorkloadIdentity, scopes: tuple[str, ...]) -> "Credentials":
    """What a pickled credential becomes in another process."""
    return identity.google_credentials(scopes)


def _tokens(identity: WorkloadIdentity, scopes: tuple[str, ...]) -> TokenSource:
    # Scopes limit the token that leaves; the federated one below it is only ever shown to IAM.
    federated = _federated(identity, scopes if identity.service_account is None else (IAM,))
    if identity.service_account is None:
        return federated
    return _sources.get(
        (identity, scopes, identity.service_account), lambda: TokenSource(_impersonation(identity, federated, scopes))
    )


def _federated(identity: WorkloadIdentity, scopes: tuple[str, ...]) -> TokenSource:
    # Identities that differ only in whom they impersonate are one federated principal: they share its token.
    alone = replace(
        identity,
        service_account=None,
        delegates=(),
        lifetime=3600,
        impersonation_url=None,
        quota_project_id=None,
        scopes=scopes,
    )
    url = identity.token_url or f"https://sts.{identity.universe_domain}/v1/token"

    def make() -> TokenSource:
        refuse_key_in_environment(Settings.from_environment())
        exchange = Exchange(
            home=identity.lives_in,
            provider=identity.provider,
            scopes=scopes,
            token_url=url,
            universe_domain=identity.universe_domain,
        )
        return TokenSource(exchange)

    return _sources.get((alone, scopes, ""), make)


def _impersonation(identity: WorkloadIdentity, federated: TokenSource, scopes: tuple[str, ...]) -> Impersonation:
    account = identity.service_account or ""
    service = f"https://iamcredentials.{identity.universe_domain}/v1/projects/-/serviceAccounts"
    return Impersonation(
        service_account=account,
        source=federated,
        home=identity.lives_in,
        provider=identity.provider,
        scopes=scopes,
        url=identity.impersonation_url or f"{service}/{account}:generateAccessToken",
        delegates=identity.delegates,
        lifetime=identity.lifetime,
    )


def _check(identity: WorkloadIdentity) -> None:
    for account in filter(None, (identity.service_account, *identity.delegates)):
        if account.count("@") != 1 or "." not in account.partition("@")[2] or "/" in account:
            raise ConfigurationError(
                f"{account!r} is no service account's e-mail address.",
                remedy="It looks like NAME@PROJECT.iam.gserviceaccount.com, without a path or URL around it.",
            )
    if identity.delegates and identity.service_account is None:
        raise ConfigurationError(
            "Delegates lead to a service account, and none is named.", remedy="Set service_account."
        )
    if not 1 <= identity.lifetime <= 43_200:
        raise ConfigurationError(
            f"No token lives {identity.lifetime} seconds.",
            remedy="Set lifetime to 3600, or up to 43200 where policy allows.",
        )
    if not identity.scopes:
        raise ConfigurationError(
            "A token without scopes is refused by IAM.", remedy=f"Leave scopes out, for {CLOUD_PLATFORM}"
        )
    if (identity.home == "oidc-file") != (identity.token_file is not None):
        raise ConfigurationError(
            "A token_file goes with home: oidc-file, and only with it.", remedy="Set both or neither."
        )
    for url in filter(None, (identity.token_url, identity.impersonation_url)):
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
            raise ConfigurationError(f"{url} would send a proof of identity unencrypted.", remedy="Use https.")
