"""Cloud Storage's JSON API through google-cloud-storage, and by plain HTTP what that library never sends."""

import base64
import hashlib
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage

from wif_pipelines.sandbox.google.descriptions import load
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.keys import Keys
from wif_pipelines.sandbox.google.schema import Reader
from wif_pipelines.sandbox.google.storage.buckets import Buckets
from wif_pipelines.sandbox.google.storage.checksums import crc32c_of_whole, encode_crc32c
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines.sandbox.world import World
from wif_pipelines_tests.sandbox.google.storage_world import STORAGE, Key, client, new_bucket

CHUNK = 256 * 1024
GRANT = "roles/storage.objectCreator"


@pytest.fixture
def owner(administrator: Any, sandbox: Sandbox) -> Iterator[storage.Client]:
    with client(administrator, sandbox.world) as opened:
        yield opened


@pytest.fixture
def workload_client(pipeline: Any, sandbox: Sandbox) -> Iterator[storage.Client]:
    with client(pipeline, sandbox.world) as opened:
        yield opened


@pytest.fixture
def bucket(owner: storage.Client, sandbox: Sandbox) -> storage.Bucket:
    return new_bucket(owner, sandbox.world)


@pytest.fixture
def http(as_administrator: AuthorizedSession) -> Iterator[AuthorizedSession]:
    with as_administrator as session:
        yield session


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


# --- writing and reading ---


def test_an_object_comes_back_with_its_checksums_and_metadata(bucket: storage.Bucket) -> None:
    blob = bucket.blob("clinic a/weekly é.csv")
    blob.metadata, blob.cache_control = {"source": "s3", "Week": "7"}, "no-store"
    blob.upload_from_string("a,b\n1,2\n", content_type="text/csv")
    read = bucket.get_blob("clinic a/weekly é.csv")
    assert (read.size, read.content_type, read.cache_control) == (8, "text/csv", "no-store")
    assert (read.crc32c, read.md5_hash) == (crc32c(b"a,b\n1,2\n"), md5(b"a,b\n1,2\n"))
    assert read.metadata == {"source": "s3", "Week": "7"}
    assert read.download_as_bytes() == b"a,b\n1,2\n"
    assert read.time_created.timestamp() == pytest.approx(time.time(), abs=60)


def test_an_empty_object_is_an_object(bucket: storage.Bucket) -> None:
    bucket.blob("empty").upload_from_string(b"")
    assert bucket.get_blob("empty").size == 0
    assert bucket.blob("empty").download_as_bytes() == b""


def test_every_generation_is_another_and_the_body_is_replaced_whole(bucket: storage.Bucket) -> None:
    first, second = bucket.blob("x"), bucket.blob("x")
    first.upload_from_string(b"a much longer body")
    second.upload_from_string(b"short")
    assert second.generation > first.generation
    assert bucket.blob("x").download_as_bytes() == b"short"
    assert bucket.get_blob("x", generation=first.generation) is None


