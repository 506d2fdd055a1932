"""CRC32C as Cloud Storage writes it."""

from __future__ import annotations

import obstore
from hypothesis import given
from hypothesis import strategies as st

from wif_pipelines.ingestion.checksum import Crc32c, crc32c_of


def test_the_published_check_value() -> None:
    assert crc32c_of(b"123456789") == "4waSgw=="
    assert crc32c_of(b"") == "AAAAAA=="


@given(st.lists(st.binary(max_size=200)))
def test_pieces_add_up(pieces: list[bytes]) -> None:
    whole = Crc32c()
    for piece in pieces:
        whole.update(piece)
    assert whole.base64 == crc32c_of(b"".join(pieces))
    assert whole.size == sum(map(len, pieces))


def test_takes_the_buffers_of_obstore_in_slices() -> None:
    content = bytes(range(256)) * 10_000
    assert crc32c_of(obstore.Bytes(content)) == crc32c_of(content)
