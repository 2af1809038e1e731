"""The Image Pixel module (PS3.3 C.7.6.3) and stored samples as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from webapp.pipeline.errors import DecodeFailed
from webapp.pipeline.source import Buffer

Samples = npt.NDArray[Any]
"""(rows, columns) or (rows, columns, samples)."""

EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_NATIVE = frozenset(
    ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", EXPLICIT_VR_BIG_ENDIAN, "1.2.840.10008.1.2.1.99")
)
_HALF_CHROMA = frozenset(("YBR_FULL_422", "YBR_PARTIAL_422"))


@dataclass(frozen=True, slots=True)
class PixelModule:
    """How one frame's samples are stored.

    ``number_type``: "integer", "float" or "double" (Pixel Data, Float Pixel Data, Double
    Float Pixel Data). ``is_word_data``: the VR is OW, which in big endian swaps bytes.
    """

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    planar_configuration: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    number_of_frames: int
    number_type: str = "integer"
    is_word_data: bool = True

    @property
    def is_native(self) -> bool:
        """Not encapsulated (PS3.5 section A.1 to A.3, A.5)."""
        return self.transfer_syntax_uid in _NATIVE

    @property
    def is_half_chroma(self) -> bool:
        """Native YBR_FULL_422: two pixels share their chrominance (PS3.3 C.7.6.3.1.2)."""
        return self.is_native and self.photometric_interpretation in _HALF_CHROMA

    @property
    def samples_per_frame(self) -> int:
        per_pixel = 2 if self.is_half_chroma else self.samples_per_pixel
        return self.rows * self.columns * per_pixel

    @property
    def frame_bits(self) -> int:
        """Of a native frame; frames of single bits follow each other without padding."""
        return self.samples_per_frame * self.bits_allocated

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a stored sample as it lies in the file; sign is a matter of Bits Stored."""
        order = ">" if self.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
        if self.number_type != "integer":
            return np.dtype(order + ("f4" if self.number_type == "float" else "f8"))
        if self.bits_allocated not in (8, 16, 32, 64):
            raise DecodeFailed
        return np.dtype(f"{order}u{self.bits_allocated // 8}")


def native_samples(module: PixelModule, frame: Buffer, number: int) -> Samples:
    """The samples of native frame ``number`` (from 0), as stored.

    A frame that ends early is shown as far as it goes, the rest as zero. Raises DecodeFailed.
    """
    if module.bits_allocated == 1:
        return _single_bits(module, frame, number)
    if module.bits_allocated == 12 and module.samples_per_pixel == 1:
        return _packed_twelve(module, frame)
    flat = _filled(module, frame)
    if module.is_half_chroma:
        return _full_chroma(flat, module)
    return shaped(flat, module, module.planar_configuration)


def shaped(flat: Samples, module: PixelModule, planar_configuration: int) -> Samples:
    """A frame's samples in rows and columns, whichever way its colours lie (0028,0006)."""
    rows, columns, samples = module.rows, module.columns, module.samples_per_pixel
    if samples == 1:
        return flat.reshape(rows, columns)
    if planar_configuration == 1:
        return np.moveaxis(flat.reshape(samples, rows, columns), 0, -1)
    return flat.reshape(rows, columns, samples)


def values(samples: Samples, module: PixelModule) -> Samples:
    """What the stored samples stand for: bits outside Bits Stored (old overlays) dropped,
    the sign taken from the highest one (PS3.5 section 8.1.1)."""
    if samples.dtype.kind != "u" or module.number_type != "integer":
        return samples
    width = samples.dtype.itemsize * 8
    stored = min(module.bits_stored, width)
    above = width - 1 - min(module.high_bit, width - 1)
    if module.pixel_representation == 1:
        lifted = samples << above if above else samples
        signed = lifted.view(samples.dtype.str.replace("u", "i"))
        return np.asarray(signed >> (width - stored)) if stored < width else signed
    if stored == width:
        return samples
    below = module.high_bit + 1 - stored
    mask = samples.dtype.type((1 << stored) - 1)
    return np.asarray((samples >> below if below > 0 else samples) & mask)


def _filled(module: PixelModule, frame: Buffer) -> Samples:
    """All samples of a frame, zero where it ends early, in this machine's byte order."""
    dtype = module.dtype
    count = module.samples_per_frame
    if not len(frame):
        raise DecodeFailed
    if _has_swapped_bytes(module):
        count += count % 2
    missing = count * dtype.itemsize - len(frame)
    flat = np.frombuffer(bytes(frame) + bytes(missing) if missing > 0 else frame, dtype, count)
    if _has_swapped_bytes(module):
        return flat.reshape(-1, 2)[:, ::-1].reshape(-1)[: module.samples_per_frame]
    return flat.astype(dtype.newbyteorder("="), copy=False)


def _has_swapped_bytes(module: PixelModule) -> bool:
    """8-bit samples in OW words of big endian (PS3.5 section 8.1.2)."""
    is_big = module.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN
    return is_big and module.bits_allocated == 8 and module.is_word_data


def _single_bits(module: PixelModule, frame: Buffer, number: int) -> Samples:
    """Bit Allocated 1: the first pixel in the lowest bit (PS3.5 section 8.1.1); ``frame``
    starts at the byte that holds the frame's first bit."""
    packed = np.frombuffer(frame, np.uint8)
    if module.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN and module.is_word_data:
        packed = packed[: packed.size // 2 * 2].reshape(-1, 2)[:, ::-1].reshape(-1)
    skipped = number * module.frame_bits % 8
    bits = np.unpackbits(packed, bitorder="little")[skipped:]
    whole = np.zeros(module.samples_per_frame, np.uint8)
    whole[: bits.size] = bits[: whole.size]
    return whole.reshape(module.rows, module.columns)


def _packed_twelve(module: PixelModule, frame: Buffer) -> Samples:
    """Two samples in three bytes (ACR-NEMA's packing, still met)."""
    count = module.samples_per_frame
    packed = np.zeros(-(-count // 2) * 3, np.uint16)
    given = np.frombuffer(frame, np.uint8)[: packed.size]
    packed[: given.size] = given
    first, second, third = packed[0::3], packed[1::3], packed[2::3]
    pairs = np.stack([first | (second & 0x0F) << 8, second >> 4 | third << 4], axis=1)
    return pairs.reshape(-1)[:count].reshape(module.rows, module.columns)


def _full_chroma(flat: Samples, module: PixelModule) -> Samples:
    quads = flat[: flat.size // 4 * 4].reshape(-1, 4)
    full = np.empty((quads.shape[0], 2, 3), flat.dtype)
    full[:, :, 0] = quads[:, :2]
    full[:, :, 1] = quads[:, 2:3]
    full[:, :, 2] = quads[:, 3:4]
    missing = module.rows * module.columns - full.shape[0] * 2
    pixels = full.reshape(-1, 3)
    if missing > 0:
        pixels = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
    return pixels.reshape(module.rows, module.columns, 3)
