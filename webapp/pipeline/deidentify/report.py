"""What was done to one instance: attributes, actions, counts and depths; never a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from webapp.pipeline.deidentify.dictionary import keyword, label
from webapp.pipeline.deidentify.standard import EDITION

NAMES = {0: "Private Attributes", 1: "Unregistered Attributes"}
"""What is counted together, under numbers that are no attribute's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One attribute and one action: how often, and how deep at most (0 is the top)."""

    attribute: str
    tag: str
    action: str
    count: int
    depth: int


@dataclass(frozen=True, slots=True)
class Report:
    """The record of one de-identification; ``as_dict`` is what to store and show.

    ``counts`` are tag, action, how often and how deep; names are looked up when asked for.
    """

    profile: str
    edition: str
    counts: tuple[tuple[int, str, int, int], ...]
    notes: tuple[str, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """One entry for each attribute and action, by tag."""
        return tuple(Entry(*row) for row in self._rows())

    def as_dict(self) -> dict[str, object]:
        """The report in terms of JSON."""
        return {
            "profile": self.profile,
            "edition": self.edition,
            "notes": list(self.notes),
            "actions": [dict(zip(Entry.__slots__, row, strict=True)) for row in self._rows()],
        }

    def _rows(self) -> Iterator[tuple[str, str, str, int, int]]:
        """The fields of each entry, by tag."""
        for tag, code, count, depth in sorted(self.counts):
            yield (*_named(tag), code, count, depth)


@lru_cache(maxsize=4096)
def _named(tag: int) -> tuple[str, str]:
    """Keyword and printed tag; of what is counted together, its name alone."""
    return (NAMES[tag], "") if tag in NAMES else (keyword(tag), label(tag))


class Tally:
    """Counts actions while the walk goes on."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str], list[int]] = {}
        self.notes: list[str] = []

    def add(self, tag: int, code: str, depth: int, count: int = 1) -> None:
        """``count`` more elements treated by action ``code`` at ``depth``."""
        counted = self._counts.get((tag, code))
        if counted is None:
            self._counts[tag, code] = [count, depth]
        else:
            counted[0] += count
            counted[1] = max(counted[1], depth)

    def note(self, code: str) -> None:
        """Something that was done to the file as a whole, once."""
        if code not in self.notes:
            self.notes.append(code)

    def report(self, profile: str) -> Report:
        """Everything counted, by attribute and action."""
        counts = ((tag, code, count, depth) for (tag, code), (count, depth) in self._counts.items())
        return Report(profile, EDITION, tuple(counts), tuple(self.notes))
