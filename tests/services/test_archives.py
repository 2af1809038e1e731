from __future__ import annotations

import io
import os
import random
import struct
import tracemalloc
import zipfile
from typing import Any

import pytest

from webapp.errors import Rejected, Unavailable
from webapp.pipeline.source import BytesSource
from webapp.services.archives import ArchiveEntry, ArchiveLimits, is_archive, read_archive
from webapp.services.batch_errors import (
    ArchiveBomb,
    ArchiveDamaged,
    ArchiveEncrypted,
    BatchTooLarge,
    BatchTooManyFiles,
)
from webapp.services.zip_directory import read_directory
from webapp.storage.errors import StorageFull

LIMITS = ArchiveLimits(file_bytes=64 << 20, total_bytes=256 << 20, files=100, ratio=200)
NOISE = random.Random(1).randbytes(300_000)


class MemorySink(io.BytesIO):
    """Keeps what was written after ``finish`` too."""

    content = b""

    def finish(self) -> None:
        self.content = self.getvalue()


def archive(
    *files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as writer:
        writer.comment = comment
        for name, content in files:
            writer.writestr(name, content)
    return out.getvalue()


def read(content: bytes, limits: ArchiveLimits = LIMITS) -> list[ArchiveEntry[Any]]:
    return list(read_archive(BytesSource(content), limits, MemorySink))


def contents(content: bytes) -> dict[str, bytes]:
    return {entry.name: entry.sink.content for entry in read(content) if entry.sink}


def codes(content: bytes, limits: ArchiveLimits = LIMITS) -> list[str | None]:
    return [entry.error.code if entry.error else None for entry in read(content, limits)]


def patched(content: bytes, name: str, field: str, value: int, where: str = "central") -> bytes:
    """The archive with one number of one entry's header changed."""
    places = {
        "central": {"flags": (8, "H"), "method": (10, "H"), "crc": (16, "I"), "packed": (20, "I"),
                    "size": (24, "I"), "offset": (42, "I"), "header": 46, "magic": b"PK\1\2"},
        "local": {"extra": (28, "H"), "signature": (0, "I"), "header": 30, "magic": b"PK\3\4"},
    }[where]  # fmt: skip
    at = content.index(name.encode(), content.index(places["magic"])) - places["header"]
    if where == "central":
        at = content.rindex(name.encode()) - places["header"]
    offset, form = places[field]
    changed = bytearray(content)
    struct.pack_into("<" + form, changed, at + offset, value)
    return bytes(changed)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("content", [b"", b"x", NOISE, bytes(900_000), NOISE * 9])
def test_files_come_out_as_they_went_in(method: int, content: bytes) -> None:
    packed = archive(("a.dcm", content), ("sub/folder/b.dcm", b"second"), method=method)

    assert is_archive(packed)
    assert contents(packed) == {"a.dcm": content, "sub/folder/b.dcm": b"second"}


def test_a_streamed_archive_without_sizes_in_its_local_headers_is_read() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.content = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, buffer: Any) -> int:
            self.content += buffer
            return len(buffer)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as writer:  # type: ignore[arg-type]
        with writer.open("a", "w") as file:
            file.write(NOISE)
        with writer.open("b", "w", force_zip64=True) as file:
            file.write(b"wide")

    assert contents(bytes(pipe.content)) == {"a": NOISE, "b": b"wide"}


def test_an_archive_of_64_bits_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 50)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)

    packed = archive(("a", NOISE), ("b", bytes(100)))

    assert b"PK\x06\x06" in packed
    assert contents(packed) == {"a": NOISE, "b": bytes(100)}


def test_bytes_before_and_a_comment_behind_an_archive_do_no_harm() -> None:
    tricky = archive(("a", NOISE), ("b", b"x"), comment=b"note PK\x05\x06" + bytes(30))

    assert contents(tricky) == {"a": NOISE, "b": b"x"}
    assert contents(b"#!/bin/sh\n" * 100 + tricky) == {"a": NOISE, "b": b"x"}
    assert contents(archive(("a", b"x")) + b"trailing") == {"a": b"x"}


