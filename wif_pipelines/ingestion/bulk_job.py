"""What a bulk job is made of: its name, source, sink and options, and what must hold around it.

See https://cloud.google.com/storage-transfer/docs/reference/rest/v1/transferJobs
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wif_pipelines.compliance import BucketDefaultKey, KeyName, KmsKeyUsable, Policy
from wif_pipelines.ingestion.inventory import SourceLocation
from wif_pipelines.ingestion.sink import SinkLocation

if TYPE_CHECKING:
    from google.cloud.storage_transfer_v1 import TransferJob


@dataclass(frozen=True, slots=True)
class TransferAgent:
    """The Google account with which Storage Transfer reads sources and writes sinks.

    Attributes:
        email: Its address; it needs roles on the sink and manifest buckets.
        subject_id: What the AWS role's trust policy must name.
    """

    email: str
    subject_id: str


@dataclass(frozen=True, slots=True)
class BulkRoute:
    """What stays the same from batch to batch of a pipeline.

    Attributes:
        project: Id of the Google project that the job belongs to.
        pipeline: The pipeline's name, from which the job's name is made.
        role_arn: The AWS role that Google's transfer account assumes. There is no field for a key.
        source: Where from; its prefix is empty or ends in `/`.
        sink: Where to; likewise.
        cloudfront_domain: `https://...` of a CloudFront distribution to fetch through, for cheaper egress.
        managed_private_network: Fetch over Google's private network, at a price per GiB.
        preserve_times: Keep each object's last modification at the source as its custom time, which lifecycle rules can
            use and nobody can remove again.
        log_failures_only: Log only failed copies and finds to Cloud Logging; otherwise also those that succeed.
    """

    project: str
    pipeline: str
    role_arn: str
    source: SourceLocation
    sink: SinkLocation
    cloudfront_domain: str = ""
    managed_private_network: bool = False
    preserve_times: bool = False
    log_failures_only: bool = True

    @property
    def job_name(self) -> str:
        """`transferJobs/wif-...`: the same for the same pipeline, whatever the worker."""
        slug = re.sub(r"[^A-Za-z0-9]+", "-", self.pipeline).strip("-").lower()[:80]
        return f"transferJobs/wif-{slug}-{hashlib.sha256(self.pipeline.encode()).hexdigest()[:8]}"


def trust_policy(agent: TransferAgent) -> dict[str, object]:
    """The AWS role's trust policy: only Google's transfer account of this project may assume it.

    See https://cloud.google.com/storage-transfer/docs/source-amazon-s3#federated_identity
    """
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": "accounts.google.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"accounts.google.com:sub": agent.subject_id}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def preflight_policies(sink: SinkLocation) -> tuple[Policy, ...]:
    """What `compliance.check` must find before a run begins: the key works, and is the bucket's default."""
    if sink.kms_key is None:
        return ()
    key = KeyName.parse(sink.kms_key)
    return (KmsKeyUsable(key), BucketDefaultKey(sink.bucket, key))


def transfer_job(route: BulkRoute, manifest: str) -> TransferJob:
    """The job of a pipeline, set to copy the names of a manifest."""
    from google.cloud import storage_transfer_v1 as transfer

    log, done = transfer.LoggingConfig.LoggableAction, transfer.LoggingConfig.LoggableActionState
    source = transfer.AwsS3Data(
        bucket_name=route.source.bucket,
        path=route.source.prefix,
        role_arn=route.role_arn,
        cloudfront_domain=route.cloudfront_domain,
    )
    if route.managed_private_network:
        source.managed_private_network = True
    kept = transfer.MetadataOptions(
        storage_class=transfer.MetadataOptions.StorageClass.STORAGE_CLASS_DESTINATION_BUCKET_DEFAULT,
    )
    if route.preserve_times:
        kept.time_created = transfer.MetadataOptions.TimeCreated.TIME_CREATED_PRESERVE_AS_CUSTOM_TIME
    options = transfer.TransferOptions(
        overwrite_when=transfer.TransferOptions.OverwriteWhen.DIFFERENT, metadata_options=kept
    )
    return transfer.TransferJob(
        name=route.job_name,
        project_id=route.project,
        description=f"wif_pipelines: {route.pipeline}"[:1000],
        status=transfer.TransferJob.Status.ENABLED,
        transfer_spec=transfer.TransferSpec(
            aws_s3_data_source=source,
            gcs_data_sink=transfer.GcsData(bucket_name=route.sink.bucket, path=route.sink.prefix),
            transfer_manifest=transfer.TransferManifest(location=manifest),
            transfer_options=options,
        ),
        logging_config=transfer.LoggingConfig(
            log_actions=[log.FIND, log.COPY],
            log_action_states=[done.FAILED] if route.log_failures_only else [done.FAILED, done.SUCCEEDED],
        ),
    )
