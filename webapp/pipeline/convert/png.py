"""PNG, its animated form included: 1 to 16 bits, palette, alpha, interlaced."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
from PIL import PngImagePlugin

from webapp.pipeline.convert import animation, exif
from webapp.pipeline.convert.checks import check_size
from webapp.pipeline.convert.exif import turn_picture
from webapp.pipeline.convert.picture import Limits, Picture, Resolution
from webapp.pipeline.convert.resolution import MM_PER_INCH, from_dpi, from_ratio
from webapp.pipeline.convert.stills import decode_image, flatten, open_image
from webapp.pipeline.errors import ImageDamaged

# Pillow takes more than a megabyte of a profile or of texts, once inflated, for an attack.
PngImagePlugin.MAX_TEXT_CHUNK = 1 << 24

_SIGNATURE_LENGTH = 8
_METRE = 1
_BEFORE_PIXELS = frozenset((b"IHDR", b"pHYs", b"acTL", b"eXIf", b"tRNS", b"iCCP"))


def decode(content: bytes, limits: Limits) -> Picture:
    """Raises ImageDamaged, ImageTooLarge."""
    chunks = _chunks(memoryview(content))
    columns, rows, depth = struct.unpack_from(">IIB", _header(chunks))
    frames = animation_length(chunks)
    check_size(columns, rows, limits, frames)
    if frames > 1:
        picture = animation.decode(open_image(content, "PNG"), frames)
    elif depth == 16:
        picture = _decode_16_bit(content)
    else:
        picture = decode_image(open_image(content, "PNG"))
    if b"iCCP" in chunks and picture.profile is None:
        picture.profile = b""  # one that cannot be inflated
    picture.resolution = _resolution(chunks.get(b"pHYs", b""))
    return turn_picture(picture, exif.orientation(chunks.get(b"eXIf", b"")))


def animation_length(chunks: dict[bytes, bytes]) -> int:
    """Frames of the animation (acTL), 1 for a still."""
    control = chunks.get(b"acTL", b"")
    return int(struct.unpack_from(">I", control)[0]) if len(control) >= 8 else 1


def _header(chunks: dict[bytes, bytes]) -> bytes:
    header = chunks.get(b"IHDR", b"")
    if len(header) != 13:
        raise ImageDamaged
    return header


def _chunks(content: memoryview) -> dict[bytes, bytes]:
    """The few chunks that are understood, the first of each; eXIf may follow the pixels."""
    found: dict[bytes, bytes] = {}
    at = _SIGNATURE_LENGTH
    while at + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if name in _BEFORE_PIXELS and name not in found:
            found[name] = bytes(content[at + 8 : at + 8 + min(length, 1 << 16)])
        at += 12 + length
    return found


def _decode_16_bit(content: bytes) -> Picture:
    """libpng through imagecodecs: Pillow would hand on 8 of the 16 bits in colour."""
    samples = np.squeeze(imagecodecs.png_decode(content))
    picture = Picture([], profile=open_image(content, "PNG").info.get("icc_profile"))
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        colours = samples[..., 0] if samples.shape[2] == 2 else samples[..., :3]
        samples = flatten(colours, samples[..., -1], picture)
    picture.frames = [samples]
    return picture


def _resolution(physical: bytes) -> Resolution:
    if len(physical) != 9:
        return Resolution()
    horizontal, vertical, unit = struct.unpack(">IIB", physical)
    if unit == _METRE:
        return from_dpi(horizontal * MM_PER_INCH / 1000, vertical * MM_PER_INCH / 1000)
    return from_ratio(horizontal, vertical)
