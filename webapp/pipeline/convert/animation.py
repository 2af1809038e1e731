"""Moving pictures (GIF, animated PNG and WebP): every frame as it is shown, with its duration."""

from __future__ import annotations

from PIL import Image

from webapp.pipeline.convert.picture import Picture, Samples
from webapp.pipeline.convert.stills import samples_of
from webapp.pipeline.errors import ImageDamaged

DEFAULT_DURATION_MS = 100
"""What viewers take for a duration of 0."""


def decode(image: Image.Image, frames: int) -> Picture:
    """All frames in colour, composed by Pillow; ``frames`` is what the header promised.

    A file that ends before its last frame is taken as far as it goes, with the note
    ``image-truncated``.
    """
    picture = Picture([], profile=image.info.get("icc_profile"))
    decoded: list[Samples] = []
    durations: list[int] = []
    for number in range(frames):
        try:
            image.seek(number)
            decoded.append(samples_of(image, picture, colour=True))
        except (EOFError, OSError, SyntaxError):
            picture.note("image-truncated")
            break
        durations.append(round(image.info.get("duration") or 0) or DEFAULT_DURATION_MS)
    if not decoded:
        raise ImageDamaged
    picture.frames = without_colour(decoded)
    picture.durations = durations
    return picture


def without_colour(frames: list[Samples]) -> list[Samples]:
    """Grey frames where no frame has any colour: a palette of greys is a grey picture."""
    if all(_is_grey(frame) for frame in frames):
        return [frame[..., 0] for frame in frames]
    return frames


def _is_grey(frame: Samples) -> bool:
    red = frame[..., 0]
    return bool((red == frame[..., 1]).all() and (red == frame[..., 2]).all())
