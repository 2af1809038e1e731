"""One frame's stored samples, whichever way they are coded."""

from __future__ import annotations

from collections.abc import Callable

from webapp.pipeline.codecs import Decoded
from webapp.pipeline.errors import NoSuchFrame
from webapp.pipeline.pixels import PixelModule
from webapp.pipeline.render.frames import encapsulated_frame, native_frame
from webapp.pipeline.render.header import ImageHeader
from webapp.pipeline.source import Buffer

Decoder = Callable[[PixelModule, Buffer, int], Decoded]


def frame_index(header: ImageHeader, asked: int | None) -> int:
    """From 0: the frame ``asked`` for (from 1), else the middle one. Raises NoSuchFrame."""
    frames = header.module.number_of_frames
    if asked is None:
        return frames // 2 if frames > 1 else 0
    if not 1 <= asked <= frames:
        raise NoSuchFrame
    return asked - 1


def stored_frame(header: ImageHeader, index: int, thin: int, decode: Decoder) -> Decoded:
    """Frame ``index`` (from 0); ``thin``: rows and columns that may be left out, about each
    so many-th is needed. Raises DecodeFailed."""
    if header.module.is_native:
        return Decoded(native_frame(header, index, thin), header.module)
    return decode(header.module, encapsulated_frame(header, index), thin)
