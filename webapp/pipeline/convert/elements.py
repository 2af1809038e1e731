"""Data elements in Explicit VR Little Endian (PS3.5 section 7.1.2), as far as conversion needs.

The values are the converter's own, so that a full data set library would only cost time: a
Secondary Capture is written in a fraction of a millisecond.
"""

from __future__ import annotations

import struct

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
IMPLEMENTATION_CLASS_UID = "2.25.221449303264170148372093527410369437"
UNDEFINED_LENGTH = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010

Value = str | int | bytes
Elements = dict[int, tuple[str, Value]]
"""Tag to VR and value; ``US``, ``UL`` and ``AT`` take an int, ``OB`` bytes, all others text."""

_LONG = frozenset(("OB", "OW", "SQ", "UN", "UT"))


def encode(elements: Elements) -> bytes:
    """The elements in ascending order of their tags."""
    return b"".join(_element(tag, *elements[tag]) for tag in sorted(elements))


def file_head(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Preamble, prefix and File Meta Information (PS3.10 section 7.1)."""
    meta = encode(
        {
            0x00020001: ("OB", b"\0\1"),
            0x00020002: ("UI", sop_class_uid),
            0x00020003: ("UI", sop_instance_uid),
            0x00020010: ("UI", transfer_syntax_uid),
            0x00020012: ("UI", IMPLEMENTATION_CLASS_UID),
        }
    )
    return bytes(128) + b"DICM" + _element(0x00020000, "UL", len(meta)) + meta


def header(tag: int, vr: str, length: int) -> bytes:
    """Tag, VR and length, for a value that the caller appends itself."""
    start = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode("ascii"))
    return start + (struct.pack("<HI", 0, length) if vr in _LONG else struct.pack("<H", length))


def item_header(length: int) -> bytes:
    """The start of an Item of a known length (PS3.5 section A.4)."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, length)


SEQUENCE_DELIMITER = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def read_to_pixels(file: memoryview) -> tuple[Elements, int]:
    """What :func:`file_head` and :func:`encode` wrote, values as bytes, and where Pixel Data is.

    Only for the converter's own files: nothing is checked.
    """
    elements: Elements = {}
    at = 132
    while True:
        group, number, vr = struct.unpack_from("<HH2s", file, at)
        tag, name = group << 16 | number, vr.decode("ascii")
        if tag == PIXEL_DATA:
            return elements, at
        form, start = ("<8xI", at + 12) if name in _LONG else ("<6xH", at + 8)
        (length,) = struct.unpack_from(form, file, at)
        elements[tag] = (name, bytes(file[start : start + length]))
        at = start + length


def _element(tag: int, vr: str, value: Value) -> bytes:
    encoded = _encoded(vr, value)
    return header(tag, vr, len(encoded)) + encoded


def _encoded(vr: str, value: Value) -> bytes:
    if isinstance(value, int):
        return _number(vr, value)
    raw = value.encode("ascii") if isinstance(value, str) else value
    padding = b"\0" if vr in ("UI", "OB") else b" "
    return raw + padding * (len(raw) % 2)


def _number(vr: str, value: int) -> bytes:
    if vr == "AT":
        return struct.pack("<HH", value >> 16, value & 0xFFFF)
    return struct.pack("<I" if vr == "UL" else "<H", value)