def test_a_media_upload_by_plain_http_takes_the_body_as_it_is(http: AuthorizedSession, bucket: storage.Bucket) -> None:
    url = f"{STORAGE}/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=raw%2Fx"
    answer = http.post(url, data=b"--not a boundary\r\n", headers={"Content-Type": "application/x-y"})
    assert answer.status_code == 200
    assert answer.json()["contentType"] == "application/x-y"
    assert bucket.blob("raw/x").download_as_bytes() == b"--not a boundary\r\n"


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_a_multipart_upload_may_end_its_lines_either_way(
    http: AuthorizedSession, bucket: storage.Bucket, newline: str
) -> None:
    body = os.urandom(700_000) + b"\n--edge"
    head = newline.join(["--edge", "Content-Type: application/json", "", json.dumps({"name": "m"}), "--edge", ""])
    head += newline.join(["Content-Type: text/x-two", "", ""])
    url = f"{STORAGE}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    headers = {"Content-Type": 'multipart/related; boundary="edge"'}
    answer = http.post(url, data=head.encode() + body + f"{newline}--edge--{newline}".encode(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["crc32c"], answer.json()["contentType"]) == (crc32c(body), "text/x-two")
    cut = http.post(url, data=head.encode() + body, headers=headers)
    assert (cut.status_code, cut.json()["error"]["message"]) == (400, "Malformed multipart body.")


def test_ranges(http: AuthorizedSession, bucket: storage.Bucket) -> None:
    bucket.blob("r").upload_from_string(b"0123456789")
    assert bucket.blob("r").download_as_bytes(start=2, end=4) == b"234"
    url = f"{STORAGE}/download/storage/v1/b/{bucket.name}/o/r?alt=media"
    cases = {"bytes=7-": b"789", "bytes=-2": b"89", "bytes=0-99": b"0123456789"}
    for header, expected in cases.items():
        answer = http.get(url, headers={"Range": header})
        assert (answer.status_code, answer.content) == (206, expected)
    assert http.get(url, headers={"Range": "bytes=3-4"}).headers["Content-Range"] == "bytes 3-4/10"
    beyond = http.get(url, headers={"Range": "bytes=10-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, "bytes */10")
    whole = http.get(url)
    assert whole.headers["X-Goog-Hash"] == f"crc32c={crc32c(b'0123456789')},md5={md5(b'0123456789')}"
    assert whole.headers["X-Goog-Stored-Content-Length"] == "10"
    assert whole.headers["X-Goog-Generation"] == str(bucket.get_blob("r").generation)


@pytest.mark.parametrize(
    ("stated", "text"),
    [
        ({"crc32c": crc32c(b"another")}, f'Provided CRC32C "{crc32c(b"another")}" doesn\'t match calculated CRC32C'),
        ({"md5Hash": md5(b"another")}, f'Provided MD5 hash "{md5(b"another")}" doesn\'t match calculated MD5 hash'),
    ],
)
def test_checksums_that_the_sender_states_are_checked(
    http: AuthorizedSession, bucket: storage.Bucket, stated: dict[str, str], text: str
) -> None:
    resource = json.dumps({"name": "c", **stated})
    body = f"--e\r\nContent-Type: application/json\r\n\r\n{resource}\r\n--e\r\n\r\nbody\r\n--e--\r\n"
    url = f"{STORAGE}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    answer = http.post(url, data=body, headers={"Content-Type": "multipart/related; boundary=e"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(text)
    assert not bucket.blob("c").exists()


# --- resumable uploads ---


def begin(http: AuthorizedSession, bucket: storage.Bucket, name: str, **query: str) -> str:
    url = f"{STORAGE}/upload/storage/v1/b/{bucket.name}/o"
    answer = http.post(url, params={"uploadType": "resumable", **query}, json={"name": name, "metadata": {"k": "v"}})
    assert answer.status_code == 200, answer.text
    return str(answer.headers["Location"])


def put(http: AuthorizedSession, location: str, data: bytes, span: str, **headers: str) -> Any:
    return http.put(location, data=data, headers={"Content-Range": f"bytes {span}", **headers}, allow_redirects=False)


def test_the_library_uploads_in_chunks(bucket: storage.Bucket) -> None:
    data = os.urandom(3 * CHUNK + 17)
    bucket.blob("big", chunk_size=CHUNK).upload_from_file(io.BytesIO(data))
    assert bucket.get_blob("big").md5_hash == md5(data)
    assert bucket.blob("big").download_as_bytes() == data


def test_a_resumable_upload_of_unknown_length_shows_nothing_until_its_end(
    http: AuthorizedSession, bucket: storage.Bucket
) -> None:
    data = os.urandom(2 * CHUNK + 5)
    location = begin(http, bucket, "r")
    assert put(http, location, b"", "*/*").status_code == 308
    first = put(http, location, data[:CHUNK], f"0-{CHUNK - 1}/*")
    assert (first.status_code, first.headers["Range"]) == (308, f"bytes=0-{CHUNK - 1}")
    assert not bucket.blob("r").exists()
    again = put(http, location, data[: 2 * CHUNK], f"0-{2 * CHUNK - 1}/*")
    assert again.headers["Range"] == f"bytes=0-{2 * CHUNK - 1}"
    status = put(http, location, b"", "*/*", **{"X-GUploader-No-308": "yes"})
    assert (status.status_code, status.headers["X-HTTP-Status-Code-Override"]) == (200, "308")
    last = put(http, location, data[2 * CHUNK :], f"{2 * CHUNK}-{len(data) - 1}/{len(data)}")
    assert (last.status_code, last.json()["md5Hash"], last.json()["metadata"]) == (200, md5(data), {"k": "v"})
    assert put(http, location, b"", "*/*").json()["generation"] == last.json()["generation"]


def test_a_resumable_upload_refuses_what_does_not_follow(http: AuthorizedSession, bucket: storage.Bucket) -> None:
    location = begin(http, bucket, "r")
    gap = put(http, location, b"x" * CHUNK, f"{CHUNK}-{2 * CHUNK - 1}/*")
    assert gap.status_code == 503
    assert "upload offset" in gap.text
    odd = put(http, location, b"x" * 10, "0-9/*")
    assert (odd.status_code, "multiple of 262144" in odd.text) == (400, True)
    wrong = put(http, begin(http, bucket, "r"), b"abc", "0-2/3", **{"X-Goog-Hash": f"crc32c={crc32c(b'abd')}"})
    assert (wrong.status_code, "Provided CRC32C" in wrong.text) == (400, True)
    assert http.delete(location).status_code == 499
    assert put(http, location, b"", "*/*").status_code == 404
    assert not bucket.blob("r").exists()


# --- listing ---


@pytest.fixture
def tree(bucket: storage.Bucket) -> storage.Bucket:
    for name in ("a", "b/1", "b/2", "b/c/3", "b.txt", "z/", "z/9", "é"):
        bucket.blob(name).upload_from_string(b"")
    return bucket


def test_listing_by_prefix_delimiter_and_offsets(tree: storage.Bucket) -> None:
    assert [b.name for b in tree.list_blobs()] == ["a", "b.txt", "b/1", "b/2", "b/c/3", "z/", "z/9", "é"]
    found = tree.list_blobs(delimiter="/")
    assert ([b.name for b in found], found.prefixes) == (["a", "b.txt", "é"], {"b/", "z/"})
    found = tree.list_blobs(prefix="b/", delimiter="/")
    assert ([b.name for b in found], found.prefixes) == (["b/1", "b/2"], {"b/c/"})
    found = tree.list_blobs(delimiter="/", include_trailing_delimiter=True)
    assert ([b.name for b in found], found.prefixes) == (["a", "b.txt", "z/", "é"], {"b/", "z/"})
    assert [b.name for b in tree.list_blobs(start_offset="b/2", end_offset="z/9")] == ["b/2", "b/c/3", "z/"]


@pytest.mark.parametrize("delimiter", [None, "/"])
def test_pages_of_any_size_add_up_to_the_whole(tree: storage.Bucket, delimiter: str | None) -> None:
    def entries(page_size: int | None) -> tuple[list[str], set[str]]:
        found = tree.list_blobs(delimiter=delimiter, page_size=page_size)
        return [blob.name for blob in found], found.prefixes

    assert entries(1) == entries(2) == entries(3) == entries(None)


def test_a_listing_fits_its_description_and_obeys_fields(http: AuthorizedSession, tree: storage.Bucket) -> None:
    url = f"{STORAGE}/storage/v1/b/{tree.name}/o"
    answer = http.get(url, params={"delimiter": "/", "maxResults": 3}).json()
    assert Reader(load("storage", "v1"), answers=True).read(answer, {"$ref": "Objects"}) == answer
    masked = http.get(url, params={"fields": "items(name,size),nextPageToken,prefixes", "maxResults": 1}).json()
    assert masked["items"] == [{"name": "a", "size": "0"}]
    assert masked.keys() == {"items", "nextPageToken"}
    assert http.get(url, params={"fields": "items/name"}).json()["items"][1] == {"name": "b.txt"}
    assert http.get(url, params={"fields": "items("}).status_code == 400


# --- preconditions, metadata, deletion ---


def test_preconditions(bucket: storage.Bucket) -> None:
    blob = bucket.blob("p")
    blob.upload_from_string(b"1", if_generation_match=0)
    text = r"At least one of the pre-conditions you specified did not hold\."
    with pytest.raises(exceptions.PreconditionFailed, match=text):
        bucket.blob("p").upload_from_string(b"2", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("p").delete(if_generation_match=blob.generation + 1)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.patch(if_metageneration_match=2)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("p").download_as_bytes(if_generation_match=1)
    bucket.blob("p").upload_from_string(b"3", if_generation_match=blob.generation)
    assert bucket.blob("p").download_as_bytes() == b"3"


def test_a_patch_merges_and_null_removes(bucket: storage.Bucket) -> None:
    blob = bucket.blob("m")
    blob.metadata, blob.content_language = {"keep": "1", "drop": "2"}, "de"
    blob.upload_from_string(b"x")
    blob.metadata, blob.content_language = {"drop": None, "new": "3"}, None
    blob.patch()
    read = bucket.get_blob("m")
    assert (read.metadata, read.content_language) == ({"keep": "1", "new": "3"}, None)
    assert (read.metageneration, read.generation) == (2, blob.generation)
    read.metadata = {"only": "4"}
    read.update()
    assert bucket.get_blob("m").metadata == {"only": "4"}


def test_what_is_not_there(owner: storage.Client, bucket: storage.Bucket) -> None:
    with pytest.raises(exceptions.NotFound, match=f"No such object: {bucket.name}/gone"):
        bucket.blob("gone").download_as_bytes()
    with pytest.raises(exceptions.NotFound, match="No such object"):
        bucket.blob("gone").delete()
    with pytest.raises(exceptions.NotFound, match="The specified bucket does not exist"):
        owner.bucket("no-such-bucket-anywhere").blob("x").upload_from_string(b"")


@pytest.mark.parametrize("name", [".", "..", "a\nb", "a\rb", "x" * 1025])
def test_names_that_no_object_may_have(http: AuthorizedSession, bucket: storage.Bucket, name: str) -> None:
    url = f"{STORAGE}/upload/storage/v1/b/{bucket.name}/o"
    answer = http.post(url, params={"uploadType": "media", "name": name}, data=b"x")
    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["a//b", "/a", "a/", "a/./b", "tab\there", "x" * 1024, "?#%&+", "\U0001f600"])
def test_odd_names_come_back_as_they_were(bucket: storage.Bucket, name: str) -> None:
    bucket.blob(name).upload_from_string(name)
    assert bucket.blob(name).download_as_text() == name
    assert [blob.name for blob in bucket.list_blobs()] == [name]


def test_versions_are_kept_where_the_bucket_says_so(bucket: storage.Bucket) -> None:
    bucket.versioning_enabled = True
    bucket.patch()
    old, new = bucket.blob("v"), bucket.blob("v")
    old.upload_from_string(b"old")
    new.upload_from_string(b"new")
    assert bucket.blob("v", generation=old.generation).download_as_bytes() == b"old"
    versions = [(b.generation, b.time_deleted is None) for b in bucket.list_blobs(versions=True, page_size=1)]
    assert versions == [(old.generation, False), (new.generation, True)]
    bucket.blob("v").delete()
    assert list(bucket.list_blobs()) == []
    bucket.delete_blobs(list(bucket.list_blobs(versions=True)), preserve_generation=True)
    bucket.delete()


# --- compose, copy, batch ---


def test_compose(bucket: storage.Bucket) -> None:
    parts = [os.urandom(size) for size in (10, 300_000, 1)]
    for number, part in enumerate(parts):
        bucket.blob(f"part-{number}").upload_from_string(part)
    whole = bucket.blob("whole")
    whole.content_type = "application/x-whole"
    whole.compose([bucket.blob(f"part-{number}") for number in range(3)], if_generation_match=0)
    read = bucket.get_blob("whole")
    assert (read.component_count, read.md5_hash, read.crc32c) == (3, None, crc32c(b"".join(parts)))
    assert read.content_type == "application/x-whole"
    bucket.delete_blobs([bucket.blob("part-1")])
    assert bucket.blob("whole").download_as_bytes() == b"".join(parts)
    assert bucket.blob("whole").download_as_bytes(start=8, end=12) == b"".join(parts)[8:13]
    with pytest.raises(exceptions.NotFound):
        bucket.blob("w").compose([bucket.blob("part-1")])


def test_rewrite_and_copy_keep_metadata_unless_told_otherwise(bucket: storage.Bucket) -> None:
    blob = bucket.blob("from")
    blob.metadata = {"k": "v"}
    blob.upload_from_string(b"data", content_type="text/x-a")
    copy = bucket.blob("to")
    assert copy.rewrite(blob) == (None, 4, 4)
    copied = bucket.copy_blob(blob, bucket, "again")
    bucket.delete_blob("from")
    for name in ("to", "again"):
        read = bucket.get_blob(name)
        assert (read.metadata, read.content_type, read.md5_hash) == ({"k": "v"}, "text/x-a", md5(b"data"))
        assert read.download_as_bytes() == b"data"
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.copy_blob(copied, bucket, "to", if_generation_match=0)


def test_a_batch_answers_each_call_for_itself(owner: storage.Client, bucket: storage.Bucket) -> None:
    for number in range(3):
        bucket.blob(f"n{number}").upload_from_string(b"x")
    with owner.batch(raise_exception=False) as batch:
        bucket.blob("n0").delete()
        bucket.blob("missing").delete()
        changed = bucket.blob("n1")
        changed.metadata = {"batched": "yes"}
        changed.patch()
    assert [answer.status_code for answer in batch._responses] == [204, 404, 200]
    assert [blob.name for blob in bucket.list_blobs()] == ["n1", "n2"]
    assert bucket.get_blob("n1").metadata == {"batched": "yes"}


# --- keys ---


def test_the_buckets_key_or_the_objects_own_protects_it(
    owner: storage.Client, http: AuthorizedSession, sandbox: Sandbox
) -> None:
    default, own = Key(http, sandbox.world), Key(http, sandbox.world)
    bucket = new_bucket(owner, sandbox.world, default_kms_key_name=default.name)
    bucket.blob("default").upload_from_string(b"x")
    bucket.blob("own", kms_key_name=own.name).upload_from_string(b"x")
    assert bucket.get_blob("default").kms_key_name == default.version
    assert bucket.get_blob("own").kms_key_name == own.version
    bucket.blob("moved", kms_key_name=own.name).rewrite(bucket.blob("default"))
    assert bucket.get_blob("moved").kms_key_name == own.version


def test_a_disabled_key_locks_reading_and_writing_and_an_enabled_one_opens_again(
    owner: storage.Client, http: AuthorizedSession, sandbox: Sandbox
) -> None:
    key = Key(http, sandbox.world)
    bucket = new_bucket(owner, sandbox.world, default_kms_key_name=key.name)
    bucket.blob("x").upload_from_string(b"secret")
    key.set_state("DISABLED")
    text = rf"Cloud KMS key {key.name} is disabled, destroyed, or scheduled to be destroyed\."
    for attempt in (
        lambda: bucket.blob("x").download_as_bytes(),
        lambda: bucket.blob("y").upload_from_string(b"y"),
        lambda: bucket.blob("y").rewrite(bucket.blob("x")),
        lambda: bucket.blob("y").compose([bucket.blob("x")]),
    ):
        with pytest.raises(exceptions.BadRequest, match=text) as refused:
            attempt()
        assert "cloudKmsDisabledKey" in json.dumps(refused.value.response.json())
    assert [blob.name for blob in bucket.list_blobs()] == ["x"]
    key.set_state("ENABLED")
    assert bucket.blob("x").download_as_bytes() == b"secret"


def test_keys_that_cannot_protect_a_bucket(owner: storage.Client, http: AuthorizedSession, sandbox: Sandbox) -> None:
    world = sandbox.world
    with pytest.raises(exceptions.BadRequest, match="key location not allowed"):
        new_bucket(owner, world, default_kms_key_name=Key(http, world, location="europe-west1").name)
    denied = r"Permission denied on Cloud KMS key\. Please ensure that your Cloud Storage service account"
    with pytest.raises(exceptions.Forbidden, match=denied):
        new_bucket(owner, world, default_kms_key_name=Key(http, world, granted=False).name)
    with pytest.raises(exceptions.BadRequest, match="not found"):
        new_bucket(owner, world, default_kms_key_name=f"{world.kms_key}-missing")
    with pytest.raises(exceptions.BadRequest, match="Malformed Cloud KMS crypto key"):
        new_bucket(owner, world, default_kms_key_name="my-key")


# --- who may ---


def test_a_stranger_to_a_bucket_is_refused_in_the_services_words(
    workload_client: storage.Client, bucket: storage.Bucket, sandbox: Sandbox
) -> None:
    bucket.blob("x").upload_from_string(b"x")
    email, foreign = sandbox.world.service_account, workload_client.bucket(bucket.name)
    cases = {
        "storage.objects.get access to the Google Cloud Storage object": lambda: foreign.blob("x").download_as_bytes(),
        "storage.objects.list access to the Google Cloud Storage bucket": lambda: list(foreign.list_blobs()),
        "storage.objects.create access to the Google Cloud Storage object": lambda: foreign.blob(
            "y"
        ).upload_from_string(b""),
        "storage.buckets.get access to the Google Cloud Storage bucket": foreign.reload,
        "storage.buckets.create access to the Google Cloud project": lambda: workload_client.create_bucket("a-bucket"),
    }
    for words, attempt in cases.items():
        permission = words.split(" ")[0]
        tail = rf"Permission '{permission}' denied on resource \(or it may not exist\)\."
        with pytest.raises(exceptions.Forbidden, match=rf"{email} does not have {words}\. {tail}"):
            attempt()


def test_a_creator_may_not_replace_and_learns_nothing(
    owner: storage.Client, workload_client: storage.Client, bucket: storage.Bucket, sandbox: Sandbox
) -> None:
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": GRANT, "members": {f"serviceAccount:{sandbox.world.service_account}"}})
    bucket.set_iam_policy(policy)
    foreign = workload_client.bucket(bucket.name)
    assert foreign.test_iam_permissions(["storage.objects.create", "storage.objects.get"]) == ["storage.objects.create"]
    foreign.blob("x").upload_from_string(b"1")
    with pytest.raises(exceptions.Forbidden, match=r"does not have storage\.objects\.delete access"):
        foreign.blob("x").upload_from_string(b"2")
    with pytest.raises(exceptions.Forbidden, match=r"does not have storage\.objects\.get access"):
        foreign.blob("not-there").download_as_bytes()
    assert bucket.blob("x").download_as_bytes() == b"1"


def test_no_token_no_answer(http: AuthorizedSession, bucket: storage.Bucket) -> None:
    import requests

    for path in (f"storage/v1/b/{bucket.name}/o", f"download/storage/v1/b/{bucket.name}/o/x?alt=media"):
        answer = requests.get(f"{STORAGE}/{path}", timeout=10)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, 401)


# --- buckets ---


def test_the_seeded_buckets(workload_client: storage.Client, sandbox: Sandbox) -> None:
    world = sandbox.world
    for name in (world.landing_bucket, world.artifact_bucket):
        bucket = workload_client.get_bucket(name)
        assert (bucket.location, bucket.location_type) == (world.region.upper(), "region")
        assert bucket.default_kms_key_name == world.kms_key
        assert bucket.iam_configuration.uniform_bucket_level_access_enabled
        assert bucket.project_number == int(world.project_number)
    assert workload_client.bucket(world.landing_bucket).blob("x").upload_from_string(b"") is None


def test_a_buckets_life(owner: storage.Client, bucket: storage.Bucket, sandbox: Sandbox) -> None:
    assert bucket.name in [found.name for found in owner.list_buckets(prefix="test-")]
    with pytest.raises(exceptions.Conflict, match="succeeded and you already own it"):
        owner.create_bucket(bucket.name)
    bucket.labels = {"team": "ml", "cost": "low"}
    bucket.add_lifecycle_delete_rule(age=30)
    bucket.patch()
    labels = bucket.labels
    del labels["cost"]
    bucket.labels = labels
    bucket.patch()
    read = owner.get_bucket(bucket.name)
    assert (read.labels, read.metageneration, len(list(read.lifecycle_rules))) == ({"team": "ml"}, 3, 1)
    bucket.blob("x").upload_from_string(b"x")
    with pytest.raises(exceptions.Conflict, match="The bucket you tried to delete is not empty"):
        bucket.delete()
    bucket.delete(force=True)
    assert owner.lookup_bucket(bucket.name) is None
    assert owner.get_service_account_email() == sandbox.world.storage_agent


@pytest.mark.parametrize(
    ("location", "kind"), [("us", "multi-region"), ("nam4", "dual-region"), ("EUROPE-WEST3", "region")]
)
def test_locations(owner: storage.Client, bucket: storage.Bucket, location: str, kind: str) -> None:
    made = owner.create_bucket(f"{bucket.name}-{kind}", location=location)
    assert (made.location, made.location_type) == (location.upper(), kind)


def test_buckets_that_cannot_be(owner: storage.Client, bucket: storage.Bucket) -> None:
    with pytest.raises(exceptions.BadRequest, match="Invalid bucket name"):
        owner.create_bucket("Capital-Letters")
    with pytest.raises(exceptions.BadRequest, match="location constraint is not valid"):
        owner.create_bucket(f"{bucket.name}-2", location="the moon")
    policy = bucket.get_iam_policy()
    bucket.set_iam_policy(policy)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.set_iam_policy(policy)


def test_what_is_done_to_a_bucket_is_audited(http: AuthorizedSession, bucket: storage.Bucket) -> None:
    filter_ = 'protoPayload.methodName="storage.buckets.create" AND resource.type="audited_resource"'
    filter_ += f' AND protoPayload.resourceName="projects/_/buckets/{bucket.name}"'
    body = {"resourceNames": ["projects/sandbox-project"], "filter": filter_}
    answer = http.post("https://logging.googleapis.com/v2/entries:list", json=body)
    (entry,) = answer.json()["entries"]
    assert entry["protoPayload"]["authenticationInfo"]["principalEmail"].startswith("admin@")


# --- in process ---


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path, World())
    yield kernel
    kernel.store.close()


def test_nothing_is_seen_before_its_commit_and_all_is_found_after_a_restart(kernel: Kernel, tmp_path: Path) -> None:
    objects = Objects(kernel, Keys(kernel))
    Buckets(kernel, objects).create("b-one", location="us-central1")
    with objects.writer("b-one", "x", metadata={"k": "v"}) as writer:
        writer.write(b"hello ")
        writer.write(b"you")
        assert objects.get("b-one", "x") is None
        record = writer.commit()
    with objects.writer("b-one", "lost") as writer:
        writer.write(b"never")
    kernel.store.close()
    again = Kernel(tmp_path, World())
    restarted = Objects(again, Keys(again))
    assert list(restarted.list("b-one")) == [record]
    assert b"".join(restarted.read(record)) == b"hello you"
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] != []
    assert sum(path.stat().st_size for path in (tmp_path / "blobs").rglob("*") if path.is_file()) == 9
    again.store.close()


