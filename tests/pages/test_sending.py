"""What the upload page sends: one file a request, or one form without a script."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

from flask import Flask

from tests.pages.visitor import Visitor, somebody
from tests.samples import ct, picture


def progress(visitor: Visitor, batch: str) -> Any:
    return visitor.script("GET", f"{batch}/progress").get_json()


def form_of(visitor: Visitor, *files: tuple[str, bytes], **fields: str) -> dict[str, Any]:
    named = [(io.BytesIO(content), name) for name, content in files]
    return {"csrf_token": visitor.token(), "files": named, **fields}


def test_a_file_is_answered_with_its_id_and_the_digest_of_what_arrived(app: Flask) -> None:
    anna = somebody(app)
    content = picture()

    answer = anna.added(anna.opened(), content, "Wunde%20%C3%A4.jpg")

    assert answer["digest"] == hashlib.sha256(content).hexdigest()
    assert not answer["duplicate"]
    assert "Wunde ä.jpg" in anna.page(f"/uploads/{answer['upload_id']}")


def test_the_same_bytes_again_are_a_duplicate_that_points_to_the_first(app: Flask) -> None:
    anna = somebody(app)
    batch = anna.opened()
    first = anna.added(batch, picture(), "a.jpg")

    again = anna.added(batch, picture(), "b.jpg")

    assert again["duplicate"]
    assert again["upload_id"] == first["upload_id"]
    assert progress(anna, batch)["total_files"] == 2


def test_a_batch_is_completed_only_when_it_is_closed(app: Flask) -> None:
    anna = somebody(app)
    batch = anna.opened()
    anna.added(batch, picture())
    before = progress(anna, batch)

    anna.script("POST", f"{batch}/close")

    assert (before["status"], before["processed_files"]) == ("processing", 1)
    assert progress(anna, batch)["status"] == "completed"


def test_a_closed_batch_takes_no_more_files(app: Flask) -> None:
    anna = somebody(app)
    batch = anna.opened()
    anna.script("POST", f"{batch}/close")

    answer = anna.script("POST", f"{batch}/files", picture(), X_File_Name="a.jpg")

    assert (answer.status_code, answer.get_json()["code"]) == (409, "batch-closed")


def test_a_page_that_is_left_closes_its_batch_by_a_beacon(app: Flask) -> None:
    anna = somebody(app)
    batch = anna.opened()
    anna.added(batch, picture())

    answer = anna.client.post(f"{batch}/close", data={"csrf_token": anna.token()})

    assert answer.status_code == 204
    assert progress(anna, batch)["status"] == "completed"


def test_somebody_elses_batch_is_not_there(app: Flask) -> None:
    batch = somebody(app).opened()
    charlie = somebody(app, "charlie@example.org")
    asked = [("POST", "/files"), ("POST", "/close"), ("GET", "/progress"), ("GET", "")]

    answers = [
        charlie.script(method, f"{batch}{rest}", picture(), X_File_Name="a.jpg")
        for method, rest in asked
    ]

    assert [answer.status_code for answer in answers] == [404] * 4


def test_pictures_of_one_examination_share_a_study(app: Flask) -> None:
    anna = somebody(app)
    batch = anna.opened()

    for colour in (1, 2):
        anna.added(batch, picture(colour=colour), X_Study_Key="0123456789abcdef")

    assert anna.page("/gallery").count('class="film study') == 1
    assert "2 pictures" in anna.page("/gallery")


def test_a_zip_is_opened_into_its_files(app: Flask) -> None:
    anna = somebody(app)
    batch = anna.opened()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a/one.dcm", ct())
        archive.writestr("a/two.jpg", picture())

    answer = anna.added(batch, content.getvalue(), "disc.zip")

    assert answer["files"] == 2
    assert progress(anna, batch)["total_files"] == 2


def test_without_a_script_the_form_sends_all_files_at_once(app: Flask) -> None:
    anna = somebody(app)
    form = form_of(anna, ("one.dcm", ct()), ("two.jpg", picture()))

    answer = anna.client.post("/uploads", data=form, headers={"Accept": "text/html"})

    page = anna.page(answer.headers["Location"])
    assert answer.status_code == 303
    assert "one.dcm" in page
    assert "two.jpg" in page


def test_a_form_without_a_file_asks_for_one(app: Flask) -> None:
    anna = somebody(app)

    answer = anna.client.post("/uploads", data=form_of(anna))

    assert answer.headers["Location"] == "/uploads/new"
    assert "Choose at least one file first." in anna.page("/uploads/new")


def test_nobody_gets_a_form_read_before_they_are_logged_in(app: Flask) -> None:
    form = {"files": [(io.BytesIO(picture()), "a.jpg")]}

    answer = app.test_client().post("/uploads", data=form, headers={"Accept": "text/html"})

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")


def test_a_session_that_stands_gives_scripts_a_fresh_token(app: Flask) -> None:
    anna = somebody(app)

    answer = anna.script("GET", "/session").get_json()

    headers = {"X-CSRFToken": answer["csrf_token"], "Accept": "application/json"}
    assert anna.client.post("/batches", headers=headers).status_code == 201
