"""Reading the credential file that ``gcloud iam workload-identity-pools create-cred-config`` writes.

Such a file says where to send proofs of identity, so one from a stranger can send them to the stranger: every address
in it is checked against Google's own before it is believed.
https://cloud.google.com/docs/authentication/client-libraries#external-credentials
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.identity.keys import refuse_google_key
from wif_pipelines.identity.oidc_file import JWT

_METADATA_HOSTS = {"169.254.169.254", "fd00:ec2::254"}
_AWS_STS = re.compile(r"sts(\.\{region\}|\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?")
_ACCOUNT = re.compile(r"/v1/projects/-/serviceAccounts/(?P<email>[^/:]+@[^/:]+):generateAccessToken")


@dataclass(frozen=True)
class CredentialConfig:
    """What the file says, checked.

    Attributes:
        audience: The provider's full name.
        home: Which home it is for.
        token_url: The Security Token Service.
        service_account: The account to impersonate, if any.
        impersonation_url: Where to ask for that, if anywhere.
        lifetime: Seconds that an impersonated token shall live.
        token_file: For the home ``oidc-file``.
        token_field: The JSON field of the token in it, if it is JSON.
        token_type: The subject token's type.
        quota_project_id: The project that pays for the calls, if another.
        universe_domain: The cloud's domain.
    """

    audience: str
    home: Literal["aws", "oidc-file"]
    token_url: str
    service_account: str | None = None
    impersonation_url: str | None = None
    lifetime: int = 3600
    token_file: Path | None = None
    token_field: str | None = None
    token_type: str = JWT
    quota_project_id: str | None = None
    universe_domain: str = "googleapis.com"


def read_credential_config(source: Path | str | Mapping[str, Any]) -> CredentialConfig:
    """Read and check a credential file, or what one holds.

    Raises:
        StaticKeyError: It is a service account's key.
        ConfigurationError: It is something else, sends secrets to an address that is not Google's or AWS's, or is for a
            kind of home that this package does not know.
    """
    info = dict(source) if isinstance(source, Mapping) else _loaded(Path(source))
    refuse_google_key(info, where="the credential configuration")
    if info.get("type") != "external_account":
        raise ConfigurationError(
            f"A credential configuration of type {info.get('type')!r} cannot be used.",
            remedy="Write one with: gcloud iam workload-identity-pools create-cred-config",
        )
    domain = str(info.get("universe_domain") or "googleapis.com")
    token_url = str(info.get("token_url") or f"https://sts.{domain}/v1/token")
    _check_service_url("token_url", token_url, "sts", domain)
    impersonation_url = info.get("service_account_impersonation_url")
    options = info.get("service_account_impersonation") or {}
    return CredentialConfig(
        audience=str(info.get("audience") or ""),
        token_url=token_url,
        service_account=_account(str(impersonation_url), domain) if impersonation_url else None,
        impersonation_url=str(impersonation_url) if impersonation_url else None,
        lifetime=int(options.get("token_lifetime_seconds") or 3600),
        quota_project_id=info.get("quota_project_id"),
        universe_domain=domain,
        **_home(info.get("credential_source") or {}, str(info.get("subject_token_type") or JWT)),
    )


def _loaded(path: Path) -> dict[str, Any]:
    try:
        info = json.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"The credential configuration {path} cannot be read: {error.strerror}.", remedy="Check the path."
        ) from None
    except ValueError:
        info = None
    if not isinstance(info, dict):
        raise ConfigurationError(
            f"{path} holds no JSON object.", remedy="Write it anew with gcloud's create-cred-config."
        )
    return info


def _home(source: Mapping[str, Any], token_type: str) -> dict[str, Any]:
    if str(source.get("environment_id", "")).startswith("aws"):
        _check_aws(source)
        return {"home": "aws"}
    if source.get("file"):
        form = source.get("format") or {}
        field = form.get("subject_token_field_name") if form.get("type") == "json" else None
        return {"home": "oidc-file", "token_file": Path(source["file"]), "token_field": field, "token_type": token_type}
    raise ConfigurationError(
        f"The credential source has {', '.join(sorted(source)) or 'nothing'}; this package knows AWS and token files.",
        remedy="Create the configuration with --aws, or with --credential-source-file.",
    )


def _check_aws(source: Mapping[str, Any]) -> None:
    for field in ("region_url", "url", "imdsv2_session_token_url"):
        if source.get(field) and urlsplit(str(source[field])).hostname not in _METADATA_HOSTS:
            raise _stranger(f"credential_source.{field}", str(source[field]), "the instance's metadata service")
    url = str(source.get("regional_cred_verification_url") or "")
    if url and not _AWS_STS.fullmatch(urlsplit(url).netloc):
        raise _stranger("credential_source.regional_cred_verification_url", url, "AWS STS")


def _account(url: str, domain: str) -> str:
    _check_service_url("service_account_impersonation_url", url, "iamcredentials", domain)
    match = _ACCOUNT.fullmatch(urlsplit(url).path)
    if match is None:
        raise _stranger("service_account_impersonation_url", url, "an account's generateAccessToken")
    return match["email"]


def _check_service_url(field: str, url: str, service: str, domain: str) -> None:
    """Google's global, mutual-TLS, regional and private forms of a service's address."""
    parts, suffix = urlsplit(url), re.escape(domain)
    forms = (
        rf"([a-z0-9-]+\.)?{service}(\.mtls)?",
        rf"{service}\.[a-z0-9-]+(\.rep)?",
        rf"[a-z0-9-]+-{service}",
        rf"{service}-[a-z0-9-]+\.p",
    )
    ours = parts.hostname is not None and re.fullmatch(rf"({'|'.join(forms)})\.{suffix}", parts.hostname)
    if parts.scheme != "https" or not ours or parts.netloc != parts.hostname:
        raise _stranger(field, url, f"https://{service}.{domain}")


def _stranger(field: str, url: str, expected: str) -> ConfigurationError:
    host = urlsplit(url).netloc or url
    return ConfigurationError(
        f"The credential configuration's {field} points at {host}, which is not {expected}: a proof of identity sent "
        "there could be used by whoever runs it.",
        remedy="Do not use this file. Write one yourself with: gcloud iam workload-identity-pools create-cred-config",
    )
