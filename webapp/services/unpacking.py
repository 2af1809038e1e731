"""ZIP archives among the files of a batch."""

from __future__ import annotations

from collections.abc import Iterator

from webapp.services.intake import Arrival


def unpacked(archive: Arrival) -> Iterator[Arrival]:
    """Filled in below."""
    return iter(())
