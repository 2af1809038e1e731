"""The file around a data set (PS3.10): preamble and file meta information, read and written.

Of the preamble nothing is kept (it may hold a whole executable or a TIFF
header), and of the file meta information only what is needed to read on: it is
written anew, under an implementation class UID of our own.
"""

from __future__ import annotations

from dataclasses import dataclass

from webapp.pipeline.deidentify.elements import (
    EXPLICIT_HEADER,
    IMPLICIT_HEADER,
    LENGTH,
    LONG,
    VRS,
    Window,
    encode,
)
from webapp.pipeline.errors import DicomDamaged
from webapp.pipeline.source import Source

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"

UNCOMPRESSED = frozenset(
    {"", IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, DEFLATED, EXPLICIT_BIG_ENDIAN}
)
"""Transfer syntaxes of native pixels; a file without any is one of them."""

IMPLEMENTATION_CLASS_UID = "2.25.215461297735116279186239276436219823017"
IMPLEMENTATION_VERSION = "DEIDENTIFY_1"

MOST_META = 1 << 20
"""Bytes of file meta information; no honest file comes near."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Where the data set starts in the file, and what the file says about itself.

    ``bare``: there was neither prefix nor file meta information.
    """

    start: int
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    bare: bool


def open_part10(source: Source) -> Opened:
    """Read past preamble and file meta information, either of which may be missing.

    Raises DicomDamaged when the file meta information is cut short.
    """
    window = Window(source)
    start = 0
    head = window.get(0, min(132, window.size))
    if head[128:] == b"DICM":
        start = 132
    elif head[:4] == b"DICM":
        start = 4
    values, pos = _meta(window, start)
    bare = start == 0 and not values
    syntax, sop_class, instance = (values.get(number, "") for number in (0x10, 0x02, 0x03))
    return Opened(pos, syntax, sop_class, instance, bare)


def write_part10(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Preamble of zeros, prefix, and file meta information (PS3.10 7.1)."""
    elements = [
        encode(0x00020001, b"OB", b"\0\1", True),
        encode(0x00020002, b"UI", sop_class_uid.encode(), True),
        encode(0x00020003, b"UI", sop_instance_uid.encode(), True),
        encode(0x00020010, b"UI", transfer_syntax_uid.encode(), True),
        encode(0x00020012, b"UI", IMPLEMENTATION_CLASS_UID.encode(), True),
        encode(0x00020013, b"SH", IMPLEMENTATION_VERSION.encode(), True),
    ]
    meta = b"".join(element for element in elements if len(element) > EXPLICIT_HEADER.size)
    return bytes(128) + b"DICM" + encode(0x00020000, b"UL", LENGTH.pack(len(meta)), True) + meta


def looks_explicit(head: bytes) -> bool:
    """Whether the element at the start of ``head`` has a VR."""
    return head[4:6] in VRS


def _meta(window: Window, pos: int) -> tuple[dict[int, str], int]:
    """UI values of the file meta information by element number, and where it ends."""
    values: dict[int, str] = {}
    first = pos
    while pos + 8 <= window.size:
        head = window.get(pos, min(12, window.size - pos))
        if head[:2] != b"\2\0":
            break
        number, value, length = _header(head)
        if pos + value + length > window.size or pos + length - first > MOST_META:
            raise DicomDamaged()
        if length <= 128:
            text = window.get(pos + value, length)
            values[number] = text.decode("latin-1").strip(" \0")
        pos += value + length
    return values, pos


def _header(head: bytes) -> tuple[int, int, int]:
    """Element number, where the value starts, and its length; VR or not."""
    if not looks_explicit(head):
        _, number, length = IMPLICIT_HEADER.unpack_from(head)
        return number, 8, length
    _, number, vr, length = EXPLICIT_HEADER.unpack_from(head)
    if VRS[vr] & LONG:
        if len(head) < 12:
            raise DicomDamaged()
        return number, 12, LENGTH.unpack_from(head, 8)[0]
    return number, 8, length
