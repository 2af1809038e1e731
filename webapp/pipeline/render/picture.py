"""Samples of 8 bits as a file a browser shows."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from PIL import Image

from webapp.pipeline.pixels import Samples
from webapp.pipeline.render.header import ImageHeader

MEDIA_TYPES = {"webp": "image/webp", "png": "image/png", "jpeg": "image/jpeg"}
_OPTIONS: dict[str, dict[str, Any]] = {
    "webp": {"quality": 80, "method": 2},
    "png": {"compress_level": 4},
    "jpeg": {"quality": 85},
}
_LONGEST_WEBP = 16383
_LONGEST_JPEG = 65500
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def pixel_shape(header: ImageHeader) -> float:
    """Height of a pixel over its width: Pixel Aspect Ratio (0028,0034), else the spacings."""
    for keyword in ("PixelAspectRatio", *_SPACINGS):
        value = header.dataset.get(keyword)
        if value is None or isinstance(value, str | bytes) or len(value) != 2:
            continue
        vertical, horizontal = float(value[0]), float(value[1])
        if vertical > 0 and horizontal > 0 and math.isfinite(vertical / horizontal):
            ratio = vertical / horizontal
            return ratio if 0.05 <= ratio <= 20 and abs(ratio - 1) > 0.01 else 1.0
    return 1.0


def shown_size(columns: int, rows: int, shape: float, max_size: int | None) -> tuple[int, int]:
    """Width and height with square pixels, the longer side at most ``max_size``."""
    width, height = columns * max(1.0, 1 / shape), rows * max(1.0, shape)
    scale = 1.0 if max_size is None else min(1.0, max_size / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def possible_format(size: tuple[int, int], form: str) -> str:
    """``form``, or one that can hold a picture so long."""
    if form == "webp" and max(size) > _LONGEST_WEBP:
        form = "jpeg"
    return "png" if form == "jpeg" and max(size) > _LONGEST_JPEG else form


def encode_picture(samples: Samples, size: tuple[int, int], form: str) -> bytes:
    """uint8 samples, brought to ``size`` (width, height), in one of :data:`MEDIA_TYPES`."""
    image = Image.fromarray(np.ascontiguousarray(samples))
    if size != image.size:
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    output = io.BytesIO()
    image.save(output, form, **_OPTIONS[form])
    return output.getvalue()
