"""Cloud Storage's XML API through obstore, google-cloud-storage's transfer manager and rclone, and by plain HTTP."""

import base64
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import google_crc32c
import obstore
import pytest
import requests
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.storage import transfer_manager
from obstore.auth.google import GoogleCredentialProvider
from obstore.store import GCSStore

from wif_pipelines.sandbox.google.serviceusage import ServiceUsage
from wif_pipelines.sandbox.google.storage.buckets import Buckets
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storage.service import CloudStorage
from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines_tests.sandbox.google.loopback import Loopback, loopback
from wif_pipelines_tests.sandbox.google.storage_world import STORAGE, Key, client, new_bucket

PART = 5 * 1024 * 1024


@pytest.fixture
def bucket(administrator: Any, sandbox: Sandbox) -> Iterator[storage.Bucket]:
    with client(administrator, sandbox.world) as owner:
        yield new_bucket(owner, sandbox.world)


@pytest.fixture
def http(as_administrator: AuthorizedSession) -> Iterator[AuthorizedSession]:
    with as_administrator as session:
        yield session


def gcs(bucket: str, credentials: Any, **options: Any) -> GCSStore:
    provider = GoogleCredentialProvider(credentials=credentials)
    return GCSStore(bucket, credential_provider=provider, retry_config={"max_retries": 0}, **options)


@pytest.fixture
def store(bucket: storage.Bucket, administrator: Any) -> GCSStore:
    return gcs(bucket.name, administrator)


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def code(answer: requests.Response) -> tuple[int, str | None]:
    return answer.status_code, ElementTree.fromstring(answer.content).findtext("Code")


# --- obstore ---


def test_obstore_writes_and_reads(store: GCSStore, bucket: storage.Bucket) -> None:
    attributes = {"Content-Type": "text/csv", "Cache-Control": "no-store", "week": "7"}
    written = obstore.put(store, "a/x é.csv", b"0123456789", attributes=attributes)
    read = obstore.get(store, "a/x é.csv")
    assert bytes(read.bytes()) == b"0123456789"
    assert {name.lower(): value for name, value in read.attributes.items()} == {
        name.lower(): value for name, value in attributes.items()
    }
    found = obstore.head(store, "a/x é.csv")
    assert (found["size"], found["e_tag"], found["version"]) == (10, written["e_tag"], written["version"])
    assert abs(found["last_modified"].timestamp() - time.time()) < 60
    assert bytes(obstore.get_range(store, "a/x é.csv", start=2, end=5)) == b"234"
    assert [bytes(part) for part in obstore.get_ranges(store, "a/x é.csv", starts=[0, 8], ends=[1, 10])] == [
        b"0",
        b"89",
    ]
    assert bytes(obstore.get(store, "a/x é.csv", options={"range": {"suffix": 3}}).bytes()) == b"789"
    blob = bucket.get_blob("a/x é.csv")
    assert (blob.content_type, blob.metadata, blob.crc32c) == ("text/csv", {"week": "7"}, crc32c(b"0123456789"))


def test_obstore_creates_once_updates_what_it_saw_and_reads_what_it_saw(store: GCSStore) -> None:
    first = obstore.put(store, "x", b"1", mode="create")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(store, "x", b"2", mode="create")
    obstore.put(store, "x", b"3", mode=first)
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.put(store, "x", b"4", mode=first)
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.get(store, "x", options={"if_match": first["e_tag"]})
    seen = obstore.head(store, "x")
    assert bytes(obstore.get(store, "x", options={"if_match": seen["e_tag"]}).bytes()) == b"3"
    with pytest.raises(obstore.exceptions.NotModifiedError):
        obstore.get(store, "x", options={"if_none_match": seen["e_tag"]})


def test_obstore_uploads_in_parts(store: GCSStore, bucket: storage.Bucket) -> None:
    data = os.urandom(2 * PART + 11)
    obstore.put(store, "big", data, use_multipart=True, chunk_size=PART, max_concurrency=3, attributes={"k": "v"})
    blob = bucket.get_blob("big")
    assert (blob.size, blob.crc32c, blob.md5_hash, blob.metadata) == (len(data), crc32c(data), None, {"k": "v"})
    assert bytes(obstore.get(store, "big").bytes()) == data
    assert bytes(obstore.get_range(store, "big", start=PART - 3, end=PART + 4)) == data[PART - 3 : PART + 4]


