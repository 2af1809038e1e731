"""Tables as CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The table, a line at a time (RFC 4180)."""
    yield _line(head)
    for row in rows:
        yield _line([cell(value) for value in row])


def cell(value: object) -> object:
    """A value as a spreadsheet may have it: numbers stay, text that could be a formula is quoted.

    The apostrophe in front is what spreadsheets themselves take for "this is text".
    """
    if value is None:
        return ""
    if isinstance(value, int | float):
        return value
    text = str(value)
    return f"'{text}" if text.lstrip(" ").startswith(STARTS_FORMULA) else text


def _line(row: Sequence[object]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerow(row)
    return file.getvalue()
