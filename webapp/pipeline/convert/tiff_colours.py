"""A TIFF page's samples as grey or RGB planes (TIFF 6.0, PhotometricInterpretation)."""

from __future__ import annotations

import numpy as np
from tifffile import TiffPage

from webapp.pipeline.convert.picture import Picture, Samples
from webapp.pipeline.convert.stills import flatten
from webapp.pipeline.errors import UnsupportedImage

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR = range(7)
_ASSOCIATED, _UNASSOCIATED = 1, 2
_CIELAB, _ICCLAB, _ITULAB = 8, 9, 10
_JPEG = frozenset((6, 7, 34892))


def needs_conversion(page: TiffPage) -> bool:
    """YCbCr that no JPEG holds, and L*a*b*: libtiff knows how to make RGB of them."""
    photometric = int(page.photometric)
    if photometric == _YCBCR:
        return int(page.compression) not in _JPEG
    return photometric in (_CIELAB, _ICCLAB, _ITULAB)


def to_grey_or_rgb(page: TiffPage, samples: Samples, picture: Picture) -> list[Samples]:
    """The page as planes (rows, columns) or (rows, columns, 3): one, or several where a page
    has depth or holds channels that are no colours.

    Raises UnsupportedImage for what has no plain reading (sensor data).
    """
    photometric = int(page.photometric)
    return [
        plane
        for slice_ in _channels_last(page, samples)
        for plane in _planes(photometric, page, slice_, picture)
    ]


def _channels_last(page: TiffPage, samples: Samples) -> list[Samples]:
    """(rows, columns, channels) for each slice in depth; channels may be 1."""
    at = page.axes.find("S")
    last = np.moveaxis(samples, at, -1) if at >= 0 else samples[..., np.newaxis]
    return list(last.reshape(-1, *last.shape[-3:]))


def _planes(photometric: int, page: TiffPage, samples: Samples, picture: Picture) -> list[Samples]:
    if photometric == _PALETTE:
        return [_from_palette(samples[..., 0], page.colormap)]
    if photometric == _CMYK:
        return [_from_cmyk(samples, picture)]
    if photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _MASK):
        return _grey(photometric, page, samples, picture)
    if photometric == _RGB or (photometric == _YCBCR and int(page.compression) in _JPEG):
        colours = _scaled(samples[..., :3], page.bitspersample)
        return [_over_black(page, colours, samples[..., 3:], picture)]
    raise UnsupportedImage


def _grey(photometric: int, page: TiffPage, samples: Samples, picture: Picture) -> list[Samples]:
    extra = page.extrasamples
    own = samples.shape[-1] - len(extra) if _alpha(extra) else samples.shape[-1]
    planes = [_scaled(samples[..., channel], page.bitspersample) for channel in range(max(1, own))]
    if photometric == _WHITE_IS_ZERO:
        planes = [_inverted(plane, page.bitspersample) for plane in planes]
    return [_over_black(page, plane, samples[..., own:], picture) for plane in planes]


def _alpha(extra: tuple[int, ...]) -> bool:
    return bool(extra) and int(extra[0]) in (_ASSOCIATED, _UNASSOCIATED)


def _over_black(page: TiffPage, colours: Samples, rest: Samples, picture: Picture) -> Samples:
    """Premultiplied colours are their own picture over black; others are multiplied."""
    extra = page.extrasamples
    if not rest.shape[-1] or rest.dtype.kind != "u":
        return colours
    if not _alpha(extra):
        picture.note("extra-channels-dropped")
        return colours
    flat = flatten(colours, rest[..., 0], picture)
    return colours if int(extra[0]) == _ASSOCIATED else flat


def _scaled(samples: Samples, bits: int) -> Samples:
    """1 to 7 bits spread over 8, so that white is white; 8 and more stay as they are."""
    if samples.dtype == np.bool_ or bits == 1:
        return np.where(samples, np.uint8(255), np.uint8(0))
    if bits < 8 and samples.dtype.kind == "u":
        return np.asarray(samples.astype(np.uint16) * 255 // ((1 << bits) - 1), np.uint8)
    return samples


def _inverted(samples: Samples, bits: int) -> Samples:
    if samples.dtype.kind != "u":
        return -samples if samples.dtype.kind == "f" else ~samples
    white = (1 << max(bits, 8)) - 1
    return np.asarray(white - samples, dtype=samples.dtype)


def _from_palette(indices: Samples, colormap: Samples | None) -> Samples:
    if colormap is None:
        raise UnsupportedImage
    colours = np.asarray(colormap).T
    if colours.max(initial=0) > 255:
        colours = colours >> 8
    return np.ascontiguousarray(colours.astype(np.uint8)[indices])


def _from_cmyk(samples: Samples, picture: Picture) -> Samples:
    """Ink subtracted from white, without a colour profile: what every viewer does."""
    if samples.shape[-1] < 4 or samples.dtype.kind != "u" or samples.dtype.itemsize > 2:
        raise UnsupportedImage
    picture.note("cmyk-converted")
    white = int(np.iinfo(samples.dtype).max)
    colours = np.empty((*samples.shape[:2], 3), samples.dtype)
    for row, inks in enumerate(samples[..., :4]):
        light = np.uint32(white) - inks.astype(np.uint32)
        colours[row] = (light[:, :3] * light[:, 3:] + np.uint32(white // 2)) // np.uint32(white)
    return colours
