"""An image file becomes a Secondary Capture instance (PS3.3 A.8), or a photograph (A.32.4)."""

from __future__ import annotations

from collections.abc import Callable

from webapp.errors import Rejected
from webapp.pipeline.convert import avif, bmp, gif, jpeg, jpeg2000, png, tiff, webp
from webapp.pipeline.convert.icc import settle_profile
from webapp.pipeline.convert.instance import Origin, native
from webapp.pipeline.convert.jpeg_stream import read_jpeg
from webapp.pipeline.convert.photograph import as_photograph
from webapp.pipeline.convert.picture import Converted, Limits, Picture
from webapp.pipeline.errors import ImageDamaged, UnsupportedImage
from webapp.pipeline.recognise import Kind
from webapp.pipeline.source import Buffer

__all__ = [
    "Converted",
    "Limits",
    "as_photograph",
    "convert",
    "convert_parts",
    "needs_decoding",
]

Parts = tuple[list[Buffer], tuple[str, ...]]

_DECODERS: dict[Kind, Callable[[bytes, Limits], Picture]] = {
    Kind.JPEG: jpeg.decode,
    Kind.PNG: png.decode,
    Kind.TIFF: tiff.decode,
    Kind.BMP: bmp.decode,
    Kind.WEBP: webp.decode,
    Kind.GIF: gif.decode,
    Kind.AVIF: avif.decode,
    Kind.JPEG2000: jpeg2000.decode,
}


def convert(content: Buffer, kind: Kind, group: bytes, limits: Limits) -> Converted:
    """The image as a complete Part 10 file. The same bytes make the same file.

    ``group`` is the same for all images of one examination: they share patient and
    study. Raises ImageDamaged, ImageTooLarge, UnsupportedImage.
    """
    parts, notes = convert_parts(content, kind, group, limits)
    return Converted(b"".join(parts), notes)


def needs_decoding(content: Buffer, kind: Kind) -> bool:
    """False for the baseline JPEG that is carried as it is: no decoder ever sees it."""
    if kind is not Kind.JPEG:
        return True
    stream = read_jpeg(content)
    return not (jpeg.fits_baseline(stream) and stream.is_whole)


def convert_parts(content: Buffer, kind: Kind, group: bytes, limits: Limits) -> Parts:
    """As :func:`convert`, in pieces to be written one after another."""
    try:
        return _convert(bytes(content), kind, Origin.of(content, group), limits)
    except Rejected:
        raise
    except Exception as error:
        # Whatever a decoder makes of hostile bytes (struct.error, IndexError, MemoryError,
        # its own kinds), to the caller it is one thing: this image cannot be decoded.
        raise ImageDamaged from error


def _convert(content: bytes, kind: Kind, origin: Origin, limits: Limits) -> Parts:
    if kind is Kind.JPEG:
        stream = read_jpeg(content)
        if jpeg.fits_baseline(stream) and stream.is_whole:
            return jpeg.encapsulate(stream, limits, origin)
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise UnsupportedImage
    picture = decoder(content, limits)
    settle_profile(picture)
    return native(picture, origin), tuple(picture.notes)
