"""Tables of the DICOM standard that de-identification needs, as tab-separated text.

Source: DICOM PS3.15 2026d (Tables E.1-1 and E.3.10-1), PS3.15 2020b (Table
E.3.4-1), PS3.3 and PS3.4; the tables are the National Electrical Manufacturers
Association's (NEMA). Types by IOD come from the module data of highdicom (MIT).
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

EDITION = "2026d"
"""The edition of PS3.15 that the Basic Profile and its options are taken from."""


def rows(name: str) -> Iterator[list[str]]:
    """The lines of ``name``.tsv, split into their fields, comments left out."""
    text = resources.files(__package__).joinpath(f"{name}.tsv").read_text("utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            yield line.split("\t")
