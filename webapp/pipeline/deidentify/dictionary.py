"""Which attributes are registered, under which VR and keyword (PS3.6).

pydicom's dictionary, the attributes of Table E.1-1 that are newer than it, and
the repeating groups (50xx, 60xx), as flat look-ups by tag.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import product

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

Tag = int
"""Group and element number in one integer: ``0x00100010`` is (0010,0010)."""

NEWER: dict[Tag, tuple[str, str]] = {
    0x00081301: ("SQ", "PrincipalDiagnosisCodeSequence"),
    0x00081302: ("SQ", "PrimaryDiagnosisCodeSequence"),
    0x00081303: ("SQ", "SecondaryDiagnosesCodeSequence"),
    0x00081304: ("SQ", "HistologicalDiagnosesCodeSequence"),
    0x00100011: ("SQ", "PersonNamesToUseSequence"),
    0x00100012: ("LT", "NameToUse"),
    0x00100013: ("UT", "NameToUseComment"),
    0x00100014: ("SQ", "ThirdPersonPronounsSequence"),
    0x00100015: ("SQ", "PronounCodeSequence"),
    0x00100016: ("UT", "PronounComment"),
    0x00100041: ("SQ", "GenderIdentitySequence"),
    0x00100042: ("UT", "SexParametersForClinicalUseCategoryComment"),
    0x00100043: ("SQ", "SexParametersForClinicalUseCategorySequence"),
    0x00100044: ("SQ", "GenderIdentityCodeSequence"),
    0x00100045: ("UT", "GenderIdentityComment"),
    0x00100046: ("SQ", "SexParametersForClinicalUseCategoryCodeSequence"),
    0x00100047: ("UR", "SexParametersForClinicalUseCategoryReference"),
    0x00102162: ("UC", "EthnicGroups"),
    0x0040A034: ("DT", "EffectiveStartDateTime"),
    0x0040A035: ("DT", "EffectiveStopDateTime"),
    0x0040B034: ("DT", "AnnotationDateTime"),
    0x0040B036: ("DT", "SegmentDefinitionDateTime"),
    0x0040B03B: ("LO", "MontageName"),
    0x0040B03F: ("LO", "MontageChannelLabel"),
    0x0040E012: ("UR", "DisplayURI"),
    0x3004007F: ("LO", "DoseCalculationModelName"),
}
"""Attributes of Table E.1-1 2026d that pydicom 3.0.2 (2024c) does not know: VR and keyword."""

AMBIGUOUS = {
    "US or SS": "US",
    "US or SS or OW": "OW",
    "US or OW": "OW",
    "OB or OW": "OW",
    "NONE": "UN",
}
"""One VR of the same encoding for attributes that have several."""


def registered(tag: Tag) -> tuple[str, str] | None:
    """VR and keyword of a standard attribute; None for private and unregistered ones."""
    entry = NEWER.get(tag)
    if entry is None and (found := DicomDictionary.get(tag) or _repeating(tag)):
        entry = (AMBIGUOUS.get(found[0], found[0]), found[4])
    return entry


@lru_cache(maxsize=8192)
def keyword(tag: Tag) -> str:
    """The attribute's keyword, or its number where it has none."""
    entry = registered(tag)
    return entry[1] if entry and entry[1] else label(tag)


def label(tag: Tag) -> str:
    """``(gggg,eeee)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _repeating(tag: Tag) -> tuple[str, str, str, str, str] | None:
    """A repeating group's entry: curves (50xx), overlays (60xx), retired ones of 0020 and 0028."""
    group = tag >> 16
    if group & 0xFF01 in (0x5000, 0x6000):
        return RepeatersDictionary.get(f"{group >> 8:02X}xx{tag & 0xFFFF:04X}")
    return _expanded().get(tag) if group in (0x0020, 0x0028) else None


@cache
def _expanded() -> dict[Tag, tuple[str, str, str, str, str]]:
    """Every tag that a mask in groups 0020 and 0028 stands for."""
    masks = [mask for mask in RepeatersDictionary if mask[:4] in ("0020", "0028")]
    return {tag: RepeatersDictionary[mask] for mask in masks for tag in _tags(mask)}


def _tags(mask: str) -> list[Tag]:
    choices = ["0123456789abcdef" if digit == "x" else digit for digit in mask]
    return [int("".join(digits), 16) for digits in product(*choices)]
