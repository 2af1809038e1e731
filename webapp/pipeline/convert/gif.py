"""GIF: its blocks are walked first, so that the number of frames is known before one is decoded."""

from __future__ import annotations

from webapp.pipeline.convert import animation
from webapp.pipeline.convert.checks import FRAME_COST, MAX_FRAMES, check_size
from webapp.pipeline.convert.picture import Limits, Picture
from webapp.pipeline.convert.stills import open_image, samples_of
from webapp.pipeline.errors import ImageDamaged

_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B


def decode(content: bytes, limits: Limits) -> Picture:
    """One frame as a still, more as a moving picture. Raises ImageDamaged, ImageTooLarge."""
    view = memoryview(content)
    if len(view) < 13:
        raise ImageDamaged
    columns = int.from_bytes(view[6:8], "little")
    rows = int.from_bytes(view[8:10], "little")
    check_size(columns, rows, limits)
    frames = count_frames(view, min(MAX_FRAMES, limits.max_pixels // FRAME_COST) + 1)
    check_size(columns, rows, limits, frames)
    image = open_image(content, "GIF")
    check_size(image.width, image.height, limits, frames)
    if frames > 1:
        return animation.decode(image, frames)
    picture = Picture([])
    picture.frames = animation.without_colour([samples_of(image, picture, colour=True)])
    return picture


def count_frames(content: memoryview, enough: int) -> int:
    """Image blocks of the file (GIF89a, section 20), counted no further than ``enough``."""
    at = 13 + _colour_table(content[10])
    frames = 0
    while at < len(content) and frames < enough:
        block = content[at]
        if block == _IMAGE and at + 9 < len(content):
            frames += 1
            at = _after_sub_blocks(content, at + 11 + _colour_table(content[at + 9]))
        elif block == _EXTENSION:
            at = _after_sub_blocks(content, at + 2)
        elif block == _TRAILER:
            break
        else:
            at += 1
    return frames


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(content: memoryview, at: int) -> int:
    while at < len(content) and content[at]:
        at += 1 + content[at]
    return at + 1
