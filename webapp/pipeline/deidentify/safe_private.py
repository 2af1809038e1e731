"""Safe private attributes (PS3.15 Table E.3.10-1, 2026d), known by creator and never by block."""

from __future__ import annotations

from functools import cache

from webapp.pipeline.deidentify.standard import rows


def safe_vr(creator: str, group: int, number: int) -> bytes | None:
    """The VR of a safe private attribute; None when it is not on the list.

    ``number`` is the element within the creator's block (its last two digits).
    """
    return _safe().get((creator, group, number))


def is_safe_creator(creator: str, group: int) -> bool:
    """Whether any attribute of this creator in this group is safe."""
    return (creator, group) in _creators()


@cache
def _safe() -> dict[tuple[str, int, int], bytes]:
    return {
        (creator, int(group, 16), int(number, 16)): vr.encode()
        for creator, group, number, vr in rows("safe_private")
    }


@cache
def _creators() -> frozenset[tuple[str, int]]:
    return frozenset((creator, group) for creator, group, _ in _safe())
