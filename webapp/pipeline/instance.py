"""What the rest of the program needs to know of one DICOM instance."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """Facts of one instance, read while it was written.

    UIDs are empty and everything else is None when the data set does not hold
    the attribute. ``pixel_offset`` and ``pixel_length`` (bytes) are the place
    of the value of Pixel Data (7FE0,0010) in the complete file; the value of
    encapsulated Pixel Data starts with its Basic Offset Table item and ends
    before the sequence delimiter.
    """

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    transfer_syntax_uid: str = ""
    modality: str | None = None
    rows: int | None = None
    columns: int | None = None
    number_of_frames: int | None = None
    samples_per_pixel: int | None = None
    bits_allocated: int | None = None
    bits_stored: int | None = None
    photometric_interpretation: str | None = None
    has_pixels: bool = False
    pixel_offset: int | None = None
    pixel_length: int | None = None
