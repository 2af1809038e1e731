"""JPEG 2000 files and codestreams (ISO/IEC 15444-1): decoded, and stored losslessly."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np

from webapp.pipeline.convert.checks import check_size
from webapp.pipeline.convert.picture import JPEG_2000_METHOD, Limits, Lossy, Picture, Samples
from webapp.pipeline.convert.stills import decode_image, flatten, open_image
from webapp.pipeline.errors import ImageDamaged, UnsupportedImage

_SIZ = b"\xff\x4f\xff\x51"
_COD = 0x52
_IRREVERSIBLE = 0


def decode(content: bytes, limits: Limits) -> Picture:
    """Grey of up to 16 bits, or 8 or 16-bit colour; alpha flattened.

    Raises ImageDamaged, ImageTooLarge, UnsupportedImage.
    """
    stream = _codestream(memoryview(content))
    x1, y1, x0, y0 = struct.unpack_from(">IIII", stream, 8)
    check_size(x1 - x0, y1 - y0, limits)
    if stream[42] < 8:  # precision of the first component, less one (SIZ marker)
        picture = decode_image(open_image(content, "JPEG2000"))
    else:
        picture = _picture(np.asarray(imagecodecs.jpeg2k_decode(content)))
    picture.profile = _profile(memoryview(content))
    if is_irreversible(stream):
        picture.lossy = Lossy(len(content), JPEG_2000_METHOD)
    return picture


def _codestream(content: memoryview) -> memoryview:
    start = bytes(content[: 1 << 20]).find(_SIZ)
    if start < 0 or start + 43 > len(content):
        raise ImageDamaged
    return content[start:]


def _profile(content: memoryview) -> bytes | None:
    """The ICC profile of the Colour Specification box (section I.5.3.3), where that has one."""
    colours = _box(_box(content, b"jp2h"), b"colr")
    return bytes(colours[3:]) if bytes(colours[:1]) in (b"\2", b"\3") else None


def _box(content: memoryview, name: bytes) -> memoryview:
    """What the first box ``name`` holds (section I.4); nothing where there is none."""
    at = 0
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == name:
            return content[at + 8 : at + length]
        at += max(8, length)
    return content[:0]


def is_irreversible(stream: memoryview) -> bool:
    """Coded with the 9-7 wavelet (COD marker): samples cannot be those that went in."""
    at = 2
    while at + 14 <= len(stream) and stream[at] == 0xFF and stream[at + 1] != 0x90:
        if stream[at + 1] == _COD:
            return stream[at + 13] == _IRREVERSIBLE
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return False


def _picture(samples: Samples) -> Picture:
    picture = Picture([])
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if samples.dtype.itemsize > 2 or channels > 4:
        raise UnsupportedImage
    if channels in (2, 4):
        colours = samples[..., 0] if channels == 2 else samples[..., :3]
        samples = flatten(colours, samples[..., -1], picture)
    picture.frames = [samples]
    return picture
