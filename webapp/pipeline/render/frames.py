"""One frame's bytes, found without reading the others (PS3.5 sections 8 and A.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from webapp.pipeline.errors import DecodeFailed
from webapp.pipeline.pixels import Samples, native_samples
from webapp.pipeline.render.header import ImageHeader
from webapp.pipeline.source import Buffer, Source

_ITEM, _DELIMITER = 0xE000, 0xE0DD
_READ_AT_ONCE = 64 << 20
_LARGEST = 320 << 20
"""Bytes of samples that are held at once: a picture of 100 million colours, and no claim."""
_BAND = 4 << 20
_STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51")
"""First bytes of a JPEG or JPEG-LS, and of a JPEG 2000 codestream."""


def native_frame(header: ImageHeader, number: int, step: int) -> Samples:
    """Samples of frame ``number`` (from 0). A frame too large to be read at once is read in
    bands, of which every ``step``-th row and column is kept. Raises DecodeFailed."""
    module = header.module
    first_bit = number * module.frame_bits
    start = first_bit // 8
    end = -(-(first_bit + module.frame_bits) // 8)
    end += (end - start) % 2  # bytes swapped in words come in pairs
    if header.length is not None:
        end = min(end, header.length)
    if end - start > _READ_AT_ONCE and _has_plain_rows(header):
        return _in_bands(header, header.offset + start, max(1, step))
    if module.frame_bits > 8 * _LARGEST:  # what it claims, however little there is of it
        raise DecodeFailed
    return native_samples(module, header.source.read(header.offset + start, end - start), number)


def _has_plain_rows(header: ImageHeader) -> bool:
    module = header.module
    is_planar = module.samples_per_pixel > 1 and module.planar_configuration == 1
    return module.bits_allocated >= 8 and not is_planar and not module.is_half_chroma


def _in_bands(header: ImageHeader, start: int, step: int) -> Samples:
    module = header.module
    row_length = module.frame_bits // 8 // module.rows
    if module.rows // step * (row_length // step) > _LARGEST:
        raise DecodeFailed
    height = max(1, _BAND // row_length // step) * step
    kept = np.empty(0)
    for top in range(0, module.rows, height):
        band = replace(module, rows=min(height, module.rows - top))
        content = header.source.read(start + top * row_length, band.rows * row_length)
        thinned = native_samples(band, content, 0)[::step, ::step]
        if not top:
            kept = np.empty((-(-module.rows // step), *thinned.shape[1:]), thinned.dtype)
        kept[top // step : top // step + len(thinned)] = thinned
    return kept


def encapsulated_frame(header: ImageHeader, number: int) -> Buffer:
    """The encoded bytes of frame ``number`` (from 0). Raises DecodeFailed."""
    frames = header.module.number_of_frames
    table, first = _basic_offset_table(header.source, header.offset)
    if frames == 1:
        return _joined(header.source, list(_fragments(header.source, first)))
    extended = _extended_offsets(header, frames)
    for offsets in (extended, table):
        if len(offsets) >= frames and _points_at_items(header.source, first, offsets):
            end = first + offsets[number + 1] if number + 1 < len(offsets) else None
            fragments = _fragments(header.source, first + offsets[number], end)
            return _joined(header.source, list(fragments))
    return _by_walking(header.source, first, frames, number)


def _basic_offset_table(source: Source, at: int) -> tuple[list[int], int]:
    """Its offsets, and where the first fragment's item begins."""
    length = _item_length(source, at)
    if length is None or length > source.size:
        raise DecodeFailed
    table = bytes(source.read(at + 8, length - length % 4))
    return [offset for (offset,) in struct.iter_unpack("<I", table)], at + 8 + length


def _extended_offsets(header: ImageHeader, frames: int) -> list[int]:
    """Extended Offset Table (7FE0,0001), for pixels beyond 4 GB."""
    table = header.dataset.get("ExtendedOffsetTable")
    if not isinstance(table, bytes) or len(table) < 8 * frames:
        return []
    return [offset for (offset,) in struct.iter_unpack("<Q", table[: 8 * frames])]


def _points_at_items(source: Source, first: int, offsets: list[int]) -> bool:
    ascending = all(a < b for a, b in pairwise(offsets))
    return ascending and _item_length(source, first + offsets[-1]) is not None


def _item_length(source: Source, at: int) -> int | None:
    head = bytes(source.read(at, 8))
    if len(head) < 8:
        return None
    group, element, length = struct.unpack("<HHI", head)
    return int(length) if (group, element) == (0xFFFE, _ITEM) else None


def _fragments(source: Source, at: int, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Offset and length of each fragment up to the delimiter, ``end`` or the source's end."""
    while end is None or at < end:
        length = _item_length(source, at)
        if length is None:
            return
        yield at + 8, min(length, max(0, source.size - at - 8))
        at += 8 + length


def _by_walking(source: Source, first: int, frames: int, number: int) -> Buffer:
    """Without a table: a fragment is a frame, or a frame begins where a codestream does."""
    fragments = list(_fragments(source, first))
    while len(fragments) > frames and fragments[-1][1] == 0:
        fragments.pop()
    if len(fragments) <= frames:
        if number >= len(fragments):
            raise DecodeFailed
        return _joined(source, [fragments[number]])
    starts = [
        index
        for index, (offset, _) in enumerate(fragments)
        if bytes(source.read(offset, 4)).startswith(_STARTS)
    ]
    if number >= len(starts):
        raise DecodeFailed
    last = starts[number + 1] if number + 1 < len(starts) else len(fragments)
    return _joined(source, fragments[starts[number] : last])


def _joined(source: Source, fragments: list[tuple[int, int]]) -> Buffer:
    if not fragments or sum(length for _, length in fragments) > 16 * _READ_AT_ONCE:
        raise DecodeFailed
    if len(fragments) == 1:
        return source.read(*fragments[0])
    return b"".join(source.read(offset, length) for offset, length in fragments)
