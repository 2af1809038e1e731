"""Data elements as they are encoded (PS3.5 chapter 7): value representations, headers, items.

Everything here is little endian; :mod:`normalise` brings other files there first.
"""

from __future__ import annotations

import struct

from webapp.pipeline.errors import DicomDamaged
from webapp.pipeline.source import Source

UNDEFINED = 0xFFFFFFFF
"""A length of which only the delimiter tells the end (PS3.5 7.5)."""

ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010

EXPLICIT_HEADER = struct.Struct("<HH2sH")
"""Group, element, VR, 16-bit length (or two reserved bytes)."""

IMPLICIT_HEADER = struct.Struct("<HHL")
"""Group, element, 32-bit length. Items and delimiters are always written so."""

EXPLICIT_KEY = struct.Struct("<6sH")
IMPLICIT_KEY = struct.Struct("<4sL")
"""The same headers, with tag and VR left together as the bytes they are."""

LENGTH = struct.Struct("<L")

LONG = 1
"""The explicit header has two reserved bytes and a 32-bit length (PS3.5 7.1.2)."""
TEXT = 2
"""Text in the Specific Character Set (PS3.5 6.1.2.2)."""
LOOK = 4
"""Even an attribute that is kept must be looked at: text, names, sequences, bulk."""
BULK = 8
"""Binary values that may be large; carried as a span of the source when they are."""
STRING = 16
"""A value made of characters, in whichever character set."""

OPEN = 32
"""Names and sequences: opened even where they are dropped, for the identifiers in them."""

VRS: dict[bytes, int] = {
    b"AE": STRING,
    b"AS": STRING,
    b"AT": 0,
    b"CS": STRING,
    b"DA": STRING,
    b"DS": STRING,
    b"DT": STRING,
    b"FD": 0,
    b"FL": 0,
    b"IS": STRING,
    b"LO": STRING | TEXT | LOOK,
    b"LT": STRING | TEXT | LOOK,
    b"OB": LONG | BULK | LOOK,
    b"OD": LONG | BULK | LOOK,
    b"OF": LONG | BULK | LOOK,
    b"OL": LONG | BULK | LOOK,
    b"OV": LONG | BULK | LOOK,
    b"OW": LONG | BULK | LOOK,
    b"PN": STRING | TEXT | LOOK | OPEN,
    b"SH": STRING | TEXT | LOOK,
    b"SL": 0,
    b"SQ": LONG | LOOK | OPEN,
    b"SS": 0,
    b"ST": STRING | TEXT | LOOK,
    b"SV": LONG | BULK | LOOK,
    b"TM": STRING,
    b"UC": LONG | STRING | TEXT | LOOK,
    b"UI": STRING,
    b"UL": 0,
    b"UN": LONG | BULK | LOOK,
    b"UR": LONG | STRING | LOOK,
    b"US": 0,
    b"UT": LONG | STRING | TEXT | LOOK,
    b"UV": LONG | BULK | LOOK,
}
"""Every value representation of PS3.5 6.2 and how to treat it."""

VRS_LOOKING = {vr: flags | LOOK for vr, flags in VRS.items()}
"""The same, but every value is looked at: for a data set that holds identifiers in text."""

LONGEST_SHORT = 0xFFFE
"""The longest value that a 16-bit length can tell of, in bytes."""


def encode(tag: int, vr: bytes, value: bytes, explicit: bool) -> bytes:
    """A complete element; the value padded to an even length as its VR asks (PS3.5 6.2).

    A value too long for the 16-bit length of its VR is written as UN (PS3.5 6.2.2).
    """
    if len(value) & 1:
        value += b" " if VRS[vr] & STRING and vr != b"UI" else b"\0"
    group, element = tag >> 16, tag & 0xFFFF
    if not explicit:
        return IMPLICIT_HEADER.pack(group, element, len(value)) + value
    if VRS[vr] & LONG:
        return EXPLICIT_HEADER.pack(group, element, vr, 0) + LENGTH.pack(len(value)) + value
    if len(value) > LONGEST_SHORT:
        return EXPLICIT_HEADER.pack(group, element, b"UN", 0) + LENGTH.pack(len(value)) + value
    return EXPLICIT_HEADER.pack(group, element, vr, len(value)) + value


def item(content: bytes) -> bytes:
    """One sequence item of defined length (PS3.5 7.5)."""
    return IMPLICIT_HEADER.pack(ITEM >> 16, ITEM & 0xFFFF, len(content)) + content


class Window:
    """A part of a source held in memory, moved along as it is read.

    ``buffer`` holds the source from ``start`` on. Reading a file of any size
    needs no more memory than its largest element that has to be seen whole.
    """

    __slots__ = ("buffer", "size", "source", "start")

    STEP = 1 << 14
    """Bytes read at once."""

    LARGEST = 1 << 26
    """Bytes of the largest value that is looked into (64 MiB); spans may be longer."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.size = source.size
        self.start = 0
        self.buffer = bytes(source.read(0, self.STEP))

    def move(self, offset: int, length: int) -> None:
        """Hold at least ``length`` bytes from ``offset``.

        Raises DicomDamaged when the source ends before, or the value is too
        large to be looked into.
        """
        if length > self.LARGEST or offset + length > self.size:
            raise DicomDamaged()
        self.buffer = bytes(self.source.read(offset, max(length, self.STEP)))
        self.start = offset
        if len(self.buffer) < length:
            raise DicomDamaged()

    def get(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; raises DicomDamaged as :meth:`move` does."""
        at = offset - self.start
        if at < 0 or at + length > len(self.buffer):
            self.move(offset, length)
            at = 0
        return self.buffer[at : at + length]
