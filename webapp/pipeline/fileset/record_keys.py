"""What each kind of directory record must hold (PS3.3 2026d, section F.5), as data.

A key is a keyword and what stands in for a value of type 1 that the instance
lacks, because de-identification emptied it; an empty stand-in marks type 2, which
may be empty, and ``None`` what is left out where the instance has none (type 1C).
"""

from __future__ import annotations

Key = tuple[str, str | None]

NO_DATE, NO_TIME = "19000101", "000000"
"""What dcmtk's dcmmkdir puts in the place of a date and a time that are not known."""

_NUMBER: Key = ("InstanceNumber", "1")
_CONTENT: tuple[Key, ...] = (_NUMBER, ("ContentDate", NO_DATE), ("ContentTime", NO_TIME))
_IDENTIFIED: tuple[Key, ...] = (
    *_CONTENT,
    ("ContentLabel", "UNKNOWN"),
    ("ContentDescription", ""),
    ("ContentCreatorName", ""),
)
_TITLED: tuple[Key, ...] = (
    *_CONTENT,
    ("ConceptNameCodeSequence", None),
    ("ContentSequence", None),
)

PATIENT: tuple[Key, ...] = (("PatientName", ""), ("PatientID", "UNKNOWN"))
STUDY: tuple[Key, ...] = (
    ("StudyDate", NO_DATE),
    ("StudyTime", NO_TIME),
    ("StudyDescription", ""),
    ("StudyInstanceUID", None),
    ("StudyID", "1"),
    ("AccessionNumber", ""),
)
SERIES: tuple[Key, ...] = (
    ("Modality", "OT"),
    ("SeriesInstanceUID", None),
    ("SeriesNumber", "1"),
)
LEAVES: dict[str, tuple[Key, ...]] = {
    "IMAGE": (_NUMBER,),
    "RT DOSE": (_NUMBER, ("DoseSummationType", "PLAN")),
    "RT STRUCTURE SET": (
        _NUMBER,
        ("StructureSetLabel", "UNKNOWN"),
        ("StructureSetDate", ""),
        ("StructureSetTime", ""),
    ),
    "RT PLAN": (_NUMBER, ("RTPlanLabel", "UNKNOWN"), ("RTPlanDate", ""), ("RTPlanTime", "")),
    "RT TREAT RECORD": (_NUMBER, ("TreatmentDate", ""), ("TreatmentTime", "")),
    "PRESENTATION": (
        _NUMBER,
        ("PresentationCreationDate", NO_DATE),
        ("PresentationCreationTime", NO_TIME),
        ("ContentLabel", "UNKNOWN"),
        ("ContentDescription", ""),
        ("ContentCreatorName", ""),
        ("ReferencedSeriesSequence", None),
        ("BlendingSequence", None),
    ),
    "WAVEFORM": _CONTENT,
    "SR DOCUMENT": (
        *_TITLED,
        ("CompletionFlag", "PARTIAL"),
        ("VerificationFlag", "UNVERIFIED"),
    ),
    "KEY OBJECT DOC": _TITLED,
    "SPECTROSCOPY": (
        *_CONTENT,
        ("ImageType", "DERIVED\\PRIMARY"),
        ("NumberOfFrames", "1"),
        ("Rows", None),
        ("Columns", None),
        ("DataPointRows", None),
        ("DataPointColumns", None),
        ("ReferencedImageEvidenceSequence", None),
    ),
    "RAW DATA": _CONTENT,
    "REGISTRATION": _IDENTIFIED,
    "FIDUCIAL": _IDENTIFIED,
    "VALUE MAP": _IDENTIFIED,
    "STEREOMETRIC": (),
    "MEASUREMENT": _IDENTIFIED,
    "SURFACE": _IDENTIFIED,
    "SURFACE SCAN": _CONTENT[1:],
    "TRACT": _IDENTIFIED,
    "ASSESSMENT": (_NUMBER, ("InstanceCreationDate", NO_DATE), ("InstanceCreationTime", "")),
}
"""The records of instances by Directory Record Type."""

VERIFIED: Key = ("VerificationDateTime", NO_DATE + NO_TIME)
"""Of a document whose Verification Flag says so (type 1C)."""

WANTED = sorted(
    {
        keyword
        for keys in (PATIENT, STUDY, SERIES, (VERIFIED,), *LEAVES.values())
        for keyword, _ in keys
    }
)
"""Every attribute that a record may hold."""

_BY_SOP_CLASS = {
    "RT DOSE": ("481.2",),
    "RT STRUCTURE SET": ("481.3",),
    "RT PLAN": ("481.5", "481.8"),
    "RT TREAT RECORD": ("481.4", "481.6", "481.7", "481.9"),
    "PRESENTATION": ("11.1", "11.2", "11.3", "11.4", "11.5", "131"),
    "SPECTROSCOPY": ("4.2",),
    "RAW DATA": ("66",),
    "REGISTRATION": ("66.1", "66.3"),
    "FIDUCIAL": ("66.2",),
    "SURFACE": ("66.5",),
    "TRACT": ("66.6",),
    "VALUE MAP": ("67",),
    "SURFACE SCAN": ("68.1", "68.2"),
    "STEREOMETRIC": ("77.1.5.3",),
    "MEASUREMENT": ("78.1", "78.2", "78.3", "78.4", "78.5", "78.7", "80.1"),
    "SR DOCUMENT": ("78.6", "79.1"),
    "KEY OBJECT DOC": ("88.59",),
    "ASSESSMENT": ("90.1",),
}
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_EXACT = {f"{_STORAGE}{end}": kind for kind, ends in _BY_SOP_CLASS.items() for end in ends}
_FAMILIES = {f"{_STORAGE}9.": "WAVEFORM", f"{_STORAGE}88.": "SR DOCUMENT"}


def record_type(sop_class_uid: str, is_image: bool) -> str | None:
    """The Directory Record Type of an instance; none where the standard has none for it.

    Args:
        is_image: it has Rows and Columns. A SOP Class that is not listed is then an image.
    """
    family = next(
        (kind for head, kind in _FAMILIES.items() if sop_class_uid.startswith(head)), None
    )
    return _EXACT.get(sop_class_uid) or family or ("IMAGE" if is_image else None)
