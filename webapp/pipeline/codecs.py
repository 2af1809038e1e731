"""One encapsulated frame decoded, by transfer syntax; run in the helper (services/sandbox.py).

=========================================  ==================  =============================
transfer syntax                            decoder             licence
=========================================  ==================  =============================
JPEG, 8 bits (.50 .51 and retired)         Pillow              MIT-CMU (libjpeg-turbo: BSD)
JPEG, 12 bits (.51)                        imagecodecs         BSD (libjpeg-turbo 3)
JPEG lossless (.57 .70)                    imagecodecs         BSD (jpegsof3, libjpeg-turbo)
JPEG-LS (.80 .81)                          imagecodecs         BSD (CharLS)
JPEG 2000 (.90 to .93), HTJ2K (.201-.203)  imagecodecs         BSD (OpenJPEG, OpenJPH)
JPEG 2000, at a fraction of the size       Pillow              MIT-CMU (OpenJPEG)
JPEG XL (.110 .111 .112)                   imagecodecs         BSD (libjxl)
RLE (.5)                                   imagecodecs         BSD
=========================================  ==================  =============================
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import imagecodecs
import numpy as np
from PIL import Image

from webapp.errors import Rejected
from webapp.pipeline.errors import DecodeFailed
from webapp.pipeline.pixels import PixelModule, Samples, shaped
from webapp.pipeline.source import Buffer

_PREFIX = "1.2.840.10008.1.2."
_SIZ = b"\xff\x4f\xff\x51"
_YBR_OF_JPEG_2000 = frozenset(("YBR_ICT", "YBR_RCT"))


@dataclass(frozen=True, slots=True)
class Decoded:
    """Samples, perhaps of a reduced size, and the Photometric Interpretation and bits they
    now have."""

    samples: Samples
    module: PixelModule


def decode_frame(module: PixelModule, frame: Buffer, shrink: int = 1) -> Decoded:
    """``shrink``: rows and columns may come out divided by up to so much, where the decoder
    can do with less work. Raises DecodeFailed."""
    decoder = _DECODERS.get(module.transfer_syntax_uid.removeprefix(_PREFIX))
    if decoder is None:
        raise DecodeFailed
    try:
        decoded = decoder(module, bytes(frame), shrink)
    except Rejected:
        raise
    except Exception as error:
        # Each codec has errors of its own (RuntimeError, ValueError, OSError, MemoryError ...).
        raise DecodeFailed from error
    return _checked(decoded, module, shrink)


def _checked(decoded: Decoded, module: PixelModule, shrink: int) -> Decoded:
    """The codestream's size rules only as far as the data set's can be trusted to agree."""
    samples = decoded.samples
    if samples.ndim == 3 and samples.shape[2] == 1:
        samples = samples[..., 0]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if samples.ndim not in (2, 3) or channels not in (1, 3):
        raise DecodeFailed
    if shrink == 1 and samples.shape[:2] != (module.rows, module.columns):
        raise DecodeFailed
    return Decoded(samples, replace(decoded.module, samples_per_pixel=channels))


def _jpeg(module: PixelModule, frame: bytes, shrink: int) -> Decoded:
    if _sof_precision(frame) > 8:
        samples = imagecodecs.jpeg_decode(frame)
        return Decoded(samples, _as_wide(module, samples))
    image = Image.open(io.BytesIO(frame), formats=("JPEG",))
    _check_size(image, module)
    mode, photometric = _jpeg_colours(image, module)
    size = (math.ceil(image.width / shrink), math.ceil(image.height / shrink))
    image.draft(mode, size)
    return Decoded(np.asarray(image), replace(module, photometric_interpretation=photometric))


def _jpeg_colours(image: Image.Image, module: PixelModule) -> tuple[str | None, str]:
    """Pillow mode to decode to, and what comes out.

    The stream's own markers (JFIF, Adobe) decide. Without them the data set does: it
    says RGB of streams that were never transformed (PS3.5 section 8.2.1).
    """
    stated = module.photometric_interpretation
    if image.mode == "L":
        return None, stated
    if image.mode != "RGB":
        raise DecodeFailed
    if image.info.get("adobe_transform") == 0:
        return None, stated
    if stated == "RGB" and not {"adobe_transform", "jfif"} & image.info.keys():
        return "YCbCr", "RGB"  # no transformation at all: the samples as they are
    return None, "RGB"


def _check_size(image: Image.Image, module: PixelModule) -> None:
    if image.size != (module.columns, module.rows):
        raise DecodeFailed


def _sof_precision(frame: bytes) -> int:
    """Bits of a sample, from the frame header (ISO/IEC 10918-1 B.2.2)."""
    at = 2
    while at + 5 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return frame[at + 4]
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return 8


def _jpeg_lossless(module: PixelModule, frame: bytes, shrink: int) -> Decoded:
    samples = imagecodecs.jpegsof3_decode(frame)
    return Decoded(samples, _as_wide(module, samples))


def _jpeg_ls(module: PixelModule, frame: bytes, shrink: int) -> Decoded:
    samples = imagecodecs.jpegls_decode(frame)
    return Decoded(samples, _as_wide(module, samples))


def _jpeg_2000(module: PixelModule, frame: bytes, shrink: int) -> Decoded:
    if module.photometric_interpretation in _YBR_OF_JPEG_2000:
        module = replace(module, photometric_interpretation="RGB")
    stream = frame[max(0, frame.find(_SIZ)) :]
    bits, is_signed = (stream[42] & 0x7F) + 1, stream[42] >= 0x80  # Ssiz of the SIZ marker
    if shrink > 1 and is_signed == (module.pixel_representation == 1):
        reduced = _reduced_jpeg_2000(frame, module, stream, shrink)
        if reduced is not None:
            samples = reduced if bits == 8 else _as_precise(reduced, bits, is_signed=is_signed)
            return Decoded(samples, _as_wide(module, samples))
    samples = _as_signed(imagecodecs.jpeg2k_decode(frame), bits, module)
    return Decoded(samples, _as_wide(module, samples))


def _as_signed(samples: Samples, bits: int, module: PixelModule) -> Samples:
    """Pixel Representation decides (0028,0103) where an unsigned codestream holds what are
    really two's complements of its own width."""
    if module.pixel_representation == 0 or samples.dtype.kind == "i":
        return samples
    signed = samples.view(samples.dtype.str.replace("u", "i"))
    spare = samples.dtype.itemsize * 8 - bits
    return signed << spare >> spare if spare > 0 else signed


