"""What a command is given so that, unchanged, it finds the local cloud in place of the real ones.

The proxy and the authority in the spellings of every client library, an AWS session as a machine with a role has one,
and a Google credential file of the AWS kind, which names who may become whom and holds no secret.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from wif_pipelines.sandbox.world import World

__all__ = ["environment_of", "way_in", "write_credentials"]

_HERE = "localhost,127.0.0.1,::1"
_BUNDLE_VARIABLES = (
    "REQUESTS_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
)


def way_in(*, bundle: Path, port: int) -> dict[str, str]:
    """The proxy and the authority alone, for a process that has an identity by other means.

    Args:
        bundle: the authority's PEM file.
        port: of the front, on 127.0.0.1.
    """
    proxy = f"http://127.0.0.1:{port}"
    return {
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), _HERE),
        **dict.fromkeys(_BUNDLE_VARIABLES, str(bundle)),
    }


def environment_of(
    world: World, *, directory: Path, bundle: Path, credentials: Path, port: int, session: Mapping[str, str]
) -> dict[str, str]:
    """Assemble the variables.

    Args:
        world: the names handed on as `SANDBOX_*`.
        directory: the sandbox's.
        bundle: the authority's PEM file.
        credentials: from `write_credentials`.
        port: of the front, on 127.0.0.1.
        session: the assumed role's `access_key_id`, `secret_access_key` and `session_token`.

    Returns:
        Names and values. They hold the session's secret: hand them to a process, never to a file.
    """
    return {
        **way_in(bundle=bundle, port=port),
        "AWS_ACCESS_KEY_ID": session["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": session["secret_access_key"],
        "AWS_SESSION_TOKEN": session["session_token"],
        "AWS_REGION": world.aws_region,
        "AWS_DEFAULT_REGION": world.aws_region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_GCE_CHECK": "true",
        "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
        "GOOGLE_CLOUD_PROJECT": world.project,
        "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
        **_names(world),
        "SANDBOX_DIRECTORY": str(directory),
    }


def write_credentials(path: Path, world: World) -> None:
    """Write the credential file: become the pipeline's service account by way of the AWS role.

    https://google.aip.dev/auth/4117
    """
    impersonation = f"projects/-/serviceAccounts/{world.service_account}:generateAccessToken"
    content = {
        "type": "external_account",
        "audience": world.audience,
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": f"https://iamcredentials.googleapis.com/v1/{impersonation}",
        "credential_source": {
            "environment_id": "aws1",
            "regional_cred_verification_url": (
                "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
            ),
        },
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def _names(world: World) -> dict[str, str]:
    return {
        "SANDBOX_PROJECT": world.project,
        "SANDBOX_PROJECT_NUMBER": world.project_number,
        "SANDBOX_REGION": world.region,
        "SANDBOX_SOURCE_BUCKET": world.source_bucket,
        "SANDBOX_LANDING_BUCKET": world.landing_bucket,
        "SANDBOX_ARTIFACT_BUCKET": world.artifact_bucket,
        "SANDBOX_KMS_KEY": world.kms_key,
        "SANDBOX_SERVICE_ACCOUNT": world.service_account,
        "SANDBOX_WORKLOAD_ROLE_ARN": world.workload_role_arn,
        "SANDBOX_TRANSFER_ROLE_ARN": world.transfer_role_arn,
        "SANDBOX_TRAINING_IMAGE": world.training_image,
        "SANDBOX_SERVING_IMAGE": world.serving_image,
        "SANDBOX_AUDIENCE": world.audience,
    }
