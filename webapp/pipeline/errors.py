"""Why a file cannot go through the pipeline: the kinds of :class:`Rejected`."""

from __future__ import annotations

from webapp.errors import Rejected


class EmptyFile(Rejected):
    """Not one byte came."""

    code = "empty-file"


class Unrecognised(Rejected):
    """The bytes are neither an image this service takes nor DICOM."""

    code = "unrecognised"


class ImageDamaged(Rejected):
    """An image by its first bytes, but it cannot be decoded."""

    code = "image-damaged"


class ImageTooLarge(Rejected):
    """More pixels than ``MAX_IMAGE_PIXELS``. Facts: ``limit`` (pixels)."""

    code = "image-too-large"


class UnsupportedImage(Rejected):
    """A whole image of a kind that cannot be carried into DICOM truthfully."""

    code = "unsupported-image"


class DicomDamaged(Rejected):
    """DICOM by its first bytes, but truncated, lying or unreadable (PS3.5, PS3.10)."""

    code = "dicom-damaged"


class DicomDir(Rejected):
    """A DICOMDIR (PS3.10, media storage directory): it indexes files and is none itself."""

    code = "dicomdir"


class UnsupportedTransferSyntax(Rejected):
    """A transfer syntax that cannot be de-identified safely (video, private ones)."""

    code = "unsupported-transfer-syntax"


class UnsupportedSopClass(Rejected):
    """A SOP class whose payload cannot be cleaned (Encapsulated PDF, CDA, STL ...)."""

    code = "unsupported-sop-class"


class NoPicture(Rejected):
    """The instance holds no pixels to show (a report, a plan, a waveform)."""

    code = "no-picture"


class DecodeFailed(Rejected):
    """The pixels of this frame cannot be decoded."""

    code = "decode-failed"


class NoSuchFrame(Rejected):
    """A frame number below 1 or above Number of Frames (0028,0008)."""

    code = "no-such-frame"


class FrameTooLarge(Rejected):
    """A frame of more bytes than are given out as samples. Facts: ``limit`` (megabytes)."""

    code = "frame-too-large"
