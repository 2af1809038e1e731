"""What de-identification did to an instance, said for people: counts, and never a value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

ACTIONS = {
    "X": "removed",
    "Z": "emptied",
    "D": "replaced by a stand-in",
    "U": "UID replaced",
    "C": "cleaned",
    "K": "kept",
}
PIXEL_TEXT = {
    "not examined": "Nobody has looked for text drawn into this picture. Look yourself before it"
    " leaves your hands.",
    "none found": "No text was found in the picture. That does not prove that there is none.",
    "found": "Text was found in the picture.",
    "masked": "Text was found in the picture and covered.",
}


@dataclass(frozen=True)
class Line:
    """One attribute and what was done to it, ``count`` times."""

    attribute: str
    tag: str
    letter: str
    words: str
    count: int


@dataclass(frozen=True)
class Account:
    """The whole report: by action, then line by line."""

    profile: str
    edition: str
    totals: tuple[tuple[str, str, int], ...]
    lines: tuple[Line, ...]

    @property
    def values(self) -> int:
        return sum(count for _letter, _words, count in self.totals)


def account(report: dict[str, Any] | None) -> Account | None:
    """A stored report as a page shows it; none where nothing was de-identified."""
    if not report:
        return None
    lines = tuple(_line(entry) for entry in report.get("actions", []))
    totals: Counter[str] = Counter()
    for line in lines:
        totals[line.letter] += line.count
    return Account(
        profile=str(report.get("profile", "")),
        edition=str(report.get("edition", "")),
        totals=tuple((letter, words_for(letter), count) for letter, count in totals.most_common()),
        lines=lines,
    )


def _line(entry: dict[str, Any]) -> Line:
    letter = str(entry["action"])
    return Line(
        attribute=str(entry["attribute"]),
        tag=str(entry["tag"]),
        letter=letter,
        words=words_for(letter),
        count=int(entry["count"]),
    )


def words_for(letter: str) -> str:
    """What an action of Table E.1-1 does."""
    return ACTIONS.get(letter, letter)
