"""What Google says when it refuses an identity, what that means, and what mends it.

The texts are quoted from Google's services and public threads about them; they are matched by substring, because ids
and numbers vary. Texts marked inferred were composed from a quoted template and have not been seen word for word.
Google does not publish these texts as an interface: an unknown one is shown as it came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Stage = Literal["exchange", "impersonation"]


@dataclass(frozen=True)
class Entry:
    """A known refusal.

    Attributes:
        code: Its name, for people and tools to quote.
        stage: The link of the chain that breaks.
        error: The OAuth error that comes with it, or empty.
        text: What its text contains.
        cause: What it means.
        remedy: What mends it. ``{audience}``, ``{pool}``, ``{project}``, ``{service_account}``, ``{member}`` and
            ``{source}`` stand for the values at hand.
        inferred: Whether the text was composed rather than seen.
    """

    code: str
    stage: Stage
    error: str
    text: str
    cause: str
    remedy: str
    inferred: bool = False


CATALOGUE: tuple[Entry, ...] = (
    Entry(
        code="audience-malformed",
        stage="exchange",
        error="invalid_request",
        text='Invalid value for "audience"',
        cause="The audience is not the full name of a provider.",
        remedy="Use the provider's full name; it was {audience}",
    ),
    Entry(
        code="provider-not-found",
        stage="exchange",
        error="invalid_target",
        text='The target service indicated by the "audience" parameters is invalid',
        cause="The pool or the provider does not exist, is disabled or is deleted.",
        remedy="Look: gcloud iam workload-identity-pools providers describe {provider} "
        "--workload-identity-pool {pool_id} --location global --project {project}\n"
        "A deleted one comes back with 'undelete' within 30 days; the audience must carry the project's number.",
    ),
    Entry(
        code="condition-rejected",
        stage="exchange",
        error="unauthorized_client",
        text="rejected by the attribute condition",
        cause="The provider trusts this kind of identity, but its attribute condition is false for {source}.",
        remedy="Compare the condition with the claims: "
        "gcloud iam workload-identity-pools providers describe {provider} --workload-identity-pool {pool_id} "
        "--location global --project {project} --format='value(attributeCondition)'",
    ),
    Entry(
        code="token-audience",
        stage="exchange",
        error="invalid_grant",
        text="The audience in ID Token",
        cause="The token was made for another audience than the provider allows.",
        remedy="Ask the issuer for a token with audience https:{audience}, or add the token's audience to the "
        "provider's allowed audiences.",
    ),
    Entry(
        code="token-issuer",
        stage="exchange",
        error="",
        text="The issuer in ID Token",
        cause="The token comes from another issuer than the provider's.",
        remedy="Make the provider's issuer URI equal to the token's 'iss', to the last slash.",
    ),
    Entry(
        code="issuer-unreachable",
        stage="exchange",
        error="invalid_grant",
        text="Error connecting to the given credential's issuer",
        cause="Google cannot read the issuer's discovery document or its keys.",
        remedy="Make the issuer's /.well-known/openid-configuration public, or upload its JWKS to the provider.",
    ),
    Entry(
        code="token-stale",
        stage="exchange",
        error="invalid_grant",
        text="is stale to sign-in",
        cause="The subject token is too old.",
        remedy="Let whatever writes the token write it anew; it is read again for every exchange. Check the clock.",
    ),
    Entry(
        code="subject-too-long",
        stage="exchange",
        error="invalid_request",
        text="The size of mapped attribute google.subject exceeds the 127 bytes limit",
        cause="google.subject, as the provider maps it, is longer than 127 bytes; EKS Pod Identity's session names are "
        "long.",
        remedy="Map a shorter claim: google.subject=assertion.userid for AWS, or extract a part of the claim.",
    ),
    Entry(
        code="exchange-throttled",
        stage="exchange",
        error="quota_exceeded",
        text="The request was throttled due to rate limit",
        cause="The project asks for tokens faster than its quota allows; we already backed off.",
        remedy="Share one identity in each process, start workers more slowly, or ask for more quota of "
        "sts.googleapis.com.",
    ),
    Entry(
        code="aws-key-unknown",
        stage="exchange",
        error="invalid_grant",
        text="InvalidClientTokenId",
        cause="AWS does not know the credentials that signed the request: the session token is missing, or the key is "
        "wrong.",
        remedy="Look at what AWS sees: aws sts get-caller-identity",
    ),
    Entry(
        code="aws-signature",
        stage="exchange",
        error="invalid_grant",
        text="SignatureDoesNotMatch",
        cause="AWS computes another signature: the secret key is wrong, the request was altered, or the clock is off.",
        remedy="Check the clock (NTP) and the AWS credentials: aws sts get-caller-identity",
        inferred=True,
    ),
    Entry(
        code="aws-signature-expired",
        stage="exchange",
        error="invalid_grant",
        text="Signature expired",
        cause="The signed request was older than AWS accepts when Google sent it on: this machine's clock is slow.",
        remedy="Synchronise the clock (NTP).",
        inferred=True,
    ),
    Entry(
        code="aws-session-expired",
        stage="exchange",
        error="invalid_grant",
        text="ExpiredToken",
        cause="The AWS session has ended.",
        remedy="Renew it; sessions of roles on EC2, ECS, EKS and Lambda renew themselves.",
        inferred=True,
    ),
    Entry(
        code="aws-request-malformed",
        stage="exchange",
        error="",
        text="AWS request has invalid format",
        cause="The signed request is not of the form that Google expects.",
        remedy="Make sure the provider is of the kind AWS and that nothing between here and Google rewrites requests.",
    ),
    Entry(
        code="aws-credentials-malformed",
        stage="exchange",
        error="",
        text="Invalid format of AWS credentials",
        cause="The provider expects a signed AWS request and got something else.",
        remedy="Use home: aws with a provider of the kind AWS, home: oidc-file with one of the kind OIDC.",
    ),
    Entry(
        code="sts-api-disabled",
        stage="exchange",
        error="",
        text="Security Token Service API has not been used",
        cause="The API is off in the pool's project.",
        remedy="gcloud services enable sts.googleapis.com --project {project}",
    ),
    Entry(
        code="impersonation-unbound",
        stage="impersonation",
        error="",
        text="iam.serviceAccounts.getAccessToken",
        cause="Nothing lets this identity impersonate the account: the binding is missing, its principalSet does not "
        "match how the provider maps attributes, or the account's name is misspelt.",
        remedy="gcloud iam service-accounts add-iam-policy-binding {service_account} "
        '--role roles/iam.workloadIdentityUser --member "{member}"\n'
        "The member fits the provider's default mapping. A new binding can take five minutes to work.",
    ),
    Entry(
        code="principal-set-malformed",
        stage="impersonation",
        error="",
        text="The caller does not have permission",
        cause="A binding names a principalSet that does not match this identity.",
        remedy='Bind exactly this member to {service_account}: "{member}"',
    ),
    Entry(
        code="lifetime-too-long",
        stage="impersonation",
        error="",
        text="The access token lifetime cannot exceed",
        cause="Tokens live one hour at most unless an organisation policy extends it.",
        remedy="Set lifetime to 3600 or less, or allow the account in constraints/"
        "iam.allowServiceAccountCredentialLifetimeExtension.",
    ),
    Entry(
        code="impersonation-invalid",
        stage="impersonation",
        error="",
        text="Request contains an invalid argument",
        cause="The account's e-mail address is malformed, or no scope was asked for.",
        remedy="Check the address {service_account} and the scopes.",
    ),
    Entry(
        code="iamcredentials-api-disabled",
        stage="impersonation",
        error="",
        text="IAM Service Account Credentials API has not been used",
        cause="The API is off in the project that the answer names.",
        remedy="gcloud services enable iamcredentials.googleapis.com --project {project}",
    ),
    Entry(
        code="quota-project",
        stage="impersonation",
        error="",
        text="Caller does not have required permission to use project",
        cause="The quota project does not let this identity use it.",
        remedy="Grant roles/serviceusage.serviceUsageConsumer on it, or leave quota_project_id out.",
    ),
    Entry(
        code="federated-token-refused",
        stage="impersonation",
        error="",
        text="Request had invalid authentication credentials",
        cause="The federated token was not accepted.",
        remedy="If it persists with a new token, check the clock and whether the pool was disabled meanwhile.",
    ),
    Entry(
        code="perimeter",
        stage="exchange",
        error="",
        text="vpcServiceControlsUniqueIdentifier",
        cause="A VPC Service Controls perimeter refused the call.",
        remedy="Ask the perimeter's owners for an ingress rule for sts and iamcredentials, quoting the identifier.",
    ),
    Entry(
        code="perimeter",
        stage="impersonation",
        error="",
        text="vpcServiceControlsUniqueIdentifier",
        cause="A VPC Service Controls perimeter refused the call.",
        remedy="Ask the perimeter's owners for an ingress rule for sts and iamcredentials, quoting the identifier.",
    ),
)


def look_up(stage: Stage, text: str, *, error: str = "") -> Entry | None:
    """The first entry of the stage whose text occurs in the answer; None for an answer nobody has described yet.

    Args:
        stage: Where it was refused.
        text: The whole answer.
        error: The answer's OAuth error, if it has one; an entry with an error matches only that.
    """
    for entry in CATALOGUE:
        if entry.stage == stage and entry.text in text and entry.error in {"", error}:
            return entry
    return None


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return key.upper()


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with the values at hand; a value that is not at hand stays a word in capitals."""
    return template.format_map(_Known(values))
