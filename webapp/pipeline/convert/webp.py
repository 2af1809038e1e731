"""WebP, still and moving (RFC 9649)."""

from __future__ import annotations

import struct

from webapp.pipeline.convert import animation, exif
from webapp.pipeline.convert.checks import check_size
from webapp.pipeline.convert.exif import turn_picture
from webapp.pipeline.convert.picture import Limits, Lossy, Picture
from webapp.pipeline.convert.stills import decode_image, open_image
from webapp.pipeline.errors import ImageDamaged

_LOSSY, _LOSSLESS, _EXTENDED, _FRAME = b"VP8 ", b"VP8L", b"VP8X", b"ANMF"


def decode(content: bytes, limits: Limits) -> Picture:
    """Raises ImageDamaged, ImageTooLarge."""
    chunks = _chunks(memoryview(content))
    if not chunks:
        raise ImageDamaged
    columns, rows = _size(*chunks[0])
    frames = max(1, sum(name == _FRAME for name, _ in chunks))
    check_size(columns, rows, limits, frames)
    image = open_image(content, "WEBP")
    check_size(image.width, image.height, limits, frames)
    picture = animation.decode(image, frames) if frames > 1 else decode_image(image)
    if any(_is_lossy(name, body) for name, body in chunks):
        picture.lossy = Lossy(len(content))
    return turn_picture(picture, _orientation(chunks))


def _chunks(content: memoryview) -> list[tuple[bytes, memoryview]]:
    chunks = []
    at = 12
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, at)
        chunks.append((name, content[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return chunks


def _size(name: bytes, body: memoryview) -> tuple[int, int]:
    if name == _EXTENDED and len(body) >= 10:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if name == _LOSSLESS and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if name == _LOSSY and len(body) >= 10:
        columns, rows = struct.unpack_from("<HH", body, 6)
        return columns & 0x3FFF, rows & 0x3FFF
    raise ImageDamaged


def _is_lossy(name: bytes, body: memoryview) -> bool:
    """Of this chunk, or of the frame's own chunks that follow its 16 bytes of header."""
    if name != _FRAME:
        return name == _LOSSY
    return any(inner == _LOSSY for inner, _ in _chunks(body[4:]))


def _orientation(chunks: list[tuple[bytes, memoryview]]) -> int:
    for name, body in chunks:
        if name == b"EXIF":
            return exif.orientation(body[6:] if bytes(body[:6]) == b"Exif\0\0" else body)
    return exif.UPRIGHT
