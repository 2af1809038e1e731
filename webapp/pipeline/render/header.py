"""What a picture needs of a data set: read without its pixels, without most of its elements."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from webapp.errors import ServiceError
from webapp.pipeline.errors import DecodeFailed, NoPicture
from webapp.pipeline.pixels import EXPLICIT_VR_BIG_ENDIAN, PixelModule
from webapp.pipeline.source import BytesSource, Source, SourceFile

_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_FLOAT, _DOUBLE, _INTEGER = 0x7FE00008, 0x7FE00009, 0x7FE00010
_NUMBER_TYPES = {_FLOAT: "float", _DOUBLE: "double", _INTEGER: "integer"}
_BITS = {"float": 32, "double": 64}
_MOST_INFLATED = 1 << 30
_BUFFER = 64 << 10
_WANTED = [
    "TransferSyntaxUID", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction",
    "VOILUTSequence", "RescaleSlope",
    "RescaleIntercept", "ModalityLUTSequence", "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "RecommendedDisplayFrameRate", "CineRate", "FrameTime",
]  # fmt: skip


class _NamelessReader(io.BufferedReader):
    """pydicom keeps a file's name if it has one; these bytes have none."""

    name = ""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """A data set up to its pixels, and where these lie in ``source``.

    ``length`` is None for encapsulated pixels (PS3.5 section A.4).
    """

    source: Source
    dataset: Dataset
    module: PixelModule
    offset: int
    length: int | None

    @property
    def is_big_endian(self) -> bool:
        return self.module.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN


def read_header(source: Source) -> ImageHeader:
    """Raises NoPicture (no pixels), DecodeFailed (they cannot be described)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(source)
    except ServiceError:  # also what the source says of itself: damaged, or away just now
        raise
    except Exception as error:
        # A data set may break pydicom in ways without number; to a picture they are one.
        raise DecodeFailed from error


def _read(source: Source) -> ImageHeader:
    file = _NamelessReader(SourceFile(source), _BUFFER)
    dataset: Dataset = dcmread(
        file, stop_before_pixels=True, force=True, specific_tags=list(_WANTED)
    )
    transfer_syntax = _transfer_syntax(dataset)
    if transfer_syntax == _DEFLATED:
        source = BytesSource(_inflated(source))
        file = _NamelessReader(SourceFile(source), _BUFFER)
        wanted = [tag_for_keyword(keyword) or 0 for keyword in _WANTED]
        dataset = read_dataset(file, False, True, stop_when=_is_pixels, specific_tags=[*wanted])
    offset, tag, vr, length = _pixel_element(source, file.tell(), transfer_syntax)
    module = _module(dataset, transfer_syntax, _NUMBER_TYPES[tag], is_word_data=vr != b"OB")
    return ImageHeader(source, dataset, module, offset, length)


def _transfer_syntax(dataset: Dataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    stated = str(meta.get("TransferSyntaxUID", "") or "") if meta is not None else ""
    if stated:
        return stated
    implicit, little = dataset.original_encoding
    return _IMPLICIT if implicit else _EXPLICIT if little else EXPLICIT_VR_BIG_ENDIAN


def _is_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) in _NUMBER_TYPES


def _inflated(source: Source) -> bytes:
    """The data set after the file meta information (PS3.5 section A.5), at most 1 GB of it."""
    head = bytes(source.read(0, 144))
    start = 144 + int.from_bytes(head[140:144], "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(bytes(source.read(start, source.size)), _MOST_INFLATED)
    if inflater.unconsumed_tail:
        raise DecodeFailed
    return content


def _pixel_element(source: Source, at: int, syntax: str) -> tuple[int, int, bytes, int | None]:
    """Offset of the value, tag, VR and length of the pixel data element at ``at``."""
    head = bytes(source.read(at, 12))
    order = ">" if syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
    if len(head) < 8:
        raise NoPicture
    group, element = struct.unpack_from(order + "HH", head)
    tag = group << 16 | element
    if tag not in _NUMBER_TYPES:
        raise NoPicture
    vr = head[4:6]
    if vr.isalpha() and vr.isupper():
        offset, length = at + 12, int(struct.unpack_from(order + "I", head, 8)[0])
    else:
        vr, offset, length = b"OW", at + 8, int(struct.unpack_from(order + "I", head, 4)[0])
    return offset, tag, vr, None if length == 0xFFFFFFFF else length


def _module(
    dataset: Dataset, transfer_syntax: str, number_type: str, *, is_word_data: bool
) -> PixelModule:
    bits_allocated = _BITS.get(number_type) or _number(dataset, "BitsAllocated", 8)
    bits_stored = _number(dataset, "BitsStored", bits_allocated)
    if not 1 <= bits_stored <= bits_allocated:
        bits_stored = bits_allocated
    samples = _number(dataset, "SamplesPerPixel", 1)
    module = PixelModule(
        transfer_syntax_uid=transfer_syntax,
        rows=_number(dataset, "Rows", 0),
        columns=_number(dataset, "Columns", 0),
        samples_per_pixel=samples,
        photometric_interpretation=_photometric(dataset, samples),
        planar_configuration=_number(dataset, "PlanarConfiguration", 0),
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=_high_bit(dataset, bits_allocated, bits_stored),
        pixel_representation=_number(dataset, "PixelRepresentation", 0),
        number_of_frames=max(1, _number(dataset, "NumberOfFrames", 1)),
        number_type=number_type,
        is_word_data=is_word_data,
    )
    if module.rows < 1 or module.columns < 1 or samples not in (1, 3, 4):
        raise DecodeFailed
    return module


def _high_bit(dataset: Dataset, bits_allocated: int, bits_stored: int) -> int:
    stated = _number(dataset, "HighBit", bits_stored - 1)
    return stated if bits_stored - 1 <= stated < bits_allocated else bits_stored - 1


def _photometric(dataset: Dataset, samples: int) -> str:
    stated = str(dataset.get("PhotometricInterpretation", "") or "").strip().upper()
    return stated or ("MONOCHROME2" if samples == 1 else "RGB")


def _number(dataset: Dataset, keyword: str, default: int) -> int:
    try:
        value: Any = dataset.get(keyword)
        return default if value in (None, "") else int(value)
    except (TypeError, ValueError):
        return default


def items(dataset: Dataset, keyword: str) -> Iterator[Dataset]:
    """The items of a sequence; none where it is absent or no sequence."""
    sequence = dataset.get(keyword)
    if sequence:
        yield from (item for item in sequence if isinstance(item, Dataset))
