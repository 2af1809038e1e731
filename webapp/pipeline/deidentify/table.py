"""PS3.15 Table E.1-1, edition 2026d: what the profile and its options do to an attribute."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from webapp.pipeline.deidentify.standard import rows

PRIVATE = "private"
"""Key of the row for every private attribute."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``basic`` is the Basic Profile's action code, ``options`` those of its options."""

    tag: str
    name: str
    basic: str
    options: dict[str, str] = field(hash=False)


@cache
def table_e1_1() -> dict[str, Row]:
    """All 657 rows by tag, written as in ``00100010``, ``60xx3000`` or ``private``."""
    return {
        tag: Row(tag, name, basic, codes(options))
        for tag, basic, options, name in rows("table_e1_1")
    }


def codes(text: str) -> dict[str, str]:
    """``uids=K,device=C`` as a dictionary; ``-`` is none."""
    return {} if text == "-" else dict(pair.split("=") for pair in text.split(","))


def row_for(tag: int) -> Row | None:
    """The row of a standard attribute, repeating groups folded into theirs."""
    group = tag >> 16
    if group & 0xFF01 == 0x5000 and group < 0x5100:
        return table_e1_1()["50xxxxxx"]
    key = f"60xx{tag & 0xFFFF:04X}" if group & 0xFF01 == 0x6000 else f"{tag:08X}"
    return table_e1_1().get(key)