def test_an_empty_archive_holds_nothing() -> None:
    assert is_archive(archive())
    assert read(archive()) == []


def test_what_is_no_picture_by_its_name_is_left_out_and_a_dicomdir_is_skipped() -> None:
    packed = archive(
        ("folder/", b""), ("folder\\", b""), ("__MACOSX/._a.dcm", b"x"), (".DS_Store", b"x"),
        ("a/.hidden/b.dcm", b"x"), ("._c", b"x"), ("DICOMDIR", b"index"), ("cd/DICOMDIR", b"index"),
        ("a/b.dcm", b"kept"),
    )  # fmt: skip

    found = [(entry.name, entry.skipped, entry.sink is None) for entry in read(packed)]

    assert found == [
        ("DICOMDIR", True, True),
        ("cd/DICOMDIR", True, True),
        ("a/b.dcm", False, False),
    ]


def test_an_archive_within_an_archive_is_a_file() -> None:
    inner = archive(("a", b"x"))

    assert contents(archive(("inner.zip", inner))) == {"inner.zip": inner}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/absolute/a.dcm", "absolute/a.dcm"),
        ("C:\\scans\\a.dcm", "C:/scans/a.dcm"),
        ("a/./b//c.dcm", "a/b/c.dcm"),
        ("new\nline\x1b[31m.dcm", "new_line_[31m.dcm"),
        ("Größe 名前.dcm", "Größe 名前.dcm"),
    ],
)
def test_a_name_is_shown_and_can_climb_nowhere(name: str, shown: str) -> None:
    assert [entry.name for entry in read(archive((name, b"x")))] == [shown]


def test_a_name_without_the_utf8_flag_is_utf8_where_it_can_be_and_else_of_ms_dos() -> None:
    def named(raw: bytes, flags: int) -> str:
        placeholder = "x" * len(raw)
        packed = patched(archive((placeholder, b"x")), placeholder, "flags", flags)
        return read(packed.replace(placeholder.encode(), raw))[0].name

    assert named("Größe".encode(), 0) == "Größe"
    assert named("Größe".encode("cp437"), 0) == "Größe"
    assert named(b"a\xff", 1 << 11) == "a\ufffd"


@pytest.mark.parametrize("flags", [1, 1 | 1 << 6, 1 << 13])
def test_an_encrypted_archive_is_refused(flags: int) -> None:
    packed = patched(archive(("a", NOISE), ("b", NOISE)), "b", "flags", flags)

    with pytest.raises(ArchiveEncrypted):
        read(packed)


def test_an_entry_that_expands_beyond_belief_fails_alone() -> None:
    packed = archive(("blank", bytes(900_000)), ("bomb", bytes(3_000_000)), ("a", NOISE * 9))

    assert codes(packed) == [None, "archive-bomb", None]


def test_an_archive_that_expands_beyond_belief_is_refused() -> None:
    with pytest.raises(ArchiveBomb):
        read(archive(("a", bytes(30_000_000))))
    with pytest.raises(ArchiveBomb):
        read(archive(*((f"{number}", bytes(900_000)) for number in range(90))))


def test_the_ratio_that_is_believed_is_a_setting() -> None:
    limits = ArchiveLimits(file_bytes=64 << 20, total_bytes=256 << 20, files=100, ratio=5000)

    assert codes(archive(("a", bytes(30_000_000))), limits) == [None]


def test_an_entry_that_unpacks_to_more_than_it_claims_is_cut_and_fails() -> None:
    packed = archive(("a", bytes(500_000)), ("b", b"good"))

    written: list[int] = []

    class Counting(MemorySink):
        def write(self, buffer: Any) -> int:
            written.append(len(buffer))
            return super().write(buffer)

    lying = patched(packed, "a", "size", 1000)
    found = list(read_archive(BytesSource(lying), LIMITS, Counting))

    assert [entry.error.code if entry.error else None for entry in found] == [
        "archive-damaged",
        None,
    ]
    assert sum(written) == len(b"good")


