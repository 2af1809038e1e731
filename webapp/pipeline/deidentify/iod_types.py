"""Data Element Types (PS3.5 7.4) by IOD, as far as Table E.1-1 needs them."""

from __future__ import annotations

from functools import cache

from webapp.pipeline.deidentify.standard import rows


def iod_of(sop_class_uid: str) -> str | None:
    """The name of the SOP class's IOD, such as ``ct-image``; None where it is unknown."""
    return _iods().get(sop_class_uid)


def type_of(iod: str, keyword: str, parent: str = "") -> str:
    """``1``, ``1C``, ``2`` or ``2C``, the strictest over the IOD's modules; ``3`` for the rest.

    ``parent`` is the keyword of the sequence whose item holds the attribute,
    empty at the top of the data set.
    """
    position, types = _types()
    bit = 1 << position[iod]
    for kind, members in types.get(f"{parent}/{keyword}" if parent else keyword, ()):
        if members & bit:
            return kind
    return "3"


@cache
def _iods() -> dict[str, str]:
    return {fields[0]: fields[1] for fields in rows("sop_class_iods")}


@cache
def _types() -> tuple[dict[str, int], dict[str, list[tuple[str, int]]]]:
    """Bit numbers of the IODs, and for each attribute its Types with the IODs they hold in."""
    position: dict[str, int] = {}
    sets: dict[str, int] = {}
    types: dict[str, list[tuple[str, int]]] = {}
    for first, *rest in rows("types_by_iod"):
        if first == "iods":
            position = {name: number for number, name in enumerate(rest[0].split())}
        elif first == "set":
            sets[rest[0]] = int(rest[1], 16)
        else:
            pairs = (entry.split("@") for entry in rest[0].split())
            types[first] = sorted((kind, sets[number]) for kind, number in pairs)
    return position, types