def test_obstore_lists(store: GCSStore) -> None:
    names = ["a", "b/1", "b/2", "b/c/3", "d e", "é"]
    for name in names:
        obstore.put(store, name, b"x")
    assert [entry["path"] for page in obstore.list(store) for entry in page] == names
    assert [entry["path"] for page in obstore.list(store, "b", offset="b/1") for entry in page] == ["b/2", "b/c/3"]
    found = obstore.list_with_delimiter(store, "b")
    assert ([entry["path"] for entry in found["objects"]], found["common_prefixes"]) == (["b/1", "b/2"], ["b/c"])
    assert all(entry["e_tag"] and entry["size"] == 1 for entry in found["objects"])


def test_obstore_copies_renames_and_deletes(store: GCSStore) -> None:
    obstore.put(store, "x y", b"data", attributes={"k": "v"})
    obstore.copy(store, "x y", "copy", overwrite=False)
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.copy(store, "x y", "copy", overwrite=False)
    obstore.rename(store, "x y", "moved")
    assert obstore.get(store, "moved").attributes["k"] == "v"
    obstore.delete(store, ["copy", "moved"])
    assert list(obstore.list(store)) == []
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "moved")


def test_the_key_of_a_header_protects_and_locks(
    http: AuthorizedSession, administrator: Any, bucket: storage.Bucket, sandbox: Sandbox
) -> None:
    key = Key(http, sandbox.world)
    options = {"client_options": {"default_headers": {"x-goog-encryption-kms-key-name": key.name}}}
    store = gcs(bucket.name, administrator, **options)
    obstore.put(store, "one", b"x")
    obstore.put(store, "many", b"x" * (PART + 1), use_multipart=True, chunk_size=PART)
    assert {bucket.get_blob(name).kms_key_name for name in ("one", "many")} == {key.version}
    key.set_state("DISABLED")
    for attempt in (http.get, lambda url: http.put(url, headers=options["client_options"]["default_headers"])):
        answer = attempt(f"{STORAGE}/{bucket.name}/one")
        assert code(answer) == (400, "CloudKmsDisabledKey")
    assert [entry["path"] for page in obstore.list(store) for entry in page] == ["many", "one"]


# --- other clients ---


def test_the_transfer_manager_uploads_and_downloads_in_parts(bucket: storage.Bucket, tmp_path: Path) -> None:
    data = os.urandom(2 * PART + 3)
    (tmp_path / "up").write_bytes(data)
    blob = bucket.blob("parts")
    blob.metadata = {"k": "v"}
    workers = {"worker_type": transfer_manager.THREAD, "max_workers": 3, "chunk_size": PART}
    transfer_manager.upload_chunks_concurrently(str(tmp_path / "up"), blob, checksum="crc32c", **workers)
    blob = bucket.get_blob("parts")
    assert (blob.crc32c, blob.metadata) == (crc32c(data), {"k": "v"})
    transfer_manager.download_chunks_concurrently(blob, str(tmp_path / "down"), **workers)
    assert (tmp_path / "down").read_bytes() == data


def test_rclone_signs_in_keylessly_copies_and_lists(
    sandbox: Sandbox, sandbox_environment: dict[str, str], tmp_path: Path
) -> None:
    folder = f"rclone-{os.urandom(4).hex()}"
    remote = f":gcs,env_auth,bucket_policy_only:{sandbox.world.landing_bucket}/{folder}"
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "small é.txt").write_bytes(b"small")
    (tmp_path / "in" / "deep" / "large").write_bytes(os.urandom(9 << 20))

    def rclone(*arguments: str) -> str:
        command = [str(Path(sys.executable).parent / "rclone"), *arguments]
        environment = {**os.environ, **sandbox_environment, "RCLONE_CONFIG": os.devnull}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    rclone("copy", str(tmp_path / "in"), remote)
    assert sorted(rclone("lsf", "-R", remote).splitlines()) == ["deep/", "deep/large", "small é.txt"]
    rclone("check", "--download", str(tmp_path / "in"), remote)
    rclone("copy", remote, str(tmp_path / "out"))
    assert (tmp_path / "out" / "deep" / "large").read_bytes() == (tmp_path / "in" / "deep" / "large").read_bytes()
    rclone("delete", remote)
    assert rclone("lsf", "-R", remote) == ""


