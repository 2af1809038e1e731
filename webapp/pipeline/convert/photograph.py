"""A colour Secondary Capture told as a VL Photographic Image (PS3.3 A.32.4).

Only the data set changes, never a sample: what a camera's picture is called is a matter
of the archive's taste, so that decoding knows nothing of it.
"""

from __future__ import annotations

import hashlib

from webapp.pipeline.convert.elements import Elements, Value, encode, file_head, read_to_pixels
from webapp.pipeline.convert.layout import SECONDARY_CAPTURE, resolution_elements
from webapp.pipeline.convert.resolution import from_ratio
from webapp.pipeline.source import Buffer
from webapp.pipeline.uids import uuid_derived_uid

VL_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"

_SOP_CLASS, _SOP_INSTANCE, _SERIES = 0x00080016, 0x00080018, 0x0020000E
_CONVERSION_TYPE, _NOMINAL_SPACING = 0x00080064, 0x00182010
_SECONDARY_CAPTURE_ONLY = frozenset((_CONVERSION_TYPE, _NOMINAL_SPACING))


def as_photograph(content: Buffer) -> list[Buffer]:
    """The converter's file ``content`` as parts of one of the VL class, where that can hold it.

    VL Photographic Image is one frame of 8 bits (PS3.3 C.8.12.1); only colour counts as a
    photograph. Everything else comes back as it is.
    """
    view = memoryview(content)
    elements, pixels = read_to_pixels(view)
    if not _is_colour_photograph(elements):
        return [content]
    renamed = _renamed(elements)
    head = file_head(VL_PHOTOGRAPHIC, _text(renamed[_SOP_INSTANCE]), _text(elements[0x00020010]))
    return [head, encode(renamed), view[pixels:]]


def _is_colour_photograph(elements: Elements) -> bool:
    colour = elements[0x00280002][1] == b"\3\0" and elements[0x00280100][1] == b"\x08\0"
    return colour and _text(elements[_SOP_CLASS]) == SECONDARY_CAPTURE


def _renamed(elements: Elements) -> Elements:
    """UIDs anew, because an instance cannot be of two classes nor a series of two modalities.

    Lossy Image Compression is Type 2 in the VL Image module: empty where nothing is known,
    as of a PNG that may have been a JPEG once. No acquisition context is known either.
    """
    kept = {
        tag: element
        for tag, element in elements.items()
        if tag >> 16 > 0x0002 and tag not in _SECONDARY_CAPTURE_ONLY
    }
    return (
        {0x00282110: ("CS", "")}
        | kept
        | _aspect(elements)
        | {
            _SOP_CLASS: ("UI", VL_PHOTOGRAPHIC),
            _SOP_INSTANCE: ("UI", _uid_after(elements[_SOP_INSTANCE])),
            _SERIES: ("UI", _uid_after(elements[_SERIES])),
            0x00080060: ("CS", "XC"),
            0x00400555: ("SQ", b""),
        }
    )


def _aspect(elements: Elements) -> Elements:
    """A scanner's spacing has no place in the VL class, but that pixels are not square does."""
    if _NOMINAL_SPACING not in elements:
        return {}
    vertical, horizontal = map(float, _text(elements[_NOMINAL_SPACING]).split("\\"))
    return resolution_elements(from_ratio(1 / horizontal, 1 / vertical))


def _uid_after(element: tuple[str, Value]) -> str:
    return uuid_derived_uid(hashlib.sha256(b"photograph\0" + _text(element).encode()).digest())


def _text(element: tuple[str, Value]) -> str:
    value = element[1]
    return (value.decode("ascii") if isinstance(value, bytes) else str(value)).rstrip("\0 ")
