"""TIFF and BigTIFF (TIFF 6.0): every page a frame, tiled or striped, whatever the compression."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import imagecodecs
import numpy as np
from tifffile import TiffFile, TiffPage

from webapp.pipeline.convert.checks import FRAME_COST, MAX_FRAMES, check_size
from webapp.pipeline.convert.depth import fit_into_dicom
from webapp.pipeline.convert.exif import UPRIGHT, turn
from webapp.pipeline.convert.jpeg2000 import is_irreversible
from webapp.pipeline.convert.picture import (
    JPEG_2000_METHOD,
    JPEG_METHOD,
    Limits,
    Lossy,
    Picture,
    Resolution,
    Samples,
)
from webapp.pipeline.convert.resolution import MM_PER_INCH, from_dpi, from_ratio
from webapp.pipeline.convert.tiff_colours import needs_conversion, to_grey_or_rgb
from webapp.pipeline.errors import ImageDamaged, ImageTooLarge

_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _ORIENTATION = 282, 283, 296, 274
_ICC_PROFILE = 34675
_JPEG = frozenset((6, 7, 34892))
_JPEG_2000 = frozenset((33003, 33004, 33005, 34712))
_OTHER_LOSSY = frozenset((34927, 50001, 50002, 52546))
_BYTES_PER_PIXEL = 8


def decode(content: bytes, limits: Limits) -> Picture:
    """Raises ImageDamaged, ImageTooLarge, UnsupportedImage (raw sensor data and the like)."""
    picture = Picture([])
    with TiffFile(io.BytesIO(content)) as file:
        pages = _wanted_pages(file, picture, limits)
        _check(pages, limits)
        frames = [frame for page in pages for frame in _frames_of(page, content, picture)]
        picture.lossy = _lossy_history(pages)
        picture.profile = _profile(pages)
        picture.resolution = _resolution(pages[0])
        if _orientation(pages[0]) >= 5:
            picture.resolution = picture.resolution.turned()
    picture.frames = _of_one_shape(frames, picture)
    return fit_into_dicom(picture)


def _wanted_pages(file: TiffFile, picture: Picture, limits: Limits) -> list[TiffPage]:
    """All pages but reduced copies and masks of others (NewSubfileType, bits 0 and 2)."""
    pages = _pages(file, limits)
    wanted = [page for page in pages if not page.is_reduced and not page.is_mask] or pages
    if not wanted:
        raise ImageDamaged
    if len(wanted) < len(pages):
        picture.note("reduced-pages-dropped")
    return wanted


def _pages(file: TiffFile, limits: Limits) -> list[TiffPage]:
    """The chain of directories, each once: it may lead back to itself."""
    enough = min(MAX_FRAMES, max(1, limits.max_pixels // FRAME_COST)) + 1
    pages: dict[int, TiffPage] = {}
    for page in file.pages:
        if page.offset in pages:
            break
        pages[page.offset] = page.aspage()
        if len(pages) > enough:
            raise ImageTooLarge(limit=limits.max_pixels)
    return list(pages.values())


def _check(pages: Sequence[TiffPage], limits: Limits) -> None:
    frames = sum(max(1, page.imagedepth) for page in pages)
    columns = max(page.imagewidth for page in pages)
    rows = max(page.imagelength for page in pages)
    check_size(columns, rows, limits, frames)
    size = sum(math.prod(page.shape) * max(1, page.bitspersample // 8) for page in pages)
    if size > limits.max_pixels * _BYTES_PER_PIXEL:
        raise ImageTooLarge(limit=limits.max_pixels)


def _frames_of(page: TiffPage, content: bytes, picture: Picture) -> list[Samples]:
    if needs_conversion(page):
        picture.note("colours-converted")
        planes = [imagecodecs.tiff_decode(content, page.index, asrgb=True)[..., :3]]
    else:
        planes = to_grey_or_rgb(page, page.asarray(), picture)
    value = _orientation(page)
    if value != UPRIGHT:
        picture.note("orientation-applied")
    return [turn(plane, value) for plane in planes]


def _orientation(page: TiffPage) -> int:
    value = page.tags.valueof(_ORIENTATION, UPRIGHT)
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def _of_one_shape(frames: list[Samples], picture: Picture) -> list[Samples]:
    """Frames of one instance share rows, columns, colour and type: smaller ones are padded
    with black at the right and below, grey ones among colour ones repeated in it."""
    if any(frame.ndim == 3 for frame in frames):
        frames = [_coloured(frame) for frame in frames]
    kind = np.result_type(*frames)
    rows = max(frame.shape[0] for frame in frames)
    columns = max(frame.shape[1] for frame in frames)
    return [_padded(frame.astype(kind, copy=False), rows, columns, picture) for frame in frames]


def _coloured(frame: Samples) -> Samples:
    return frame if frame.ndim == 3 else np.repeat(frame[..., np.newaxis], 3, axis=2)


def _padded(frame: Samples, rows: int, columns: int, picture: Picture) -> Samples:
    if frame.shape[:2] == (rows, columns):
        return frame
    picture.note("pages-padded")
    padded = np.zeros((rows, columns, *frame.shape[2:]), frame.dtype)
    padded[: frame.shape[0], : frame.shape[1]] = frame
    return padded


def _lossy_history(pages: Sequence[TiffPage]) -> Lossy | None:
    encoded = sum(sum(page.databytecounts) for page in pages)
    compressions = {int(page.compression) for page in pages}
    if compressions & _JPEG:
        return Lossy(encoded, JPEG_METHOD)
    if compressions & _JPEG_2000 and any(_is_irreversible(page) for page in pages):
        return Lossy(encoded, JPEG_2000_METHOD)
    return Lossy(encoded) if compressions & _OTHER_LOSSY else None


def _is_irreversible(page: TiffPage) -> bool:
    handle = page.parent.filehandle
    handle.seek(page.dataoffsets[0])
    return is_irreversible(memoryview(handle.read(min(page.databytecounts[0], 4096))))


def _profile(pages: Sequence[TiffPage]) -> bytes | None:
    """Of the first page; where another page has another one, something that is no profile."""
    profiles = [page.tags.valueof(_ICC_PROFILE) for page in pages]
    if any(profile != profiles[0] for profile in profiles):
        return b""
    return bytes(profiles[0]) if profiles[0] else None


def _resolution(page: TiffPage) -> Resolution:
    horizontal = _rational(page, _X_RESOLUTION)
    vertical = _rational(page, _Y_RESOLUTION)
    unit = page.tags.valueof(_RESOLUTION_UNIT, 2)
    if unit == 1:
        return from_ratio(horizontal, vertical)
    factor = MM_PER_INCH / 10 if unit == 3 else 1.0
    return from_dpi(horizontal * factor, vertical * factor)


def _rational(page: TiffPage, tag: int) -> float:
    value = page.tags.valueof(tag, (0, 1))
    if not isinstance(value, tuple) or len(value) < 2 or not value[1]:
        return 0.0
    return float(value[0]) / float(value[1])
