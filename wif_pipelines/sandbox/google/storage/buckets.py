"""Buckets: made, read, changed and deleted, with their policies.

https://cloud.google.com/storage/docs/json_api/v1/buckets
"""

import base64
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.call import Answer, Call, Handlers
from wif_pipelines.sandbox.google.clock import timestamp
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.storage.masks import masked
from wif_pipelines.sandbox.google.storage.naming import check_bucket_name, check_storage_class, location_type
from wif_pipelines.sandbox.google.storage.objects import BUCKETS, Objects, forbidden
from wif_pipelines.sandbox.google.storage.record import precondition_failed

_WRITABLE = (
    "autoclass",
    "billing",
    "cors",
    "defaultEventBasedHold",
    "encryption",
    "iamConfiguration",
    "labels",
    "lifecycle",
    "logging",
    "retentionPolicy",
    "rpo",
    "softDeletePolicy",
    "storageClass",
    "versioning",
    "website",
)
_SERVER_OWNED = ("autoclass", "retentionPolicy", "softDeletePolicy")


class Buckets:
    """The bucket resources and their methods."""

    def __init__(self, kernel: Kernel, objects: Objects) -> None:
        self._kernel = kernel
        self._objects = objects
        self._buckets = kernel.store.collection(BUCKETS)

    def handlers(self) -> Handlers:
        """Google's methods."""
        return {
            "storage.buckets.insert": self._insert,
            "storage.buckets.get": self._get,
            "storage.buckets.list": self._list,
            "storage.buckets.patch": self._patch,
            "storage.buckets.update": self._patch,
            "storage.buckets.delete": self._delete,
            "storage.buckets.getIamPolicy": self._get_policy,
            "storage.buckets.setIamPolicy": self._set_policy,
            "storage.buckets.testIamPermissions": self._test_permissions,
            "storage.buckets.getStorageLayout": self._layout,
            "storage.projects.serviceAccount.get": self._agent,
        }

    def create(self, name: str, **fields: Any) -> dict[str, Any]:
        """A new bucket of the sandbox's project.

        Args:
            name: Globally unique.
            fields: Writable fields of the bucket resource; `location` is US by default, uniform access off.

        Raises:
            ApiError: 400 for a name, location or key that cannot be; 409 when the bucket exists.
        """
        check_bucket_name(name)
        location = str(fields.get("location") or "US").upper()
        world, now = self._kernel.world, self._now()
        resource = {
            "kind": "storage#bucket",
            "id": name,
            "name": name,
            "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
            "projectNumber": world.project_number,
            "generation": str(int(self._kernel.clock.time() * 1e6)),
            "metageneration": "1",
            "location": location,
            "locationType": location_type(location),
            "storageClass": "STANDARD",
            "timeCreated": now,
            "updated": now,
            "softDeletePolicy": {"retentionDurationSeconds": "604800", "effectiveTime": now},
            **{field: fields[field] for field in _WRITABLE if fields.get(field) is not None},
        }
        self._complete(resource, now)
        with self._kernel.store.transaction():
            if self._buckets.get(name) is not None:
                text = "Your previous request to create the named bucket succeeded and you already own it."
                raise ApiError(409, text, reason="conflict")
            return self._buckets.put(name, resource)

    def ensure(self, name: str, **fields: Any) -> dict[str, Any]:
        """The bucket of that name, made like `create` when there is none."""
        return self._objects.bucket(name) or self.create(name, **fields)

    async def _insert(self, call: Call) -> Answer:
        project = self._project(call.params["project"])
        self._require_on_project(call.principal, "storage.buckets.create", project)
        if not call.body.get("name"):
            raise ApiError(400, "Required", reason="required")
        bucket = self.create(**call.body)
        self._audit(call, "storage.buckets.create", bucket["name"])
        return masked(bucket, call.params.get("fields"))

    async def _get(self, call: Call) -> Answer:
        bucket = self._authorised(call, "storage.buckets.get")
        _check(bucket, call.params, reading=True)
        return masked(bucket, call.params.get("fields"))

    async def _list(self, call: Call) -> Answer:
        project = self._project(call.params["project"])
        self._require_on_project(call.principal, "storage.buckets.list", project)
        limit = int(call.params.get("maxResults") or 1000)
        after = base64.urlsafe_b64decode(call.params.get("pageToken") or "").decode()
        rows = self._buckets.list(call.params.get("prefix") or "", after=after, limit=limit + 1)
        answer: dict[str, Any] = {"kind": "storage#buckets"}
        if rows:
            answer["items"] = [bucket for _, bucket in rows[:limit]]
        if len(rows) > limit:
            answer["nextPageToken"] = base64.urlsafe_b64encode(rows[limit - 1][0].encode()).decode()
        return masked(answer, call.params.get("fields"))

    async def _patch(self, call: Call) -> Answer:
        """PATCH changes what is named; PUT replaces all that can be written."""
        with self._kernel.store.transaction():
            bucket = self._authorised(call, "storage.buckets.update")
            _check(bucket, call.params)
            for field in ("name", "location"):
                if call.body.get(field) not in (None, bucket[field], bucket[field].lower()):
                    raise ApiError(400, f"The bucket's {field} cannot be changed.", reason="invalid")
            changes = _null_free(bucket, {field: call.body[field] for field in _WRITABLE if field in call.body})
            if call.method.verb == "PUT":
                kept = (*_SERVER_OWNED, "storageClass", "iamConfiguration")
                changes = {field: None for field in _WRITABLE if field not in kept} | changes
            bucket = {k: v for k, v in (bucket | changes).items() if v is not None}
            bucket |= {"metageneration": str(int(bucket["metageneration"]) + 1), "updated": self._now()}
            bucket.setdefault("storageClass", "STANDARD")
            self._complete(bucket, bucket["updated"])
            self._buckets.put(bucket["name"], bucket)
        self._audit(call, "storage.buckets.update", bucket["name"])
        return masked(bucket, call.params.get("fields"))

    async def _delete(self, call: Call) -> Answer:
        with self._kernel.store.transaction():
            bucket = self._authorised(call, "storage.buckets.delete")
            _check(bucket, call.params)
            if not self._objects.table.is_empty(bucket["name"]):
                raise ApiError(409, "The bucket you tried to delete is not empty.", reason="conflict")
            self._buckets.delete(bucket["name"])
            self._kernel.policies.forget(f"buckets/{bucket['name']}")
        self._audit(call, "storage.buckets.delete", bucket["name"])
        return no_content()

    async def _get_policy(self, call: Call) -> Answer:
        bucket = self._authorised(call, "storage.buckets.getIamPolicy")
        return masked(self._policy(bucket["name"]), call.params.get("fields"))

    async def _set_policy(self, call: Call) -> Answer:
        name = self._authorised(call, "storage.buckets.setIamPolicy")["name"]
        try:
            self._kernel.policies.set(f"buckets/{name}", call.body)
        except ApiError as error:
            if error.code == 409:
                raise precondition_failed() from error
            raise
        self._audit(call, "storage.setIamPermissions", name)
        return masked(self._policy(name), call.params.get("fields"))

    async def _test_permissions(self, call: Call) -> Answer:
        name = self._objects.existing_bucket(call.params["bucket"])["name"]
        held = [p for p in call.params["permissions"] if self._objects.allows(call.principal, p, name)]
        return {"kind": "storage#testIamPermissionsResponse", **({"permissions": held} if held else {})}

    async def _layout(self, call: Call) -> Answer:
        bucket = self._authorised(call, "storage.objects.list")
        layout = {"kind": "storage#storageLayout", "bucket": bucket["name"]}
        return layout | {"location": bucket["location"], "locationType": bucket["locationType"]}

    async def _agent(self, call: Call) -> Answer:
        project = self._project(call.params["projectId"])
        self._require_on_project(call.principal, "resourcemanager.projects.get", project)
        return {"kind": "storage#serviceAccount", "email_address": self._kernel.world.storage_agent}

    def _authorised(self, call: Call, permission: str) -> dict[str, Any]:
        bucket = self._objects.existing_bucket(call.params["bucket"])
        self._objects.authorise(call.principal, permission, bucket["name"])
        return bucket

    def _require_on_project(self, principal: Principal, permission: str, project: str) -> None:
        if not self._kernel.policies.allows(principal, permission, (f"projects/{project}",)):
            raise forbidden(principal, permission, "project")

    def _project(self, project: str) -> str:
        world = self._kernel.world
        return world.project if project == world.project_number else project

    def _complete(self, bucket: dict[str, Any], now: str) -> None:
        """Check what was written into a bucket, and fill in what follows from it.

        Raises:
            ApiError: 400; 403 when the key cannot be used.
        """
        check_storage_class(bucket["storageClass"])
        if key := bucket.get("encryption", {}).get("defaultKmsKeyName"):
            self._objects.encryption.for_writing(key, bucket["location"])
        elif "encryption" in bucket and not any(bucket["encryption"].values()):
            del bucket["encryption"]
        access = dict(bucket.get("iamConfiguration") or {})
        uniform = dict(access.get("uniformBucketLevelAccess") or access.get("bucketPolicyOnly") or {})
        uniform.setdefault("enabled", False)
        if uniform["enabled"]:
            uniform.setdefault("lockedTime", timestamp(self._kernel.clock.time() + 90 * 86400)[:23] + "Z")
        else:
            uniform.pop("lockedTime", None)
        bucket["iamConfiguration"] = {
            "publicAccessPrevention": "inherited",
            **access,
            "uniformBucketLevelAccess": uniform,
            "bucketPolicyOnly": uniform,
        }
        bucket["etag"] = base64.b64encode(f"{bucket['metageneration']}:{now}".encode()).decode()

    def _policy(self, bucket: str) -> dict[str, Any]:
        policy = self._kernel.policies.get(f"buckets/{bucket}")
        return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket}", **policy}

    def _audit(self, call: Call, method: str, bucket: str) -> None:
        self._kernel.audit.write(
            service="storage.googleapis.com",
            method=method,
            resource=f"projects/_/buckets/{bucket}",
            principal=call.caller,
            request=call.body,
            user_agent=call.request.headers.get("User-Agent", ""),
        )

    def _now(self) -> str:
        return timestamp(self._kernel.clock.time())[:23] + "Z"


