"""Colour profiles: the numbers go along, nothing else of them does."""

from __future__ import annotations

import io
import struct
import subprocess
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageCms

from tests import pictures
from tests.pictures import LAB, SRGB
from tests.pipeline.deidentifying import dataset
from webapp.pipeline.convert import Converted, Limits, as_photograph, convert
from webapp.pipeline.convert.icc import rebuilt_profile
from webapp.pipeline.recognise import recognise

LIMITS = Limits(max_pixels=100_000_000)
SECRET = b"Invented^Patient"


def tags_of(profile: bytes) -> dict[bytes, tuple[int, int]]:
    count = int.from_bytes(profile[128:132], "big")
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * at) for at in range(count)]
    return {name: (offset, length) for name, offset, length in entries}


def with_tag(profile: bytes, name: bytes, data: bytes) -> bytes:
    """``profile`` with the data of one tag put behind its end."""
    at = profile.index(name, 132)
    tag = struct.pack(">4sII", name, len(profile), len(data))
    longer = profile[:at] + tag + profile[at + 12 :] + data
    return struct.pack(">I", len(longer)) + longer[4:]


def with_text(profile: bytes) -> bytes:
    """The secret in the texts, the header's names, an unknown tag and behind the end."""
    secret = b"text\0\0\0\0" + SECRET + b"\0\0\0\0"
    for name in (b"desc", b"cprt"):
        profile = with_tag(profile, name, secret)
    return profile[:48] + SECRET[:8] + profile[56:84] + SECRET + profile[100:] + SECRET


PROFILE = with_text(SRGB)
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "JPEG": lambda icc: pictures.jpeg(icc_profile=icc),
    "JPEG progressive": lambda icc: pictures.jpeg(icc_profile=icc, progressive=True),
    "PNG": lambda icc: pictures.save(pictures.COLOUR, "PNG", icc_profile=icc),
    "PNG animated": lambda icc: pictures.moving("PNG", [100] * 4, icc_profile=icc),
    "TIFF": lambda icc: pictures.save(pictures.COLOUR, "TIFF", icc_profile=icc),
    "WebP": lambda icc: pictures.save(pictures.COLOUR, "WEBP", icc_profile=icc),
    "JPEG 2000": pictures.jpeg_2000,
    "AVIF": lambda icc: pictures.save(pictures.COLOUR, "AVIF", icc_profile=icc),
}
every_encoder = pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS)


def converted(content: bytes) -> Converted:
    return convert(content, recognise(content), b"g" * 32, LIMITS)


def dataset_of(content: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(content))


def shown(profile: bytes) -> Any:
    """Colours as a program with colour management sees them, by way of the profile."""
    ramp = np.arange(0, 256, 5, dtype=np.uint8)
    samples = np.stack(np.meshgrid(ramp, ramp[::8], ramp[::4]), -1).reshape(1, -1, 3)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    made = ImageCms.profileToProfile(Image.fromarray(samples), source, target)
    assert made is not None
    return np.asarray(made).astype(int)


@every_encoder
def test_a_profile_is_carried_without_its_texts(encode: Callable[[bytes], bytes]) -> None:
    result = converted(encode(PROFILE))

    assert dataset_of(result.content).ICCProfile[:128] == rebuilt_profile(SRGB)[:128]  # type: ignore[index]
    assert result.notes == ()
    assert SECRET not in result.content


@every_encoder
def test_dciodvfy_takes_the_profile(encode: Callable[[bytes], bytes], tmp_path: Path) -> None:
    capture = tmp_path / "capture.dcm"
    capture.write_bytes(converted(encode(PROFILE)).content)
    photograph = tmp_path / "photograph.dcm"
    photograph.write_bytes(b"".join(as_photograph(capture.read_bytes())))

    for file in (capture, photograph):
        done = subprocess.run(["dciodvfy", "-new", file], capture_output=True, check=False)
        assert b"Error" not in done.stderr
        assert b"(0028,2000)" not in done.stderr


def test_a_profile_made_anew_shows_the_same_colours() -> None:
    wide = with_tag(SRGB, b"rTRC", b"curv" + struct.pack(">IIH", 0, 1, 0x01CD))

    for profile in (SRGB, wide):
        made = rebuilt_profile(profile)
        assert made is not None
        assert np.abs(shown(made) - shown(profile)).max() <= 1


def test_a_profile_made_anew_is_an_input_profile_of_its_stated_length() -> None:
    made = rebuilt_profile(PROFILE)

    assert made is not None
    assert made[12:24] == b"scnrRGB XYZ "
    assert int.from_bytes(made[:4], "big") == len(made)
    assert {offset % 4 for offset, _ in tags_of(made).values()} == {0}


def test_a_profile_made_anew_is_made_of_itself_again() -> None:
    made = rebuilt_profile(PROFILE)

    assert made is not None
    assert rebuilt_profile(made) == made