@pytest.mark.parametrize(
    ("field", "value"), [("size", 500_001), ("crc", 0), ("packed", 7), ("method", 0)]
)
def test_an_entry_that_is_not_what_it_claims_fails_alone(field: str, value: int) -> None:
    packed = archive(("aaa", bytes(500_000)), ("bbb", b"good"))

    assert codes(patched(packed, "aaa", field, value)) == ["archive-damaged", None]


@pytest.mark.parametrize("method", [9, 14, 93, 97, 1])
def test_an_unknown_packing_is_that_entrys_failure(method: int) -> None:
    packed = patched(archive(("aaa", NOISE), ("bbb", b"good")), "aaa", "method", method)

    assert codes(packed) == ["archive-method-unsupported", None]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_damaged_bytes_are_that_entrys_failure(method: int) -> None:
    packed = bytearray(archive(("aaa", NOISE), ("bbb", b"good"), method=method))
    packed[1000] ^= 255

    assert codes(bytes(packed)) == ["archive-damaged", None]


@pytest.mark.parametrize(("field", "value"), [("signature", 0), ("extra", 60_000)])
def test_a_local_header_that_lies_is_that_entrys_failure(field: str, value: int) -> None:
    packed = archive(("aaa", b"first"), ("bbb", b"good"))

    assert codes(patched(packed, "aaa", field, value, "local")) == ["archive-damaged", None]


def test_a_local_header_cannot_point_into_the_next_entry() -> None:
    packed = archive(("aaa", b"12345"), ("bbb", b"good"), method=zipfile.ZIP_STORED)
    shifted = patched(packed, "aaa", "extra", 20, "local")

    assert codes(shifted) == ["archive-damaged", None]


def test_entries_that_share_bytes_are_refused() -> None:
    packed = archive(("aaa", NOISE), ("bbb", NOISE), method=zipfile.ZIP_STORED)

    for offset in (0, 1, 1000):
        with pytest.raises(ArchiveBomb):
            read(patched(packed, "bbb", "offset", offset))


def test_an_entry_that_claims_to_lie_beyond_the_archive_is_refused() -> None:
    packed = archive(("aaa", NOISE), ("bbb", NOISE))

    for field, value in (("offset", 1 << 30), ("packed", 1 << 30)):
        with pytest.raises(ArchiveBomb):
            read(patched(packed, "bbb", field, value))


def test_a_file_over_its_limit_fails_alone() -> None:
    limits = ArchiveLimits(file_bytes=1 << 20, total_bytes=64 << 20, files=10, ratio=200)

    big, small = read(archive(("big", NOISE * 5), ("small", b"x")), limits)

    assert big.error is not None
    assert (big.error.code, big.error.facts) == ("file-too-large", {"limit": 1})
    assert small.sink is not None


def test_an_archive_over_its_total_or_number_of_files_is_refused() -> None:
    limits = ArchiveLimits(file_bytes=1 << 20, total_bytes=1 << 20, files=5, ratio=200)

    with pytest.raises(BatchTooLarge) as large:
        read(archive(*((f"{n}", NOISE) for n in range(4))), limits)
    with pytest.raises(BatchTooManyFiles) as many:
        read(archive(*((f"{n}", b"x") for n in range(6))), limits)
    assert (large.value.facts, many.value.facts) == ({"limit": 1}, {"limit": 5})


def test_what_is_left_out_does_not_count_as_a_file() -> None:
    limits = ArchiveLimits(file_bytes=9, total_bytes=99, files=2, ratio=200)
    shadows = [(f"__MACOSX/._{n}", b"x") for n in range(5)]

    assert len(read(archive(("a", b"x"), ("b", b"x"), ("DICOMDIR", b"x"), *shadows), limits)) == 3


