"""Values that identify a person, as they were seen in one data set: what must not come out.

They live as long as the work on one file; nothing logs or stores them.
"""

from __future__ import annotations

import re

from webapp.pipeline.deidentify.dummies import DUMMIES
from webapp.pipeline.deidentify.terms import is_term

SHORTEST, LONGEST = 4, 64
"""Characters of a needle: shorter ones are found everywhere, longer ones are cut."""

ESCAPE = b"\x1b"

LONE_NUMBER = 6
"""Digits that a number must have to count as an id inside a DS or IS value."""

MOST = 50_000
"""Needles for one data set; a file with more is not searched but held."""

OURS = frozenset(value.decode("latin-1").lower() for value in DUMMIES.values())
"""Values we write ourselves: a birth date of 1 January 1900 is a placeholder too."""


class Identifiers:
    """What was seen: ``texts`` identify, ``places`` describe, ``uids`` were replaced."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.places: set[str] = set()
        self.uids: set[str] = set()
        self._raw: set[bytes] = set()

    def add(self, value: str, raw: bytes = b"") -> None:
        """Every value of a multi-valued attribute; ``raw`` when it was not written in UTF-8."""
        for part in value.split("\\"):
            _add(part, self.texts)
        self._add_raw(value, raw)

    def add_name(self, value: str, raw: bytes = b"") -> None:
        """A Person Name: each of its representations and components (PS3.5 6.2.1)."""
        self.add(value, raw)
        for component in re.split(r"[=^\\]", value):
            _add(component, self.texts)

    def add_date(self, value: str) -> None:
        """A DA value, and the ways people write that day in a text."""
        self.add(value)
        day = value.strip(" \0")
        if re.fullmatch(r"\d{8}", day) and day.lower() not in OURS:
            year, month, date = day[:4], day[4:6], day[6:]
            self.texts.update((f"{year}-{month}-{date}", f"{date}.{month}.{year}"))
            self.texts.update((f"{date}/{month}/{year}", f"{month}/{date}/{year}"))

    def add_place(self, value: str) -> None:
        """The name of a place or device: taken out of cleaned texts, no more."""
        for part in value.split("\\"):
            _add(part, self.places)

    def needles(self) -> tuple[bytes, ...]:
        """What to search finished bytes for, ASCII in lower case: as UTF-8, and as it came."""
        return tuple(sorted({form for text in self.texts for form in _forms(text)} | self._raw))

    def place_needles(self) -> tuple[bytes, ...]:
        """What to take out of cleaned texts besides."""
        return tuple(sorted({form for text in self.places for form in _forms(text)}))

    def _add_raw(self, value: str, raw: bytes) -> None:
        """The bytes of other character sets, without the escapes that may stand around them."""
        if raw.isascii() and ESCAPE not in raw or raw == value.encode("utf-8", "replace"):
            return
        for part in re.split(rb"[=^\\]|\x1b[(\-][A-Z]|\x1b\$[()]?[A-Z@]", raw):
            needle = part.strip(b" \0")[:LONGEST].lower()
            if len(needle) >= SHORTEST and not needle.isascii():
                self._raw.add(needle)


def _add(value: str, into: set[str]) -> None:
    """Four characters, or as many bytes of a script that says more with fewer."""
    text = value.strip(" \0\r\n\t^=")[:LONGEST]
    lowered = text.lower()
    if len(into) > MOST:
        return  # held anyway; a file of millions must not fill memory with them
    if len(_encoded(text)) >= SHORTEST and lowered not in OURS and not is_term(lowered):
        into.add(text)


def _forms(text: str) -> set[bytes]:
    """``text`` as it is searched for; other scripts in each case that people write."""
    if text.isascii():
        return {text.lower().encode()}
    cases = (text, text.lower(), text.upper(), text.title())
    return {_encoded(case).lower() for case in cases}


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


NUMBERS = (b"DS", b"IS")
MOMENTS = (b"DA", b"DT", b"TM")
NUMBER = re.compile(rb"[ \0]*[+-]?[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?[ \0]*")


def is_no_identity(vr: bytes, value: bytes, found: bytes) -> bool:
    """Whether ``found`` in a value of this VR is a number or a moment that happens to be equal.

    A short number among measurements is no id, and a date that a rule let stay
    is no birth date.
    """
    if vr in MOMENTS:
        return True
    numeric = all(NUMBER.fullmatch(part) for part in value.split(b"\\"))
    return vr in NUMBERS and numeric and len(found) < LONE_NUMBER