@pytest.mark.parametrize(
    "curve",
    [
        b"curv" + struct.pack(">II", 0, 8) + SECRET,
        b"curv" + struct.pack(">IIH", 0, 1, 0x4142),
        b"curv" + struct.pack(">II", 0, 0xFFFFFFFF),
        b"curv" + struct.pack(">II", 0, 100_000) + bytes(200_000),
        b"para" + struct.pack(">IHH", 0, 3, 0) + SECRET + bytes(4),
        b"para" + struct.pack(">IHH", 0, 9, 0) + bytes(60),
        b"para",
        b"",
    ],
)
def test_a_curve_that_is_none_drops_the_profile(curve: bytes) -> None:
    assert rebuilt_profile(with_tag(SRGB, b"rTRC", curve)) is None


@pytest.mark.parametrize("name", [b"rXYZ", b"chad"])
def test_a_number_beyond_its_range_drops_the_profile(name: bytes) -> None:
    kind = b"XYZ " if name == b"rXYZ" else b"sf32"

    assert rebuilt_profile(with_tag(SRGB, name, kind + bytes(4) + SECRET * 3)) is None


@pytest.mark.parametrize(
    "profile", [LAB, b"", b"x" * 500, SRGB[:200], SRGB.replace(b"RGB ", b"CMYK", 1)]
)
def test_what_is_no_profile_of_rgb_by_a_matrix_is_dropped(profile: bytes) -> None:
    assert rebuilt_profile(profile) is None


def test_a_profile_with_tables_is_dropped() -> None:
    assert rebuilt_profile(SRGB.replace(b"dmnd", b"A2B0").replace(b"chrm", b"A2B0")) is None


def test_tags_that_each_claim_the_whole_profile_take_no_memory() -> None:
    size = 8 << 20
    tags = b"".join(struct.pack(">4sII", b"t%03d" % n, 128, size - 128) for n in range(100))
    profile = struct.pack(">I", size) + SRGB[4:128] + struct.pack(">I", 100) + tags
    profile = profile.ljust(size, b"\0")
    tracemalloc.start()

    rebuilt_profile(profile)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


def test_any_damage_to_a_profile_is_survived() -> None:
    dice = np.random.default_rng(5)
    for _ in range(500):
        damaged = bytearray(SRGB)
        for at in dice.integers(0, 250, 3):
            damaged[at] = dice.integers(256)
        rebuilt_profile(bytes(damaged[: dice.integers(1, len(damaged))]))


@pytest.mark.parametrize(
    "content",
    [
        pictures.jpeg(icc_profile=LAB),
        pictures.jpeg(pictures.GREY, icc_profile=SRGB),
        pictures.jpeg(mode="CMYK", icc_profile=SRGB),
        pictures.save(pictures.COLOUR, "PNG", icc_profile=LAB),
        pictures.save(pictures.GREY, "PNG", icc_profile=SRGB),
    ],
)
def test_a_profile_that_does_not_fit_is_dropped_and_noted(content: bytes) -> None:
    result = converted(content)

    assert "icc-dropped" in result.notes
    assert "ICCProfile" not in dataset_of(result.content)


def test_a_profile_stays_through_de_identification_and_shows_the_same_colours() -> None:
    instance = dataset(converted(pictures.jpeg(icc_profile=PROFILE)).content)

    assert np.abs(shown(instance.ICCProfile) - shown(SRGB)).max() <= 1


def test_a_dropped_profile_alone_does_not_make_samples_derived() -> None:
    result = converted(pictures.save(pictures.GREY, "PNG", icc_profile=SRGB))

    assert dataset_of(result.content).ImageType == ["ORIGINAL", "SECONDARY"]


def png_with(chunk: bytes) -> bytes:
    return pictures.png(pictures.COLOUR, 8, 2, (b"iCCP", b"name\0\0" + chunk))


def test_a_profile_of_megabytes_is_no_damage() -> None:
    filling = np.random.default_rng(3).bytes(3 << 20)

    result = converted(png_with(zlib.compress(SRGB + filling)))

    assert result.notes == ()


def test_a_profile_that_cannot_be_inflated_is_dropped_and_noted() -> None:
    assert converted(png_with(b"no zlib")).notes == ("icc-dropped",)


def test_a_profile_of_16_bit_colours_is_carried() -> None:
    chunk = (b"iCCP", b"name\0\0" + zlib.compress(SRGB))

    result = converted(pictures.png(pictures.COLOUR_16, 16, 2, chunk))

    assert dataset_of(result.content).ICCProfile[:128] == rebuilt_profile(SRGB)[:128]  # type: ignore[index]


def test_pages_of_different_profiles_carry_none() -> None:
    tag = (34675, 7, len(SRGB), SRGB, True)
    content = pictures.pages(
        (pictures.COLOUR, {"extratags": [tag]}), (pictures.COLOUR, {"photometric": "rgb"})
    )

    result = converted(content)

    assert result.notes == ("icc-dropped",)
    assert "ICCProfile" not in dataset_of(result.content)
