"""Every accepted encoding brought to one: little endian, not deflated, elements in order.

One engine walks it all. What has to be rewritten for that (big endian, deflated
data sets) is held in memory, up to a limit; everything else stays in its source.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from webapp.pipeline.deidentify.big_endian import to_little_endian
from webapp.pipeline.deidentify.elements import (
    EXPLICIT_HEADER,
    LENGTH,
    LONG,
    UNDEFINED,
    VRS,
    Window,
)
from webapp.pipeline.deidentify.explicit import to_explicit
from webapp.pipeline.deidentify.part10 import (
    DEFLATED,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    UNCOMPRESSED,
    Opened,
    open_part10,
)
from webapp.pipeline.deidentify.refusals import check_opened
from webapp.pipeline.deidentify.survey import read_header, skip_items
from webapp.pipeline.errors import DicomDamaged, UnsupportedTransferSyntax
from webapp.pipeline.source import BytesSource, PartsSource, Source, Span, chunks

MOST_BYTES = 1 << 28
"""The largest data set that is rewritten in memory (256 MiB)."""

FREE_BYTES, MOST_RATIO = 1 << 24, 200
"""A deflated data set may grow to 16 MiB, or 200 times its size: more is a bomb."""

MOST_ELEMENTS = 1 << 18
"""Elements at the top of a data set that are put in order."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A little endian data set: it starts at ``start`` of ``source`` and runs to its end."""

    source: Source
    start: int
    explicit: bool
    transfer_syntax_uid: str
    opened: Opened


def prepare(source: Source) -> Dataset:
    """Open a file and bring its data set to the one encoding that is walked.

    Raises DicomDamaged, UnsupportedTransferSyntax, UnsupportedSopClass, DicomDir.
    """
    opened = open_part10(source)
    check_opened(opened)
    syntax = opened.transfer_syntax_uid
    if syntax == DEFLATED:
        source, opened = inflate(source, opened.start), replace(opened, start=0)
    head = bytes(source.read(opened.start, 12))
    if len(head) < 8:
        raise DicomDamaged()
    if is_big_endian(head):
        return _from_big_endian(source, opened)
    explicit = is_explicit(source, opened.start)
    if opened.bare and head[:2] != b"\x08\x00":
        raise DicomDamaged()
    if not explicit and syntax not in UNCOMPRESSED:
        content = to_explicit(Window(source), opened.start)
        return Dataset(BytesSource(content), 0, True, syntax, opened)
    return Dataset(source, opened.start, explicit, _true_syntax(syntax, explicit), opened)


def _from_big_endian(source: Source, opened: Opened) -> Dataset:
    if source.size - opened.start > MOST_BYTES:
        raise UnsupportedTransferSyntax()
    content = bytearray().join(chunks(PartsSource(source, [_rest(source, opened.start)])))
    to_little_endian(content)
    return Dataset(BytesSource(content), 0, True, EXPLICIT_LITTLE_ENDIAN, opened)


def _rest(source: Source, start: int) -> Span:
    return Span(start, source.size - start)


def _true_syntax(declared: str, explicit: bool) -> str:
    """The transfer syntax that the bytes are in; a file may lie about it."""
    if declared not in UNCOMPRESSED:
        return declared
    return EXPLICIT_LITTLE_ENDIAN if explicit else IMPLICIT_LITTLE_ENDIAN


def is_big_endian(head: bytes) -> bool:
    """Whether the first tag reads as a low group only when its bytes are swapped, with a VR."""
    return head[0] == 0 and head[1] != 0 and head[4:6] in VRS


def is_explicit(source: Source, start: int) -> bool:
    """Whether elements carry their VR: decided once, by the first element and the one behind it.

    An implicit length can look like a VR (20,048 reads as ``PN``), so the first
    element must also end where another can stand.
    """
    head = bytes(source.read(start, 12))
    flags = VRS.get(head[4:6])
    if flags is None:
        return False
    stop = start + 8 + EXPLICIT_HEADER.unpack_from(head)[3]
    if flags & LONG and len(head) == 12:
        length = LENGTH.unpack_from(head, 8)[0]
        stop = start + 12 + (0 if length == UNDEFINED else length)
    following = bytes(source.read(stop, 8)) if stop <= source.size else b""
    return stop == source.size or following[4:6] in VRS or following[:4] == b"\xfe\xff\x00\xe0"


def inflate(source: Source, start: int) -> BytesSource:
    """The data set of a deflated file (PS3.5 A.5), held in memory.

    Raises DicomDamaged when the stream is cut short or grows beyond measure.
    """
    most = min(MOST_BYTES, max(FREE_BYTES, MOST_RATIO * (source.size - start)))
    wrapped = bytes(source.read(start, 1)) == b"\x78"
    content = _inflated(source, start, most, zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
    if content is None and wrapped:
        content = _inflated(source, start, most, -zlib.MAX_WBITS)
    if content is None:
        raise DicomDamaged()
    return BytesSource(content)


def _inflated(source: Source, start: int, most: int, bits: int) -> bytearray | None:
    inflater, content = zlib.decompressobj(bits), bytearray()
    try:
        for chunk in chunks(PartsSource(source, [_rest(source, start)])):
            content += inflater.decompress(chunk, most - len(content) + 1)
            if len(content) > most:
                raise DicomDamaged()
            if inflater.eof:
                return content
    except zlib.error:
        return None
    return None


def in_order(dataset: Dataset) -> Dataset:
    """The same data set with the elements at its top in ascending order (PS3.5 7.1)."""
    window, pos = Window(dataset.source), dataset.start
    spans: list[tuple[int, Span]] = []
    while pos + 8 <= window.size and len(spans) < MOST_ELEMENTS:
        tag, vr, value, length = read_header(window, pos, dataset.explicit)
        stop = value + length
        if length == UNDEFINED:
            stop = skip_items(window, value, dataset.explicit and vr == b"SQ")
        spans.append((tag, Span(pos, stop - pos)))
        pos = stop
    if pos != window.size:
        raise DicomDamaged()
    spans.sort(key=lambda pair: pair[0])
    return replace(dataset, source=PartsSource(dataset.source, [s for _, s in spans]), start=0)
