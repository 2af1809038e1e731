"""JPEG and JPEG-LS interchange format (ISO/IEC 10918-1 B, 14495-1 C): the segments of an image."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webapp.pipeline.errors import DicomDamaged
from webapp.pipeline.source import Source

START = b"\xff\xd8"
END_OF_IMAGE = 0xD9
START_OF_SCAN = 0xDA
COMMENT = 0xFE
STANDALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
APPLICATION = range(0xE0, 0xF0)

KEPT = {0xE0: (b"JFIF\0", 12), 0xEE: (b"Adobe", 12), 0xE8: (b"mrfx", 5)}
"""Application segments that decoders need, by marker: how they begin, and bytes of them kept.
JFIF up to its pixel density (its thumbnail goes), the colour transforms of Adobe and of HP."""

MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
"""What cannot stand in entropy-coded data but ends it."""

CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Image:
    """One compressed image: what in it to blank (start and end), and where it ends."""

    blanks: tuple[tuple[int, int], ...]
    end: int


def read_jpeg(stream: Source, position: int) -> Image:
    """The image that starts at ``position``; without an end marker it runs to the stream's end.

    Raises DicomDamaged for a segment that runs over the end, or for what is none.
    """
    blanks: list[tuple[int, int]] = []
    while True:
        head = bytes(stream.read(position, 20))
        if len(head) < 2:
            return Image(tuple(blanks), stream.size)
        if head[0] != 0xFF:
            raise DicomDamaged()
        marker = head[1]
        if marker == 0xFF:
            position += 1
            continue
        position += 2
        if marker == END_OF_IMAGE:
            return Image(tuple(blanks), position)
        if marker in STANDALONE:
            continue
        end = position + int.from_bytes(head[2:4], "big")
        if end < position + 2 or end > stream.size:
            raise DicomDamaged()
        if marker == COMMENT or marker in APPLICATION:
            blanks += _unneeded(marker, head[4:], position + 2, end)
        position = _next_marker(stream, end) if marker == START_OF_SCAN else end


def _unneeded(marker: int, payload: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """The part of a segment that no decoder needs."""
    begins, length = KEPT.get(marker, (b"\0", 0))
    if length and payload.startswith(begins):
        start = min(start + length, end)
    return [(start, end)] if start < end else []


def _next_marker(stream: Source, position: int) -> int:
    """Where entropy-coded data ends; the stream's end if nothing ends it."""
    while position < stream.size:
        chunk = bytes(stream.read(position, CHUNK))
        if match := MARKER.search(chunk):
            return position + match.start()
        position += max(1, len(chunk) - 1)
    return stream.size
