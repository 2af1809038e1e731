"""The table of SECURITY.md: each attack, the tests that make it, the answer they expect."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")


@dataclass(frozen=True)
class Row:
    """An attack."""

    attack: str
    tests: frozenset[str]
    answer: str


def rows() -> list[Row]:
    """Every row of the last table."""
    table = (ROOT / "SECURITY.md").read_text().partition("## Attack, test, answer")[2]
    found = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        tests = frozenset("::".join(match) for match in TEST.findall(line))
        if tests:
            found.append(Row(cells[0], tests, cells[-1]))
    return found


def summary(passed: Iterable[str], failed: Iterable[str]) -> str:
    """``refused N/N`` of the attacks that were made in this run; empty where none was."""
    good, bad = {_test(nodeid) for nodeid in passed}, {_test(nodeid) for nodeid in failed}
    made = [row for row in rows() if row.tests & (good | bad)]
    refused = [row for row in made if not row.tests & bad]
    return f"refused {len(refused)}/{len(made)}" if made else ""


def _test(nodeid: str) -> str:
    return nodeid.partition("[")[0]
