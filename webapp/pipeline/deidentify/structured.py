"""Concepts of content items (PS3.15 Table E.3.4-1): what becomes of text, numbers and codes."""

from __future__ import annotations

from functools import cache

from webapp.pipeline.deidentify.standard import rows
from webapp.pipeline.deidentify.table import codes

REFERENCES = frozenset({"IMAGE", "COMPOSITE", "WAVEFORM", "UIDREF"})
"""Value types that only point elsewhere: with their UIDs replaced, nothing is left to remove."""


def concept_code(columns: frozenset[str], concept: tuple[str, str], value_type: str) -> str:
    """X, D, K or C for a content item under the chosen options' columns; empty if not listed."""
    if value_type in REFERENCES:
        return ""
    row = _concepts().get((*concept, value_type))
    if row is None:
        return ""
    basic, options = row
    chosen = {code for column, code in options.items() if column in columns}
    if "C" in chosen:
        return "C"
    return "K" if "K" in chosen else {"X/D": "X"}.get(basic, basic)


@cache
def _concepts() -> dict[tuple[str, str, str], tuple[str, dict[str, str]]]:
    return {
        (value, scheme, kind): (basic, codes(options))
        for value, scheme, kind, basic, options, _ in rows("sr_concepts")
    }
