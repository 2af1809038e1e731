"""No cell of a CSV is taken for a formula, and no other cell is changed."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.csv_export import STARTS_FORMULA, cell, lines


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "=cmd|' /C calc'!A0", "＝1"],
)
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["CT", "2026-11-25", "a=b", "", "Ärztin", -3, 0, 2.5])
def test_everything_else_stays_as_it_is(value: object) -> None:
    assert cell(value) == value


def test_nothing_is_an_empty_cell() -> None:
    assert cell(None) == ""


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=5))
def test_every_row_comes_back_whole_and_harmless(rows: list[list[str]]) -> None:
    written = "".join(lines(("one", "two"), rows))

    back = list(csv.reader(io.StringIO(written, newline="")))[1:]

    assert [[text.removeprefix("'") for text in row] for row in back] == [
        [text.removeprefix("'") for text in row] for row in rows
    ]
    assert not any(text.lstrip(" ").startswith(STARTS_FORMULA) for row in back for text in row)