# --- plain HTTP ---


def test_the_headers_of_an_object(http: AuthorizedSession, bucket: storage.Bucket) -> None:
    url = f"{STORAGE}/{bucket.name}/dir/{quote('x?#é')}"
    sent = {"Content-Type": "text/x-a", "x-goog-meta-Clinic": "north", "x-goog-hash": f"crc32c={crc32c(b'body')}"}
    assert http.put(url, data=b"body", headers=sent).status_code == 200
    for host_url in (url, f"https://{bucket.name}.storage.googleapis.com/dir/{quote('x?#é')}"):
        answer = http.head(host_url)
        assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (200, "4", b"")
        assert answer.headers["x-goog-meta-clinic"] == "north"
        assert answer.headers["Content-Type"] == "text/x-a"
        assert answer.headers["ETag"] == f'"{hashlib.md5(b"body").hexdigest()}"'
        assert f"crc32c={crc32c(b'body')}" in answer.headers["x-goog-hash"]
    assert http.get(url, headers={"Range": "bytes=1-2"}).content == b"od"
    assert code(http.get(url, headers={"Range": "bytes=9-"})) == (416, "InvalidRange")
    assert http.delete(url).status_code == 204


def test_refusals_come_as_xml(http: AuthorizedSession, as_pipeline: AuthorizedSession, bucket: storage.Bucket) -> None:
    url = f"{STORAGE}/{bucket.name}/x"
    assert code(http.get(url)) == (404, "NoSuchKey")
    assert code(http.get(f"{STORAGE}/no-such-bucket-anywhere/x")) == (404, "NoSuchBucket")
    assert code(http.put(url, data=b"a", headers={"x-goog-hash": f"crc32c={crc32c(b'b')}"})) == (400, "CrcMismatch")
    digest = base64.b64encode(hashlib.md5(b"b").digest()).decode()
    assert code(http.put(url, data=b"a", headers={"Content-MD5": digest})) == (400, "BadDigest")
    assert code(http.get(url)) == (404, "NoSuchKey")
    http.put(url, data=b"a")
    stale = {"x-goog-if-generation-match": "0"}
    assert code(http.put(url, data=b"b", headers=stale)) == (412, "PreconditionFailed")
    assert code(http.delete(url, headers={"x-goog-if-generation-match": "1"})) == (412, "PreconditionFailed")
    assert code(http.put(f"{STORAGE}/{bucket.name}/{'x' * 1025}", data=b"")) == (400, "InvalidArgument")
    assert code(requests.get(url, timeout=10)) == (401, "AuthenticationRequired")
    with as_pipeline as stranger:
        refused = stranger.get(url)
    assert code(refused) == (403, "AccessDenied")
    assert "does not have storage.objects.get access" in refused.text


def tags(answer: requests.Response, path: str) -> list[str | None]:
    root = ElementTree.fromstring(answer.content)
    namespace = root.tag.partition("}")[0] + "}"
    return [found.text for found in root.findall("/".join(f"{namespace}{step}" for step in path.split("/")))]


def test_both_listings_page(http: AuthorizedSession, bucket: storage.Bucket) -> None:
    names = ["a", "b/1", "b/2", "c", "d/1"]
    for name in names:
        bucket.blob(name).upload_from_string(b"")
    url, seen, token = f"{STORAGE}/{bucket.name}", [], None
    while token is not None or not seen:
        extra = {"continuation-token": token} if token else {}
        page = http.get(url, params={"list-type": "2", "max-keys": "2", **extra})
        seen += tags(page, "Contents/Key")
        token = next(iter(tags(page, "NextContinuationToken")), None)
    assert seen == names
    seen, marker = [], ""
    while marker is not None:
        page = http.get(url, params={"delimiter": "/", "max-keys": "1", "marker": marker})
        seen += tags(page, "Contents/Key") + tags(page, "CommonPrefixes/Prefix")
        marker = next(iter(tags(page, "NextMarker")), None)
    assert seen == ["a", "b/", "c", "d/"]
    assert tags(http.get(url, params={"prefix": "b/", "encoding-type": "url"}), "Contents/Key") == ["b/1", "b/2"]
    assert code(http.get(url, params={"max-keys": "0"})) == (400, "InvalidArgument")


