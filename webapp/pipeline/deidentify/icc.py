"""ICC profiles (ISO 15076-1): colours kept, everything that can carry text overwritten.

A profile is a header, a table of tags and their data. Numbers stay where they
are; texts become spaces; bytes that belong to no tag, and whatever follows the
profile's own end, become zeros or go.
"""

from __future__ import annotations

import struct

HEADER = 128
TAG = struct.Struct(">4sLL")
MOST_TAGS = 256

NUMERIC = frozenset(
    b"XYZ |curv|para|sf32|uf32|ui08|ui16|ui32|ui64|mft1|mft2|mAB |mBA |mpet|chrm|view|meas"
    b"|sig |cicp".split(b"|")
)
"""Types of tag data that hold numbers or signatures only."""

NAMES = (slice(48, 52), slice(52, 56), slice(80, 84), slice(84, 128))
"""Of the header: device manufacturer and model, creator, profile id, reserved bytes."""


def clean_profile(profile: bytes) -> bytes | None:
    """The profile without text; None when it is no profile."""
    size = int.from_bytes(profile[:4], "big")
    if profile[36:40] != b"acsp" or not HEADER + 4 <= size <= len(profile):
        return None
    count = int.from_bytes(profile[HEADER : HEADER + 4], "big")
    table_end = HEADER + 4 + TAG.size * count
    if count > MOST_TAGS or table_end > size:
        return None
    cleaned = bytearray(size)
    cleaned[:table_end] = profile[:table_end]
    for part in NAMES:
        cleaned[part] = bytes(part.stop - part.start)
    for number in range(count):
        _, offset, length = TAG.unpack_from(profile, HEADER + 4 + TAG.size * number)
        if offset < table_end or offset + length > size or length < 8:
            return None
        cleaned[offset : offset + length] = _tag_data(profile[offset : offset + length])
    return bytes(cleaned)


def _tag_data(content: bytes) -> bytes:
    kind = content[:4]
    if kind in NUMERIC:
        return content
    if kind == b"text":
        return content[:8] + b" " * (len(content) - 9) + b"\0"
    if kind == b"desc" and len(content) >= 12:
        length = min(int.from_bytes(content[8:12], "big"), len(content) - 12)
        text = b" " * max(length - 1, 0) + b"\0" * min(length, 1)
        return content[:12] + text + bytes(len(content) - 12 - length)
    if kind == b"mluc" and len(content) >= 16:
        return _localised(content)
    return content[:8] + bytes(len(content) - 8)


def _localised(content: bytes) -> bytes:
    """Records of language, length and offset stay; the strings become UTF-16 spaces."""
    records = int.from_bytes(content[8:12], "big")
    start = 16 + 12 * records
    if start > len(content):
        return content[:8] + bytes(len(content) - 8)
    rest = len(content) - start
    return content[:start] + b"\0 " * (rest // 2) + bytes(rest % 2)
