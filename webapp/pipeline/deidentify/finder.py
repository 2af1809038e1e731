"""The search for identifying values in bytes: whole tokens, whatever their case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

PREFIX = 4
"""Bytes that every needle has at least, and by which large contents are sifted."""


class Finder:
    """Searches bytes for needles (ASCII in lower case) and for replaced UIDs.

    Needles and UIDs count where they stand alone, not within a longer word or
    number; what is looked for ``anywhere`` (UTF-16) counts wherever it is.
    Three ways, by size: a few needles in a header one after the other; many by
    an index of tokens; and anything in a large content by its first four bytes.
    """

    FEW = 64
    """Needles up to which each is looked for by itself."""

    LARGE = 1 << 16
    """Bytes from which a content is sifted first."""

    TOKEN = re.compile(rb"[0-9a-z]+")
    UID = re.compile(rb"(?<![0-9.])[0-2](?:\.[0-9]+){3,}(?![0-9])")

    def __init__(
        self,
        needles: tuple[bytes, ...],
        uids: frozenset[str] = frozenset(),
        anywhere: tuple[bytes, ...] = (),
    ) -> None:
        self._needles = frozenset(needles)
        self._uids = {uid.encode("ascii", "replace") for uid in uids}
        self._anywhere = frozenset(anywhere)
        self._index: dict[bytes, set[int]] = {}
        few = needles if len(needles) <= self.FEW else ()
        if not few:
            few = tuple(needle for needle in needles if not self._indexed(needle))
        if len(self._uids) <= self.FEW:
            few = (*few, *self._uids)
        self._few = (*few, *anywhere)

    def _indexed(self, needle: bytes) -> bool:
        """File a needle's length under its first token; those that start with none stay out."""
        token = self.TOKEN.match(needle)
        if token:
            self._index.setdefault(token.group(), set()).add(len(needle))
        return token is not None

    def occurs_in(self, content: bytes | bytearray) -> bool:
        """Whether any needle, or any replaced UID, stands in ``content``."""
        return next(self.spans(content), None) is not None

    def spans(self, content: bytes | bytearray) -> Iterator[tuple[int, int]]:
        """Where needles and replaced UIDs stand: offset and end."""
        lowered = bytes(content.lower())
        if len(lowered) >= self.LARGE:
            places = self._sifted(lowered)
            if places is not None:
                yield from self._at(lowered, places)
                return
        for needle in self._few:
            if needle in lowered:
                yield from self._each(needle, lowered)
        if self._index:
            yield from self._by_token(lowered)
        if len(self._uids) > self.FEW:
            yield from self._replaced_uids(lowered)

    def _each(self, needle: bytes, lowered: bytes) -> Iterator[tuple[int, int]]:
        at = lowered.find(needle)
        while at >= 0:
            if self._counts(lowered, at, at + len(needle)):
                yield at, at + len(needle)
            at = lowered.find(needle, at + 1)

    def _by_token(self, lowered: bytes) -> Iterator[tuple[int, int]]:
        for token in self.TOKEN.finditer(lowered):
            start = token.start()
            for length in self._index.get(token.group(), ()):
                stop = start + length
                if lowered[start:stop] in self._needles and self._counts(lowered, start, stop):
                    yield start, start + len(lowered[start:stop])

    def _replaced_uids(self, lowered: bytes) -> Iterator[tuple[int, int]]:
        for match in self.UID.finditer(lowered):
            if match.group() in self._uids:
                yield match.span()

    def _counts(self, lowered: bytes, start: int, stop: int) -> bool:
        found = lowered[start:stop]
        return found in self._anywhere or (
            len(found) == stop - start and stands_alone(lowered, start, stop)
        )

    # Large contents.

    def _sifted(self, lowered: bytes) -> list[int] | None:
        """Where four bytes stand that begin a needle; None when they stand everywhere."""
        first, second = self._tables
        octets = np.frombuffer(lowered, np.uint8)
        pairs = octets[:-1].astype(np.uint16) << 8 | octets[1:]
        places = np.flatnonzero(first[pairs[:-2]])
        places = places[second[pairs[places + 2]]]
        return None if len(places) > len(lowered) // 64 else places.tolist()

    def _at(self, lowered: bytes, places: list[int]) -> Iterator[tuple[int, int]]:
        for start in places:
            for length in self._lengths.get(lowered[start : start + PREFIX], ()):
                found = lowered[start : start + length]
                if (found in self._needles or found in self._uids or found in self._anywhere) and (
                    self._counts(lowered, start, start + length)
                ):
                    yield start, start + length

    @cached_property
    def _lengths(self) -> dict[bytes, set[int]]:
        """Lengths of everything looked for, by its first four bytes."""
        lengths: dict[bytes, set[int]] = {}
        for needle in (*self._needles, *self._uids, *self._anywhere):
            lengths.setdefault(needle[:PREFIX], set()).add(len(needle))
        return lengths

    @cached_property
    def _tables(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which pairs of bytes begin a needle, and which follow them."""
        first, second = np.zeros(1 << 16, bool), np.zeros(1 << 16, bool)
        for prefix, (table, start) in product(self._lengths, ((first, 0), (second, 2))):
            table[int.from_bytes(prefix[start : start + 2], "big")] = True
        return first, second


WORD = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyz")
DIGITS = frozenset(b"0123456789")
DOT = ord(".")


def stands_alone(content: bytes, start: int, stop: int) -> bool:
    """Whether nothing on either side makes it part of a word, or of a longer number."""
    before = content[start - 1] if start else 0
    after = content[stop] if stop < len(content) else 0
    first, last = content[start], content[stop - 1]
    if (before in WORD and first in WORD) or (after in WORD and last in WORD):
        return False
    decimals = before == DOT and first in DIGITS and content[start - 2 : start - 1].isdigit()
    fraction = after == DOT and last in DIGITS and content[stop + 1 : stop + 2].isdigit()
    return not (decimals or fraction)