def test_a_directory_of_very_many_entries_is_refused_before_it_is_read() -> None:
    limits = ArchiveLimits(file_bytes=9, total_bytes=99, files=2, ratio=200)

    class Watched(BytesSource):
        most = 0

        def read(self, offset: int, length: int) -> memoryview:
            self.most = max(self.most, length)
            return super().read(offset, length)

    source = Watched(archive(*((f"{n:0200}/", b"") for n in range(2000))))
    with pytest.raises(BatchTooManyFiles):
        list(read_archive(source, limits, MemorySink))
    assert source.most < 70_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"PK\x03\x04" + bytes(100),
        b"PK\x05\x06",
        b"PK\x05\x06" + bytes(17),
        NOISE,
        b"PK\x05\x06" + struct.pack("<4HIIH", 0, 0, 1, 1, 100, 0, 0),
        b"PK\x05\x06" + struct.pack("<4HIIH", 0, 0, 1, 1, 0, 0, 0),
        b"PK\x05\x06" + struct.pack("<4HIIH", 0, 0, 0xFFFF, 0xFFFF, 5, 5, 0),
        bytes(46) + b"PK\x05\x06" + struct.pack("<4HIIH", 0, 0, 1, 1, 46, 0, 0),
    ],
)
def test_what_is_no_archive_is_damaged(content: bytes) -> None:
    with pytest.raises((ArchiveDamaged, BatchTooManyFiles)):
        read(content)


def test_every_truncation_and_flipped_bit_is_refused_or_stays_an_entrys_own_matter() -> None:
    whole = archive(("first", NOISE[:300]), ("second", b"x" * 50), ("third", b""))
    expected = {"first": NOISE[:300], "second": b"x" * 50, "third": b""}

    variants = [whole[:length] for length in range(len(whole))]
    for bit in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        variants.append(bytes(changed))

    for content in variants:
        try:
            entries = read(content)
        except Rejected:
            continue
        for entry in entries:
            if entry.sink is not None:
                assert entry.sink.content in expected.values()


def test_random_bytes_behind_a_signature_never_break_anything() -> None:
    chance = random.Random(7)
    whole = archive(("first", NOISE[:300]), ("second", b"x" * 50))
    refusals: set[str] = set()
    for _ in range(2000):
        changed = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            read(bytes(changed))
        except Rejected as error:
            refusals.add(error.code)

    assert refusals <= {"archive-damaged", "archive-bomb", "archive-encrypted"} | {
        "batch-too-large",
        "batch-too-many-files",
    }


def test_the_sink_of_a_failed_entry_is_closed_and_trouble_of_ours_passes_through() -> None:
    sinks: list[MemorySink] = []

    def new() -> MemorySink:
        sinks.append(MemorySink())
        return sinks[-1]

    damaged = patched(archive(("a", NOISE)), "a", "crc", 0)
    assert next(read_archive(BytesSource(damaged), LIMITS, new)).sink is None
    assert sinks[0].closed

    class Full(MemorySink):
        def write(self, buffer: Any) -> int:
            raise StorageFull

    full = Full()
    with pytest.raises(Unavailable):
        list(read_archive(BytesSource(archive(("a", NOISE))), LIMITS, lambda: full))
    assert full.closed


def test_a_large_entry_passes_in_constant_memory() -> None:
    limits = ArchiveLimits(file_bytes=1 << 30, total_bytes=1 << 30, files=9, ratio=5000)
    packed = archive(("a", bytes(200_000_000)))

    class Count:
        size = 0

        def write(self, buffer: Any) -> None:
            self.size += len(buffer)

        def finish(self) -> None: ...

        def close(self) -> None: ...

    tracemalloc.start()
    try:
        (entry,) = read_archive(BytesSource(packed), limits, Count)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert entry.sink is not None
    assert entry.sink.size == 200_000_000
    assert peak < 8 << 20


def test_a_directory_reads_as_the_standard_library_reads_it() -> None:
    packed = archive(*((f"{n}/{os.urandom(3).hex()}.dcm", os.urandom(n)) for n in range(50)))

    theirs = zipfile.ZipFile(io.BytesIO(packed)).infolist()
    ours = read_directory(BytesSource(packed), 100)

    assert [(m.name, m.size, m.packed, m.checksum, m.offset) for m in ours] == [
        (i.filename, i.file_size, i.compress_size, i.CRC, i.header_offset) for i in theirs
    ]
