from __future__ import annotations

import base64
import random
import threading
import tracemalloc
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.storage.blobs_in_memory import MemoryBlob
from webapp.storage.errors import Damaged
from webapp.storage.keys import Keyring
from webapp.storage.vault import (
    CHUNK,
    HEADER_LENGTH,
    TAG,
    Kind,
    SealedSource,
    Sealer,
    new_data_key,
    open_name,
    seal_name,
    sealed_size,
)

KEY = bytes(range(32))
ONE, OTHER = UUID(int=1), UUID(int=2)
SEALED_CHUNK = CHUNK + TAG
SIZES = [0, 1, 15, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 12345]


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def sealed(content: bytes, piece: int = 1 << 16, kind: Kind = Kind.DICOM) -> bytes:
    blob = bytearray()
    sealer = Sealer(KEY, ONE, kind, blob.extend)
    for start in range(0, len(content), piece):
        sealer.update(content[start : start + piece])
    sealer.finish()
    return bytes(blob)


def opened(blob: bytes, upload_id: UUID = ONE, kind: Kind = Kind.DICOM, key: bytes = KEY) -> bytes:
    source = SealedSource(MemoryBlob(blob), key, upload_id, kind)
    return bytes(source.read(0, source.size))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [70_001, CHUNK, 5 * CHUNK])
def test_what_was_sealed_opens_again(size: int, piece: int) -> None:
    content = noise(size)

    blob = sealed(content, piece)

    assert opened(blob) == content
    assert len(blob) == sealed_size(size)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_range_reads_as_the_content_does(data: st.DataObject) -> None:
    content = noise(3 * CHUNK + 12345)
    source = SealedSource(MemoryBlob(_three_chunks()), KEY, ONE, Kind.DICOM)
    offset = data.draw(st.integers(0, len(content) + 10))
    length = data.draw(st.integers(0, len(content) + 10))

    assert source.read(offset, length) == content[offset : offset + length]


def test_a_read_view_cannot_be_written_to() -> None:
    source = SealedSource(MemoryBlob(sealed(noise(100))), KEY, ONE, Kind.DICOM)

    assert source.read(0, 10).readonly
    assert source.read(50, 1000).readonly


def test_every_flipped_bit_is_refused() -> None:
    blob = sealed(noise(40))

    for bit in range(len(blob) * 8):
        changed = bytearray(blob)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Damaged):
            opened(bytes(changed))


