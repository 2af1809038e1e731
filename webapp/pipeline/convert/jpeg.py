"""JPEG: baseline is encapsulated as it is, everything else is decoded and stored losslessly."""

from __future__ import annotations

import imagecodecs
import numpy as np

from webapp.pipeline.convert.checks import check_size
from webapp.pipeline.convert.exif import UPRIGHT, turn_picture
from webapp.pipeline.convert.icc import rebuilt_profile
from webapp.pipeline.convert.instance import Origin, encapsulated
from webapp.pipeline.convert.jpeg_stream import JpegStream, read_jpeg
from webapp.pipeline.convert.layout import Layout
from webapp.pipeline.convert.picture import JPEG_METHOD, Limits, Lossy, Picture, Samples
from webapp.pipeline.convert.stills import decode_image, open_image
from webapp.pipeline.errors import ImageDamaged, UnsupportedImage
from webapp.pipeline.source import Buffer

_LOSSLESS = 0xC3
_JPEG_LS = 0xF7


def fits_baseline(stream: JpegStream) -> bool:
    """Can be a frame of the transfer syntax JPEG Baseline, and means there what it meant.

    Colours coded as RGB, four components and a picture that has to be turned cannot.
    """
    colours = len(stream.components) == 1 or stream.is_ycbcr
    return stream.is_baseline and colours and stream.orientation == UPRIGHT


def encapsulate(
    stream: JpegStream, limits: Limits, origin: Origin
) -> tuple[list[Buffer], tuple[str, ...]]:
    """The parts of a Part 10 file around the cleaned stream, and notes."""
    check_size(stream.columns, stream.rows, limits)
    grey = len(stream.components) == 1
    layout = Layout(
        rows=stream.rows,
        columns=stream.columns,
        samples=len(stream.components),
        bits_allocated=8,
        photometric_interpretation="MONOCHROME2" if grey else "YBR_FULL_422",
    )
    content = b"".join(stream.pieces)
    lossy = Lossy(len(content), JPEG_METHOD)
    raw = stream.profile
    profile = rebuilt_profile(raw) if raw and not grey else None
    parts = encapsulated(content, layout, lossy, stream.resolution, profile, origin)
    return parts, ("icc-dropped",) if raw and not profile else ()


def decode(content: bytes, limits: Limits) -> Picture:
    """Progressive, arithmetic, RGB, CMYK, turned, truncated or lossless JPEG, as samples.

    Raises ImageDamaged, and UnsupportedImage for lossy JPEG of more than 8 bits.
    """
    stream = read_jpeg(content)
    check_size(stream.columns, stream.rows, limits)
    if stream.frame_marker in (_LOSSLESS, _JPEG_LS):
        picture = Picture([_lossless(content, stream)])
    else:
        picture = _lossy(stream)
    picture.resolution = stream.resolution
    picture.profile = stream.profile
    return turn_picture(picture, stream.orientation)


def _lossy(stream: JpegStream) -> Picture:
    if stream.precision != 8:
        raise UnsupportedImage
    if stream.entropy_bytes * 8 < stream.fewest_bits:
        raise ImageDamaged  # claims more blocks than its bytes can hold
    cleaned = b"".join(stream.pieces)
    picture = decode_image(open_image(cleaned, "JPEG"))
    picture.lossy = Lossy(len(cleaned), JPEG_METHOD)
    if not stream.is_complete:
        picture.note("image-truncated")
    return picture


def _lossless(content: bytes, stream: JpegStream) -> Samples:
    if stream.frame_marker == _JPEG_LS:
        return np.asarray(imagecodecs.jpegls_decode(content))
    return np.asarray(imagecodecs.jpegsof3_decode(content))
