"""Pictures that Pillow decodes, taken over band by band, so that no second full copy is made."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import Image

from webapp.pipeline.convert.picture import Picture, Samples

# Sizes are asked of the headers, and of Pillow's before it decodes (checks.py).
Image.MAX_IMAGE_PIXELS = None

_BAND_PIXELS = 1 << 20
_GREY = frozenset(("1", "L"))
_GREY_ALPHA = frozenset(("LA", "La"))
_ALPHA = _GREY_ALPHA | {"PA", "RGBA", "RGBa"}


def open_image(content: bytes, *formats: str) -> Image.Image:
    """Opened by Pillow as one of ``formats``: its header is read, nothing decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(io.BytesIO(content), formats=formats)


def decode_image(image: Image.Image) -> Picture:
    """The image's current frame as 8-bit grey or RGB."""
    picture = Picture([], profile=image.info.get("icc_profile"))
    picture.frames = [samples_of(image, picture)]
    return picture


def samples_of(image: Image.Image, picture: Picture, *, colour: bool = False) -> Samples:
    """One frame's samples, alpha flattened over black; what was done is noted on ``picture``.

    ``colour``: RGB also for a grey image.
    """
    image.load()
    if image.mode == "CMYK":
        picture.note("cmyk-converted")
    mode = _working_mode(image)
    if colour:
        mode = {"L": "RGB", "LA": "RGBA"}.get(mode, mode)
    is_grey = mode in ("L", "LA")
    samples = np.empty((image.height, image.width, 3)[: 2 if is_grey else 3], np.uint8)
    for top, band in _bands(image):
        samples[top : top + band.height] = _flat(np.asarray(band.convert(mode)), mode, picture)
    return samples


def _working_mode(image: Image.Image) -> str:
    if image.mode in _ALPHA or "transparency" in image.info:
        return "LA" if image.mode in _GREY | _GREY_ALPHA else "RGBA"
    return "L" if image.mode in _GREY else "RGB"


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    height = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, height):
        band = image.crop((0, top, image.width, min(image.height, top + height)))
        if "transparency" in image.info:
            band.info["transparency"] = image.info["transparency"]
        yield top, band


def _flat(band: Samples, mode: str, picture: Picture) -> Samples:
    if mode not in _ALPHA:
        return band
    colours = band[..., 0] if mode == "LA" else band[..., :3]
    return flatten(colours, band[..., -1], picture)


def flatten(colours: Samples, alpha: Samples, picture: Picture) -> Samples:
    """Colours over black, rounded to the nearest level; noted where anything is transparent."""
    opaque = np.iinfo(alpha.dtype).max
    if alpha.min(initial=opaque) == opaque:
        return colours
    picture.note("alpha-flattened")
    flat = np.empty(colours.shape, colours.dtype)
    for row in range(len(flat)):
        weights = alpha[row].astype(np.uint32)
        if colours.ndim > alpha.ndim:
            weights = weights[:, np.newaxis]
        flat[row] = (colours[row] * weights + opaque // 2) // opaque
    return flat
