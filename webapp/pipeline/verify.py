"""A second look at a finished file, with fresh eyes: does anything that identifies survive?

It trusts nothing that the engine did. It reads the complete output as bytes and
searches it for every identifying value that was seen in the input: as UTF-8, as
it was encoded there, and as UTF-16. Only native Pixel Data, carried unchanged,
is passed over. It fails closed: what it names is a suspicion, and the file is
held for a person to look at.
"""

from __future__ import annotations

from collections.abc import Iterator

from webapp.pipeline.deidentify.dictionary import keyword, registered
from webapp.pipeline.deidentify.elements import (
    ITEM,
    ITEM_END,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    Window,
)
from webapp.pipeline.deidentify.engine import Deidentified
from webapp.pipeline.deidentify.finder import Finder
from webapp.pipeline.deidentify.identifiers import MOST, is_no_identity
from webapp.pipeline.deidentify.normalise import is_explicit
from webapp.pipeline.deidentify.part10 import (
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    open_part10,
)
from webapp.pipeline.deidentify.survey import read_header, skip_items
from webapp.pipeline.errors import DicomDamaged
from webapp.pipeline.instance import InstanceFacts
from webapp.pipeline.source import CHUNK, Source

OVERLAP = 256
"""Bytes that neighbouring chunks share; longer than any needle with its surroundings."""

PREAMBLE = "preamble"
TOO_MANY = "too-many-identifiers"
FILE_META = "file-meta"
FRAMES = "encapsulated-frames"
UNREADABLE = "unreadable"

DELIMITERS = frozenset({ITEM, ITEM_END, SEQUENCE_END})


def verify(deidentified: Deidentified) -> tuple[str, ...]:
    """What survives in the output: keywords of attributes, or codes; empty when it is clean.

    The codes: ``preamble``, ``file-meta``, ``encapsulated-frames`` (a value stands
    there), ``too-many-identifiers`` (more than can be searched for) and
    ``unreadable`` (what was written cannot be read again).
    """
    try:
        return tuple(sorted(_survivors(deidentified)))
    except DicomDamaged:
        return (UNREADABLE,)


def _survivors(deidentified: Deidentified) -> set[str]:
    """UTF-16 without its last byte: both byte orders hold these bytes, one place apart."""
    output, seen = deidentified.output, deidentified.identifiers
    needles = seen.needles()
    if len(needles) > MOST:
        return {TOO_MANY}
    found = set()
    if bytes(output.read(0, 132)) != bytes(128) + b"DICM":
        found.add(PREAMBLE)
    wide = tuple(needle.decode("utf-8", "replace").encode("utf-16-le")[:-1] for needle in needles)
    finder = Finder(needles, frozenset(seen.uids), wide if len(wide) <= Finder.FEW else ())
    for start, chunk in _searched(deidentified):
        for begin, end in finder.spans(chunk):
            name = _named(deidentified, start + begin, chunk[begin:end])
            found.update([name] if name else [])
    return found


def _searched(deidentified: Deidentified) -> Iterator[tuple[int, bytes]]:
    """Everything but native Pixel Data, in chunks that overlap, each with its offset."""
    output, instance = deidentified.output, deidentified.instance
    ranges = [(0, output.size)]
    if _is_native(instance) and instance.pixel_offset is not None and instance.pixel_length:
        end = instance.pixel_offset + instance.pixel_length
        ranges = [(0, instance.pixel_offset), (end, output.size)]
    for start, stop in ranges:
        while start < stop:
            yield start, bytes(output.read(start, min(CHUNK + OVERLAP, stop - start)))
            start += CHUNK


def _is_native(instance: InstanceFacts) -> bool:
    return instance.transfer_syntax_uid in (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN)


def _named(deidentified: Deidentified, offset: int, found: bytes) -> str:
    """The keyword of the attribute whose value holds ``offset``; empty when it is no identity."""
    start, length = deidentified.instance.pixel_offset, deidentified.instance.pixel_length
    if start is not None and length is not None and start <= offset < start + length:
        return FRAMES
    for tag, vr, value, length in leaves(deidentified.output):
        if value <= offset < value + length:
            content = bytes(deidentified.output.read(value, min(length, CHUNK)))
            return "" if is_no_identity(vr, content, found) else keyword(tag)
        if value > offset:
            break
    return FILE_META


def leaves(output: Source) -> Iterator[tuple[int, bytes, int, int]]:
    """Every element that is no sequence, in order: tag, VR, offset of its value, length.

    Items and delimiters are simply met on the way, so that depth does not matter.
    """
    opened = open_part10(output)
    explicit = is_explicit(output, opened.start)
    window, pos = Window(output), opened.start
    while pos + 8 <= window.size:
        tag, vr, value, length = read_header(window, pos, explicit)
        if tag in DELIMITERS:
            pos = value
            continue
        vr = vr or _registered_vr(tag)
        if length == UNDEFINED and (tag == PIXEL_DATA or vr == b"UN"):
            length = skip_items(window, value, False) - value
        if vr == b"SQ":
            pos = value
        else:
            yield tag, vr, value, length
            pos = value + length


def _registered_vr(tag: int) -> bytes:
    known = registered(tag)
    return known[0].encode() if known else b"UN"
