"""``GET /upload/{id}/frames/{n}``: samples and all that is needed to window them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from flask import Flask
from PIL import Image
from pydicom import DataElement
from pydicom.data import get_testdata_file
from werkzeug.test import TestResponse

from tests.callers import Actor, Cast
from tests.samples import ct, picture
from webapp.pipeline.render import raw
from webapp.services import release
from webapp.services.context import context
from webapp.storage.database import writing
from webapp.storage.models import Status, Upload

Samples = npt.NDArray[Any]
PADDED = {
    "PixelPaddingValue": DataElement("PixelPaddingValue", "SS", 128),
    "PixelPaddingRangeLimit": DataElement("PixelPaddingRangeLimit", "SS", 200),
}


@dataclass
class Frame:
    """An answer, taken apart."""

    is_: dict[str, Any]
    samples: Samples
    table: Samples


def taken_apart(answer: TestResponse) -> Frame:
    assert answer.status_code == 200, answer.get_data(as_text=True)
    is_ = json.loads(answer.headers["X-Frame-Description"])
    shape = (is_["rows"], is_["columns"], is_["samples"])
    end = len(answer.data) - is_["table_length"]
    flat = np.frombuffer(answer.data[:end], np.dtype(is_["type"]).newbyteorder("<"))
    samples = flat.reshape(shape[: 2 if shape[2] == 1 else 3])
    return Frame(is_, samples, np.frombuffer(answer.data[end:], np.uint8))


def shown(frame: Frame, window: dict[str, Any] | None = None) -> Samples:
    """By the recipe of the documentation, in as few words."""
    if window is None and frame.table.size:
        return frame.table[frame.samples.astype(np.int64) - frame.is_["least"]]
    window = window or frame.is_["window"]
    x = frame.samples.astype(np.float64) * frame.is_["slope"] + frame.is_["intercept"]
    center, width = window["center"], window["width"]
    if window["function"] == "SIGMOID":
        y = 1 / (1 + np.exp(-4 * (x - center) / width))
    elif window["function"] == "LINEAR_EXACT":
        y = (x - center) / width + 0.5
    else:
        y = (x - (center - 0.5)) / (width - 1) + 0.5
    y = np.clip(y, 0, 1)
    return np.floor((1 - y if frame.is_["inverted"] else y) * 255 + 0.5).astype(np.uint8)


def sample(name: str, **attributes: object) -> bytes:
    """One of pydicom's files, with attributes set by keyword."""
    file = get_testdata_file(name)
    if not attributes:
        return Path(str(file)).read_bytes()
    dataset = pydicom.dcmread(file)
    for keyword, value in attributes.items():
        if isinstance(value, DataElement):
            dataset.add(value)
        else:
            setattr(dataset, keyword, value)
    content = io.BytesIO()
    dataset.save_as(content)
    return content.getvalue()


def frame_of(actor: Actor, upload_id: str, number: int = 1) -> Frame:
    return taken_apart(actor.get(f"/upload/{upload_id}/frames/{number}"))


def rendered(actor: Actor, upload_id: str, query: str = "frame=1") -> Samples:
    content = actor.get(f"/upload/{upload_id}/rendered.png?{query}").data
    return np.asarray(Image.open(io.BytesIO(content)))


def test_the_samples_of_a_signed_ct_come_as_they_are_stored(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(ct(), "a.dcm")

    frame = frame_of(cast.alice, upload_id)

    assert (frame.samples == pydicom.dcmread(get_testdata_file("CT_small.dcm")).pixel_array).all()
    assert frame.is_["type"] == "int16"
    assert (frame.is_["slope"], frame.is_["intercept"]) == (1.0, -1024.0)
    assert (frame.is_["least"], frame.is_["greatest"]) == (128, 2191)
    assert frame.is_["photometric_interpretation"] == "MONOCHROME2"


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("CT_small.dcm", {}),
        ("CT_small.dcm", {"PhotometricInterpretation": "MONOCHROME1"}),
        ("CT_small.dcm", PADDED),
        ("CT_small.dcm", {"WindowCenter": 40, "WindowWidth": 400}),
        ("CT_small.dcm", {"WindowCenter": 4, "WindowWidth": 90, "VOILUTFunction": "SIGMOID"}),
        ("MR_small.dcm", {}),
        ("MR_small_RLE.dcm", {}),
        ("MR_small_bigendian.dcm", {}),
        ("693_J2KR.dcm", {}),
        ("emri_small_jpeg_ls_lossless.dcm", {}),
        ("JPGExtended.dcm", {}),
        ("JPEG-LL.dcm", {}),
        ("RG3_UNCR.dcm", {}),
        ("mlut_18.dcm", {}),
        ("vlut_04.dcm", {}),
        ("liver_1frame.dcm", {}),
        ("OT-PAL-8-face.dcm", {}),
        ("examples_palette.dcm", {}),
        ("examples_rgb_color.dcm", {}),
        ("examples_ybr_color.dcm", {}),
        ("SC_rgb_16bit.dcm", {}),
        ("SC_rgb_jpeg_dcmtk.dcm", {}),
    ],
)
def test_by_the_recipe_they_become_the_rendered_picture(
    cast: Cast, name: str, attributes: dict[str, object]
) -> None:
    upload_id = cast.alice.uploaded(sample(name, **attributes), name)

    frame = frame_of(cast.alice, upload_id)

    assert (shown(frame) == rendered(cast.alice, upload_id)).all()


