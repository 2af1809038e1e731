"""Colour: palettes (PS3.3 C.7.9) and the YBR spaces (C.7.6.3.1.2) as 8-bit RGB."""

from __future__ import annotations

import numpy as np

from webapp.pipeline.errors import DecodeFailed
from webapp.pipeline.pixels import PixelModule, Samples
from webapp.pipeline.render.header import ImageHeader
from webapp.pipeline.render.tones import lut_entries

_FULL = frozenset(("YBR_FULL", "YBR_FULL_422", "YBR_FULL_420"))
_PARTIAL = frozenset(("YBR_PARTIAL_422", "YBR_PARTIAL_420"))
_PRIMARIES = ("Red", "Green", "Blue")


def to_rgb(samples: Samples, module: PixelModule) -> Samples:
    """uint8 (rows, columns, 3) from three samples a pixel in any colour space.

    CMYK and ARGB (retired) have four. Raises DecodeFailed for what is not known.
    """
    photometric = module.photometric_interpretation
    eight = _eight_bits(samples, module)
    if eight.shape[2] == 4:
        return _from_four(eight, photometric)
    if photometric in _FULL:
        return _from_ybr(eight, scale=1.0, black=0.0)
    if photometric in _PARTIAL:
        return _from_ybr(eight, scale=255 / 219, black=16.0, chroma=255 / 224)
    return eight


def _eight_bits(samples: Samples, module: PixelModule) -> Samples:
    if samples.dtype.kind == "f":
        raise DecodeFailed
    if samples.dtype.itemsize == 1 and module.bits_stored == 8:
        return samples.view(np.uint8)
    shift = module.bits_stored - 8
    shifted: Samples = samples >> shift if shift > 0 else samples << -shift
    return np.asarray(shifted.astype(np.uint8))


def _from_ybr(samples: Samples, *, scale: float, black: float, chroma: float = 1.0) -> Samples:
    """ITU-R BT.601, as C.7.6.3.1.2 gives it."""
    y = ((samples[..., 0].astype(np.float32) - np.float32(black)) * np.float32(scale))[..., None]
    blue = (samples[..., 1:2].astype(np.float32) - 128) * np.float32(chroma)
    red = (samples[..., 2:3].astype(np.float32) - 128) * np.float32(chroma)
    rgb = np.concatenate(
        [y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], axis=2
    )
    return np.asarray(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))


def _from_four(samples: Samples, photometric: str) -> Samples:
    if photometric == "ARGB":
        return samples[..., 1:]
    if photometric == "CMYK":
        light = 255 - samples.astype(np.uint16)
        return (light[..., :3] * light[..., 3:] // 255).astype(np.uint8)
    raise DecodeFailed


def from_palette(stored: Samples, header: ImageHeader) -> Samples:
    """uint8 (rows, columns, 3) of a PALETTE COLOR frame. Raises DecodeFailed."""
    planes = [_plane(stored, header, primary) for primary in _PRIMARIES]
    return np.stack(planes, axis=-1)


def _plane(stored: Samples, header: ImageHeader, primary: str) -> Samples:
    descriptor = header.dataset.get(f"{primary}PaletteColorLookupTableDescriptor")
    if descriptor is None or len(descriptor) != 3:
        raise DecodeFailed
    count, first, bits = (int(value) for value in descriptor)
    count = count or 0x10000
    if header.module.pixel_representation == 1 and first >= 0x8000:
        first -= 0x10000
    table = _entries(header, primary, count, bits)
    index = np.clip(stored.astype(np.int32) - first, 0, len(table) - 1)
    return np.asarray(table[index])


def _entries(header: ImageHeader, primary: str, count: int, bits: int) -> Samples:
    data = header.dataset.get(f"{primary}PaletteColorLookupTableData")
    if data is not None:
        entries = lut_entries(data, count, header)
    else:
        data = header.dataset.get(f"Segmented{primary}PaletteColorLookupTableData")
        if not isinstance(data, bytes):
            raise DecodeFailed
        words = np.frombuffer(data[: len(data) // 2 * 2], ">u2" if header.is_big_endian else "<u2")
        entries = expand_segments(words.astype(np.int64).tolist(), count)
    if not entries.size:
        raise DecodeFailed
    wide = bits > 8 and int(entries.max()) > 255
    return (entries >> 8 if wide else entries).astype(np.uint8)


def expand_segments(words: list[int], count: int) -> Samples:
    """Segmented Palette Color Lookup Table Data (C.7.9.2): discrete, linear and indirect
    segments. Raises DecodeFailed for others, IndexError for what ends early."""
    expanded: list[int] = []
    _expand(words, expanded, count, depth=0)
    return np.array(expanded[:count], np.uint16)


def _expand(words: list[int], expanded: list[int], count: int, depth: int) -> None:
    at = 0
    while at + 2 < len(words) and len(expanded) < count:
        code, length = words[at], words[at + 1]
        if code == 0:
            expanded.extend(words[at + 2 : at + 2 + length])
            at += 2 + length
        elif code == 1:
            _linear(expanded, length, words[at + 2])
            at += 3
        elif code == 2 and depth == 0:
            start = words[at + 2] | words[at + 3] << 16
            _expand(_segments(words, start, length), expanded, count, depth=1)
            at += 4
        else:
            raise DecodeFailed


def _linear(expanded: list[int], length: int, end: int) -> None:
    if not expanded:
        raise DecodeFailed
    start = expanded[-1]
    expanded.extend(round(start + (end - start) * step / length) for step in range(1, length + 1))


def _segments(words: list[int], start: int, number: int) -> list[int]:
    """The words of ``number`` segments from ``start``."""
    at = start
    for _ in range(number):
        at += 2 + words[at + 1] if words[at] == 0 else 3
    return words[start:at]