def start(http: AuthorizedSession, url: str, **headers: str) -> str:
    (upload,) = tags(http.post(f"{url}?uploads", headers=headers), "UploadId")
    return str(upload)


def complete(http: AuthorizedSession, url: str, upload: str, *parts: tuple[int, str]) -> requests.Response:
    listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in parts)
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
    return http.post(f"{url}?uploadId={upload}", data=body)


def test_a_multipart_upload_checks_its_parts(http: AuthorizedSession, bucket: storage.Bucket) -> None:
    url = f"{STORAGE}/{bucket.name}/m"
    upload = start(http, url)
    wrong = {"x-goog-hash": f"crc32c={crc32c(b'other')}"}
    assert code(http.put(f"{url}?partNumber=1&uploadId={upload}", data=b"x", headers=wrong)) == (400, "CrcMismatch")
    assert code(http.put(f"{url}?partNumber=0&uploadId={upload}", data=b"x")) == (400, "InvalidArgument")
    right = {"x-goog-hash": f"crc32c={crc32c(b'x')}"}
    small = http.put(f"{url}?partNumber=1&uploadId={upload}", data=b"x", headers=right).headers["ETag"]
    last = http.put(f"{url}?partNumber=2&uploadId={upload}", data=b"y").headers["ETag"]
    assert code(complete(http, url, upload, (2, last), (1, small))) == (400, "InvalidPartOrder")
    assert code(complete(http, url, upload, (1, last), (2, last))) == (400, "InvalidPart")
    assert code(complete(http, url, upload, (1, small), (2, last))) == (400, "EntityTooSmall")
    assert code(http.post(f"{url}?uploadId={upload}", data=b"<not xml")) == (400, "MalformedXML")
    assert tags(http.get(f"{url}?uploadId={upload}"), "Part/Size") == ["1", "1"]
    assert tags(http.get(f"{STORAGE}/{bucket.name}?uploads"), "Upload/UploadId") == [upload]
    assert not bucket.blob("m").exists()
    large = http.put(f"{url}?partNumber=1&uploadId={upload}", data=b"z" * PART).headers["ETag"]
    done = complete(http, url, upload, (1, large), (2, last))
    assert (done.status_code, tags(done, "Key")) == (200, ["m"])
    assert bucket.blob("m").download_as_bytes() == b"z" * PART + b"y"
    assert code(complete(http, url, upload, (1, large))) == (404, "NoSuchUpload")


def test_an_aborted_upload_leaves_nothing(http: AuthorizedSession, bucket: storage.Bucket) -> None:
    url = f"{STORAGE}/{bucket.name}/m"
    upload = start(http, url)
    tag = http.put(f"{url}?partNumber=1&uploadId={upload}", data=b"x").headers["ETag"]
    assert http.delete(f"{url}?uploadId={upload}").status_code == 204
    assert code(complete(http, url, upload, (1, tag))) == (404, "NoSuchUpload")
    assert code(http.post(f"{url}?uploads", headers={"x-goog-if-generation-match": "0"})) == (400, "InvalidArgument")
    assert not bucket.blob("m").exists()