def test_a_flipped_bit_in_any_chunk_is_refused_when_that_chunk_is_read() -> None:
    blob = _three_chunks()

    for at in range(HEADER_LENGTH, len(blob), SEALED_CHUNK // 3):
        changed = bytearray(blob)
        changed[at] ^= 1
        with pytest.raises(Damaged):
            opened(bytes(changed))


def test_every_truncation_of_a_short_blob_is_refused() -> None:
    blob = sealed(noise(40))

    for length in range(len(blob)):
        with pytest.raises(Damaged):
            opened(blob[:length])


@pytest.mark.parametrize("chunks", [0, 1, 2, 3])
@pytest.mark.parametrize("more", [-1, 0, 1, TAG, TAG + 1])
def test_a_truncation_near_a_chunk_is_refused_at_opening(chunks: int, more: int) -> None:
    blob = _three_chunks()[: HEADER_LENGTH + chunks * SEALED_CHUNK + more]

    with pytest.raises(Damaged):
        SealedSource(MemoryBlob(blob), KEY, ONE, Kind.DICOM)


def test_chunks_that_were_exchanged_repeated_or_left_out_are_refused() -> None:
    blob = _three_chunks()
    head, first = blob[:HEADER_LENGTH], blob[HEADER_LENGTH:][:SEALED_CHUNK]
    second = blob[HEADER_LENGTH + SEALED_CHUNK :][:SEALED_CHUNK]
    rest = blob[HEADER_LENGTH + 2 * SEALED_CHUNK :]

    for wrong in (second + first, first + first, second + second, first, second):
        with pytest.raises(Damaged):
            opened(head + wrong + rest)


def test_bytes_added_at_the_end_are_refused() -> None:
    for added in (b"\0", bytes(TAG), bytes(SEALED_CHUNK)):
        with pytest.raises(Damaged):
            opened(_three_chunks() + added)


def test_a_blob_stands_in_for_no_other_upload_kind_or_key() -> None:
    blob = sealed(noise(100))

    with pytest.raises(Damaged):
        opened(blob, upload_id=OTHER)
    for kind in set(Kind) - {Kind.DICOM}:
        with pytest.raises(Damaged):
            opened(blob, kind=kind)
    with pytest.raises(Damaged):
        opened(blob, key=new_data_key())


def test_a_header_that_claims_another_kind_is_refused_as_that_kind_too() -> None:
    blob = bytearray(sealed(noise(100)))
    blob[5] = sealed(noise(100), kind=Kind.THUMBNAIL)[5]

    with pytest.raises(Damaged):
        opened(bytes(blob), kind=Kind.THUMBNAIL)


def test_two_blobs_of_one_content_share_no_bytes_but_the_headers_constants() -> None:
    first, second = sealed(bytes(64)), sealed(bytes(64))

    assert first[20:] != second[20:]


def test_the_last_chunk_is_the_first_that_is_read() -> None:
    blob = MemoryBlob(_three_chunks())

    SealedSource(blob, KEY, ONE, Kind.DICOM)

    assert blob.reads == [(0, HEADER_LENGTH), (HEADER_LENGTH + 3 * SEALED_CHUNK, 12345 + TAG)]


def test_reads_within_a_chunk_open_it_once() -> None:
    blob = MemoryBlob(_three_chunks())
    source = SealedSource(blob, KEY, ONE, Kind.DICOM)
    blob.reads.clear()

    for offset in range(CHUNK, 2 * CHUNK, 1 << 16):
        source.read(offset, 1 << 16)

    assert len(blob.reads) == 1


def test_a_finished_sealer_takes_no_more() -> None:
    sealer = Sealer(KEY, ONE, Kind.DICOM, len)
    sealer.finish()

    with pytest.raises(ValueError, match="finished"):
        sealer.finish()
    with pytest.raises(ValueError, match="finished"):
        sealer.update(b"more")


def test_several_threads_read_one_source() -> None:
    content = noise(3 * CHUNK + 12345)
    source = SealedSource(MemoryBlob(_three_chunks()), KEY, ONE, Kind.DICOM)
    wrong: list[int] = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(50):
            at, length = chance.randrange(len(content)), chance.randrange(200_000)
            if source.read(at, length) != content[at : at + length]:
                wrong.append(at)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_an_idle_sealer_holds_no_buffer_and_a_long_content_no_more_than_a_few_chunks() -> None:
    tracemalloc.start()
    try:
        idle = [Sealer(KEY, ONE, Kind.DICOM, len) for _ in range(100)]
        assert tracemalloc.get_traced_memory()[1] < 500_000
        piece = bytes(1 << 16)
        for _ in range(50 * CHUNK // len(piece)):
            idle[0].update(piece)
        idle[0].finish()
        assert tracemalloc.get_traced_memory()[1] < 5 * CHUNK
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "name", ["", "scan.dcm", "Müller^Änne 名前 🩻.jpg", "\ud800 lone", "a" * 5000]
)
def test_a_sealed_name_opens_for_its_upload_only(name: str) -> None:
    keyring = Keyring("k:" + base64.b64encode(KEY).decode())

    key_id, blob = seal_name(keyring, name, ONE)

    assert open_name(keyring, key_id, blob, ONE) == name
    with pytest.raises(Damaged):
        open_name(keyring, key_id, blob, OTHER)


_cache: list[bytes] = []


def _three_chunks() -> bytes:
    """Three full chunks and a last one, sealed once for the whole file of tests."""
    if not _cache:
        _cache.append(sealed(noise(3 * CHUNK + 12345)))
    return _cache[0]
