"""One member of a ZIP, unpacked as a stream and checked against what was claimed of it."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable, Iterator

from webapp.pipeline.source import Buffer, Source
from webapp.services.batch_errors import ArchiveDamaged, ArchiveMethodUnsupported
from webapp.services.zip_directory import LOCAL, LOCAL_HEADER, Member

STEP = 1 << 17
"""Packed bytes read at once."""
UNPACKED_STEP = 1 << 20
"""Unpacked bytes held at once, at most."""

STORED, DEFLATED, BZIP2 = 0, 8, 12


def unpack(source: Source, member: Member) -> Iterator[Buffer]:
    """The member's bytes. What can be known at once is raised at once.

    Raises ArchiveMethodUnsupported; ArchiveDamaged when the bytes do not unpack,
    or unpack to more, less or other than was claimed.
    """
    if member.method not in _UNPACKERS:
        raise ArchiveMethodUnsupported
    return _checked(_UNPACKERS[member.method](_packed(source, member)), member)


def _packed(source: Source, member: Member) -> Iterator[Buffer]:
    header = bytes(source.read(member.offset, LOCAL_HEADER.size))
    if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL):
        raise ArchiveDamaged
    name_length, extra_length = LOCAL_HEADER.unpack(header)[-2:]
    at = member.offset + LOCAL_HEADER.size + name_length + extra_length
    end = at + member.packed
    if end > member.end:
        raise ArchiveDamaged
    return (source.read(start, min(STEP, end - start)) for start in range(at, end, STEP))


def _checked(pieces: Iterator[Buffer], member: Member) -> Iterator[Buffer]:
    size = checksum = 0
    for piece in pieces:
        size += len(piece)
        if size > member.size:
            raise ArchiveDamaged
        checksum = zlib.crc32(piece, checksum)
        yield piece
    if (size, checksum) != (member.size, member.checksum):
        raise ArchiveDamaged


def _inflated(packed: Iterator[Buffer]) -> Iterator[Buffer]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for chunk in packed:
            waiting: Buffer = chunk
            while waiting and not inflater.eof:
                yield inflater.decompress(waiting, UNPACKED_STEP)
                waiting = inflater.unconsumed_tail
        while not inflater.eof and (rest := inflater.decompress(b"", UNPACKED_STEP)):
            yield rest
    except zlib.error:
        raise ArchiveDamaged from None
    if not inflater.eof:
        raise ArchiveDamaged


def _bunzipped(packed: Iterator[Buffer]) -> Iterator[Buffer]:
    unpacker = bz2.BZ2Decompressor()
    try:
        for chunk in packed:
            waiting: Buffer = chunk
            while not unpacker.eof and (waiting or not unpacker.needs_input):
                yield unpacker.decompress(waiting, UNPACKED_STEP)
                waiting = b""
    except (OSError, ValueError):
        raise ArchiveDamaged from None
    if not unpacker.eof:
        raise ArchiveDamaged


_UNPACKERS: dict[int, Callable[[Iterator[Buffer]], Iterator[Buffer]]] = {
    STORED: lambda packed: packed,
    DEFLATED: _inflated,
    BZIP2: _bunzipped,
}
