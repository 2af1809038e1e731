"""Files that cannot be made safe, whatever is done to their attributes."""

from __future__ import annotations

from webapp.pipeline.deidentify.part10 import Opened
from webapp.pipeline.errors import (
    DicomDamaged,
    DicomDir,
    UnsupportedSopClass,
    UnsupportedTransferSyntax,
)
from webapp.pipeline.instance import InstanceFacts

DIRECTORY = "1.2.840.10008.1.3.10"
"""Media Storage Directory (PS3.10 8): it names the patients of other files."""

WALKED = "1.2.840.10008.1.2"
SYNTAXES = frozenset(
    ["", WALKED]
    + [f"{WALKED}.{rest}" for rest in ("1", "1.99", "2", "5")]
    + [f"{WALKED}.4.{number}" for number in (*range(50, 67), 70, 80, 81, *range(90, 94))]
    + [f"{WALKED}.4.{number}" for number in (110, 111, 112, 201, 202, 203)]
)
"""Transfer syntaxes whose frames can be cleaned: all of JPEG, JPEG-LS, JPEG 2000, HTJ2K, JPEG XL,
RLE, and uncompressed. Not video, nor pixels that lie elsewhere (JPIP), nor private ones."""

PAYLOADS = frozenset(
    [f"1.2.840.10008.5.1.4.1.1.104.{number}" for number in range(1, 6)]
    + ["1.2.840.10008.5.1.4.1.1.9.4.1", "1.2.840.10008.5.1.4.1.1.9.4.2"]
)
"""Encapsulated PDF, CDA, STL, OBJ and MTL; audio, in which a voice may tell names."""


def check_opened(opened: Opened) -> None:
    """Refuse by what the file meta information says."""
    check_sop_class(opened.sop_class_uid)
    if opened.transfer_syntax_uid not in SYNTAXES:
        raise UnsupportedTransferSyntax()


def check_sop_class(sop_class_uid: str) -> None:
    """Refuse directories, and documents that are carried whole."""
    if sop_class_uid == DIRECTORY:
        raise DicomDir()
    if sop_class_uid in PAYLOADS:
        raise UnsupportedSopClass()


def check_whole(instance: InstanceFacts) -> None:
    """Refuse an image whose pixels are described but absent: cut off between two elements."""
    described = instance.rows and instance.columns and instance.bits_allocated
    if described and not instance.has_pixels:
        raise DicomDamaged()
