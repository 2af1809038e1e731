"""``POST /upload/batch`` in every form, and how a batch is watched."""

from __future__ import annotations

import io
import json
import zipfile
from base64 import b64encode
from typing import Any

import pytest
from flask import Flask

from tests.callers import Actor, Cast, assemble
from tests.samples import batch_json, ct, picture

STATUS_FIELDS = {
    "batch_id",
    "status",
    "total_files",
    "processed_files",
    "failed_files",
    "held_files",
    "progress_percentage",
}


def send(actor: Actor, body: bytes, **headers: str) -> Any:
    """Send a JSON batch; the answer."""
    return actor.post("/upload/batch", body, Content_Type="application/json", **headers)


def files_of(actor: Actor, batch_id: str) -> list[dict[str, Any]]:
    """The entries of a batch."""
    return list(actor.get(f"/upload/batch/{batch_id}/files").get_json()["files"])


def zipped(*files: tuple[str, bytes]) -> bytes:
    """A ZIP of these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return content.getvalue()


def test_a_json_batch_is_accepted_and_completes(any_database: Flask) -> None:
    alice = assemble(any_database).alice

    response = send(alice, batch_json(("a.jpg", picture(colour=1)), ("b.dcm", ct())))

    answer = response.get_json()
    status = alice.get(f"/upload/batch/{answer['batch_id']}/status").get_json()
    assert response.status_code == 202
    assert (answer["total_files"], answer["status"]) == (2, "queued")
    assert response.headers["Location"].endswith(f"/upload/batch/{answer['batch_id']}/status")
    assert status.keys() == STATUS_FIELDS
    assert (status["status"], status["progress_percentage"]) == ("completed", 100.0)


def test_one_bad_file_never_spoils_the_rest(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    files = [
        {"filename": "good.jpg", "content": b64encode(picture()).decode()},
        {"filename": "broken.jpg", "content": "!!!"},
        {"filename": "diary.txt", "content": b64encode(b"Dear diary").decode()},
        {"content": b64encode(picture()).decode()},
    ]

    batch_id = send(alice, json.dumps({"files": files}).encode()).get_json()["batch_id"]

    listed = files_of(alice, batch_id)
    status = alice.get(f"/upload/batch/{batch_id}/status").get_json()
    assert [(entry["error"] or {}).get("code") for entry in listed] == [
        None, "base64-invalid", "unrecognised", "filename-missing"
    ]  # fmt: skip
    assert (status["failed_files"], status["processed_files"]) == (3, 4)
    assert status["status"] == "completed"


def test_a_batch_of_nothing_but_failures_failed(cast: Cast) -> None:
    batch_id = send(cast.alice, batch_json(("a.txt", b"diary"))).get_json()["batch_id"]

    status = cast.alice.get(f"/upload/batch/{batch_id}/status").get_json()

    assert status["status"] == "failed"


def test_the_content_may_come_first_as_a_data_url_with_escapes(cast: Cast) -> None:
    content = b64encode(picture()).decode().replace("/", "\\/")
    body = f'{{"files":[{{"content":"data:image\\/jpeg;base64,{content}","filename":"a.jpg"}}]}}'

    batch_id = send(cast.alice, body.encode()).get_json()["batch_id"]

    assert files_of(cast.alice, batch_id)[0]["status"] == "completed"


def test_a_form_of_many_files_is_a_batch(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    parts = [(io.BytesIO(picture(colour=n)), f"{n}.jpg") for n in range(3)]

    response = alice.post("/upload/batch", {"files": parts})

    listed = files_of(alice, response.get_json()["batch_id"])
    assert response.status_code == 202
    assert [entry["filename"] for entry in listed] == ["0.jpg", "1.jpg", "2.jpg"]
    assert {entry["status"] for entry in listed} == {"completed"}


@pytest.mark.parametrize("form", ["json", "multipart"])
def test_a_zip_is_opened_into_its_files(cast: Cast, form: str) -> None:
    archive = zipped(
        ("study/1/a.jpg", picture(colour=1)),
        ("study/b.dcm", ct()),
        ("__MACOSX/._a.jpg", b"junk"),
        ("study/.DS_Store", b"junk"),
    )
    if form == "json":
        response = send(cast.alice, batch_json(("study.zip", archive)))
    else:
        response = cast.alice.post("/upload/batch", {"files": (io.BytesIO(archive), "study.zip")})

    listed = files_of(cast.alice, response.get_json()["batch_id"])
    assert response.get_json()["total_files"] == 2
    assert {entry["status"] for entry in listed} == {"completed"}


def test_the_same_bytes_twice_are_one_upload_and_two_entries(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    batch_id = send(alice, batch_json(("a.jpg", picture()), ("b.jpg", picture()))).get_json()[
        "batch_id"
    ]

    listed = files_of(alice, batch_id)

    assert [entry["duplicate"] for entry in listed] == [False, True]
    assert listed[0]["upload_id"] == listed[1]["upload_id"]
    assert alice.get("/stats").get_json()["total_uploads"] == 1


def test_bytes_that_were_sent_before_point_to_the_first_upload(cast: Cast) -> None:
    first = cast.alice.uploaded(picture())

    batch_id = send(cast.alice, batch_json(("again.jpg", picture()))).get_json()["batch_id"]

    entry = files_of(cast.alice, batch_id)[0]
    assert (entry["upload_id"], entry["duplicate"]) == (first, True)


def test_an_entry_outlives_its_deleted_upload(cast: Cast) -> None:
    batch_id = send(cast.alice, batch_json(("a.jpg", picture()))).get_json()["batch_id"]
    cast.alice.delete(f"/upload/{files_of(cast.alice, batch_id)[0]['upload_id']}")

    entry = files_of(cast.alice, batch_id)[0]

    assert (entry["status"], entry["filename"], entry["upload_id"]) == ("deleted", "a.jpg", None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "batch-malformed"),
        (b"[]", "batch-malformed"),
        (b'{"files": [', "batch-malformed"),
        (b'{"files": []}', "batch-empty"),
        (b"{}", "batch-empty"),
        (b'{"a":' * 2000, "batch-too-deep"),
    ],
    ids=["nothing", "list", "torn", "empty", "no files", "deep"],
)
def test_a_malformed_body_is_refused_and_leaves_nothing(cast: Cast, body: bytes, code: str) -> None:
    response = send(cast.alice, body)

    assert response.status_code == 400
    assert response.get_json()["code"] == code
    assert cast.alice.get("/user/alice/batches").get_json()["count"] == 0


def test_the_entries_of_a_batch_come_a_page_at_a_time(cast: Cast) -> None:
    body = batch_json(*((f"{n}.jpg", picture(colour=n)) for n in range(5)))
    path = f"/upload/batch/{send(cast.alice, body).get_json()['batch_id']}/files"

    first = cast.alice.get(f"{path}?limit=3").get_json()
    rest = cast.alice.get(f"{path}?limit=3&cursor={first['next']}").get_json()

    names = [entry["filename"] for entry in first["files"] + rest["files"]]
    assert names == [f"{n}.jpg" for n in range(5)]
    assert (first["count"], rest["count"], rest["next"]) == (3, 2, None)


def test_a_status_that_has_not_changed_is_not_sent_again(cast: Cast) -> None:
    batch_id = send(cast.alice, batch_json(("a.jpg", picture()))).get_json()["batch_id"]
    path = f"/upload/batch/{batch_id}/status"
    etag = cast.alice.get(path).headers["ETag"]

    assert cast.alice.get(path, If_None_Match=etag).status_code == 304


def test_only_its_owner_finds_a_batch(cast: Cast) -> None:
    batch_id = send(cast.alice, batch_json(("a.jpg", picture()))).get_json()["batch_id"]

    for stranger in (cast.bob, cast.lab, cast.other_alice):
        assert stranger.get(f"/upload/batch/{batch_id}/status").status_code == 404
        assert stranger.get(f"/upload/batch/{batch_id}/files").status_code == 404
    assert cast.clinic.get(f"/upload/batch/{batch_id}/status").status_code == 200


def test_a_user_lists_batches(cast: Cast) -> None:
    sent = [
        send(cast.alice, batch_json(("a.jpg", picture(colour=n)))).get_json()["batch_id"]
        for n in range(2)
    ]

    answer = cast.alice.get("/user/alice/batches").get_json()

    assert [batch["batch_id"] for batch in answer["batches"]] == sent[::-1]
    assert answer["count"] == 2


def test_nothing_is_retried_where_nothing_can_be(cast: Cast) -> None:
    batch_id = send(cast.alice, batch_json(("a.jpg", picture()))).get_json()["batch_id"]

    response = cast.alice.post(f"/upload/batch/{batch_id}/retry")

    assert response.status_code == 409


def test_a_study_key_groups_the_pictures_of_a_batch(cast: Cast) -> None:
    files = [
        {"filename": f"{n}.jpg", "content": b64encode(picture(colour=n)).decode(), "study_key": "k"}
        for n in range(2)
    ]
    batch_id = send(cast.alice, json.dumps({"files": files}).encode()).get_json()["batch_id"]

    studies = {
        cast.alice.get(f"/upload/{entry['upload_id']}/details").get_json()["study_instance_uid"]
        for entry in files_of(cast.alice, batch_id)
    }

    assert len(studies) == 1


def test_a_repeated_batch_with_the_same_key_gets_the_same_answer(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    body = batch_json(("a.jpg", picture()))
    first = send(alice, body, Idempotency_Key="k1").get_json()

    again = send(alice, body, Idempotency_Key="k1")

    assert (again.status_code, again.get_json()) == (202, first)
    assert alice.get("/user/alice/batches").get_json()["count"] == 1


def test_a_key_that_was_used_for_another_batch_is_refused(cast: Cast) -> None:
    send(cast.alice, batch_json(("a.jpg", picture())), Idempotency_Key="k1")

    response = send(cast.alice, batch_json(("b.jpg", picture())), Idempotency_Key="k1")

    assert response.status_code == 422
    assert response.get_json()["code"] == "idempotency-key-reused"


def test_a_key_belongs_to_its_user(cast: Cast) -> None:
    first = send(cast.alice, batch_json(("a.jpg", picture())), Idempotency_Key="k1").get_json()

    other = send(cast.bob, batch_json(("a.jpg", picture())), Idempotency_Key="k1").get_json()

    assert other["batch_id"] != first["batch_id"]
