"""Dates and times (PS3.5 6.2: DA, DT, TM, AS): checked, moved, and ages above 89 folded."""

from __future__ import annotations

import re
from datetime import date

DATE = re.compile(r"(\d{4})(?:(\d\d)(\d\d)|\.(\d\d)\.(\d\d))")
"""``YYYYMMDD``, and ``YYYY.MM.DD`` of ACR-NEMA 2.0."""

TIME = re.compile(r"(?:[01]\d|2[0-3])(?::?[0-5]\d(?::?(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?")
DATE_TIME = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?P<rest>(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d|60)?)?(?:\.\d{1,6})?)?"
    r")?)?(?P<zone>[+-][01]\d[0-5]\d)?"
)
AGE = re.compile(r"\d{3}[DWMY]")
ZONE = re.compile(r"[+-][01]\d[0-5]\d")

OLDEST = 89
"""Years; ages above it are told as 90 years and count as identifying."""

FOLDED_AGE = "090Y"

PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}


def shift(vr: str, value: str, days: int) -> str | None:
    """The values of a DA, DT or TM element moved by ``days``; None when one is no such value.

    Times of day stay, so that intervals between any two moments are kept.
    """
    moved = [_shift_one(vr, part.strip(" \0"), days) for part in value.split("\\")]
    return None if None in moved else "\\".join(part for part in moved if part is not None)


def is_valid(vr: str, value: str) -> bool:
    """Whether every value of the element is what its VR says."""
    return shift(vr, value, 0) is not None


def fold_age(value: str) -> str | None:
    """An Age String with more than 89 years told as 90 years; None when it is no age."""
    if not AGE.fullmatch(value):
        return None
    return FOLDED_AGE if int(value[:3]) / PER_YEAR[value[3]] > OLDEST else value


def _shift_one(vr: str, value: str, days: int) -> str | None:
    if not value:
        return value
    if vr == "TM":
        return value if TIME.fullmatch(value) else None
    return _shift_date(value, days) if vr == "DA" else _shift_date_time(value, days)


def _shift_date(value: str, days: int) -> str | None:
    match = DATE.fullmatch(value)
    if not match:
        return None
    year, month, day = (group for group in match.groups() if group)
    moved = _moved(int(year), int(month), int(day), days)
    return f"{moved:%Y%m%d}" if moved and moved.year > 999 else None


def _shift_date_time(value: str, days: int) -> str | None:
    """As many components as there were: a year alone stays a year."""
    match = DATE_TIME.fullmatch(value)
    if not match:
        return None
    year, month, day = match.group(1, 2, 3)
    moved = _moved(int(year), int(month or 1), int(day or 1), days)
    if moved is None or moved.year <= 999:
        return None
    text = f"{moved:%Y%m%d}"[: 8 if day else 6 if month else 4]
    return text + (match["rest"] or "") + (match["zone"] or "")


def _moved(year: int, month: int, day: int, days: int) -> date | None:
    try:
        return date.fromordinal(date(year, month, day).toordinal() + days)
    except (ValueError, OverflowError):
        return None
