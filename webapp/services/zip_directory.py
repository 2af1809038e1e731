"""The central directory of a ZIP (PKWARE's APPNOTE 6.3.10), read with suspicion.

Everything in it was written by a stranger: counts and sizes are bounded before
they are believed, offsets must lie within the file, entries may not overlap.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from webapp.pipeline.source import Source
from webapp.services.batch_errors import ArchiveBomb, ArchiveDamaged, BatchTooManyFiles

LOCAL = b"PK\x03\x04"
EMPTY = b"PK\x05\x06"
LOCAL_HEADER = struct.Struct("<4s5HIIIHH")

_END = struct.Struct("<4s4HIIH")
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_ENTRY = struct.Struct("<4s6HIIIHHHHHII")
_MOST_ENTRY = 1024
"""Bytes that an entry's name, extras and comment take on average at the very most."""
_UTF8 = 1 << 11
_ENCRYPTED = 1 | 1 << 6 | 1 << 13
_FULL = 0xFFFFFFFF


@dataclass(frozen=True)
class Member:
    """One entry: its name, how it is packed, where it lies. Sizes in bytes, as claimed.

    ``offset`` is that of its local header; nothing of it may lie at ``end`` or later.
    """

    name: str
    method: int
    encrypted: bool
    checksum: int
    packed: int
    size: int
    offset: int
    end: int = 0


def read_directory(source: Source, most: int) -> list[Member]:
    """All entries, in the archive's own order.

    Raises ArchiveDamaged; BatchTooManyFiles for more than ``most`` entries;
    ArchiveBomb for entries that share bytes.
    """
    count, size, start, shift = _find(source)
    if count > most or size > most * _MOST_ENTRY:
        raise BatchTooManyFiles(limit=most)
    table = bytes(source.read(start, size))
    if len(table) != size:
        raise ArchiveDamaged
    members = []
    for member in _entries(table, shift):
        members.append(member)
        if len(members) > most:
            raise BatchTooManyFiles(limit=most)
    if len(members) != count:
        raise ArchiveDamaged
    return _apart(members, start)


def _find(source: Source) -> tuple[int, int, int, int]:
    """Number of entries, the table's size and start, and what every offset is short of.

    Bytes put in front of an archive (a self-extracting one) shift all offsets.
    """
    tail_start = max(0, source.size - _END.size - 0xFFFF)
    tail = bytes(source.read(tail_start, source.size - tail_start))
    at = _end_record(tail)
    fields = _END.unpack_from(tail, at)
    count, size, offset = fields[4], fields[5], fields[6]
    end = tail_start + at
    count, size, offset, end = _find64(source, end) or (count, size, offset, end)
    start = end - size
    if start < 0 or offset > start:
        raise ArchiveDamaged
    return count, size, start, start - offset


def _end_record(tail: bytes) -> int:
    """Where the last record begins whose comment ends with the file; else the last of all."""
    last = at = tail.rfind(EMPTY, 0, max(0, len(tail) - _END.size + 4))
    if at < 0:
        raise ArchiveDamaged
    while at >= 0:
        if at + _END.size + _END.unpack_from(tail, at)[-1] == len(tail):
            return at
        at = tail.rfind(EMPTY, 0, at)
    return last


def _find64(source: Source, end: int) -> tuple[int, int, int, int] | None:
    at = end - _END64_LOCATOR.size
    if at < 0:
        return None
    locator = bytes(source.read(at, _END64_LOCATOR.size))
    if not locator.startswith(b"PK\x06\x07"):
        return None
    # Right before its locator, whatever was put in front of the archive; or, where it
    # was extended, where the locator says.
    for start in (at - _END64.size, _END64_LOCATOR.unpack(locator)[2]):
        record = bytes(source.read(start, _END64.size)) if start >= 0 else b""
        if record.startswith(b"PK\x06\x06") and len(record) == _END64.size:
            fields = _END64.unpack(record)
            return fields[7], fields[8], fields[9], start
    raise ArchiveDamaged


def _entries(table: bytes, shift: int) -> Iterator[Member]:
    at = 0
    while at < len(table):
        if len(table) - at < _ENTRY.size or table[at : at + 4] != b"PK\x01\x02":
            raise ArchiveDamaged
        fields = _ENTRY.unpack_from(table, at)
        name_length, extra_length, comment_length = fields[10:13]
        at += _ENTRY.size
        name = table[at : at + name_length]
        extra = table[at + name_length : at + name_length + extra_length]
        at += name_length + extra_length + comment_length
        if at > len(table):
            raise ArchiveDamaged
        yield _member(fields, name, extra, shift)


def _member(fields: tuple[int, ...], name: bytes, extra: bytes, shift: int) -> Member:
    flags, method, checksum, packed, size, offset = (*fields[3:5], *fields[7:10], fields[16])
    if _FULL in (packed, size, offset):
        size, packed, offset = _wide(extra, size, packed, offset)
    return Member(
        name=decode_name(name, bool(flags & _UTF8)),
        method=method,
        encrypted=bool(flags & _ENCRYPTED) or method == 99,
        checksum=checksum,
        packed=packed,
        size=size,
        offset=offset + shift,
    )


def _wide(extra: bytes, *narrow: int) -> list[int]:
    """Sizes and offset of 64 bits, where those of 32 say that they stand in the extra field."""
    values = next((value for tag, value in _extras(extra) if tag == 1), b"")
    wide = []
    for number in narrow:
        if number == _FULL:
            if len(values) < 8:
                raise ArchiveDamaged
            number, values = int.from_bytes(values[:8], "little"), values[8:]
        wide.append(number)
    return wide


def _extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:
        tag, length = struct.unpack_from("<HH", extra)
        yield tag, extra[4 : 4 + length]
        extra = extra[4 + length :]


def decode_name(name: bytes, is_utf8: bool) -> str:
    """UTF-8 where the flag says so or it can be; else code page 437, as ZIP was born with."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("utf-8", "replace") if is_utf8 else name.decode("cp437")


def _apart(members: list[Member], end: int) -> list[Member]:
    """The members with their ends: where the next one, or the table, begins.

    Entries that share packed bytes are how small archives become enormous ones.
    """
    ends: dict[int, int] = {}
    for member in sorted(members, key=lambda one: one.offset, reverse=True):
        if member.offset in ends or member.offset + LOCAL_HEADER.size + member.packed > end:
            raise ArchiveBomb
        ends[member.offset] = end
        end = member.offset
    return [replace(member, end=ends[member.offset]) for member in members]
