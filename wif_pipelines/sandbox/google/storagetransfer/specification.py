"""What a transfer job may say: its name, specification, conditions and schedule, checked as the real service checks.

The rules are those of the API's description (https://cloud.google.com/storage-transfer/docs/reference/rest/v1/).
Parts of the service that need what is not here (other sources, event streams, Pub/Sub notifications) are refused by
name with 501, rather than accepted and not done.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from wif_pipelines.sandbox.google.errors import ApiError, bad_request

Json = dict[str, Any]

_NAME = re.compile(r"transferJobs/(?!OPI)[A-Za-z0-9\-._~]*[A-Za-z0-9]")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_MANIFEST = re.compile(r"gs://([^/]+)/(.+)", re.DOTALL)
_PREFIX_COUNT, _PREFIX_BYTES, _DESCRIPTION_BYTES = 1000, 1024, 1024
_SECONDS_AN_HOUR = 3600
_OTHER_ENDS = (
    "gcsDataSource",
    "httpDataSource",
    "azureBlobStorageDataSource",
    "awsS3CompatibleDataSource",
    "posixDataSource",
    "posixDataSink",
    "hdfsDataSource",
    "gcsIntermediateDataLocation",
)
_OTHER_ROADS = ("cloudfrontDomain", "privateNetworkService")
_OTHER_JOBS = ("eventStream", "notificationConfig", "replicationSpec", "serviceAccount")
_OTHER_CONDITIONS = ("matchGlob", "includeStorageClasses")
_TIMES = (
    "lastModifiedSince",
    "lastModifiedBefore",
    "minTimeElapsedSinceLastModification",
    "maxTimeElapsedSinceLastModification",
)


def check_job(job: Mapping[str, Any]) -> None:
    """Refuse a job that the service would not create.

    Raises:
        ApiError: 400 INVALID_ARGUMENT, or 501 for what is not served here.
    """
    if (name := job.get("name")) and not (_NAME.fullmatch(name) and len(name) <= 128):
        raise _invalid("transfer_job.name", f"Invalid transfer job name: '{name}'.")
    if job.get("status", "STATUS_UNSPECIFIED") == "STATUS_UNSPECIFIED":
        raise _invalid("transfer_job.status", "The job status must be specified.")
    if job["status"] == "DELETED":
        raise _invalid("transfer_job.status", "A job cannot be created with status DELETED.")
    check_fields(job)
    if "transferSpec" not in job:
        raise _invalid("transfer_job.transfer_spec", "The transfer spec must be specified.")


def check_fields(job: Mapping[str, Any]) -> None:
    """Check whatever fields are there; for patches.

    Raises:
        ApiError: 400 INVALID_ARGUMENT, or 501.
    """
    _refuse_unserved(job, _OTHER_JOBS, "")
    if len(job.get("description", "").encode()) > _DESCRIPTION_BYTES:
        raise _invalid("transfer_job.description", f"The description is longer than {_DESCRIPTION_BYTES} bytes.")
    if "transferSpec" in job:
        _check_spec(job["transferSpec"])
    if job.get("schedule"):
        _check_schedule(job["schedule"])


def manifest_of(spec: Mapping[str, Any]) -> tuple[str, str] | None:
    """Bucket and object of the manifest, or None when the job copies a whole path.

    Raises:
        ApiError: 400, when the location is not a `gs://` address.
    """
    location = spec.get("transferManifest", {}).get("location", "")
    if not location:
        return None
    found = _MANIFEST.fullmatch(location)
    if not found:
        raise _invalid("transfer_spec.transfer_manifest.location", f"Invalid manifest location: '{location}'.")
    return found[1], found[2]


def _check_spec(spec: Mapping[str, Any]) -> None:
    _refuse_unserved(spec, _OTHER_ENDS, "transfer_spec.")
    for field in ("awsS3DataSource", "gcsDataSink"):
        if field not in spec:
            raise _invalid("transfer_spec", f"A transfer needs a data source and a data sink; {field} is missing.")
    _check_source(spec["awsS3DataSource"])
    _check_end(spec["gcsDataSink"], "gcs_data_sink")
    conditions = spec.get("objectConditions", {})
    _refuse_unserved(conditions, _OTHER_CONDITIONS, "transfer_spec.object_conditions.")
    _check_prefixes(conditions)
    _check_options(spec, conditions)
    manifest_of(spec)


def _check_source(source: Mapping[str, Any]) -> None:
    _refuse_unserved(source, _OTHER_ROADS, "transfer_spec.aws_s3_data_source.")
    if source.get("awsAccessKey") or source.get("credentialsSecret"):
        text = "Static AWS credentials are not accepted: no key may be stored. Specify role_arn."
        raise _invalid("transfer_spec.aws_s3_data_source.aws_access_key", text)
    role = source.get("roleArn", "")
    if not _ROLE.fullmatch(role):
        raise _invalid("transfer_spec.aws_s3_data_source.role_arn", f"Invalid AWS role ARN: '{role}'.")
    _check_end(source, "aws_s3_data_source")


def _check_end(end: Mapping[str, Any], field: str) -> None:
    name, path = end.get("bucketName", ""), end.get("path", "")
    if not _BUCKET.fullmatch(name):
        raise _invalid(f"transfer_spec.{field}.bucket_name", f"Invalid bucket name: '{name}'.")
    if path and (not path.endswith("/") or path.startswith("/")):
        text = f"Invalid path '{path}': it must be empty, or end with '/' and not begin with it."
        raise _invalid(f"transfer_spec.{field}.path", text)


def _check_prefixes(conditions: Mapping[str, Any]) -> None:
    included, excluded = conditions.get("includePrefixes", []), conditions.get("excludePrefixes", [])
    for field, prefixes in (("include_prefixes", included), ("exclude_prefixes", excluded)):
        where = f"transfer_spec.object_conditions.{field}"
        if len(prefixes) > _PREFIX_COUNT:
            raise _invalid(where, f"At most {_PREFIX_COUNT} prefixes may be specified.")
        for prefix in prefixes:
            if (
                not prefix
                or prefix.startswith("/")
                or len(prefix.encode()) > _PREFIX_BYTES
                or re.search("[\r\n]", prefix)
            ):
                raise _invalid(where, f"Invalid prefix: '{prefix}'.")
        if overlapping := _overlapping(prefixes):
            text = f"Prefix '{overlapping[0]}' is a prefix of '{overlapping[1]}'."
            raise _invalid(where, text)
    if included and (stray := [p for p in excluded if not p.startswith(tuple(included))]):
        text = f"Exclude-prefix '{stray[0]}' does not start with an include-prefix."
        raise _invalid("transfer_spec.object_conditions.exclude_prefixes", text)


def _overlapping(prefixes: Sequence[str]) -> tuple[str, str] | None:
    ordered = sorted(prefixes)
    return next(((a, b) for a, b in itertools.pairwise(ordered) if b.startswith(a)), None)


def _check_options(spec: Mapping[str, Any], conditions: Mapping[str, Any]) -> None:
    options = spec.get("transferOptions", {})
    if not options.get("deleteObjectsUniqueInSink"):
        return
    where = "transfer_spec.transfer_options.delete_objects_unique_in_sink"
    if options.get("deleteObjectsFromSourceAfterTransfer"):
        text = "delete_objects_unique_in_sink and delete_objects_from_source_after_transfer are mutually exclusive."
        raise _invalid(where, text)
    if any(conditions.get(field) for field in _TIMES):
        raise _invalid(where, "delete_objects_unique_in_sink cannot be combined with time-based object conditions.")
    if spec.get("transferManifest", {}).get("location"):
        raise _invalid(where, "delete_objects_unique_in_sink cannot be combined with a transfer manifest.")


def _check_schedule(schedule: Mapping[str, Any]) -> None:
    if "scheduleStartDate" not in schedule:
        raise _invalid("schedule.schedule_start_date", "The schedule start date must be specified.")
    if "endTimeOfDay" in schedule and "scheduleEndDate" not in schedule:
        raise _invalid("schedule.end_time_of_day", "end_time_of_day needs schedule_end_date.")
    if 0 < float(schedule.get("repeatInterval", "0s")[:-1]) < _SECONDS_AN_HOUR:
        raise _invalid("schedule.repeat_interval", "The repeat interval may not be less than 1 hour.")


def _refuse_unserved(value: Mapping[str, Any], fields: Sequence[str], where: str) -> None:
    for field in fields:
        if value.get(field):
            text = f"The local cloud does not serve {where}{field}; it transfers from Amazon S3 to Cloud Storage."
            raise ApiError(501, text)


def _invalid(field: str, text: str) -> ApiError:
    return bad_request(text, (field, text))
