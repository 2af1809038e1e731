"""Which SOP Class holds a picture, and the Image Pixel attributes that say so (PS3.3 C.7.6.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from webapp.pipeline.convert.elements import Elements
from webapp.pipeline.convert.picture import Lossy, Picture, Rescale, Resolution, Samples

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
MULTIFRAME_GRAYSCALE_BYTE = "1.2.840.10008.5.1.4.1.1.7.2"
MULTIFRAME_GRAYSCALE_WORD = "1.2.840.10008.5.1.4.1.1.7.3"
MULTIFRAME_TRUE_COLOR = "1.2.840.10008.5.1.4.1.1.7.4"

_FRAME_TIME = 0x00181063
_FRAME_TIME_VECTOR = 0x00181065
_PAGE_NUMBER_VECTOR = 0x00182001
_LONGEST_VALUE = 65534


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of the pixels as DICOM states it."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    photometric_interpretation: str
    frames: int = 1
    signed: bool = False

    @staticmethod
    def of(picture: Picture) -> Layout:
        grey = len(picture.shape) == 2
        return Layout(
            rows=picture.shape[0],
            columns=picture.shape[1],
            samples=1 if grey else 3,
            bits_allocated=picture.dtype.itemsize * 8,
            photometric_interpretation="MONOCHROME2" if grey else "RGB",
            frames=len(picture.frames),
            signed=picture.dtype.kind == "i",
        )

    @property
    def is_multiframe(self) -> bool:
        return self.frames > 1

    @property
    def sop_class_uid(self) -> str:
        """The multi-frame classes allow 8 or 16 grey and 8 bits of colour; plain
        Secondary Capture (PS3.3 A.8.1) leaves depth, sign and rescaling open."""
        if not self.is_multiframe:
            return SECONDARY_CAPTURE
        if self.samples == 3:
            return MULTIFRAME_TRUE_COLOR
        return MULTIFRAME_GRAYSCALE_BYTE if self.bits_allocated == 8 else MULTIFRAME_GRAYSCALE_WORD

    @property
    def frame_length(self) -> int:
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    @property
    def pixel_length(self) -> int:
        return self.frame_length * self.frames

    def bytes_of(self, frame: Samples) -> memoryview:
        """Little endian, colour by pixel, no copy where the array is so already."""
        ordered = np.ascontiguousarray(frame, dtype=frame.dtype.newbyteorder("<"))
        return ordered.reshape(-1).view(np.uint8).data


def pixel_elements(layout: Layout) -> Elements:
    """Image Pixel module."""
    elements: Elements = {
        0x00280002: ("US", layout.samples),
        0x00280004: ("CS", layout.photometric_interpretation),
        0x00280010: ("US", layout.rows),
        0x00280011: ("US", layout.columns),
        0x00280100: ("US", layout.bits_allocated),
        0x00280101: ("US", layout.bits_allocated),
        0x00280102: ("US", layout.bits_allocated - 1),
        0x00280103: ("US", int(layout.signed)),
    }
    if layout.samples == 3:
        elements[0x00280006] = ("US", 0)
    return elements


def multiframe_elements(layout: Layout) -> Elements:
    """Multi-frame and SC Multi-frame Image modules (PS3.3 C.8.6.3).

    Burned In Annotation is Type 1 there, YES or NO: of an image that nobody has
    examined only the cautious one is honest.
    """
    elements: Elements = {
        0x00280008: ("IS", str(layout.frames)),
        0x00280301: ("CS", "YES"),
    }
    if layout.samples == 1:
        elements[0x20500020] = ("CS", "IDENTITY")
    return elements


def cine_elements(picture: Picture) -> Elements:
    """What tells frames apart (0028,0009): time for moving pictures, else the page."""
    if picture.durations is None:
        numbers = "\\".join(str(number + 1) for number in range(len(picture.frames)))
        return {0x00280009: ("AT", _PAGE_NUMBER_VECTOR), _PAGE_NUMBER_VECTOR: ("IS", numbers)}
    times = picture.durations
    if len(set(times)) == 1:
        return {0x00280009: ("AT", _FRAME_TIME), _FRAME_TIME: ("DS", str(times[0]))}
    # The vector holds the time since the frame before: 0 first, PS3.3 C.7.6.5.1.2.
    increments = "\\".join(str(time) for time in (0, *times[:-1]))
    if len(increments) > _LONGEST_VALUE:
        mean = decimal_string(round(sum(times) / len(times), 3))
        return {0x00280009: ("AT", _FRAME_TIME), _FRAME_TIME: ("DS", mean)}
    return {0x00280009: ("AT", _FRAME_TIME_VECTOR), _FRAME_TIME_VECTOR: ("DS", increments)}


def lossy_elements(layout: Layout, lossy: Lossy) -> Elements:
    """Lossy history, General Image module (PS3.3 C.7.6.1.1.5)."""
    elements: Elements = {0x00282110: ("CS", "01")}
    ratio = layout.pixel_length / max(1, lossy.encoded)
    elements[0x00282112] = ("DS", f"{ratio:.2f}")
    if lossy.method:
        elements[0x00282114] = ("CS", lossy.method)
    return elements


def rescale_elements(picture: Picture) -> Elements:
    """Modality LUT, for samples that were not whole numbers of at most 16 bits; the
    multi-frame grey classes want it always."""
    rescale = picture.rescale
    if rescale is None and len(picture.frames) > 1 and len(picture.shape) == 2:
        rescale = Rescale(slope=1, intercept=0)
    if rescale is None:
        return {}
    return {
        0x00281052: ("DS", decimal_string(rescale.intercept)),
        0x00281053: ("DS", decimal_string(rescale.slope)),
        0x00281054: ("LO", "US"),
    }


def resolution_elements(resolution: Resolution) -> Elements:
    """Nominal Scanned Pixel Spacing (0018,2010): an image file's resolution is a scanner's
    or a program's word, never a measure within the patient."""
    if resolution.spacing:
        return {0x00182010: ("DS", _pair(*map(decimal_string, resolution.spacing)))}
    if resolution.aspect:
        return {0x00280034: ("IS", _pair(*map(str, resolution.aspect)))}
    return {}


def profile_elements(profile: bytes | None) -> Elements:
    """ICC Profile module (PS3.3 C.11.15), a profile that was made safe."""
    return {0x00282000: ("OB", profile)} if profile else {}


def decimal_string(number: float) -> str:
    """A DS (PS3.5 section 6.2): the nearest decimal of at most 16 characters."""
    for digits in range(16, 0, -1):
        text = f"{number:.{digits}g}"
        if len(text) <= 16:
            return text
    raise ValueError("not a number that a DS can hold")


def _pair(first: str, second: str) -> str:
    return f"{first}\\{second}"
