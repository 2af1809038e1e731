"""``POST /upload`` and what can be done with the upload afterwards."""

from __future__ import annotations

import io
from urllib.parse import quote

import pydicom
import pytest
from flask import Flask
from PIL import Image

from tests.callers import Cast, assemble
from tests.samples import ct, picture

FIELDS = {"upload_id", "message", "diagnosis", "confidence", "status", "model"}


def test_a_picture_becomes_a_dicom_instance(any_database: Flask) -> None:
    alice = assemble(any_database).alice

    response = alice.upload(picture())

    answer = response.get_json()
    assert response.status_code == 201
    assert answer.keys() >= FIELDS
    assert answer["status"] == "completed"
    assert 0 <= answer["confidence"] <= 1
    assert answer["model"]["mock"] is True


def test_the_stored_instance_is_a_whole_dicom_file(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture())

    content = cast.alice.get(f"/upload/{upload_id}/preprocessed-dicom").data

    dataset = pydicom.dcmread(io.BytesIO(content))
    assert (dataset.Rows, dataset.Columns) == (32, 48)
    assert dataset.PatientIdentityRemoved == "YES"


def test_a_dicom_file_comes_back_without_its_patient(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    upload_id = alice.uploaded(ct(PatientName="Doe^Jane", PatientID="MRN-4711"), "ct.dcm")

    content = alice.get(f"/upload/{upload_id}/preprocessed-dicom").data

    assert b"Doe" not in content
    assert b"MRN-4711" not in content
    assert len(pydicom.dcmread(io.BytesIO(content)).PixelData) == 32768


def test_the_same_picture_gets_the_same_diagnosis(cast: Cast) -> None:
    first = cast.alice.upload(picture()).get_json()

    second = cast.bob.upload(picture()).get_json()

    assert second["upload_id"] != first["upload_id"]
    assert second["diagnosis"] == first["diagnosis"]
    assert second["confidence"] == first["confidence"]


def test_the_same_bytes_again_answer_the_first_upload(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    first = alice.uploaded(picture())

    response = alice.upload(picture(), "another name.jpg")

    assert response.status_code == 200
    assert response.get_json()["upload_id"] == first
    assert response.get_json()["duplicate"] is True


def test_a_deleted_upload_is_not_a_duplicate(cast: Cast) -> None:
    first = cast.alice.uploaded(picture())
    cast.alice.delete(f"/upload/{first}")

    response = cast.alice.upload(picture())

    assert response.status_code == 201


def test_without_a_file_name_the_upload_is_refused(cast: Cast) -> None:
    response = cast.alice.post("/upload", picture())

    assert response.status_code == 400
    assert response.get_json()["code"] == "file-name-missing"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty-file"),
        (b"Dear diary", 415, "unrecognised"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unrecognised"),
        (b"%PDF-1.7\n", 415, "unrecognised"),
        (picture("PNG")[:60], 422, "image-damaged"),
        (ct()[:2000], 422, "dicom-damaged"),
    ],
    ids=["empty", "text", "svg", "pdf", "torn png", "torn dicom"],
)
def test_what_cannot_be_used_is_refused_and_leaves_nothing(
    cast: Cast, content: bytes, status: int, code: str
) -> None:
    response = cast.alice.upload(content)

    problem = response.get_json()
    assert (response.status_code, problem["code"]) == (status, code)
    assert response.mimetype == "application/problem+json"
    assert cast.alice.get("/stats").get_json()["total_uploads"] == 0


def test_a_problem_has_every_member_of_the_contract(cast: Cast) -> None:
    response = cast.alice.upload(b"Dear diary")

    problem = response.get_json()
    assert problem.keys() == {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "name",
    ["Müller 頭部.jpg", '../../etc/passwd"; drop\\.jpg', "a\x00b\nc.jpg", "%ZZ.jpg", "<b>.jpg"],
)
def test_hostile_names_survive_and_nothing_is_named_after_them(cast: Cast, name: str) -> None:
    upload_id = cast.alice.uploaded(picture(), quote(name, safe=""))

    response = cast.alice.get(f"/upload/{upload_id}/preprocessed-dicom")
    shown = cast.alice.get(f"/upload/{upload_id}/details").get_json()["filename"]

    clean = name.replace("\x00", "_").replace("\n", "_")
    stem = clean.rpartition(".")[0]
    assert shown == clean
    assert response.headers["Content-Disposition"].endswith(f"UTF-8''{quote(stem, safe='')}.dcm")


def test_a_name_of_raw_bytes_is_read_as_utf_8_and_else_as_latin_1(cast: Cast) -> None:
    utf8 = cast.alice.uploaded(picture(colour=1), "é.jpg".encode().decode("latin-1"))
    latin1 = cast.alice.uploaded(picture(colour=2), "é.jpg")

    names = {cast.alice.get(f"/upload/{i}/details").get_json()["filename"] for i in (utf8, latin1)}

    assert names == {"é.jpg"}


def test_a_name_that_is_escaped_badly_stays_as_it_is(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture(), "100%.jpg")

    assert cast.alice.get(f"/upload/{upload_id}/details").get_json()["filename"] == "100%.jpg"


def test_only_its_owner_finds_an_upload(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture())
    path = f"/upload/{upload_id}/details"

    seen = {
        name: getattr(cast, name).get(path).status_code
        for name in ("alice", "bob", "lab", "other_alice", "clinic", "root")
    }

    assert seen == {
        "alice": 200, "bob": 404, "lab": 404, "other_alice": 404, "clinic": 200, "root": 200
    }  # fmt: skip


def test_a_range_of_the_file_is_given(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture())

    response = cast.alice.get(f"/upload/{upload_id}/preprocessed-dicom", Range="bytes=128-131")

    assert response.status_code == 206
    assert response.data == b"DICM"


def test_an_unchanged_file_is_not_sent_again(cast: Cast) -> None:
    path = f"/upload/{cast.alice.uploaded(picture())}/preprocessed-dicom"
    etag = cast.alice.get(path).headers["ETag"]

    response = cast.alice.get(path, If_None_Match=etag)

    assert response.status_code == 304


def test_a_thumbnail_is_a_small_picture(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture(size=(600, 300)))

    response = cast.alice.get(f"/upload/{upload_id}/thumbnail")

    image = Image.open(io.BytesIO(response.data))
    assert response.status_code == 200
    assert image.size == (256, 128)


def test_a_frame_can_be_rendered(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(ct(), "ct.dcm")

    response = cast.alice.get(f"/upload/{upload_id}/rendered.png?frame=1&window=40,400")

    assert response.mimetype == "image/png"
    assert Image.open(io.BytesIO(response.data)).size == (128, 128)


@pytest.mark.parametrize("query", ["frame=0", "frame=x", "window=1", "window=1,nan", "window=1,-5"])
def test_a_malformed_parameter_is_named(cast: Cast, query: str) -> None:
    upload_id = cast.alice.uploaded(picture())

    response = cast.alice.get(f"/upload/{upload_id}/rendered.png?{query}")

    assert response.status_code == 400
    assert query.partition("=")[0] in response.get_json()["detail"]


def test_a_deleted_upload_is_gone(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    upload_id = alice.uploaded(picture())

    response = alice.delete(f"/upload/{upload_id}")

    assert response.status_code == 204
    assert alice.get(f"/upload/{upload_id}/details").status_code == 404
    assert alice.get(f"/upload/{upload_id}/preprocessed-dicom").status_code == 404


def test_pictures_of_one_study_key_are_one_study(cast: Cast) -> None:
    first = cast.alice.upload(picture(colour=1), X_Study_Key="knee").get_json()
    second = cast.alice.upload(picture(colour=2), X_Study_Key="knee").get_json()
    alone = cast.alice.upload(picture(colour=3)).get_json()

    assert first["study_instance_uid"] == second["study_instance_uid"]
    assert alone["study_instance_uid"] != first["study_instance_uid"]


def test_a_file_over_the_limit_is_refused(cast: Cast, app: Flask) -> None:
    limit = app.config["SETTINGS"].max_upload_mb
    announced = {"CONTENT_LENGTH": str((limit + 1) << 20)}
    headers = cast.alice.headers(X_File_Name="big.dcm")

    response = cast.alice.client.post("/upload", headers=headers, environ_overrides=announced)

    assert response.status_code == 413
    assert response.get_json()["code"] == "file-too-large"


def test_a_repeated_upload_with_the_same_key_gets_the_same_answer(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    first = alice.upload(picture(), Idempotency_Key="k1")

    again = alice.upload(picture(), Idempotency_Key="k1")

    assert (again.status_code, again.get_json()) == (201, first.get_json())


def test_a_key_that_was_used_for_another_file_is_refused(cast: Cast) -> None:
    cast.alice.upload(picture(colour=1), Idempotency_Key="k1")

    response = cast.alice.upload(picture(colour=2), Idempotency_Key="k1")

    assert response.status_code == 422
    assert response.get_json()["code"] == "idempotency-key-reused"
