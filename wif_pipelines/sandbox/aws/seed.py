"""What stands in AWS from the start: the source bucket and its queue, and the roles that may use them.

Idempotent: what is there is left as it is, except the policies of the seeded roles, which follow the code.
"""

import json
from typing import Any

from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from wif_pipelines.sandbox.world import World

__all__ = ["seed"]

_TWELVE_HOURS = "43200"
_READ_BUCKET = [
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:ListBucketMultipartUploads",
    "s3:GetBucketLocation",
    "s3:GetBucketVersioning",
]
_READ_OBJECTS = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging"]
_WRITE_OBJECTS = [
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
]


def seed(world: World) -> None:
    """Make everything that the world names in AWS, where it is missing.

    The workload may read and write the source bucket and any bucket whose name goes on from it with a dash (so that a
    script can bring its own data); the transfer role may read them; the operator may do everything.
    """
    _seed_storage(world)
    iam = iam_backends[world.aws_account]["aws"]
    if world.instance_user not in iam.users:
        iam.create_user(world.aws_region, world.instance_user)
    user_arn = iam.users[world.instance_user].arn
    assumed = [world.workload_role_arn, world.role_arn(world.operator_role)]
    iam.put_user_policy(world.instance_user, "assume-roles", _document(_allow(["sts:AssumeRole"], assumed)))
    machine = {"AWS": user_arn, "Service": "ec2.amazonaws.com"}
    _seed_role(iam, world.workload_role, _trust(machine), _workload_policy(world))
    _seed_role(iam, world.operator_role, _trust({"AWS": user_arn}), _document(_allow(["*"], ["*"])))
    _seed_role(iam, world.transfer_role, _transfer_trust(world), _document(*_reading(world)))


def _seed_storage(world: World) -> None:
    s3 = s3_backends[world.aws_account]["aws"]
    if world.source_bucket not in s3.buckets:
        s3.create_bucket(world.source_bucket, world.aws_region)
    sqs = sqs_backends[world.aws_account][world.aws_region]
    if world.source_queue not in sqs.queues:
        sqs.create_queue(world.source_queue, {}, Policy=_queue_policy(world))


def _seed_role(iam: Any, name: str, trust: str, permissions: str) -> None:
    if not any(role.name == name for role in iam.roles.values()):
        iam.create_role(name, trust, "/", None, "", [], _TWELVE_HOURS)
    iam.update_assume_role_policy(name, trust)
    iam.put_role_policy(name, "permissions", permissions)


def _workload_policy(world: World) -> str:
    writing = _allow(_WRITE_OBJECTS, [f"{arn}/*" for arn in _sources(world)])
    queue = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
    everywhere = _allow(["s3:ListAllMyBuckets"], ["*"])
    return _document(*_reading(world), writing, _allow(queue, [world.source_queue_arn]), everywhere)


def _reading(world: World) -> list[dict[str, Any]]:
    sources = _sources(world)
    return [_allow(_READ_BUCKET, sources), _allow(_READ_OBJECTS, [f"{arn}/*" for arn in sources])]


def _sources(world: World) -> list[str]:
    return [f"arn:aws:s3:::{world.source_bucket}", f"arn:aws:s3:::{world.source_bucket}-*"]


def _queue_policy(world: World) -> str:
    source = {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{world.source_bucket}*"}}
    statement = _allow(["sqs:SendMessage"], [world.source_queue_arn])
    return _document({**statement, "Principal": {"Service": "s3.amazonaws.com"}, "Condition": source})


def _transfer_trust(world: World) -> str:
    # https://cloud.google.com/storage-transfer/docs/source-amazon-s3#federated_identity
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": "accounts.google.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {"accounts.google.com:sub": world.transfer_agent_subject}},
        }
    )


def _trust(principal: dict[str, str]) -> str:
    return _document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
