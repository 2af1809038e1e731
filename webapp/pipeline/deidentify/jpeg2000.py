"""JPEG 2000 codestreams (ISO/IEC 15444-1 A) and boxes (annex I), with HTJ2K and JPEG XL."""

from __future__ import annotations

from webapp.pipeline.deidentify.jpeg import Image
from webapp.pipeline.errors import DicomDamaged
from webapp.pipeline.source import Source

START = b"\xff\x4f\xff\x51"
JPEG_XL_START = b"\xff\x0a"
SIGNATURES = frozenset(
    {b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x0cJXL \r\n\x87\n"},
)

COMMENT = 0xFF64
START_OF_TILE = 0xFF90
START_OF_DATA = 0xFF93
END_OF_CODESTREAM = 0xFFD9

TAIL = 1 << 16
"""Bytes at the end of a fragment in which the end of a codestream is looked for."""

KEPT_BOXES = frozenset(
    {b"jP  ", b"JXL ", b"ftyp", b"jp2h", b"jp2c", b"jxlc", b"jxlp", b"jxll", b"jxli"}
)
"""Boxes without which the image cannot be decoded; every other one is turned into free space."""


def read_codestream(stream: Source, position: int, fragment_end: int) -> Image:
    """The codestream that starts at ``position``.

    A tile-part of unknown length runs to the end of its fragment. Raises
    DicomDamaged where no marker segment stands.
    """
    blanks: list[tuple[int, int]] = []
    position += 2
    tile_end = 0
    while True:
        head = bytes(stream.read(position, 12))
        if len(head) < 2:
            return Image(tuple(blanks), min(position, stream.size))
        marker = int.from_bytes(head[:2], "big")
        if marker == END_OF_CODESTREAM:
            return Image(tuple(blanks), position + 2)
        if marker == START_OF_DATA:
            if tile_end <= position:
                raise DicomDamaged()
            position = tile_end
            continue
        end = position + 2 + int.from_bytes(head[2:4], "big")
        if marker < 0xFF00 or end < position + 4 or end > stream.size:
            raise DicomDamaged()
        if marker == COMMENT:
            blanks.append((position + 4, end))
        if marker == START_OF_TILE:
            length = int.from_bytes(head[6:10], "big")
            tile_end = (
                position + length if length else _codestream_end(stream, position, fragment_end)
            )
            if tile_end < end:
                raise DicomDamaged()
        position = end


def _codestream_end(stream: Source, position: int, fragment_end: int) -> int:
    """Where the end marker of a last tile-part of unknown length stands."""
    start = max(position, fragment_end - TAIL)
    found = bytes(stream.read(start, fragment_end - start)).rfind(b"\xff\xd9")
    return start + found if found >= 0 else fragment_end


def read_boxes(stream: Source, position: int, fragment_end: int) -> Image:
    """The boxes of a JP2 or JPEG XL file in one fragment: metadata blanked, images cleaned."""
    blanks: list[tuple[int, int]] = []
    while position + 8 <= fragment_end:
        head = bytes(stream.read(position, 16))
        length, kind, header = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 1:
            length, header = int.from_bytes(head[8:16], "big"), 16
        end = position + length if length else fragment_end
        if end < position + header or end > fragment_end:
            raise DicomDamaged()
        if kind not in KEPT_BOXES:
            blanks.append((position + 4, position + 8))
            blanks.append((position + header, end))
        elif kind == b"jp2c":
            blanks += read_codestream(stream, position + header, end).blanks
        position = end
    return Image(tuple(blanks), position)
