"""What a file is, by its bytes alone: neither its name nor what a header said of it counts."""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable

from webapp.pipeline.errors import EmptyFile, Unrecognised
from webapp.pipeline.source import Buffer

HEAD_LENGTH = 65536
"""Bytes of a file's beginning that :func:`recognise` wants (fewer when the file is smaller)."""


class Kind(enum.Enum):
    """What came in. DICOM goes to de-identification, all others to conversion first."""

    JPEG = "jpeg"
    PNG = "png"
    TIFF = "tiff"
    BMP = "bmp"
    WEBP = "webp"
    GIF = "gif"
    AVIF = "avif"
    HEIC = "heic"
    JPEG2000 = "jpeg2000"
    DICOM = "dicom"
    DICOM_WITHOUT_PREAMBLE = "dicom-without-preamble"

    @property
    def is_dicom(self) -> bool:
        return self in (Kind.DICOM, Kind.DICOM_WITHOUT_PREAMBLE)


_SIGNATURES = (
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"GIF87a", Kind.GIF),
    (b"GIF89a", Kind.GIF),
    (b"II*\0", Kind.TIFF),
    (b"MM\0*", Kind.TIFF),
    (b"II+\0\x08\0\0\0", Kind.TIFF),
    (b"MM\0+\0\x08\0\0", Kind.TIFF),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Kind.JPEG2000),
    (b"\xff\x4f\xff\x51", Kind.JPEG2000),
)

_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_BMP_HEADERS = frozenset((12, 40, 52, 56, 64, 108, 124))


def recognise(head: Buffer) -> Kind:
    """The kind of the file that begins with ``head``.

    ``DICM`` at byte 128 (PS3.10 section 7.1) is asked first: the preamble before
    it may be anything, a TIFF or a Windows program included.

    Raises EmptyFile, and Unrecognised for what this service does not take (PDF,
    SVG, archives and HTML among it).
    """
    if not len(head):
        raise EmptyFile
    start = bytes(head[:HEAD_LENGTH])
    if start[128:132] == b"DICM":
        return Kind.DICOM
    kind = _by_signature(start) or _by_container(start)
    if kind is not None:
        return kind
    if _is_bare_data_set(start):
        return Kind.DICOM_WITHOUT_PREAMBLE
    raise Unrecognised


def _by_signature(start: bytes) -> Kind | None:
    for signature, kind in _SIGNATURES:
        if start.startswith(signature):
            return kind
    return None


def _by_container(start: bytes) -> Kind | None:
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return Kind.WEBP
    if start[4:8] == b"ftyp":
        return _by_brand(start)
    if start[:2] == b"BM" and len(start) >= 26 and _u32(start, 14) in _BMP_HEADERS:
        return Kind.BMP
    return None


def _by_brand(start: bytes) -> Kind | None:
    """ISO base media files (ISO/IEC 14496-12): the major brand, then the compatible ones."""
    end = min(int.from_bytes(start[:4], "big"), 256)
    brands = [start[8:12], *(start[at : at + 4] for at in range(16, end, 4))]
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return Kind.AVIF
        if brand in _HEIC_BRANDS:
            return Kind.HEIC
    return None


# Data sets without preamble and prefix: PS3.5 section 7.1, the data element's structure.

_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_FIRST_GROUPS = (0x0002, 0x0008)
_ELEMENTS_NEEDED = 3
_LONGEST_FIRST_VALUE = 1024
_Reader = Callable[[bytes, int, str], int | None]


def _is_bare_data_set(start: bytes) -> bool:
    """True when the first elements can be read one after another in a known coding.

    Three elements of ascending tag, the first of group 0002 or 0008, each with a
    known VR (or, in implicit VR, a plausible length), are not a coincidence.
    """
    readers = ((_explicit, "<"), (_explicit, ">"), (_implicit, "<"))
    return any(_reads_as_elements(start, reader, order) for reader, order in readers)


def _reads_as_elements(start: bytes, reader: _Reader, order: str) -> bool:
    at, previous = 0, 0
    for number in range(_ELEMENTS_NEEDED):
        if number and at == len(start):
            return number > 1  # a tiny data set that ends cleanly
        if at + 8 > len(start):
            return False
        group, element = struct.unpack_from(order + "HH", start, at)
        tag = group << 16 | element
        if tag <= previous or (number == 0 and group not in _FIRST_GROUPS):
            return False
        if group > 0x0010:
            return number > 1
        length = reader(start, at, order)
        if length is None:
            return False
        at, previous = at + length, tag
    return True


def _explicit(start: bytes, at: int, order: str) -> int | None:
    vr = start[at + 4 : at + 6]
    if vr in _SHORT_VRS:
        length = int(struct.unpack_from(order + "H", start, at + 6)[0])
        return _whole(8, length)
    if vr in _LONG_VRS and at + 12 <= len(start):
        length = int(struct.unpack_from(order + "I", start, at + 8)[0])
        return _whole(12, length)
    return None


def _implicit(start: bytes, at: int, order: str) -> int | None:
    return _whole(8, int(struct.unpack_from(order + "I", start, at + 4)[0]))


def _whole(header: int, length: int) -> int | None:
    return header + length if length % 2 == 0 and length <= _LONGEST_FIRST_VALUE else None


def _u32(start: bytes, at: int) -> int:
    return int.from_bytes(start[at : at + 4], "little")
