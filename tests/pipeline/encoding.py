"""DICOM written by hand, sharing no code with what is tested: elements, items, whole files."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

LONG = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
UNDEFINED = 0xFFFFFFFF

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"

CT = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"


@dataclass
class Encoding:
    """How elements are written: with their VR or without, in which byte order."""

    explicit: bool = True
    order: str = "<"
    delimited: bool = False

    def element(
        self, tag: int, vr: str, value: bytes | str = b"", length: int | None = None
    ) -> bytes:
        content = value.encode("utf-8") if isinstance(value, str) else value
        if len(content) % 2:
            content += b"\0" if vr in ("UI", "OB", "UN") else b" "
        length = len(content) if length is None else length
        head = struct.pack(f"{self.order}HH", tag >> 16, tag & 0xFFFF)
        if not self.explicit:
            return head + struct.pack(f"{self.order}L", length) + content
        if vr in LONG:
            return head + vr.encode() + struct.pack(f"{self.order}HL", 0, length) + content
        return head + vr.encode() + struct.pack(f"{self.order}H", length) + content

    def item(self, content: bytes) -> bytes:
        if self.delimited:
            return self._marker(0xE000, UNDEFINED) + content + self._marker(0xE00D, 0)
        return self._marker(0xE000, len(content)) + content

    def sequence(self, tag: int, *items: bytes, vr: str = "SQ") -> bytes:
        content = b"".join(self.item(item) for item in items)
        if self.delimited:
            return self.element(tag, vr, content + self._marker(0xE0DD, 0), UNDEFINED)
        return self.element(tag, vr, content)

    def fragments(self, *frames: bytes) -> bytes:
        """Encapsulated Pixel Data with an empty Basic Offset Table (PS3.5 A.4)."""
        content = b"".join(
            self._marker(0xE000, len(frame) + len(frame) % 2) + frame + b"\0" * (len(frame) % 2)
            for frame in (b"", *frames)
        )
        return self.element(0x7FE00010, "OB", content + self._marker(0xE0DD, 0), UNDEFINED)

    def _marker(self, number: int, length: int) -> bytes:
        return struct.pack(f"{self.order}HHL", 0xFFFE, number, length)


EXPLICIT_LITTLE = Encoding()
IMPLICIT_LITTLE = Encoding(explicit=False)


@dataclass
class File:
    """A Part 10 file of elements by tag; ``meta`` adds to the file meta information."""

    transfer_syntax_uid: str = EXPLICIT
    sop_class_uid: str = CT
    sop_instance_uid: str = "1.2.3.4.5"
    elements: dict[int, bytes] = field(default_factory=dict)
    meta: bytes = b""
    preamble: bytes = bytes(128)
    trailer: bytes = b""

    def encode(self) -> bytes:
        write = EXPLICIT_LITTLE.element
        meta = (
            write(0x00020001, "OB", b"\0\1")
            + write(0x00020002, "UI", self.sop_class_uid)
            + write(0x00020003, "UI", self.sop_instance_uid)
            + write(0x00020010, "UI", self.transfer_syntax_uid)
            + self.meta
        )
        length = write(0x00020000, "UL", struct.pack("<L", len(meta)))
        dataset = b"".join(content for _, content in sorted(self.elements.items()))
        return self.preamble + b"DICM" + length + meta + dataset + self.trailer


def ct(encoding: Encoding = EXPLICIT_LITTLE, pixels: bytes = bytes(range(32))) -> File:
    """A small CT of an invented patient: 4 x 4 pixels of 16 bits."""
    syntax = EXPLICIT if encoding.explicit else IMPLICIT
    file = File(BIG_ENDIAN if encoding.order == ">" else syntax)
    number = f"{encoding.order}H"
    values: list[tuple[int, str, bytes | str]] = [
        (0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        (0x00080016, "UI", CT),
        (0x00080018, "UI", "1.2.3.4.5"),
        (0x00080020, "DA", "20190402"),
        (0x00080030, "TM", "101500"),
        (0x00080050, "SH", "ACC-77123"),
        (0x00080060, "CS", "CT"),
        (0x00080070, "LO", "Invented Scanners"),
        (0x00080090, "PN", "Quincke^Hedwig"),
        (0x00081030, "LO", "CT chest of Vantongerloo"),
        (0x00100010, "PN", "Vantongerloo^Mirabel"),
        (0x00100020, "LO", "PID-550182"),
        (0x00100030, "DA", "19610719"),
        (0x00100040, "CS", "F"),
        (0x00180050, "DS", "2.5"),
        (0x00180060, "DS", "120"),
        (0x0020000D, "UI", "1.2.3.4.6"),
        (0x0020000E, "UI", "1.2.3.4.7"),
        (0x00200010, "SH", "STUDY-9001"),
        (0x00200011, "IS", "3"),
        (0x00200013, "IS", "14"),
        (0x00280002, "US", struct.pack(number, 1)),
        (0x00280004, "CS", "MONOCHROME2"),
        (0x00280010, "US", struct.pack(number, 4)),
        (0x00280011, "US", struct.pack(number, 4)),
        (0x00280100, "US", struct.pack(number, 16)),
        (0x00280101, "US", struct.pack(number, 16)),
        (0x00280102, "US", struct.pack(number, 15)),
        (0x00280103, "US", struct.pack(number, 0)),
        (0x7FE00010, "OW", pixels),
    ]
    file.elements = {tag: encoding.element(tag, vr, value) for tag, vr, value in values}
    return file
