"""A DICOMDIR (PS3.3 annex F) written from the headers of its instances.

Patient, study, series, instance: a record for each, that points to the next of
its level and to the first below it by its place in the file. Of an instance only
its encoded record is kept, some hundred bytes, so a File-set of thousands needs
no more memory than its DICOMDIR is long.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from webapp.errors import ServiceError
from webapp.pipeline.deidentify.elements import LENGTH, encode, item
from webapp.pipeline.deidentify.part10 import EXPLICIT_LITTLE_ENDIAN, write_part10
from webapp.pipeline.fileset import record_keys
from webapp.pipeline.fileset.header import Header, read_header
from webapp.pipeline.fileset.names import FileID
from webapp.pipeline.source import Source

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

LEVELS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_ITEM_HEADER = 8
_NEXT, _LOWER = _ITEM_HEADER + 8, _ITEM_HEADER + 30
"""Where in a record's item the values of (0004,1400) and (0004,1420) stand."""

_POINTER = 12
_IN_USE = struct.pack("<H", 0xFFFF)


@dataclass
class Record:
    """A directory record, and those below it. ``place`` is where its item starts in the file."""

    content: bytearray
    order: tuple[int, int] = (0, 0)
    below: dict[str, Record] = field(default_factory=dict)
    place: int = 0

    def children(self) -> list[Record]:
        """The records below in the order of their instances' numbers."""
        return sorted(self.below.values(), key=lambda record: record.order)


class Directory:
    """The DICOMDIR of a File-set, filled file by file.

    A File-set has each SOP Instance UID once (PS3.10 section 8.1): of several files with the
    same one the first is listed.
    """

    def __init__(self) -> None:
        self._root = Record(bytearray())
        self._instances: set[str] = set()

    def add(self, file_id: FileID, source: Source) -> bool:
        """List the file ``file_id``, whose content is ``source``.

        False where it cannot be listed: its SOP Instance UID is in the directory already or one
        of its UIDs is missing, or there is no kind of record for it. The File-set may hold it
        all the same.
        """
        try:
            return self._add(file_id, read_header(source))
        except ServiceError:  # what the source says of itself: damaged, or away just now
            raise
        except Exception:
            # A data set may break pydicom in ways without number, and is a file all the same.
            return False

    def _add(self, file_id: FileID, header: Header) -> bool:
        patient, study, series, instance = (header.text(keyword) for keyword in LEVELS)
        kind = record_keys.record_type(header.text("SOPClassUID"), header.is_image)
        if kind is None or not (study and series and instance) or instance in self._instances:
            return False
        leaf = _leaf(kind, header, file_id, len(self._instances))
        self._instances.add(instance)
        above = _under(self._root, "PATIENT", patient, header)
        above = _under(above, "STUDY", study, header)
        above = _under(above, "SERIES", series, header)
        above.below[instance] = leaf
        return True

    def content(self) -> bytes:
        """The whole file, in Explicit VR Little Endian as PS3.10 section 8.6 asks."""
        listed = b"".join(bytes(record.content) for record in self._walk(self._root))
        digest = int.from_bytes(sha256(listed).digest()[:16], "big")
        head = write_part10(MEDIA_STORAGE_DIRECTORY, f"2.25.{digest}", EXPLICIT_LITTLE_ENDIAN)
        head += encode(0x00041130, b"CS", b"", True)
        pointers = 2 * _POINTER + len(encode(0x00041212, b"US", b"\0\0", True))
        first = len(head) + pointers + 12  # the header of the sequence
        records = self._placed(first)
        top = self._root.children()
        head += encode(0x00041200, b"UL", LENGTH.pack(top[0].place if top else 0), True)
        head += encode(0x00041202, b"UL", LENGTH.pack(top[-1].place if top else 0), True)
        head += encode(0x00041212, b"US", b"\0\0", True)
        return head + encode(0x00041220, b"SQ", records, True)

    def _placed(self, first: int) -> bytes:
        """All records in order, each knowing where the others are."""
        place = first
        for record in self._walk(self._root):
            record.place = place
            place += len(record.content)
        _point(self._root)
        for record in self._walk(self._root):
            _point(record)
        return b"".join(record.content for record in self._walk(self._root))

    def _walk(self, above: Record) -> Iterator[Record]:
        for record in above.children():
            yield record
            yield from self._walk(record)


def _point(above: Record) -> None:
    """Write the places of the next record, and of the first below ``above``."""
    children = above.children()
    if children and above.content:
        LENGTH.pack_into(above.content, _LOWER, children[0].place)
    for record, following in zip(children, children[1:], strict=False):
        LENGTH.pack_into(record.content, _NEXT, following.place)


def _under(above: Record, kind: str, key: str, header: Header) -> Record:
    """The record of this patient, study or series, made when it is new."""
    found = above.below.get(key)
    if found is None:
        keys = getattr(record_keys, kind)
        record = _record(kind, header, header.elements(keys))
        found = above.below[key] = Record(record, (len(above.below), 0))
    return found


def _leaf(kind: str, header: Header, file_id: FileID, number: int) -> Record:
    elements = header.elements(record_keys.LEAVES[kind])
    if header.text("VerificationFlag") == "VERIFIED":
        elements |= header.elements((record_keys.VERIFIED,))
    references = (
        (0x00041500, b"CS", "\\".join(file_id)),
        (0x00041510, b"UI", header.text("SOPClassUID")),
        (0x00041511, b"UI", header.text("SOPInstanceUID")),
        (0x00041512, b"UI", header.transfer_syntax_uid),
    )
    for tag, vr, value in references:
        elements[tag] = encode(tag, vr, value.encode(), True)
    return Record(_record(kind, header, elements), (_number(header), number))


def _record(kind: str, header: Header, elements: dict[int, bytes]) -> bytearray:
    nowhere = LENGTH.pack(0)
    elements[0x00041400] = encode(0x00041400, b"UL", nowhere, True)
    elements[0x00041410] = encode(0x00041410, b"US", _IN_USE, True)
    elements[0x00041420] = encode(0x00041420, b"UL", nowhere, True)
    elements[0x00041430] = encode(0x00041430, b"CS", kind.encode(), True)
    characters = header.value("SpecificCharacterSet")
    if characters:
        elements[0x00080005] = encode(0x00080005, b"CS", characters, True)
    return bytearray(item(b"".join(elements[tag] for tag in sorted(elements))))


def _number(header: Header) -> int:
    """The Instance Number; without one, behind all others."""
    text = header.text("InstanceNumber").strip()
    return int(text) if text.lstrip("+-").isascii() and text.lstrip("+-").isdigit() else sys.maxsize
