"""Image files of every kind that comes in, made here, so that each sample's truth is known."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageCms

Samples = npt.NDArray[Any]

ROWS, COLUMNS = 60, 83
_y, _x = np.mgrid[:ROWS, :COLUMNS]
COLOUR: Samples = np.stack([_y * 4, _x * 3, _x + _y], -1).astype(np.uint8)
GREY: Samples = (_x * 2 + _y).astype(np.uint8)
GREY_16: Samples = (_x * 700 + _y * 13).astype(np.uint16)
COLOUR_16: Samples = np.stack([_y * 1000 + 3, _x * 700 + 1, (_x + _y) * 400 + 2], -1).astype(
    np.uint16
)
BITS: Samples = (_x // 5 + _y // 7) % 2
INDICES: Samples = ((_x // 5 + _y // 7) % 4).astype(np.uint8)
PALETTE: Samples = np.array([[0, 0, 0], [200, 10, 30], [20, 180, 50], [255, 255, 90]], np.uint8)
ALPHA: Samples = (_x * 3).astype(np.uint8)
MOVING: list[Samples] = [np.roll(COLOUR, 9 * step, axis=1) for step in range(4)]


SRGB: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def over_black(colours: Samples, alpha: Samples) -> Samples:
    weights = alpha.astype(np.float64)[..., np.newaxis] / np.iinfo(alpha.dtype).max
    return np.rint(colours * weights).astype(colours.dtype)


def save(samples: Samples | Image.Image, form: str, mode: str | None = None, **how: Any) -> bytes:
    """As Pillow writes it."""
    image = samples if isinstance(samples, Image.Image) else Image.fromarray(samples)
    output = io.BytesIO()
    (image.convert(mode) if mode else image).save(output, form, **how)
    return output.getvalue()


def seen(content: bytes, mode: str = "RGB") -> Samples:
    """As Pillow reads it: the reference for what lossy coding left."""
    return np.asarray(Image.open(io.BytesIO(content)).convert(mode))


def moving(form: str, durations: list[int], **how: Any) -> bytes:
    first, *others = [Image.fromarray(frame) for frame in MOVING]
    if form == "GIF":
        first, *others = [image.quantize(64) for image in (first, *others)]
    return save(first, form, save_all=True, append_images=others, duration=durations, **how)


def tiff(samples: Samples, **how: Any) -> bytes:
    """As tifffile writes it."""
    output = io.BytesIO()
    tifffile.imwrite(output, samples, **how)
    return output.getvalue()


def pages(*written: tuple[Samples, dict[str, Any]]) -> bytes:
    """A TIFF of pages that differ."""
    output = io.BytesIO()
    with tifffile.TiffWriter(output) as writer:
        for samples, how in written:
            writer.write(samples, metadata=None, **how)
    return output.getvalue()


def png(
    rows: Samples, depth: int, colour: int, *chunks: tuple[bytes, bytes], interlaced: bool = False
) -> bytes:
    """A PNG of any depth: ``rows`` are samples, (rows, columns[, channels])."""
    height, width = rows.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    passes = _adam7(rows) if interlaced else [rows]
    lines = b"".join(b"\0" + _packed(line, depth) for part in passes for line in part)
    body = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, data) for name, data in body)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _adam7(rows: Samples) -> list[Samples]:
    grid = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
    return [rows[y::dy, x::dx] for y, x, dy, dx in (*grid, (1, 0, 2, 1))]


def _packed(line: Samples, depth: int) -> bytes:
    if depth == 16:
        return line.astype(">u2").tobytes()
    if depth == 8:
        return line.astype(np.uint8).tobytes()
    bits = (line.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()


def bare_tiff(samples: bytes, bits: int, *, width: int = COLUMNS, height: int = ROWS) -> bytes:
    """A grey TIFF of any depth, one strip, nothing else."""
    entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, bits), (259, 3, 1, 1)]
    entries += [(262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, height)]
    entries += [(279, 4, 1, len(samples))]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(samples)) + samples + directory


@dataclass(frozen=True)
class Variant:
    """A file, what its samples must be in DICOM, and what the documentation says of it.

    ``expected`` None where the file's own samples do not come out (quantised). ``tolerance``:
    levels by which a lossy stream may decode otherwise in another decoder.
    """

    title: str
    make: Callable[[], bytes]
    expected: Callable[[bytes], Samples] | Samples | None
    notes: tuple[str, ...] = ()
    lossy: bool = False
    tolerance: int = 0

    def samples(self, content: bytes) -> Samples | None:
        return self.expected(content) if callable(self.expected) else self.expected


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "Invented Patient"
    return exif.tobytes()


def jpeg(samples: Samples = COLOUR, mode: str | None = None, **how: Any) -> bytes:
    return save(samples, "JPEG", mode, quality=90, **how)


def turned_jpeg(orientation: int) -> bytes:
    return jpeg(exif=_exif(orientation))


_JPEG = [
    Variant("JPEG baseline, colour", jpeg, seen, lossy=True, tolerance=1),
    Variant("JPEG baseline, grey", lambda: jpeg(GREY), lambda c: seen(c, "L"), lossy=True),
    Variant("JPEG baseline, 4:4:4", lambda: jpeg(subsampling=0), seen, lossy=True, tolerance=1),
    Variant(
        "JPEG baseline, 4:2:0 with restart markers",
        lambda: jpeg(subsampling=2, restart_marker_blocks=2),
        seen,
        lossy=True,
        tolerance=2,
    ),
    Variant("JPEG progressive", lambda: jpeg(progressive=True), seen, lossy=True),
    Variant("JPEG coded as RGB", lambda: jpeg(keep_rgb=True), seen, lossy=True),
    Variant("JPEG CMYK", lambda: jpeg(mode="CMYK"), seen, ("cmyk-converted",), lossy=True),
    Variant("JPEG YCCK", lambda: _ycck_jpeg(), seen, ("cmyk-converted",), lossy=True),
    Variant(
        "JPEG cut short",
        lambda: cut_jpeg(),
        lambda c: seen(c + b"\xff\xd9"),
        ("image-truncated",),
        lossy=True,
    ),
    Variant(
        "JPEG progressive, cut short",
        lambda: cut_jpeg(progressive=True),
        lambda c: seen(c + b"\xff\xd9"),
        ("image-truncated",),
        lossy=True,
    ),
    Variant(
        "JPEG turned by EXIF",
        lambda: turned_jpeg(6),
        lambda c: np.rot90(seen(c), -1),
        ("orientation-applied",),
        lossy=True,
    ),
    Variant(
        "JPEG with a colour profile", lambda: jpeg(icc_profile=SRGB), seen, lossy=True, tolerance=1
    ),
    Variant(
        "JPEG with a profile of another space than RGB",
        lambda: jpeg(icc_profile=LAB),
        seen,
        ("icc-dropped",),
        lossy=True,
        tolerance=1,
    ),
    Variant("JPEG lossless, 16 bits", lambda: imagecodecs.ljpeg_encode(GREY_16), GREY_16),
    Variant("JPEG-LS, 16 bits", lambda: imagecodecs.jpegls_encode(GREY_16), GREY_16),
]


def _ycck_jpeg() -> bytes:
    """Inks as Adobe writes them: inverted, and three of them as YCbCr."""
    inks = 255 - np.asarray(Image.fromarray(COLOUR).convert("CMYK"))
    return bytes(imagecodecs.jpeg_encode(inks, 90, colorspace="CMYK", outcolorspace="YCCK"))


def cut_jpeg(**how: Any) -> bytes:
    """Without its last quarter."""
    content = jpeg(**how)
    return content[: len(content) * 3 // 4]


def jpeg_2000(profile: bytes) -> bytes:
    """A file whose colours are told by a profile instead of a number."""
    content = save(COLOUR, "JPEG2000")
    at, end = content.index(b"colr") - 4, content.index(b"jp2c") - 4
    colours = b"colr\2\0\0" + profile
    boxes = content[content.index(b"ihdr") - 4 : at]
    header = b"jp2h" + boxes + struct.pack(">I", len(colours) + 4) + colours
    start = content.index(b"jp2h") - 4
    return content[:start] + struct.pack(">I", len(header) + 4) + header + content[end:]


_TRANSPARENT = np.dstack([COLOUR, ALPHA])
_GREY_ALPHA_16 = np.dstack([GREY_16, ALPHA.astype(np.uint16) * 257])

_PNG = [
    *(
        Variant(
            f"PNG grey, {depth} bits",
            lambda depth=depth: png(INDICES % (1 << depth), depth, 0),
            (INDICES % (1 << depth)) * np.uint8(255 // ((1 << depth) - 1)),
        )
        for depth in (1, 2, 4)
    ),
    Variant("PNG grey, 8 bits", lambda: png(GREY, 8, 0), GREY),
    Variant("PNG grey, 16 bits", lambda: png(GREY_16, 16, 0), GREY_16),
    Variant("PNG colour, 8 bits", lambda: png(COLOUR, 8, 2), COLOUR),
    Variant("PNG colour, 16 bits", lambda: png(COLOUR_16, 16, 2), COLOUR_16),
    *(
        Variant(
            f"PNG palette, {depth} bits",
            lambda depth=depth: png(INDICES, depth, 3, (b"PLTE", PALETTE.tobytes())),
            PALETTE[INDICES],
        )
        for depth in (2, 4, 8)
    ),
    Variant("PNG interlaced", lambda: png(COLOUR, 8, 2, interlaced=True), COLOUR),
    Variant(
        "PNG with alpha",
        lambda: png(_TRANSPARENT, 8, 6),
        over_black(COLOUR, ALPHA),
        ("alpha-flattened",),
    ),
    Variant(
        "PNG with alpha, all opaque",
        lambda: png(np.dstack([COLOUR, np.full_like(ALPHA, 255)]), 8, 6),
        COLOUR,
    ),
    Variant(
        "PNG grey with alpha, 16 bits",
        lambda: png(_GREY_ALPHA_16, 16, 4),
        over_black(GREY_16[..., np.newaxis], ALPHA.astype(np.uint16) * 257)[..., 0],
        ("alpha-flattened",),
    ),
    Variant(
        "PNG palette with transparency",
        lambda: png(INDICES, 8, 3, (b"PLTE", PALETTE.tobytes()), (b"tRNS", b"\xff\x80")),
        over_black(PALETTE[INDICES], np.array([255, 128, 255, 255], np.uint8)[INDICES]),
        ("alpha-flattened",),
    ),
    Variant("PNG with a colour profile", lambda: save(COLOUR, "PNG", icc_profile=SRGB), COLOUR),
    Variant(
        "PNG grey with a colour profile",
        lambda: save(GREY, "PNG", icc_profile=SRGB),
        GREY,
        ("icc-dropped",),
    ),
    Variant("PNG animated", lambda: moving("PNG", [100] * 4), np.stack(MOVING)),
]

_TIFF = [
    Variant("TIFF bilevel", lambda: tiff(BITS > 0, photometric=1), BITS.astype(np.uint8) * 255),
    Variant(
        "TIFF bilevel, white is zero",
        lambda: tiff(BITS > 0, photometric=0),
        255 - BITS.astype(np.uint8) * 255,
    ),
    *(
        Variant(
            f"TIFF {name}",
            lambda how=how: save(Image.fromarray(BITS > 0), "TIFF", compression=how),
            BITS.astype(np.uint8) * 255,
        )
        for name, how in (
            ("CCITT group 3", "group3"),
            ("CCITT group 4", "group4"),
            ("CCITT modified Huffman", "tiff_ccitt"),
        )
    ),
    Variant(
        "TIFF grey, 4 bits",
        lambda: bare_tiff(b"".join(_packed(line, 4) for line in INDICES * 5), 4),
        INDICES * np.uint8(5 * 17),
    ),
    Variant("TIFF grey, 8 bits", lambda: tiff(GREY), GREY),
    Variant("TIFF grey, white is zero", lambda: tiff(GREY, photometric="miniswhite"), 255 - GREY),
    Variant("TIFF grey, 16 bits", lambda: tiff(GREY_16), GREY_16),
    Variant("TIFF grey, 16 bits, big endian", lambda: tiff(GREY_16, byteorder=">"), GREY_16),
    Variant("BigTIFF", lambda: tiff(GREY_16, bigtiff=True), GREY_16),
    Variant(
        "TIFF grey, signed 16 bits",
        lambda: tiff(GREY_16.view(np.int16)),
        GREY_16.view(np.int16),
    ),
    Variant(
        "TIFF grey, 32-bit integers of 16-bit range",
        lambda: tiff(GREY_16.astype(np.int32) - 70_000),
        GREY_16,
    ),
    Variant(
        "TIFF grey, 32-bit integers",
        lambda: tiff(GREY_16.astype(np.uint32) * 60_000),
        None,
        ("quantised-to-16-bit",),
    ),
    Variant(
        "TIFF grey, floating point, whole numbers",
        lambda: tiff(GREY_16.astype(np.float32)),
        GREY_16,
    ),
    Variant(
        "TIFF grey, floating point",
        lambda: tiff(GREY_16.astype(np.float32) / 7 - 3),
        None,
        ("quantised-to-16-bit",),
    ),
    Variant("TIFF colour, 8 bits", lambda: tiff(COLOUR, photometric="rgb"), COLOUR),
    Variant("TIFF colour, 16 bits", lambda: tiff(COLOUR_16, photometric="rgb"), COLOUR_16),
    Variant(
        "TIFF colour by plane",
        lambda: tiff(
            np.ascontiguousarray(np.moveaxis(COLOUR, -1, 0)),
            photometric="rgb",
            planarconfig="separate",
        ),
        COLOUR,
    ),
    Variant(
        "TIFF tiled, deflated",
        lambda: tiff(COLOUR, photometric="rgb", tile=(16, 32), compression="zlib", predictor=True),
        COLOUR,
    ),
    Variant("TIFF LZW", lambda: save(COLOUR, "TIFF", compression="tiff_lzw"), COLOUR),
    Variant("TIFF PackBits", lambda: save(COLOUR, "TIFF", compression="packbits"), COLOUR),
    Variant("TIFF JPEG", lambda: save(COLOUR, "TIFF", compression="jpeg"), seen, lossy=True),
    Variant("TIFF with a colour profile", lambda: save(COLOUR, "TIFF", icc_profile=SRGB), COLOUR),
    Variant("TIFF palette", lambda: save(COLOUR, "TIFF", "P"), seen),
    Variant("TIFF CMYK", lambda: save(COLOUR, "TIFF", "CMYK"), seen, ("cmyk-converted",)),
    Variant(
        "TIFF YCbCr",
        lambda: save(COLOUR, "TIFF", "YCbCr"),
        seen,
        ("colours-converted",),
        tolerance=1,
    ),
    Variant(
        "TIFF with alpha",
        lambda: tiff(_TRANSPARENT, photometric="rgb", extrasamples=["unassalpha"]),
        over_black(COLOUR, ALPHA),
        ("alpha-flattened",),
    ),
    Variant(
        "TIFF with alpha multiplied in",
        lambda: tiff(_TRANSPARENT, photometric="rgb", extrasamples=["assocalpha"]),
        COLOUR,
        ("alpha-flattened",),
    ),
    Variant(
        "TIFF turned by its tag",
        lambda: tiff(COLOUR, photometric="rgb", extratags=[(274, 3, 1, 3, True)]),
        COLOUR[::-1, ::-1],
        ("orientation-applied",),
    ),
    Variant(
        "TIFF pages, grey, 8 bits",
        lambda: tiff(np.stack([GREY, GREY[::-1]]), photometric="minisblack"),
        np.stack([GREY, GREY[::-1]]),
    ),
    Variant(
        "TIFF pages, grey, 16 bits",
        lambda: tiff(np.stack([GREY_16, GREY_16[::-1]]), photometric="minisblack"),
        np.stack([GREY_16, GREY_16[::-1]]),
    ),
    Variant(
        "TIFF pages, colour, 8 bits",
        lambda: tiff(np.stack(MOVING), photometric="rgb"),
        np.stack(MOVING),
    ),
    Variant(
        "TIFF pages, colour, 16 bits",
        lambda: tiff(np.stack([COLOUR_16] * 2), photometric="rgb"),
        None,
        ("colour-reduced-to-8-bit",),
    ),
    Variant(
        "TIFF pages of different sizes",
        lambda: pages((GREY, {}), (GREY[:40, :50], {})),
        np.stack([GREY, np.pad(GREY[:40, :50], ((0, 20), (0, 33)))]),
        ("pages-padded",),
    ),
    Variant(
        "TIFF with a reduced copy",
        lambda: pages((GREY, {}), (GREY[::2, ::2], {"subfiletype": 1})),
        GREY,
        ("reduced-pages-dropped",),
    ),
]

_OTHERS = [
    Variant("BMP, 1 bit", lambda: save(Image.fromarray(BITS > 0), "BMP"), lambda c: seen(c, "L")),
    Variant("BMP grey", lambda: save(GREY, "BMP"), GREY),
    Variant("BMP palette", lambda: save(COLOUR, "BMP", "P"), seen),
    Variant("BMP colour", lambda: save(COLOUR, "BMP"), COLOUR),
    Variant("GIF", lambda: save(Image.fromarray(COLOUR).quantize(64), "GIF"), seen),
    Variant("GIF, a palette of greys", lambda: save(GREY, "GIF"), GREY),
    Variant(
        "GIF animated",
        lambda: moving("GIF", [100, 100, 200, 50]),
        lambda c: np.stack([_frame(c, number) for number in range(4)]),
    ),
    Variant("WebP lossless", lambda: save(COLOUR, "WEBP", lossless=True), COLOUR),
    Variant("WebP", lambda: save(COLOUR, "WEBP", quality=90), seen, lossy=True),
    Variant(
        "WebP animated",
        lambda: moving("WEBP", [80] * 4, lossless=True),
        np.stack(MOVING),
    ),
    Variant(
        "WebP with a colour profile",
        lambda: save(COLOUR, "WEBP", lossless=True, icc_profile=SRGB),
        COLOUR,
    ),
    Variant("AVIF", lambda: save(COLOUR, "AVIF", quality=90), seen, lossy=True),
    Variant("JPEG 2000 reversible", lambda: save(COLOUR, "JPEG2000"), COLOUR),
    Variant(
        "JPEG 2000 reversible, grey, 16 bits",
        lambda: imagecodecs.jpeg2k_encode(GREY_16, level=0),
        GREY_16,
    ),
    Variant(
        "JPEG 2000 codestream, reversible, colour, 16 bits",
        lambda: imagecodecs.jpeg2k_encode(COLOUR_16, level=0, codecformat="J2K"),
        COLOUR_16,
    ),
    Variant("JPEG 2000 with a colour profile", lambda: jpeg_2000(SRGB), COLOUR),
    Variant(
        "JPEG 2000 irreversible",
        lambda: save(COLOUR, "JPEG2000", irreversible=True, quality_layers=[8]),
        seen,
        lossy=True,
    ),
]


def _frame(content: bytes, number: int) -> Samples:
    image = Image.open(io.BytesIO(content))
    image.seek(number)
    return np.asarray(image.convert("RGB"))


VARIANTS = [*_JPEG, *_PNG, *_TIFF, *_OTHERS]
