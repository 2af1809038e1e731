"""A picture of one frame: PS3.3 C.11 and C.7.6.3 applied, nothing drawn over it.

Not for diagnostic use: 8 bits, and smaller than the frame when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from webapp.errors import ServiceError
from webapp.pipeline.codecs import decode_frame
from webapp.pipeline.errors import DecodeFailed
from webapp.pipeline.pixels import PixelModule, Samples, values
from webapp.pipeline.render.colours import from_palette, to_rgb
from webapp.pipeline.render.header import ImageHeader, read_header
from webapp.pipeline.render.picture import (
    MEDIA_TYPES,
    encode_picture,
    pixel_shape,
    possible_format,
    shown_size,
)
from webapp.pipeline.render.raw import RawFrame, raw_frame
from webapp.pipeline.render.stored import Decoder, frame_index, stored_frame
from webapp.pipeline.render.tones import Tones, Window, shade, tones_of
from webapp.pipeline.source import Source

__all__ = ["RawFrame", "RenderOptions", "Rendered", "needs_decoding", "raw_frame", "render"]

_OVERSAMPLING = 2
"""Pixels decoded for each one shown, each way, at least: less than that shows as jaggedness."""


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """``frame``: from 1, as DICOM counts; None for the middle one. ``max_size``: the longest
    side in pixels, None for the frame's own. ``window``: center, width; None for the image's.
    ``format``: webp, png or jpeg."""

    frame: int | None = None
    max_size: int | None = None
    window: tuple[float, float] | None = None
    format: str = "webp"


@dataclass(frozen=True, slots=True)
class Rendered:
    content: bytes
    media_type: str


def render(source: Source, options: RenderOptions, decode: Decoder = decode_frame) -> Rendered:
    """The picture. Reads the header and one frame; ``decode`` decodes a compressed one.

    Raises NoPicture, NoSuchFrame, DecodeFailed.
    """
    header = read_header(source)
    number = frame_index(header, options.frame)
    try:
        module = header.module
        size = shown_size(module.columns, module.rows, pixel_shape(header), options.max_size)
        form = possible_format(size, options.format)
        content = encode_picture(_picture(header, number, options, decode), size, form)
    except ServiceError:  # also what the source says of itself: damaged, or away just now
        raise
    except Exception as error:
        # A data set that contradicts itself (a LUT of text, sizes that do not fit) ends here.
        raise DecodeFailed from error
    return Rendered(content, MEDIA_TYPES[form])


def needs_decoding(source: Source) -> bool:
    """True when the pixels are compressed, so that a decoder would see bytes of a stranger.

    Raises NoPicture, DecodeFailed.
    """
    return not read_header(source).module.is_native


def _picture(header: ImageHeader, number: int, options: RenderOptions, decode: Decoder) -> Samples:
    """uint8, (rows, columns) or (rows, columns, 3), perhaps thinned."""
    thin = _thinning(header.module, options.max_size)
    stored = stored_frame(header, number, thin, decode)
    samples, module = stored.samples, stored.module
    step = max(1, thin // max(1, round(header.module.columns / samples.shape[1])))
    thinned = samples[::step, ::step]
    if samples.ndim == 3:
        return _windowed(to_rgb(values(thinned, module), module), options)
    if module.photometric_interpretation == "PALETTE COLOR":
        return _windowed(from_palette(values(thinned, module), header), options)
    tones = tones_of(header, number, options.window)
    whole = values(samples, module)
    return shade(whole[::step, ::step], tones, whole)


def _windowed(colours: Samples, options: RenderOptions) -> Samples:
    """Colour has no window of its own; one that is asked for is its brightness and contrast."""
    return shade(colours, Tones(window=Window(*options.window))) if options.window else colours


def _thinning(module: PixelModule, max_size: int | None) -> int:
    if max_size is None:
        return 1
    return max(1, max(module.rows, module.columns) // (max(1, max_size) * _OVERSAMPLING))
