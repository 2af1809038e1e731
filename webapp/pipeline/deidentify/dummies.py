"""Values that mean nothing, one for each VR: action D where nothing better is known."""

from __future__ import annotations

from webapp.pipeline.deidentify.elements import encode, item

REMOVED = "REMOVED"

DUMMIES: dict[bytes, bytes] = {
    b"AE": b"REMOVED",
    b"AS": b"000D",
    b"AT": bytes(4),
    b"CS": b"REMOVED",
    b"DA": b"19000101",
    b"DS": b"0",
    b"DT": b"19000101000000",
    b"FD": bytes(8),
    b"FL": bytes(4),
    b"IS": b"0",
    b"LO": b"REMOVED",
    b"LT": b"REMOVED",
    b"OB": bytes(2),
    b"OD": bytes(8),
    b"OF": bytes(4),
    b"OL": bytes(4),
    b"OV": bytes(8),
    b"OW": bytes(2),
    b"PN": b"REMOVED",
    b"SH": b"REMOVED",
    b"SL": bytes(4),
    b"SS": bytes(2),
    b"ST": b"REMOVED",
    b"SV": bytes(8),
    b"TM": b"000000",
    b"UC": b"REMOVED",
    b"UI": b"2.25.0",
    b"UL": bytes(4),
    b"UN": bytes(2),
    b"UR": b"urn:removed",
    b"US": bytes(2),
    b"UT": b"REMOVED",
    b"UV": bytes(8),
}
"""Dates are real dates, so that the value passes for its VR; 1 January 1900 is nobody's."""

ENUMERATED: dict[int, bytes] = {0x04000565: b"COERCE", 0x00100040: b"O"}
"""Attributes that admit only values of an enumeration (PS3.3)."""


def dummy(tag: int, vr: bytes) -> bytes:
    """A valid value for ``tag`` under ``vr``, the same for everybody."""
    return ENUMERATED.get(tag) or DUMMIES[vr]


def code_item(explicit: bool, value: str, scheme: str, meaning: str) -> bytes:
    """An item of a code sequence (PS3.3 8.8)."""
    return item(
        encode(0x00080100, b"SH", value.encode(), explicit)
        + encode(0x00080102, b"SH", scheme.encode(), explicit)
        + encode(0x00080104, b"LO", meaning.encode(), explicit)
    )


def dummy_code(explicit: bool) -> bytes:
    """A code of a private scheme (99...) that says only that there was one."""
    return code_item(explicit, "REMOVED", "99DEID", "Removed")
