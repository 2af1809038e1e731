"""Free text cleaned (action C): only what is known to name nobody stays.

First whatever identifies by its form goes (dates, times, telephone numbers,
addresses of mail and web, UIDs, a title with what follows it) and whatever the
data set itself says identifies; then every word that is not in the vocabulary
of the field, and every number of five or more digits.
"""

from __future__ import annotations

import re

from webapp.pipeline.deidentify.dates import OLDEST
from webapp.pipeline.deidentify.finder import Finder
from webapp.pipeline.deidentify.terms import vocabulary

MONTH = r"(?:jan|feb|mar|m[aä]r|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[^\W\d_]*"

FORMS = re.compile(
    "|".join(
        (
            r"\b(?:https?|ftp|file)://\S+|\bwww\.\S+",
            r"[^\s@]{1,64}@\S{1,255}",
            r"\b[0-2](?:\.\d+){4,}",
            r"\b\d{4}[-./]\d{1,2}[-./]\d{1,2}(?:[T ]\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?)?",
            r"\b\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d\d)\b",
            r"\b(?:19|20)\d{6}(?:\d{6})?\b",
            rf"\b\d{{1,2}}(?:st|nd|rd|th)?[-. ]*{MONTH}[-., ]*(?:\d{{4}}|\d\d)\b",
            rf"\b{MONTH} *\d{{1,2}}(?:st|nd|rd|th)?[-., ]+(?:\d{{4}}|\d\d)\b",
            r"\b\d{1,2}:\d\d(?::\d\d)?(?: ?[ap]m)?\b",
            r"\+?\(?\d[\d ()/-]{6,}\d",
            r"\b(?:dr|drs|mr|mrs|ms|prof|herr|frau|mme|sig|sr|sra)\b\.?(?: *[^\W\d_][\w'.-]*){1,3}",
        )
    ),
    re.IGNORECASE,
)
"""Shapes of text that identify or date, wherever they stand."""

AGE = re.compile(r"\b(\d{2,3})(?=[ -]?(?:years?|yrs?|y/?o|y)\b)", re.IGNORECASE)
SPACES = re.compile(rb" {2,}")
RUN = re.compile(r"[^\W_]+")
PART = re.compile(r"\d+|[^\W\d_]+")

LONGEST_NUMBER = 4
"""Digits of a number that stays."""

LONGEST_TEXT = 1 << 16
"""Characters of a text that is cleaned; what is longer goes as a whole."""


def clean_text(text: str, finder: Finder) -> str:
    """``text`` without what may identify; empty when nothing that says anything is left."""
    if len(text) > LONGEST_TEXT:
        return ""
    text = FORMS.sub(" ", text)
    if finder.occurs_in(text.encode("utf-8", "replace")):
        text = cut(text.encode("utf-8", "replace"), finder).decode("utf-8", "replace")
    text = AGE.sub(lambda age: age.group() if int(age.group()) <= OLDEST else "90", text)
    text = RUN.sub(lambda run: run.group() if _is_known(run.group()) else "", text)
    return _tidy(text) if RUN.search(text) else ""


def cut(content: bytes, finder: Finder, blank: bool = False) -> bytes:
    """``content`` without what the finder finds in it: taken out, or overwritten with spaces."""
    kept = bytearray(content)
    for start, stop in finder.spans(content):
        kept[start:stop] = b" " * (stop - start)
    return bytes(kept) if blank else SPACES.sub(b" ", bytes(kept)).strip(b" \0")


def _is_known(run: str) -> bool:
    """Whether every part of letters and digits, as in ``T1w`` or ``120kV``, names nobody."""
    return all(
        len(part) <= LONGEST_NUMBER
        if part.isdigit()
        else len(part) == 1 or part.lower() in vocabulary()
        for part in PART.findall(run)
    )


def _tidy(text: str) -> str:
    lines = (re.sub(r"[ \t]{2,}", " ", line).strip() for line in text.splitlines())
    return "\r\n".join(line for line in lines if RUN.search(line))
