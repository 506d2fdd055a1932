"""CRC32C and MD5 as Cloud Storage writes them, and the CRC32C of a whole from those of its parts.

https://cloud.google.com/storage/docs/data-validation: composite objects have a CRC32C only.
"""

import base64
import functools
from collections.abc import Iterable

_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected
_Matrix = tuple[int, ...]


def encode_crc32c(value: int) -> str:
    """Base64 of the big-endian four bytes."""
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def decode_crc32c(text: str) -> int:
    """The inverse of `encode_crc32c`."""
    return int.from_bytes(base64.b64decode(text), "big")


def crc32c_of_whole(parts: Iterable[tuple[str, int]]) -> str:
    """The CRC32C of a concatenation, from (CRC32C, size in bytes) of each part; no byte is read again."""
    whole = 0
    for crc32c, size in parts:
        whole = _times_zero_bytes(whole, size) ^ decode_crc32c(crc32c)
    return encode_crc32c(whole)


def _times_zero_bytes(crc: int, count: int) -> int:
    """What `crc` becomes when `count` zero bytes follow (as zlib's crc32_combine does it)."""
    power = 0
    while count:
        if count & 1:
            crc = _apply(_zero_bytes(power), crc)
        count >>= 1
        power += 1
    return crc


@functools.cache
def _zero_bytes(power: int) -> _Matrix:
    """The operator of 2**power zero bytes."""
    if power == 0:
        one_bit = (_POLYNOMIAL, *(1 << bit for bit in range(31)))
        return _square(_square(_square(one_bit)))
    return _square(_zero_bytes(power - 1))


def _square(matrix: _Matrix) -> _Matrix:
    return tuple(_apply(matrix, row) for row in matrix)


def _apply(matrix: _Matrix, vector: int) -> int:
    total = 0
    for row in matrix:
        if vector & 1:
            total ^= row
        vector >>= 1
    return total