def test_uploads_under_way_outlive_a_restart(tmp_path: Path) -> None:
    head, tail = os.urandom(256 * 1024), os.urandom(1000)
    email, roles = "writer@x.iam.gserviceaccount.com", ["roles/storage.admin"]
    with serving(tmp_path) as (cloud, buckets):
        buckets.create("b-one", location="us-central1")
        token, url = cloud.token(email, *roles), cloud.endpoint("storage.googleapis.com")
        signed = {"Authorization": f"Bearer {token}"}
        begun = requests.post(
            f"{url}/upload/storage/v1/b/b-one/o?uploadType=resumable&name=r", headers=signed, timeout=9
        )
        session = begun.headers["Location"].removeprefix(STORAGE)
        span = {"Content-Range": f"bytes 0-{len(head) - 1}/*"}
        assert requests.put(url + session, data=head, headers=span, timeout=9, allow_redirects=False).status_code == 308
        (upload,) = tags(requests.post(f"{url}/b-one/m?uploads", headers=signed, timeout=9), "UploadId")
        part = requests.put(f"{url}/b-one/m?uploadId={upload}&partNumber=1", data=tail, headers=signed, timeout=9)
    with serving(tmp_path) as (cloud, _):
        url = cloud.endpoint("storage.googleapis.com")
        span = {"Content-Range": f"bytes {len(head)}-{len(head) + 999}/{len(head) + 1000}"}
        done = requests.put(url + session, data=tail, headers=span, timeout=9).json()
        assert done["crc32c"] == crc32c(head + tail)
        assert done["md5Hash"] == base64.b64encode(hashlib.md5(head + tail).digest()).decode()
        body = f"<C><Part><PartNumber>1</PartNumber><ETag>{part.headers['ETag']}</ETag></Part></C>"
        assert (
            requests.post(f"{url}/b-one/m?uploadId={upload}", data=body, headers=signed, timeout=9).status_code == 200
        )
        assert requests.get(f"{url}/b-one/m", headers=signed, timeout=9).content == tail


def test_every_way_in_is_closed_while_the_api_is_off(tmp_path: Path) -> None:
    with serving(tmp_path, "serviceusage.googleapis.com") as (cloud, buckets):
        buckets.create("b-one", location="us-central1")
        token = cloud.token("owner@x.iam.gserviceaccount.com", "roles/owner")
        service = f"v1/projects/{cloud.kernel.world.project}/services/storage.googleapis.com"
        cloud.call("POST", "serviceusage.googleapis.com", f"{service}:disable", token, {}).raise_for_status()
        for path in ("b-one/x", "b-one?list-type=2", "storage/v1/b/b-one", "download/storage/v1/b/b-one/o/x?alt=media"):
            answer = cloud.call("GET", "storage.googleapis.com", path, token)
            assert (answer.status_code, "it is disabled" in answer.text) == (403, True), path


@contextmanager
def serving(directory: Path, *others: str) -> Iterator[tuple[Loopback, Buckets]]:
    """Cloud Storage in this process, on the state of `directory`."""
    with loopback(directory, "storage.googleapis.com", *others) as cloud:
        usage = ServiceUsage(cloud.kernel)
        objects = Objects(cloud.kernel, cloud.keys)
        served = CloudStorage(cloud.kernel, objects, cloud.gateway.authenticate, usage.require_enabled)
        cloud.gateway.serve(served.handlers())
        cloud.gateway.serve_raw("storage", served.serve_raw, served.describe)
        yield cloud, served.buckets


def test_faults_find_the_xml_api_by_the_methods_of_the_json_api(
    faults: Any, store: GCSStore, administrator: Any, bucket: storage.Bucket
) -> None:
    fault = faults.add(kind="status", service="storage", method="storage.objects.insert", status=503, count=1)
    with pytest.raises(obstore.exceptions.BaseError, match="503"):
        obstore.put(store, "x", b"x", use_multipart=False)
    assert faults.get(fault["id"])["used"] == 1
    obstore.put(store, "x", b"x", use_multipart=False)
    assert bytes(obstore.get(store, "x").bytes()) == b"x"


def test_a_small_object_goes_in_and_out_in_single_milliseconds(store: GCSStore) -> None:
    def best(call: Any) -> float:
        times = []
        for _ in range(20):
            begun = time.perf_counter()
            call()
            times.append(time.perf_counter() - begun)
        return min(times)

    assert best(lambda: obstore.put(store, "x", b"x" * 1000, use_multipart=False)) < 0.01
    assert best(lambda: obstore.get(store, "x").bytes()) < 0.01
