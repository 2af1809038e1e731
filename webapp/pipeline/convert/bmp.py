"""BMP: the size from its header, the samples from Pillow."""

from __future__ import annotations

import struct

from webapp.pipeline.convert.checks import check_size
from webapp.pipeline.convert.picture import Limits, Picture, Resolution
from webapp.pipeline.convert.resolution import MM_PER_INCH, from_dpi
from webapp.pipeline.convert.stills import decode_image, open_image


def decode(content: bytes, limits: Limits) -> Picture:
    """Raises ImageDamaged, ImageTooLarge."""
    view = memoryview(content)
    if int.from_bytes(view[14:18], "little") == 12:
        columns, rows = struct.unpack_from("<HH", view, 18)
    else:
        columns, rows = struct.unpack_from("<ii", view, 18)
    check_size(columns, abs(rows), limits)
    image = open_image(content, "BMP")
    check_size(image.width, image.height, limits)
    picture = decode_image(image)
    picture.resolution = _resolution(view)
    return picture


def _resolution(view: memoryview) -> Resolution:
    if int.from_bytes(view[14:18], "little") < 40 or len(view) < 46:
        return Resolution()
    horizontal, vertical = struct.unpack_from("<ii", view, 38)
    return from_dpi(horizontal * MM_PER_INCH / 1000, vertical * MM_PER_INCH / 1000)