def test_more_than_sixteen_bits_are_brought_to_sixteen(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(sample("rtdose_1frame.dcm"), "dose.dcm")

    frame = frame_of(cast.alice, upload_id)

    stored = pydicom.dcmread(get_testdata_file("rtdose_1frame.dcm")).pixel_array
    values = frame.samples * frame.is_["slope"] + frame.is_["intercept"]
    assert frame.is_["quantised"]
    assert frame.is_["type"] == "uint16"
    assert np.abs(values - stored).max() <= np.ptp(stored) / 65535
    difference = shown(frame).astype(int) - rendered(cast.alice, upload_id)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("name", ["CT_small.dcm", "mlut_18.dcm", "vlut_04.dcm", "RG1_UNCR.dcm"])
def test_a_window_that_is_asked_for_gives_the_same_picture(cast: Cast, name: str) -> None:
    upload_id = cast.alice.uploaded(sample(name), name)

    frame = frame_of(cast.alice, upload_id)

    window = {"center": 300.5, "width": 700.0, "function": "LINEAR"}
    expected = rendered(cast.alice, upload_id, "window=300.5,700")
    assert (shown(frame, window) == expected).all()


def test_a_window_changes_the_brightness_of_colours_too(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(sample("examples_rgb_color.dcm"), "a.dcm")

    frame = frame_of(cast.alice, upload_id)

    window = {"center": 90.0, "width": 100.0, "function": "LINEAR"}
    assert (shown(frame, window) == rendered(cast.alice, upload_id, "window=90,100")).all()


def test_each_frame_of_many_is_given_by_its_number(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(sample("emri_small.dcm"), "a.dcm")

    frames = [frame_of(cast.alice, upload_id, number) for number in (1, 7, 10)]

    stored = pydicom.dcmread(get_testdata_file("emri_small.dcm")).pixel_array
    assert all((frame.samples == stored[frame.is_["frame"] - 1]).all() for frame in frames)
    assert {frame.is_["frames"] for frame in frames} == {10}


def test_the_windows_of_the_data_set_come_with_their_names(cast: Cast) -> None:
    content = ct(
        WindowCenter=[40, -600, 1],
        WindowWidth=[400, 1500, 0],
        WindowCenterWidthExplanation=["SOFT", "<b>LUNG</b>", "NONE"],
    )

    frame = frame_of(cast.alice, cast.alice.uploaded(content, "a.dcm"))

    assert frame.is_["window"] == {"center": 40.0, "width": 400.0, "function": "LINEAR"}
    assert [(window["center"], window["width"]) for window in frame.is_["windows"]] == [
        (40.0, 400.0),
        (-600.0, 1500.0),
    ]


def test_the_description_is_short_whatever_the_data_set_says(cast: Cast) -> None:
    content = ct(
        WindowCenter=list(range(300)),
        WindowWidth=[1] * 300,
        WindowCenterWidthExplanation=["ä" * 64] * 300,
        SpecificCharacterSet="ISO_IR 192",
    )
    upload_id = cast.alice.uploaded(content, "a.dcm")

    header = cast.alice.get(f"/upload/{upload_id}/frames/1").headers["X-Frame-Description"]

    assert header.isascii()
    assert len(header) < 3000


def test_how_fast_and_in_what_shape_is_said(cast: Cast) -> None:
    content = sample("emri_small.dcm", FrameTime=40, PixelAspectRatio=[3, 2])

    frame = frame_of(cast.alice, cast.alice.uploaded(content, "a.dcm"))

    assert frame.is_["frames_per_second"] == 25
    assert frame.is_["pixel_aspect"] == 1.5


def test_a_compressed_frame_is_decoded_in_a_helper(cast: Cast, app: Flask) -> None:
    upload_id = cast.alice.uploaded(sample("MR_small_jp2klossless.dcm"), "a.dcm")
    with app.app_context():
        decoded: list[int] = []
        sandbox = context().sandbox
        ask = sandbox._run
        sandbox._run = lambda *job: decoded.append(1) or ask(*job)  # type: ignore[method-assign]

    frame_of(cast.alice, upload_id)

    assert decoded == [1]


def test_what_the_caller_has_already_is_not_decoded_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/upload/{cast.alice.uploaded(ct(), 'a.dcm')}/frames/1"
    tag = cast.alice.get(path).headers["ETag"]
    monkeypatch.setattr(raw, "read_header", None)

    answers = [cast.alice.get(path, If_None_Match=each) for each in (tag, f"W/{tag}")]

    assert [(answer.status_code, answer.data) for answer in answers] == [(304, b"")] * 2
    assert {answer.headers["ETag"] for answer in answers} == {tag}


def test_frames_and_instances_have_tags_of_their_own(cast: Cast) -> None:
    many, other = (
        cast.alice.uploaded(content, "a.dcm")
        for content in (sample("emri_small.dcm"), sample("emri_small_RLE.dcm"))
    )
    paths = (f"{many}/frames/1", f"{many}/frames/2", f"{other}/frames/1")

    tags = {cast.alice.get(f"/upload/{path}").headers["ETag"] for path in paths}

    assert len(tags) == 3


def test_a_frame_too_large_is_left_to_the_renderer(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = cast.alice.uploaded(ct(), "a.dcm")
    monkeypatch.setattr(raw, "MOST_BYTES", 1000)

    answer = cast.alice.get(f"/upload/{upload_id}/frames/1")

    assert (answer.status_code, answer.get_json()["code"]) == (422, "frame-too-large")


def test_a_rendered_picture_can_be_asked_for_smaller(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(ct(), "a.dcm")

    sizes = [rendered(cast.alice, upload_id, f"size={size}").shape for size in (64, 4000)]

    assert sizes == [(64, 64), (128, 128)]


@pytest.mark.parametrize("number", ["0", "2", "999999999999999999999999"])
def test_there_is_no_frame_beyond_the_last(cast: Cast, number: str) -> None:
    upload_id = cast.alice.uploaded(ct(), "a.dcm")

    answer = cast.alice.get(f"/upload/{upload_id}/frames/{number}")

    assert (answer.status_code, answer.get_json()["code"]) == (404, "no-such-frame")


@pytest.mark.parametrize("number", ["-1", "x", "1.5", ""])
def test_what_is_no_number_is_not_there(cast: Cast, number: str) -> None:
    upload_id = cast.alice.uploaded(picture())

    assert cast.alice.get(f"/upload/{upload_id}/frames/{number}").status_code == 404


def test_nobody_elses_frames_can_be_had(cast: Cast) -> None:
    path = f"/upload/{cast.alice.uploaded(ct(), 'a.dcm')}/frames/1"

    answers = [actor.get(path).status_code for actor in (cast.bob, cast.other_alice, cast.lab)]

    assert answers == [404] * 3
    assert cast.alice.client.get(path).status_code == 401
    assert [actor.get(path).status_code for actor in (cast.clinic, cast.root)] == [200] * 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.HELD, "held"),
        (Status.FAILED, "failed"),
        (Status.QUEUED, "not-ready"),
        (Status.PROCESSING, "not-ready"),
    ],
)
def test_frames_are_given_when_the_file_is(
    cast: Cast, app: Flask, status: Status, code: str
) -> None:
    upload_id = cast.alice.uploaded(ct(), "a.dcm")
    path = f"/upload/{upload_id}/frames/1"
    tag = cast.alice.get(path).headers["ETag"]
    with app.app_context(), writing(context().engine) as session:
        session.get_one(Upload, UUID(upload_id)).status = status

    answer = cast.alice.get(path, If_None_Match=tag)

    assert (answer.status_code, answer.get_json()["code"]) == (409, code)
    assert ("Retry-After" in answer.headers) == (code == "not-ready")
    assert (cast.root.get(path).status_code == 200) == (status == Status.HELD)


def test_an_instance_without_pixels_has_no_frames(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(sample("rtplan.dcm"), "plan.dcm")

    answer = cast.alice.get(f"/upload/{upload_id}/frames/1")

    assert (answer.status_code, answer.get_json()["code"]) == (422, "no-picture")


def test_who_looked_at_a_frame_is_recorded(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/upload/{cast.alice.uploaded(ct(), 'a.dcm')}/frames/1"
    noted: list[object] = []
    monkeypatch.setattr(release.audit, "note", lambda who, action, about: noted.append(action))

    cast.alice.get(path)

    assert noted == [release.Action.UPLOAD_PICTURE]
