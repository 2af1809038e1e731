"""The orientation in EXIF: the one thing read of it. The rest never travels."""

from __future__ import annotations

import struct

import numpy as np

from webapp.pipeline.convert.picture import Picture, Samples
from webapp.pipeline.source import Buffer

UPRIGHT = 1
_ORIENTATION = 0x0112
_SHORT = 3


def orientation(block: Buffer) -> int:
    """Tag 0112 of the first directory of a TIFF structured block, 1 where there is none."""
    head = bytes(block[:8])
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None or len(head) < 8:
        return UPRIGHT
    directory = int(struct.unpack(order + "I", head[4:])[0])
    return _in_directory(bytes(block[directory : directory + 2 + 12 * 512]), order)


def _in_directory(entries: bytes, order: str) -> int:
    if len(entries) < 2:
        return UPRIGHT
    count = int(struct.unpack_from(order + "H", entries)[0])
    for at in range(2, min(2 + 12 * count, len(entries) - 11), 12):
        tag, vr, _, value = struct.unpack_from(order + "HHIH", entries, at)
        if tag == _ORIENTATION and vr == _SHORT:
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT


def turn(samples: Samples, value: int) -> Samples:
    """The samples as they are meant to be seen (EXIF 2.3, table 4); a view, no copy."""
    if value >= 5:
        samples = np.swapaxes(samples, 0, 1)
    if value in (3, 4, 7, 8):
        samples = samples[::-1]
    if value in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def turn_picture(picture: Picture, value: int) -> Picture:
    """Every frame turned, the resolution with it, and said so."""
    if value == UPRIGHT:
        return picture
    picture.frames = [turn(frame, value) for frame in picture.frames]
    if value >= 5:
        picture.resolution = picture.resolution.turned()
    picture.note("orientation-applied")
    return picture
