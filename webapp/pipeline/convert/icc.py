"""A file's ICC profile (ISO 15076-1), made anew from nothing but its numbers.

A profile has room for texts, names and bytes that no tag owns; none of it is copied. What
describes RGB by a matrix and three curves is read number by number, each in the range
that it can have, and written into a profile of our own. Tables, inks and greys are left.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise

from webapp.pipeline.convert.picture import Picture

_HEADER, _MOST_TAGS, _LONGEST_CURVE = 128, 100, 4096
_LONGEST_DATA = 12 + 2 * _LONGEST_CURVE
_TAG = struct.Struct(">4sII")
_CLASSES = (b"mntr", b"scnr", b"spac")
_TABLES = frozenset((b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1", b"D2B2", b"D2B3"))
_PARAMETERS = (1, 3, 4, 5, 7)
_ONE = 1 << 16
_D50 = struct.pack(">3i", 0xF6D6, _ONE, 0xD32D)


def settle_profile(picture: Picture) -> None:
    """Make ``picture.profile`` fit to be carried; where none can be, note ``icc-dropped``."""
    if picture.profile is None:
        return
    is_rgb = len(picture.shape) == 3 and "cmyk-converted" not in picture.notes
    picture.profile = rebuilt_profile(picture.profile) if is_rgb else None
    if picture.profile is None:
        picture.note("icc-dropped")


def rebuilt_profile(profile: bytes) -> bytes | None:
    """An input profile (PS3.3 C.11.15.1.1) of the same colours, or None where these cannot be
    told by a matrix and curves."""
    tags = _tags(profile)
    if not _is_matrix_profile(profile) or tags.keys() & _TABLES:
        return None
    made = {name: reader(tags.get(name, b"")) for name, reader in _NEEDED.items()}
    if b"chad" in tags:
        made[b"chad"] = _adaptation(tags[b"chad"])
    known = {name: data for name, data in made.items() if data is not None}
    return _written(_FIXED | known) if len(known) == len(made) else None


def _is_matrix_profile(profile: bytes) -> bool:
    """For RGB, by way of XYZ: the only one that has a three-component matrix."""
    return profile[36:40] == b"acsp" and (
        profile[12:16] in _CLASSES and profile[16:24] == b"RGB XYZ "
    )


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """The first tag of each name whose data lies within the profile, no longer than any curve:
    a hundred tags may each claim all of it."""
    size = min(int.from_bytes(profile[:4], "big"), len(profile))
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    table = profile[_HEADER + 4 : min(size, _HEADER + 4 + _TAG.size * min(count, _MOST_TAGS))]
    tags: dict[bytes, bytes] = {}
    for at in range(0, len(table) - _TAG.size + 1, _TAG.size):
        name, offset, length = _TAG.unpack_from(table, at)
        if offset >= _HEADER and offset + length <= size:
            tags.setdefault(name, profile[offset : offset + min(length, _LONGEST_DATA)])
    return tags


def _fixed_numbers(data: bytes, at: int, count: int, most: float) -> bytes | None:
    """``count`` numbers of type s15Fixed16 from ``at``, none beyond ``most``."""
    if len(data) < at + 4 * count:
        return None
    numbers = struct.unpack_from(f">{count}i", data, at)
    if any(abs(number) > most * _ONE for number in numbers):
        return None
    return struct.pack(f">{count}i", *numbers)


def _colourant(data: bytes) -> bytes | None:
    numbers = _fixed_numbers(data, 8, 3, 2) if data[:4] == b"XYZ " else None
    return b"XYZ \0\0\0\0" + numbers if numbers else None


def _adaptation(data: bytes) -> bytes | None:
    numbers = _fixed_numbers(data, 8, 9, 4) if data[:4] == b"sf32" else None
    return b"sf32\0\0\0\0" + numbers if numbers else None


def _curve(data: bytes) -> bytes | None:
    if len(data) < 12:
        return None
    if data[:4] == b"curv":
        return _sampled_curve(data, int.from_bytes(data[8:12], "big"))
    kind = int.from_bytes(data[8:10], "big")
    if data[:4] != b"para" or kind >= len(_PARAMETERS):
        return None
    numbers = _fixed_numbers(data, 12, _PARAMETERS[kind], 16)
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + numbers if numbers else None


def _sampled_curve(data: bytes, count: int) -> bytes | None:
    """No entry is the identity, one a gamma of 8.8 bits; more rise from dark to bright."""
    if count > _LONGEST_CURVE or len(data) < 12 + 2 * count:
        return None
    entries = struct.unpack_from(f">{count}H", data, 12)
    if count == 1 and not 0x0080 <= entries[0] <= 0x0500:
        return None
    if any(before > after for before, after in pairwise(entries)):
        return None
    return b"curv\0\0\0\0" + struct.pack(f">I{count}H", count, *entries)


def _text(text: str) -> bytes:
    """multiLocalizedUnicodeType with one text of ours."""
    encoded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(encoded), 28) + encoded


_NEEDED: dict[bytes, Callable[[bytes], bytes | None]] = {
    b"rXYZ": _colourant,
    b"gXYZ": _colourant,
    b"bXYZ": _colourant,
    b"rTRC": _curve,
    b"gTRC": _curve,
    b"bTRC": _curve,
}
_FIXED = {
    b"desc": _text("RGB of the original image"),
    b"cprt": _text("No copyright, use freely"),
    b"wtpt": b"XYZ \0\0\0\0" + _D50,
}


def _written(tags: dict[bytes, bytes]) -> bytes:
    """A profile of version 4.3; equal data, as of three curves, stands there once."""
    start = _HEADER + 4 + _TAG.size * len(tags)
    places: dict[bytes, int] = {}
    body = b""
    for data in tags.values():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
    table = b"".join(_TAG.pack(name, places[data], len(data)) for name, data in tags.items())
    return _header(start + len(body)) + struct.pack(">I", len(tags)) + table + body


def _header(size: int) -> bytes:
    """Section 7.2: perceptual intent, no creator, no device; a date, as it must have one."""
    head = struct.pack(">I4xI4s4s4s", size, 0x04300000, b"scnr", b"RGB ", b"XYZ ")
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    return (head + date + b"acsp").ljust(68, b"\0") + _D50.ljust(60, b"\0")