def _reduced_jpeg_2000(
    frame: bytes, module: PixelModule, stream: bytes, shrink: int
) -> Samples | None:
    """Fewer resolution levels (ISO/IEC 15444-1 B.5), as many as the codestream has; None where
    Pillow cannot: colour of more than 8 bits, tiles with levels of their own."""
    image = Image.open(io.BytesIO(frame), formats=("JPEG2000",))
    _check_size(image, module)
    if image.mode not in ("L", "RGB", "I;16"):
        return None
    levels = min(int(math.log2(shrink)), _resolution_levels(stream))
    image.reduce = levels  # type: ignore[method-assign, assignment]
    try:
        return np.asarray(image)
    except OSError:
        return None  # decoded whole instead


def _resolution_levels(stream: bytes) -> int:
    """From the COD marker; a false find costs sharpness or speed, nothing else."""
    at = stream.find(b"\xff\x52")
    return min(stream[at + 9], 32) if 0 <= at < len(stream) - 9 else 0


def _as_precise(samples: Samples, bits: int, *, is_signed: bool) -> Samples:
    """Pillow spreads 9 to 15 bits over 16 and lifts signed ones above zero: undone."""
    narrow = samples >> (16 - bits)
    return narrow.astype(np.int32) - (1 << (bits - 1)) if is_signed else narrow


def _htj2k(module: PixelModule, frame: bytes, shrink: int) -> Decoded:
    if module.photometric_interpretation in _YBR_OF_JPEG_2000:
        module = replace(module, photometric_interpretation="RGB")
    samples = imagecodecs.htj2k_decode(frame)
    return Decoded(samples, _as_wide(module, samples))


def _jpeg_xl(module: PixelModule, frame: bytes, shrink: int) -> Decoded:
    samples = imagecodecs.jpegxl_decode(frame)
    if samples.ndim == 3:
        module = replace(module, photometric_interpretation="RGB")
    return Decoded(samples, _as_wide(module, samples))


def _rle(module: PixelModule, frame: bytes, shrink: int) -> Decoded:
    """PS3.5 annex G: a segment for each byte of each sample, colour by plane."""
    flat = imagecodecs.dicomrle_decode(frame, f"<u{module.bits_allocated // 8}")
    wanted = module.rows * module.columns * module.samples_per_pixel
    samples = np.frombuffer(flat, f"<u{module.bits_allocated // 8}")
    if samples.size < wanted:
        raise DecodeFailed
    return Decoded(shaped(samples[:wanted], module, 1), module)


def _as_wide(module: PixelModule, samples: Samples) -> PixelModule:
    """Values come out right-justified, in the codec's own width and sign."""
    width = samples.dtype.itemsize * 8
    high_bit = min(module.bits_stored, width) - 1
    return replace(module, bits_allocated=width, high_bit=high_bit)


_Decoder = Callable[[PixelModule, bytes, int], Decoded]
_DECODERS: dict[str, _Decoder] = {
    "5": _rle,
    **dict.fromkeys(("4.50", "4.51", "4.52", "4.53", "4.54", "4.55", "4.56"), _jpeg),
    **dict.fromkeys(("4.57", "4.58", "4.70"), _jpeg_lossless),
    **dict.fromkeys(("4.80", "4.81"), _jpeg_ls),
    **dict.fromkeys(("4.90", "4.91", "4.92", "4.93"), _jpeg_2000),
    **dict.fromkeys(("4.201", "4.202", "4.203"), _htj2k),
    **dict.fromkeys(("4.110", "4.111", "4.112"), _jpeg_xl),
}
