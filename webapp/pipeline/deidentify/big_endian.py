"""Explicit VR Big Endian (PS3.5 A.3, retired) turned into little endian, in place."""

from __future__ import annotations

import struct

import numpy as np

from webapp.pipeline.deidentify.elements import (
    EXPLICIT_HEADER,
    IMPLICIT_HEADER,
    LENGTH,
    LONG,
    UNDEFINED,
    VRS,
)
from webapp.pipeline.errors import DicomDamaged

HEADER = struct.Struct(">HH2sH")
ITEM_HEADER = struct.Struct(">HHL")
LONG_LENGTH = struct.Struct(">L")

WIDTHS = {
    b"AT": 2, b"OW": 2, b"SS": 2, b"US": 2,
    b"FL": 4, b"OF": 4, b"OL": 4, b"SL": 4, b"UL": 4,
    b"FD": 8, b"OD": 8, b"OV": 8, b"SV": 8, b"UV": 8,
}  # fmt: skip
"""Bytes of one number, for VRs whose values are numbers."""


def to_little_endian(content: bytearray) -> None:
    """Swap a whole data set. Raises DicomDamaged where no element stands.

    No length changes, so elements, items and delimiters are simply met one after
    the other, however deep they lie; that they fit into each other is checked by
    the walk that follows.
    """
    pos, size = 0, len(content)
    while pos + 8 <= size:
        group, number, vr, length = HEADER.unpack_from(content, pos)
        if group == 0xFFFE:
            IMPLICIT_HEADER.pack_into(content, pos, *ITEM_HEADER.unpack_from(content, pos))
            pos += 8
            continue
        if vr not in VRS:
            if not any(content[pos:]):
                return
            raise DicomDamaged()
        EXPLICIT_HEADER.pack_into(content, pos, group, number, vr, length)
        pos += 8
        if VRS[vr] & LONG:
            (length,) = LONG_LENGTH.unpack_from(content, pos)
            LENGTH.pack_into(content, pos, length)
            pos += 4
        if vr == b"SQ":
            continue
        if length == UNDEFINED or pos + length > size:
            raise DicomDamaged()
        _swap(content, pos, length, WIDTHS.get(vr, 1))
        pos += length


def _swap(content: bytearray, pos: int, length: int, width: int) -> None:
    if width > 1 and length >= width:
        numbers = np.frombuffer(content, f"<u{width}", length // width, pos)
        numbers.byteswap(inplace=True)
