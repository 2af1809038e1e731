"""Pictures of made images: every transformation against its formula."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.pictures import COLOUR, COLUMNS, GREY, GREY_16, INDICES, PALETTE, ROWS, Samples
from tests.pipeline.instances import instance, shown, written
from webapp.pipeline.errors import DecodeFailed, NoPicture, NoSuchFrame
from webapp.pipeline.render import RenderOptions, needs_decoding, render
from webapp.pipeline.render.colours import expand_segments
from webapp.pipeline.source import BytesSource

SIGNED = (GREY_16.astype(np.int32) - 20_000).astype(np.int16)


def windowed(x: Samples, center: float, width: float) -> Samples:
    """PS3.3 C.11.2.1.2.1, word by word."""
    y = ((x - (center - 0.5)) / (width - 1) + 0.5) * 255
    y = np.where(x <= center - 0.5 - (width - 1) / 2, 0, y)
    return np.where(x > center - 0.5 + (width - 1) / 2, 255, y)


def spread(x: Samples) -> Samples:
    return (x - x.min()) / (x.max() - x.min()) * 255


def close(picture: Samples, expected: Samples) -> bool:
    return bool(np.abs(picture.astype(float) - expected).max() <= 0.5 + 1e-6)


def test_eight_bits_with_a_full_window_are_themselves() -> None:
    assert np.array_equal(shown(instance(GREY, WindowCenter=128, WindowWidth=256)), GREY)


@pytest.mark.parametrize("samples", [GREY, GREY_16, SIGNED], ids=["8", "16", "signed"])
def test_without_a_window_the_frame_s_extremes_are_black_and_white(samples: Samples) -> None:
    assert close(shown(instance(samples)), spread(samples.astype(float)))


@pytest.mark.parametrize("samples", [GREY_16, SIGNED], ids=["16", "signed"])
def test_the_first_window_is_applied_after_the_rescale(samples: Samples) -> None:
    dataset = instance(
        samples,
        RescaleSlope="0.5",
        RescaleIntercept="-1024",
        WindowCenter=[4000, 1],
        WindowWidth=[9000, 2],
    )

    assert close(shown(dataset), windowed(samples * 0.5 - 1024, 4000, 9000))


def test_the_window_asked_for_goes_before_the_image_s_own() -> None:
    dataset = instance(GREY_16, WindowCenter=1, WindowWidth=2)

    assert close(shown(dataset, window=(30_000, 20_000)), windowed(GREY_16, 30_000, 20_000))


def test_linear_exact_and_sigmoid_windows() -> None:
    x = GREY_16.astype(float)
    common = {"WindowCenter": 30_000, "WindowWidth": 20_000}
    exact = np.clip((x - 30_000) / 20_000 + 0.5, 0, 1) * 255
    sigmoid = 255 / (1 + np.exp(-4 * (x - 30_000) / 20_000))

    assert close(shown(instance(GREY_16, VOILUTFunction="LINEAR_EXACT", **common)), exact)
    assert close(shown(instance(GREY_16, VOILUTFunction="SIGMOID", **common)), sigmoid)


def test_a_window_of_no_width_counts_as_none() -> None:
    assert close(shown(instance(GREY_16, WindowCenter=1, WindowWidth=0)), spread(GREY_16 * 1.0))


def test_monochrome1_is_inverted() -> None:
    dataset = instance(GREY, PhotometricInterpretation="MONOCHROME1")

    assert close(shown(dataset), 255 - spread(GREY.astype(float)))


def test_bits_outside_bits_stored_are_dropped() -> None:
    """Old overlays lie in the high bits."""
    twelve = GREY_16 >> 4
    dataset = instance(twelve | (INDICES.astype(np.uint16) << 12), BitsStored=12, HighBit=11)

    assert close(shown(dataset), spread(twelve.astype(float)))


def test_a_high_bit_above_bits_stored_is_respected() -> None:
    twelve = GREY_16 >> 4
    dataset = instance(twelve << 4, BitsStored=12, HighBit=15)

    assert close(shown(dataset), spread(twelve.astype(float)))


def test_signed_samples_of_fewer_bits_are_extended() -> None:
    twelve = (GREY_16 >> 4).astype(np.int16) - 2048
    dataset = instance(
        (twelve & 0x0FFF).astype(np.uint16), BitsStored=12, HighBit=11, PixelRepresentation=1
    )

    assert close(shown(dataset), spread(twelve.astype(float)))


def test_padding_does_not_count_among_the_extremes() -> None:
    padded = GREY_16 // 2 + 20_000
    padded[:10] = 0
    known = padded[10:].astype(float)
    expected = np.clip((padded - known.min()) / (known.max() - known.min()), 0, 1) * 255

    assert close(shown(instance(padded, PixelPaddingValue=0)), expected)


def table(first: int, entries: Samples, bits: int) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return Sequence([item])


def test_a_modality_lut_is_applied() -> None:
    entries = (np.arange(256) ** 2).astype(np.uint16)
    dataset = instance(GREY, ModalityLUTSequence=table(0, entries, 16))

    expected = entries[GREY].astype(float)
    assert close(shown(dataset), spread(np.where(expected > 0, expected, entries[GREY.min()])))


def test_a_voi_lut_is_applied_where_there_is_no_window() -> None:
    entries = np.linspace(4095, 0, 100).astype(np.uint16)
    dataset = instance(GREY, VOILUTSequence=table(50, entries, 12))

    expected = entries[np.clip(GREY.astype(int) - 50, 0, 99)] / 4095 * 255
    assert close(shown(dataset), expected)


def palette(dataset: Dataset, bits: int, prefix: str = "") -> Dataset:
    for index, primary in enumerate(("Red", "Green", "Blue")):
        plane = PALETTE[:, index].astype(np.uint16)
        words = (plane * 257 if bits == 16 else plane).astype("<u2").tobytes()
        if prefix:
            words = b"\0\0\4\0" + words
        keyword = f"{primary}PaletteColorLookupTable"
        dataset.add_new(f"{keyword}Descriptor", "US", [4, 0, bits])
        dataset.add_new(f"{prefix}{keyword}Data", "OW", words)
    return dataset


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("prefix", ["", "Segmented"])
def test_palette_colour(bits: int, prefix: str) -> None:
    dataset = palette(instance(INDICES, PhotometricInterpretation="PALETTE COLOR"), bits, prefix)

    assert np.array_equal(shown(dataset), PALETTE[INDICES])


def test_segments_of_all_kinds_expand() -> None:
    """PS3.3 C.7.9.2: two discrete values, four in a line, and the line once more."""
    words = [0, 2, 10, 20, 1, 4, 60, 2, 1, 4, 0]

    assert expand_segments(words, 10).tolist() == [10, 20, 30, 40, 50, 60, 60, 60, 60, 60]


def test_segments_that_refer_to_themselves_are_refused() -> None:
    with pytest.raises(DecodeFailed):
        expand_segments([0, 1, 5, 2, 1, 3, 0], 10)


def test_colour_by_plane() -> None:
    planes = np.ascontiguousarray(np.moveaxis(COLOUR, -1, 0))
    dataset = instance(COLOUR, PlanarConfiguration=1, PixelData=planes.tobytes())

    assert np.array_equal(shown(dataset), COLOUR)


def test_colour_of_16_bits_shows_its_upper_half() -> None:
    assert np.array_equal(shown(instance(COLOUR.astype(np.uint16) << 8)), COLOUR)


def test_ybr_full() -> None:
    ycbcr = np.asarray(Image.fromarray(COLOUR).convert("YCbCr"))
    dataset = instance(ycbcr, PhotometricInterpretation="YBR_FULL", PlanarConfiguration=0)

    assert np.abs(shown(dataset).astype(int) - COLOUR).max() <= 3


def test_ybr_full_422_shares_chrominance() -> None:
    ycbcr = np.asarray(Image.fromarray(COLOUR[:, :82]).convert("YCbCr")).astype(int)
    pairs = ycbcr.reshape(ROWS, 41, 2, 3)
    shared = pairs[..., 1:].mean(axis=2).astype(np.uint8)
    packed = np.concatenate([pairs[..., 0].astype(np.uint8), shared], axis=-1)
    dataset = instance(
        COLOUR[:, :82],
        PhotometricInterpretation="YBR_FULL_422",
        PixelData=packed.tobytes(),
        PlanarConfiguration=0,
    )

    assert np.abs(shown(dataset).astype(int) - COLOUR[:, :82]).mean() < 2


@pytest.mark.parametrize(
    ("keyword", "dtype"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")]
)
def test_floating_point_pixels(keyword: str, dtype: str) -> None:
    values = (GREY_16 / 7 - 3).astype(dtype)
    values[3, 3] = np.nan
    dataset = instance(values, BitsAllocated=values.itemsize * 8)
    setattr(dataset, keyword, values.tobytes())

    picture = shown(dataset)

    expected = spread(np.nan_to_num(values, nan=float(np.nanmin(values))))
    assert close(picture, expected)


def test_single_bits_of_a_frame_that_begins_within_a_byte() -> None:
    frames = np.stack([INDICES % 2, INDICES // 2])
    bits = np.packbits(frames.reshape(-1), bitorder="little").tobytes()
    dataset = instance(
        frames, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=bits + bytes(len(bits) % 2)
    )

    assert np.array_equal(shown(dataset, frame=2), frames[1] * 255)


def test_integers_of_32_bits() -> None:
    wide = GREY_16.astype(np.uint32) * 60_000

    assert close(shown(instance(wide)), spread(wide.astype(float)))


def test_a_frame_that_ends_early_shows_what_there_is() -> None:
    dataset = instance(GREY, WindowCenter=128, WindowWidth=256, PixelData=GREY[:40].tobytes())

    picture = shown(dataset)

    assert np.array_equal(picture[:40], GREY[:40])
    assert not picture[40:].any()


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ({"PixelAspectRatio": [4, 3]}, (COLUMNS, ROWS * 4 // 3)),
        ({"PixelAspectRatio": [1, 2]}, (COLUMNS * 2, ROWS)),
        ({"PixelSpacing": [2, 1]}, (COLUMNS, ROWS * 2)),
        ({"PixelSpacing": [0.5, 0.5]}, (COLUMNS, ROWS)),
        ({"PixelAspectRatio": [1, 0]}, (COLUMNS, ROWS)),
    ],
)
def test_pixels_are_shown_square(attributes: dict[str, object], size: tuple[int, int]) -> None:
    picture = shown(instance(GREY, **attributes))

    assert picture.shape == size[::-1]


def test_the_middle_frame_is_shown_unless_one_is_asked_for() -> None:
    frames = np.stack([np.full_like(GREY, 50 * number) for number in range(5)])
    dataset = instance(frames, WindowCenter=128, WindowWidth=256)

    assert shown(dataset)[0, 0] == 100
    assert [shown(dataset, frame=number)[0, 0] for number in range(1, 6)] == [0, 50, 100, 150, 200]


@pytest.mark.parametrize("number", [-1, 0, 6])
def test_a_frame_that_does_not_exist_is_refused(number: int) -> None:
    with pytest.raises(NoSuchFrame):
        shown(instance(np.stack([GREY] * 5)), frame=number)


def test_each_frame_of_an_enhanced_image_has_its_own_window() -> None:
    frames = []
    for center in (10_000, 50_000):
        voi, group = Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 10_000
        group.FrameVOILUTSequence = [voi]
        frames.append(group)
    dataset = instance(np.stack([GREY_16] * 2), PerFrameFunctionalGroupsSequence=frames)

    assert close(shown(dataset, frame=2), windowed(GREY_16, 50_000, 10_000))


def test_values_of_all_frames_are_transformed_as_the_shared_group_says() -> None:
    transformation, voi, group = Dataset(), Dataset(), Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept = 2, -5
    voi.WindowCenter, voi.WindowWidth = 60_000, 50_000
    group.PixelValueTransformationSequence = [transformation]
    group.FrameVOILUTSequence = [voi]
    dataset = instance(np.stack([GREY_16] * 2), SharedFunctionalGroupsSequence=[group])

    assert close(shown(dataset), windowed(GREY_16 * 2.0 - 5, 60_000, 50_000))


@pytest.mark.parametrize("form", ["webp", "png", "jpeg"])
def test_a_thumbnail_fits_its_size_in_every_format(form: str) -> None:
    large = np.kron(GREY, np.ones((10, 10), np.uint8))

    result = render(BytesSource(written(instance(large))), RenderOptions(max_size=256, format=form))

    image = Image.open(io.BytesIO(result.content))
    assert result.media_type == f"image/{form}"
    assert image.size == (256, 185)
    assert image.format == form.upper()


def test_a_thumbnail_is_no_larger_than_the_frame() -> None:
    assert shown(instance(GREY), max_size=256).shape == GREY.shape


def test_a_thumbnail_resembles_the_whole_picture() -> None:
    large = np.kron(GREY_16, np.ones((30, 30), np.uint16))

    small = shown(instance(large), max_size=83)

    assert np.abs(small.astype(float) - spread(GREY_16.astype(float))).mean() < 3


def test_text_and_overlays_of_the_data_set_do_not_get_into_the_file() -> None:
    dataset = instance(GREY, PatientName="Invented^Patient")

    for form in ("webp", "png", "jpeg"):
        content = render(BytesSource(written(dataset)), RenderOptions(format=form)).content
        assert b"Invented" not in content


def test_an_instance_without_pixels_has_no_picture() -> None:
    dataset = instance(GREY)
    del dataset.PixelData

    with pytest.raises(NoPicture):
        shown(dataset)


@pytest.mark.parametrize(
    "attributes",
    [
        {"Rows": 0},
        {"SamplesPerPixel": 7},
        {"BitsAllocated": 13},
        {"PixelData": b""},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"Rows": 65535, "Columns": 65535, "NumberOfFrames": 2_000_000_000},
    ],
)
def test_what_contradicts_itself_is_refused(attributes: dict[str, object]) -> None:
    with pytest.raises((DecodeFailed, NoPicture)):
        shown(instance(GREY, **attributes))


def test_native_pixels_need_no_decoder() -> None:
    assert not needs_decoding(BytesSource(written(instance(GREY))))


class Zeros:
    """A file of which only the header was ever written; keeps what was read of it."""

    def __init__(self, header: bytes, size: int) -> None:
        self.header = header
        self.size = size
        self.reads: list[int] = []

    def read(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        self.reads.append(length)
        head = self.header[offset : offset + length]
        return head + bytes(length - len(head))


def test_a_frame_of_30000_by_30000_is_read_in_bands() -> None:
    header = written(instance(GREY, Rows=30_000, Columns=30_000))[: -GREY.size - GREY.size % 2]
    header = header[:-4] + (900_000_000).to_bytes(4, "little")
    source = Zeros(header, len(header) + 900_000_000)

    picture = render(source, RenderOptions(max_size=256, format="png"))

    assert Image.open(io.BytesIO(picture.content)).size == (256, 256)
    assert max(source.reads) < 5 << 20


def test_only_the_frame_asked_for_is_read() -> None:
    content = written(instance(np.stack([GREY] * 500)))
    source = Zeros(content, len(content))

    render(source, RenderOptions(frame=400))

    assert sum(source.reads) < 150_000