def test_of_two_writers_that_both_want_to_be_first_one_is_refused(kernel: Kernel) -> None:
    objects = Objects(kernel, Keys(kernel))
    Buckets(kernel, objects).create("b-one", location="us-central1")
    with (
        objects.writer("b-one", "x", if_generation_match=0) as one,
        objects.writer("b-one", "x", if_generation_match=0) as two,
    ):
        one.write(b"1")
        two.write(b"2")
        two.commit()
        with pytest.raises(ApiError, match="412"):
            one.commit()
    record = objects.get("b-one", "x")
    assert record is not None
    assert b"".join(objects.read(record)) == b"2"


def test_a_page_of_a_large_bucket_costs_no_more_than_of_a_small_one(kernel: Kernel) -> None:
    import dataclasses

    objects = Objects(kernel, Keys(kernel))
    Buckets(kernel, objects).create("b-one", location="us-central1")
    with objects.writer("b-one", "seed") as writer:
        record = writer.commit()
    with kernel.store.transaction():
        for number in range(30_000):
            name = f"{number % 300:03}/{number:06}"
            objects.table.insert(dataclasses.replace(record, name=name, generation=number + 1))
    start = time.perf_counter()
    assert len(list(objects.list("b-one", "299/", limit=100))) == 100
    assert time.perf_counter() - start < 0.1
    assert next(objects.list("b-one", after="298/029998")).name == "299/000299"


@pytest.mark.parametrize("sizes", [(1, 1), (0, 5), (1000, 0, 7), (65536, 3), (123, 4567, 89)])
def test_checksums_of_parts_make_that_of_the_whole(sizes: tuple[int, ...]) -> None:
    parts = [os.urandom(size) for size in sizes]
    summed = crc32c_of_whole((encode_crc32c(google_crc32c.value(part)), len(part)) for part in parts)
    assert summed == crc32c(b"".join(parts))
