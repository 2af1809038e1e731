"""SECURITY.md claims no test that there is not, and forgets none that there is."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.hostile.rows import ROOT, rows, summary


def named_in(path: Path) -> set[str]:
    """The tests of a file, as the table names them."""
    tree = ast.parse(path.read_text())
    return {
        f"{path.relative_to(ROOT)}::{node.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_the_table_names_exists() -> None:
    named = set().union(*(row.tests for row in rows()))
    existing = set().union(*(named_in(ROOT / test.partition("::")[0]) for test in named))

    assert named - existing == set()


def test_every_attack_that_is_tested_stands_in_the_table() -> None:
    here = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    tested = set().union(*map(named_in, here))

    assert tested - set().union(*(row.tests for row in rows())) == set()


def test_every_row_has_its_answer() -> None:
    assert all(row.attack and row.answer for row in rows())
    assert len(rows()) == len({row.attack for row in rows()}) > 45


def test_the_summary_counts_attacks_by_their_tests() -> None:
    first, second = rows()[:2]
    passed = [f"{test}[1]" for test in first.tests | second.tests]

    assert summary(passed, []) == f"refused {n_of(passed)}/{n_of(passed)}"
    assert summary(passed, passed[:1]).startswith("refused ")
    assert summary(passed, passed[:1]) != summary(passed, [])
    assert summary(["tests/x.py::test_y"], []) == ""


def n_of(passed: list[str]) -> int:
    """How many rows these tests belong to."""
    names = {test.partition("[")[0] for test in passed}
    return sum(bool(row.tests & names) for row in rows())
