"""The body of an S3 upload: unwrapped from its `aws-chunked` coding, and compared with the checksums sent along.

Moto unwraps in quadratic time, looks for checksums inside the data, and compares nothing; the real service answers
`BadDigest`. Chunks' own signatures are not checked.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

import base64
import hashlib
import hmac
import zlib
from collections.abc import Callable, Mapping

import google_crc32c

from wif_pipelines.sandbox.aws.errors import AwsError
from wif_pipelines.sandbox.aws.signature import Call

__all__ = ["CHECKSUM_HEADERS", "check_digests", "unwrap"]

_PREFIX = "x-amz-checksum-"
_DIGESTS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "crc32c": lambda body: int(google_crc32c.value(body)).to_bytes(4, "big"),
    "sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
    "sha512": lambda body: hashlib.sha512(body).digest(),
}
CHECKSUM_HEADERS = frozenset(_PREFIX + name for name in (*_DIGESTS, "crc64nvme"))
"""The headers, in lower case, in which a checksum of the whole body travels."""


def unwrap(call: Call) -> tuple[bytes, dict[str, str]]:
    """Return the object's own bytes, and the checksum headers that came behind them.

    Raises:
        AwsError: `IncompleteBody` (400), when the coding breaks off or holds another number of bytes than announced.
    """
    if not call.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        return call.body, {}
    try:
        body, trailer = _parse(call.body)
    except ValueError:
        body, trailer = b"", b""
    if str(len(body)) != call.headers.get("x-amz-decoded-content-length", str(len(body))):
        text = "You did not provide the number of bytes specified by the Content-Length HTTP header."
        raise AwsError(400, "IncompleteBody", text)
    pairs = (line.partition(":")[::2] for line in trailer.decode("latin-1").split("\r\n"))
    return body, {name.lower(): value.strip() for name, value in pairs if name.lower().startswith(_PREFIX)}


def check_digests(body: bytes, headers: Mapping[str, str]) -> None:
    """Compare a body with every checksum header there is a way to compute.

    Raises:
        AwsError: `BadDigest` (400).
    """
    for name, digest in _DIGESTS.items():
        declared = headers.get(_PREFIX + name)
        if declared and not hmac.compare_digest(base64.b64encode(digest(body)), declared.encode()):
            text = f"The {name.upper()} you specified did not match the calculated checksum."
            raise AwsError(400, "BadDigest", text)
    declared = headers.get("content-md5")
    if declared and base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()) != declared.encode():
        raise AwsError(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")


def _parse(coded: bytes) -> tuple[bytes, bytes]:
    chunks: list[memoryview] = []
    position = 0
    while True:
        end = coded.index(b"\r\n", position)
        size = int(coded[position:end].partition(b";")[0], 16)
        position = end + 2
        if size == 0:
            return b"".join(chunks), coded[position:]
        chunks.append(memoryview(coded)[position : position + size])
        position += size + 2
