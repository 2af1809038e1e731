"""The Secondary Capture Image IODs (PS3.3 A.8) around pixels that were an image file.

Everything is derived from the bytes and the group, by SHA-256: the same file makes
the same instance, byte by byte. None of it leaves the service as it is, because
de-identification, which always follows, replaces every UID and id by a keyed one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from webapp.pipeline.convert.elements import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    JPEG_BASELINE,
    PIXEL_DATA,
    SEQUENCE_DELIMITER,
    UNDEFINED_LENGTH,
    Elements,
    encode,
    file_head,
    header,
    item_header,
)
from webapp.pipeline.convert.layout import (
    Layout,
    cine_elements,
    lossy_elements,
    multiframe_elements,
    pixel_elements,
    profile_elements,
    rescale_elements,
    resolution_elements,
)
from webapp.pipeline.convert.picture import Lossy, Picture, Resolution
from webapp.pipeline.source import Buffer
from webapp.pipeline.uids import uuid_derived_uid


@dataclass(frozen=True, slots=True)
class Origin:
    """What identity is derived from: digest of the file, and of its examination."""

    content_digest: bytes
    group: bytes

    @staticmethod
    def of(content: Buffer, group: bytes) -> Origin:
        return Origin(hashlib.sha256(content).digest(), group)

    def uid(self, role: str) -> str:
        """A UUID-derived UID (PS3.5 section B.2) for ``role``."""
        own = self.content_digest if role == "instance" else b""
        return uuid_derived_uid(hashlib.sha256(role.encode() + b"\0" + self.group + own).digest())

    def patient_id(self) -> str:
        return hashlib.sha256(b"patient\0" + self.group).hexdigest()[:16].upper()


def encapsulated(
    stream: Buffer,
    layout: Layout,
    lossy: Lossy,
    resolution: Resolution,
    profile: bytes | None,
    origin: Origin,
) -> list[Buffer]:
    """One JPEG baseline frame as it is (PS3.5 section A.4.1), as parts of a file."""
    elements = _common(layout, origin, derived=True)
    elements |= lossy_elements(layout, lossy) | resolution_elements(resolution)
    elements |= profile_elements(profile)
    return [
        file_head(layout.sop_class_uid, origin.uid("instance"), JPEG_BASELINE),
        encode(elements),
        header(PIXEL_DATA, "OB", UNDEFINED_LENGTH),
        item_header(0),
        item_header(len(stream) + len(stream) % 2),
        stream,
        bytes(len(stream) % 2),
        SEQUENCE_DELIMITER,
    ]


def native(picture: Picture, origin: Origin) -> list[Buffer]:
    """Samples stored as they are, in Explicit VR Little Endian, as parts of a file."""
    layout = Layout.of(picture)
    elements = _common(layout, origin, derived=picture.is_derived)
    elements |= rescale_elements(picture) | resolution_elements(picture.resolution)
    elements |= profile_elements(picture.profile)
    if picture.lossy is not None:
        elements |= lossy_elements(layout, picture.lossy)
    if layout.is_multiframe:
        elements |= multiframe_elements(layout) | cine_elements(picture)
    length = layout.pixel_length
    return [
        file_head(layout.sop_class_uid, origin.uid("instance"), EXPLICIT_VR_LITTLE_ENDIAN),
        encode(elements),
        header(PIXEL_DATA, "OW" if layout.bits_allocated > 8 else "OB", length + length % 2),
        *(layout.bytes_of(frame) for frame in picture.frames),
        bytes(length % 2),
    ]


def _common(layout: Layout, origin: Origin, *, derived: bool) -> Elements:
    """Patient, Study, Series, Equipment, General Image, SOP Common; PS3.3 A.8.1.3.

    No dates: none is known. No Burned In Annotation (Type 3 in a single frame):
    nobody has looked yet.
    """
    return {
        0x00080005: ("CS", "ISO_IR 192"),
        0x00080008: ("CS", ("DERIVED" if derived else "ORIGINAL") + "\\SECONDARY"),
        0x00080016: ("UI", layout.sop_class_uid),
        0x00080018: ("UI", origin.uid("instance")),
        0x00080020: ("DA", ""),
        0x00080030: ("TM", ""),
        0x00080050: ("SH", ""),
        0x00080060: ("CS", "OT"),
        0x00080064: ("CS", "WSD"),
        0x00080070: ("LO", ""),
        0x00080090: ("PN", ""),
        0x00100010: ("PN", origin.patient_id()),
        0x00100020: ("LO", origin.patient_id()),
        0x00100030: ("DA", ""),
        0x00100040: ("CS", ""),
        0x0020000D: ("UI", origin.uid("study")),
        0x0020000E: ("UI", origin.uid(f"series {layout.sop_class_uid}")),
        0x00200010: ("SH", ""),
        0x00200011: ("IS", "1"),
        0x00200013: ("IS", "1"),
        0x00200020: ("CS", ""),
        0x00200060: ("CS", ""),
    } | pixel_elements(layout)
