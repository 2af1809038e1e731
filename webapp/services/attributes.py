"""The data elements of a stored instance, for a person to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from pydicom import DataElement, Dataset, dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.multival import MultiValue

from webapp.pipeline.source import SourceFile
from webapp.services import release
from webapp.services.accounts import Caller
from webapp.services.audit import Action

MOST = 2000
LONGEST = 200
DEEPEST = 8
LARGE_VALUE = 1 << 16
BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))


@dataclass(frozen=True)
class Attribute:
    """One data element. ``depth`` is 0 at the top; binary values are only measured."""

    tag: str
    keyword: str
    vr: str
    value: str
    depth: int


def attributes(caller: Caller, upload_id: UUID) -> list[Attribute]:
    """The elements before the pixels in their order, at most 2,000 of them.

    Raises:
        NotFound, NotReady, Held, Failed: as :func:`webapp.services.release.dicom`.
    """
    file = SourceFile(release.dicom(caller, upload_id, Action.UPLOAD_VIEW).source)
    dataset = dcmread(file, stop_before_pixels=True, defer_size=LARGE_VALUE)
    listed: list[Attribute] = []
    for attribute in _walk(dataset, 0):
        listed.append(attribute)
        if len(listed) == MOST:
            break
    return listed


def _walk(dataset: Dataset, depth: int) -> Iterator[Attribute]:
    for element in dataset:
        yield _attribute(element, depth)
        if element.VR == "SQ" and depth < DEEPEST:
            for item in element.value:
                yield from _walk(item, depth + 1)


def _attribute(element: DataElement, depth: int) -> Attribute:
    tag = f"({element.tag.group:04X},{element.tag.element:04X})"
    keyword = keyword_for_tag(element.tag) or "Private or unknown"
    return Attribute(tag, keyword, element.VR, _value(element), depth)


def _value(element: DataElement) -> str:
    if element.VR == "SQ":
        return f"{len(element.value)} items" if len(element.value) != 1 else "1 item"
    if element.VR in BINARY or isinstance(element.value, bytes):
        return f"{len(element.value or b'')} bytes"
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    text = "\\".join("" if value is None else str(value) for value in values)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
