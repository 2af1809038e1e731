"""Implicitly encoded elements given their VR: compressed pixels allow no other (PS3.5 A.4).

Only for files that say one thing and do another; what is right already stays as it is.
"""

from __future__ import annotations

from webapp.pipeline.deidentify.dictionary import registered
from webapp.pipeline.deidentify.elements import (
    EXPLICIT_HEADER,
    ITEM,
    ITEM_END,
    LENGTH,
    LONG,
    LONGEST_SHORT,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    VRS,
    Window,
)
from webapp.pipeline.deidentify.survey import read_header, skip_items
from webapp.pipeline.errors import DicomDamaged, UnsupportedTransferSyntax

MOST_BYTES = 1 << 26
"""The largest data set that is rewritten so (64 MiB)."""


def to_explicit(window: Window, start: int) -> bytes:
    """The data set from ``start`` on, every element with its VR.

    Sequences become undefined in length, so that nothing has to be counted. Raises
    DicomDamaged where items and elements do not fit together.
    """
    if window.size - start > MOST_BYTES:
        raise UnsupportedTransferSyntax()
    out, pos = bytearray(), start
    ends: list[tuple[int, int]] = []
    while pos + 8 <= window.size or ends:
        while ends and ends[-1][0] == pos:
            out += _delimiter(ends.pop()[1])
        if pos + 8 > window.size:
            break
        tag, _, value, length = read_header(window, pos, False)
        pos = value
        if tag in (ITEM_END, SEQUENCE_END):
            if not ends or ends.pop() != (UNDEFINED, tag):
                raise DicomDamaged()
            out += _delimiter(tag)
        elif tag == ITEM:
            out += tag_bytes(tag) + LENGTH.pack(UNDEFINED)
            ends.append((UNDEFINED if length == UNDEFINED else pos + length, ITEM_END))
        else:
            pos = _element(window, out, ends, tag, value, length)
    return bytes(out)


def _element(
    window: Window, out: bytearray, ends: list[tuple[int, int]], tag: int, value: int, length: int
) -> int:
    """Write one element, or open a sequence; the position to go on at."""
    known = registered(tag)
    vr = known[0].encode() if known else b"UN"
    if tag == PIXEL_DATA and length == UNDEFINED:
        stop = skip_items(window, value, False)
        out += _header(tag, b"OB", UNDEFINED) + window.get(value, stop - value)
        return stop
    if vr == b"SQ" or length == UNDEFINED:
        out += _header(tag, b"SQ", UNDEFINED)
        ends.append((UNDEFINED if length == UNDEFINED else value + length, SEQUENCE_END))
        return value
    if not VRS[vr] & LONG and length > LONGEST_SHORT:
        vr = b"UN"
    out += _header(tag, vr, length) + window.get(value, length)
    return value + length


def _header(tag: int, vr: bytes, length: int) -> bytes:
    if VRS[vr] & LONG:
        return EXPLICIT_HEADER.pack(tag >> 16, tag & 0xFFFF, vr, 0) + LENGTH.pack(length)
    return EXPLICIT_HEADER.pack(tag >> 16, tag & 0xFFFF, vr, length)


def _delimiter(tag: int) -> bytes:
    return tag_bytes(tag) + LENGTH.pack(0)


def tag_bytes(tag: int) -> bytes:
    """Group and element as they are encoded."""
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
