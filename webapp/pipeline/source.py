"""Bytes that are read by position, and files put together from pieces of them.

A :class:`Source` may be memory or a sealed blob; the de-identification engine
reads it and answers with parts, each bytes of its own or a :class:`Span` of the
source. So a file of 2 GB needs no more memory than a small one: its pixels are
named, never held.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

Buffer = bytes | bytearray | memoryview

CHUNK = 1 << 20
"""Bytes handed on at once by :func:`chunks`."""


class Source(Protocol):
    """Random access to a fixed number of bytes."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    def read(self, offset: int, length: int) -> Buffer:
        """Up to ``length`` bytes from ``offset``; fewer only at the end."""
        ...


class BytesSource:
    """A :class:`Source` over bytes in memory; reads are slices, never copies."""

    def __init__(self, content: Buffer) -> None:
        self._view = memoryview(content).toreadonly()
        self.size = len(self._view)

    def read(self, offset: int, length: int) -> memoryview:
        return self._view[offset : offset + length]


@dataclass(frozen=True, slots=True)
class Span:
    """``length`` bytes of a source from ``offset``, carried unchanged."""

    offset: int
    length: int


Part = bytes | bytearray | memoryview | Span


class PartsSource:
    """A :class:`Source` put together from parts, in order.

    ``source`` is what the spans refer to.
    """

    def __init__(self, source: Source, parts: Iterable[Part]) -> None:
        self.source = source
        self.parts = [part for part in parts if _length(part)]
        self._ends = list(accumulate(_length(part) for part in self.parts))
        self.size = self._ends[-1] if self._ends else 0

    def read(self, offset: int, length: int) -> Buffer:
        pieces = list(self._pieces(offset, min(length, self.size - offset)))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _pieces(self, offset: int, wanted: int) -> Iterator[Buffer]:
        index = bisect_right(self._ends, offset)
        while wanted > 0 and index < len(self.parts):
            part = self.parts[index]
            within = offset - (self._ends[index] - _length(part))
            piece = self._slice(part, within, wanted)
            yield piece
            offset += len(piece)
            wanted -= len(piece)
            index += 1

    def _slice(self, part: Part, within: int, wanted: int) -> Buffer:
        if isinstance(part, Span):
            return self.source.read(part.offset + within, min(wanted, part.length - within))
        return memoryview(part)[within : within + wanted]


class SourceFile(io.RawIOBase):
    """A readable, seekable file object over a :class:`Source`, for libraries that want one."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._source.size - self._at))
        piece = self._source.read(self._at, wanted) if wanted else b""
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def chunks(source: Source, size: int = CHUNK) -> Iterator[Buffer]:
    """The whole source in order, at most ``size`` bytes at a time."""
    offset = 0
    while offset < source.size:
        piece = source.read(offset, size)
        yield piece
        offset += len(piece)


def _length(part: Part) -> int:
    return part.length if isinstance(part, Span) else len(part)
