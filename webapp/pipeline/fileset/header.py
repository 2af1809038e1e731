"""What a directory record takes from an instance: values as they stand in the file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from pydicom import DataElement, Dataset, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from webapp.pipeline.deidentify.elements import encode
from webapp.pipeline.fileset.record_keys import WANTED, Key
from webapp.pipeline.source import Source, SourceFile

LONGEST = 1024
"""Bytes of a value in a record; what is longer counts as missing."""

_OTHERS = ["SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "Rows", "Columns"]
_TEXT = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI", "UT")
)
_HAS_CONCEPT_MODIFIER = "HAS CONCEPT MOD"


@dataclass(frozen=True)
class Header:
    """An instance without its pixels, of which only :data:`WANTED` was read."""

    dataset: Dataset

    @property
    def transfer_syntax_uid(self) -> str:
        return str(self.dataset.file_meta.get("TransferSyntaxUID", ""))

    @property
    def is_image(self) -> bool:
        return "Rows" in self.dataset and "Columns" in self.dataset

    def text(self, keyword: str) -> str:
        """A value as text, for comparing; empty where there is none."""
        return self.value(keyword).decode("latin-1")

    def value(self, keyword: str) -> bytes:
        """The bytes of a value without its padding, in the character set of the instance."""
        content = _stored(self.dataset.get_item(keyword))
        if len(content) > LONGEST:
            return b""
        return content.rstrip(b"\0 ") if _vr(keyword) in _TEXT else content

    def elements(self, keys: tuple[Key, ...]) -> dict[int, bytes]:
        """Encoded elements (Explicit VR Little Endian) by tag."""
        found: dict[int, bytes] = {}
        for keyword, instead in keys:
            content = self._element(keyword, instead)
            if content:
                found[_tag(keyword)] = content
        return found

    def _element(self, keyword: str, instead: str | None) -> bytes:
        if _vr(keyword) == "SQ":
            return self._sequence(keyword)
        value = self.value(keyword) or (instead or "").encode()
        if not value and instead is None:
            return b""
        return encode(_tag(keyword), _vr(keyword).encode(), value, True)

    def _sequence(self, keyword: str) -> bytes:
        """A sequence whole; of a document's content only what modifies its title (F.5.25)."""
        items = list(self.dataset.get(keyword) or ())
        if keyword == "ContentSequence":
            items = [one for one in items if one.get("RelationshipType") == _HAS_CONCEPT_MODIFIER]
        if not items:
            return b""
        holder = Dataset()
        holder[_tag(keyword)] = DataElement(_tag(keyword), "SQ", items)
        file = DicomBytesIO()
        file.is_little_endian, file.is_implicit_VR = True, False
        write_dataset(file, holder, self.dataset.get("SpecificCharacterSet", "ISO_IR 6"))
        return file.getvalue()


def read_header(source: Source) -> Header:
    """The header of an instance as this service stores it: little endian, not deflated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dcmread(
            SourceFile(source),
            stop_before_pixels=True,
            force=True,
            specific_tags=[*WANTED, *_OTHERS],
        )
    return Header(dataset)


def _stored(element: DataElement | RawDataElement | None) -> bytes:
    if element is None or not element.value:
        return b""
    if element.is_raw:
        return bytes(element.value)
    # pydicom has read the character set itself, to know how to read the others.
    values = [element.value] if isinstance(element.value, str) else list(element.value)
    return "\\".join(map(str, values)).encode("ascii", "replace")


def _tag(keyword: str) -> int:
    return int(tag_for_keyword(keyword) or 0)


def _vr(keyword: str) -> str:
    return str(dictionary_VR(_tag(keyword)))
