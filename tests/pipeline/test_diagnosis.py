"""The model interface and the mock behind it."""

from __future__ import annotations

import pytest

from webapp.pipeline.diagnosis import MockModel, Picture, load_model


def picture(pixels: bytes, modality: str = "CT") -> Picture:
    return Picture(
        pixels=pixels,
        rows=1,
        columns=len(pixels),
        photometric_interpretation="MONOCHROME2",
        bits_stored=8,
        modality=modality,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )


def test_the_same_pixels_get_the_same_answer() -> None:
    model = MockModel()

    assert model.diagnose(picture(b"abc")) == model.diagnose(picture(b"abc", modality="MR"))


def test_the_mock_says_that_it_is_one() -> None:
    answers = {MockModel().diagnose(picture(bytes([value]))) for value in range(64)}

    assert MockModel.mock is True
    assert all(answer.label.endswith("(mock)") for answer in answers)
    assert len({answer.label for answer in answers}) == len(MockModel.LABELS)
    assert all(0 <= answer.confidence <= 1 for answer in answers)


def test_a_model_is_loaded_by_its_name() -> None:
    model = load_model("webapp.pipeline.diagnosis:MockModel")

    assert (model.name, model.version, model.mock) == ("mock", "1.0", True)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "webapp.pipeline.diagnosis",
        "webapp.pipeline.diagnosis:",
        ":MockModel",
        "no.such.module:Model",
        "webapp.pipeline.diagnosis:NoSuchModel",
        "webapp.pipeline.diagnosis:MockModel.x",
        "collections:OrderedDict",
    ],
)
def test_what_names_no_model_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="model"):
        load_model(path)