def no_content() -> web.Response:
    """204, which is how a deletion is answered."""
    return web.Response(status=204)


def _null_free(bucket: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes ready to be laid over the bucket: labels and access merge, and a null in them removes."""
    out = dict(changes)
    for field in ("labels", "iamConfiguration"):
        if out.get(field) is not None:
            merged = {**bucket.get(field, {}), **out[field]}
            if (
                field == "iamConfiguration"
                and "uniformBucketLevelAccess" not in out[field]
                and "bucketPolicyOnly" in out[field]
            ):
                merged.pop("uniformBucketLevelAccess", None)  # the older name of the same field
            out[field] = {k: v for k, v in merged.items() if v is not None}
    for field, value in out.items():
        if isinstance(value, dict):
            out[field] = {k: v for k, v in value.items() if v is not None}
    return out


def _check(bucket: Mapping[str, Any], params: Mapping[str, Any], *, reading: bool = False) -> None:
    """Refuse unless the bucket's metageneration is as demanded.

    Raises:
        ApiError: 412, or 304 for a reader.
    """
    current = bucket["metageneration"]
    if params.get("ifMetagenerationMatch") not in (None, current):
        raise precondition_failed()
    if params.get("ifMetagenerationNotMatch") == current:
        raise ApiError(304, "Not Modified") if reading else precondition_failed()
