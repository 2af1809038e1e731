"""AVIF, still and moving: Pillow's libavif applies rotation and mirroring itself."""

from __future__ import annotations

from webapp.pipeline.convert import animation
from webapp.pipeline.convert.checks import check_size
from webapp.pipeline.convert.picture import Limits, Lossy, Picture
from webapp.pipeline.convert.stills import decode_image, open_image


def decode(content: bytes, limits: Limits) -> Picture:
    """AV1 can be lossless but says so nowhere: taken as lossy. Raises ImageTooLarge."""
    image = open_image(content, "AVIF")
    frames = int(getattr(image, "n_frames", 1))
    check_size(image.width, image.height, limits, frames)
    picture = animation.decode(image, frames) if frames > 1 else decode_image(image)
    picture.lossy = Lossy(len(content))
    return picture
