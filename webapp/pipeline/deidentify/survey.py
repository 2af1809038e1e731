"""A first look at the top of a data set: what must be known before the first element is written.

Which class of instance it is, whom it is about, which character set it is in;
these stand in different places, and rules for earlier elements depend on later ones.
"""

from __future__ import annotations

from webapp.pipeline.deidentify.elements import (
    EXPLICIT_HEADER,
    IMPLICIT_HEADER,
    ITEM,
    ITEM_END,
    LENGTH,
    LONG,
    SEQUENCE_END,
    UNDEFINED,
    VRS,
    Window,
)
from webapp.pipeline.deidentify.walker import DEEPEST, MOST_ELEMENTS
from webapp.pipeline.errors import DicomDamaged
from webapp.pipeline.source import Source

CHARSET = 0x00080005
SOP_CLASS = 0x00080016
PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
STUDY_INSTANCE = 0x0020000D

WANTED = frozenset({CHARSET, SOP_CLASS, PATIENT_NAME, PATIENT_ID, STUDY_INSTANCE})
LONGEST = 1 << 12
"""Bytes of a wanted value."""


def survey(source: Source, start: int, explicit: bool, last: int = PATIENT_ID) -> dict[int, bytes]:
    """The wanted values at the top of the data set, by tag; the walk stops after tag ``last``.

    Raises DicomDamaged where no element can stand.
    """
    window, values, pos = Window(source), dict[int, bytes](), start
    buffer, unpack = window.buffer, EXPLICIT_HEADER.unpack_from
    count = 0
    while pos + 8 <= window.size:
        count += 1
        if count > MOST_ELEMENTS:
            raise DicomDamaged()
        if explicit and pos + 8 <= len(buffer):  # the short way, for nearly every element
            group, number, vr, length = unpack(buffer, pos)
            tag = group << 16 | number
            if tag not in WANTED and not VRS.get(vr, LONG) & LONG:
                if tag > last:
                    break
                pos += 8 + length
                continue
        tag, vr, value, length = read_header(window, pos, explicit)
        if tag > last or tag >> 16 == 0xFFFE:
            break
        if length == UNDEFINED:
            pos = skip_items(window, value, explicit and vr == b"SQ")
            continue
        if tag in WANTED and length <= LONGEST:
            values[tag] = window.get(value, length).strip(b" \0")
        pos = value + length
    return values


def read_header(window: Window, pos: int, explicit: bool) -> tuple[int, bytes, int, int]:
    """Tag, VR (empty if implicit), where the value starts, and its length."""
    at = pos - window.start
    if at < 0 or at + 12 > len(window.buffer):
        window.get(pos, min(12, window.size - pos))
        at = pos - window.start
    if explicit:
        group, number, vr, length = EXPLICIT_HEADER.unpack_from(window.buffer, at)
        if group != 0xFFFE:
            flags = VRS.get(vr)
            if flags is None:
                raise DicomDamaged()
            if flags & LONG:
                return (
                    group << 16 | number,
                    vr,
                    pos + 12,
                    LENGTH.unpack_from(window.buffer, at + 8)[0],
                )
            return group << 16 | number, vr, pos + 8, length
    group, number, length = IMPLICIT_HEADER.unpack_from(window.buffer, at)
    return group << 16 | number, b"", pos + 8, length


def skip_items(window: Window, pos: int, explicit: bool) -> int:
    """The position after a sequence of undefined length whose items start at ``pos``.

    No recursion: what is open is a list. Raises DicomDamaged when an end is
    missing, the sequences lie too deep or there are too many items and elements.
    """
    open_: list[tuple[bool, bool]] = [(True, explicit)]
    count = 0
    while open_:
        count += 1
        if pos + 8 > window.size or len(open_) > 2 * DEEPEST or count > MOST_ELEMENTS:
            raise DicomDamaged()
        in_sequence, explicit = open_[-1]
        tag, vr, value, length = read_header(window, pos, explicit and not in_sequence)
        pos = value
        if tag == (SEQUENCE_END if in_sequence else ITEM_END):
            open_.pop()
        elif in_sequence and tag != ITEM or not in_sequence and tag >> 16 == 0xFFFE:
            raise DicomDamaged()
        elif length == UNDEFINED:
            nested = explicit if in_sequence else explicit and vr == b"SQ"
            open_.append((not in_sequence, nested))
        else:
            pos += length
    return pos
