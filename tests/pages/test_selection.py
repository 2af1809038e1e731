"""What is done with chosen pictures, without a script: each test sends the page's own forms."""

from __future__ import annotations

import io
import zipfile
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import update

from tests.pages.visitor import Visitor, somebody
from tests.samples import ct
from webapp.pages import studies
from webapp.services import release
from webapp.services.context import context
from webapp.storage.database import writing
from webapp.storage.models import Role, Status, Upload

TILE = '<li class="tile"'


def series(visitor: Visitor, count: int, study: str = "1.2.3") -> list[str]:
    """Slices of one study, the newest last."""
    return [
        visitor.uploaded(
            ct(StudyInstanceUID=study, SOPInstanceUID=f"{study}.{n}", InstanceNumber=n),
            f"IM{n}.dcm",
        )
        for n in range(1, count + 1)
    ]


def set_status(app: Flask, upload_id: str, status: Status) -> None:
    with app.app_context(), writing(context().engine) as session:
        session.execute(update(Upload).where(Upload.id == UUID(upload_id)).values(status=status))


def test_one_is_downloaded_as_dicom_and_many_as_a_zip(app: Flask) -> None:
    anna = somebody(app)
    chosen = series(anna, 2)

    one = anna.send("/gallery/download", upload=chosen[:1])
    many = anna.send("/gallery/download", upload=chosen)

    assert one.headers["Location"] == f"/upload/{chosen[0]}/preprocessed-dicom"
    assert len(zipfile.ZipFile(io.BytesIO(many.data)).namelist()) == 3


def test_a_selection_with_something_held_says_so_and_offers_the_rest(app: Flask) -> None:
    anna = somebody(app)
    chosen = series(anna, 3)
    set_status(app, chosen[0], Status.HELD)

    answer = anna.send("/gallery/download", upload=chosen)

    page = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "1 picture has no file to download" in page
    assert "waits for a person to look at it first" in page
    assert "Download the other 2" in page
    assert [page.count(f'value="{one}"') for one in chosen] == [0, 1, 1]


@pytest.mark.parametrize("what", ["download", "save", "unsave", "delete"])
def test_nothing_chosen_is_said_and_leads_back(app: Flask, what: str) -> None:
    anna = somebody(app)

    answer = anna.send(f"/gallery/{what}", back="modality=CT")

    assert answer.headers["Location"] == "/gallery?modality=CT"
    assert "Tick at least one picture" in anna.page("/gallery?modality=CT")


@pytest.mark.parametrize("what", ["download", "save", "unsave", "delete"])
@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.ADMIN])
def test_what_is_anothers_is_not_there(app: Flask, what: str, role: Role) -> None:
    chosen = series(somebody(app), 2)
    charlie = somebody(app, "charlie@example.org", role)

    answers = [charlie.send(f"/gallery/{what}", upload=each) for each in (chosen, "x")]

    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example/", "a=b\r\nX: y"])
def test_it_never_leads_to_another_site(app: Flask, back: str) -> None:
    location = somebody(app).send("/gallery/save", back=back).headers["Location"]

    assert location.partition("?")[0] == "/gallery"
    assert "\n" not in location


def test_saved_pictures_are_a_collection_with_an_address(app: Flask) -> None:
    anna = somebody(app)
    chosen = series(anna, 3)

    empty = anna.page("/gallery?saved=yes")
    anna.send("/gallery/save", upload=chosen[:2])
    saved = anna.page("/gallery?saved=yes")
    anna.send("/gallery/unsave", upload=chosen[:1])

    assert "Nothing saved yet" in empty
    assert saved.count(TILE) == 2
    assert anna.page("/gallery?saved=yes").count(TILE) == 1
    assert anna.page("/gallery").count(TILE) == 3


def test_saving_again_changes_nothing_and_is_what_the_api_calls_saved(app: Flask) -> None:
    anna = somebody(app)
    [upload_id] = series(anna, 1)
    details = f"/upload/{upload_id}/details"

    for _ in range(2):
        anna.send("/gallery/save", upload=upload_id)

    assert anna.client.get(details).get_json()["saved"] is True


def test_the_page_of_an_instance_saves_it_and_stays(app: Flask) -> None:
    anna = somebody(app)
    path = f"/uploads/{series(anna, 1)[0]}"
    before = anna.page(path)

    answer = anna.send("/gallery/save", upload=path.rpartition("/")[2], instance="yes")

    assert answer.headers["Location"] == path
    assert ["Unsave" in page for page in (before, anna.page(path))] == [False, True]


def test_an_administrator_is_not_offered_to_save_what_is_anothers(app: Flask) -> None:
    path = f"/uploads/{series(somebody(app), 1)[0]}"
    root = somebody(app, "root@example.org", Role.ADMIN)

    assert "/gallery/save" not in root.page(path)


def deleted(visitor: Visitor, chosen: list[str]) -> str:
    """Delete after being asked; the moment that names them."""
    location = visitor.send("/gallery/delete", upload=chosen, sure="yes").headers["Location"]
    return parse_qs(urlsplit(location).query)["moment"][0]


def test_many_are_deleted_after_a_question_and_taken_back(any_database: Flask) -> None:
    anna = somebody(any_database)
    chosen = series(anna, 3)

    asked = anna.send("/gallery/delete", upload=chosen[:2]).get_data(as_text=True)
    still = anna.page("/gallery").count(TILE)
    moment = deleted(anna, chosen[:2])
    gone = anna.page("/gallery").count(TILE)
    offered = anna.page(f"/gallery/deleted?moment={moment}")
    anna.send("/gallery/undelete", moment=moment)

    assert "Delete 2 pictures?" in asked
    assert "2 pictures deleted" in offered
    assert (still, gone) == (3, 1)
    back = anna.page("/gallery")
    assert back.count(TILE) == 3
    assert "2 pictures are back." in back


def test_after_half_a_minute_nothing_comes_back(
    any_database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = somebody(any_database)
    moment = deleted(anna, series(anna, 2))
    monkeypatch.setattr(release, "UNDO", release.UNDO * 0)
    with any_database.app_context():
        release.purge_hidden()

    assert "Deleted for good" in anna.page(f"/gallery/deleted?moment={moment}")
    assert anna.send("/gallery/undelete", moment=moment).status_code == 404


def test_what_was_sent_again_meanwhile_is_not_kept_twice(any_database: Flask) -> None:
    anna = somebody(any_database)
    chosen = series(anna, 2)
    moment = deleted(anna, chosen)
    series(anna, 1)

    anna.send("/gallery/undelete", moment=moment)

    page = anna.page("/gallery")
    assert page.count(TILE) == 2
    assert "1 picture is back. The others were sent again meanwhile" in page


def test_nobody_takes_back_what_another_deleted(app: Flask) -> None:
    anna = somebody(app)
    moment = deleted(anna, series(anna, 1))
    charlie = somebody(app, "charlie@example.org", Role.ADMIN)

    assert "Deleted for good" in charlie.page(f"/gallery/deleted?moment={moment}")
    assert charlie.send("/gallery/undelete", moment=moment).status_code == 404


@pytest.mark.parametrize("moment", ["", "x", "9" * 30, "-1"])
def test_a_moment_that_never_was_deletes_and_restores_nothing(app: Flask, moment: str) -> None:
    anna = somebody(app)

    assert anna.get(f"/gallery/deleted?moment={moment}").status_code in (200, 404)
    assert anna.send("/gallery/undelete", moment=moment).status_code == 404


def test_a_study_that_spans_two_pages_is_one_sheet_continued(
    any_database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "PAGE", 3)
    anna = somebody(any_database)
    series(anna, 4)
    anna.uploaded(ct(StudyInstanceUID="1.2.4"), "other.dcm")

    first = anna.page("/gallery")
    link = first.partition('id="more"><a class="button" href="')[2].split('"')[0]
    second = anna.page(link.replace("&amp;", "&"))

    assert "1 to 2 of 4 pictures" in first
    assert "Computed tomography, continued" in second
    assert "3 to 4 of 4 pictures" in second
    assert "all of it" in second
    assert keys(first)[-1] == keys(second)[0]


def keys(page: str) -> list[str]:
    return [part.split('"')[0] for part in page.split('data-sheet="')[1:]]


def test_numbers_are_found_and_names_are_not(any_database: Flask) -> None:
    anna = somebody(any_database)
    chosen = series(anna, 2)
    anna.uploaded(ct(StudyInstanceUID="1.2.4"), "other.dcm")
    details = anna.client.get(f"/upload/{chosen[0]}/details").get_json()
    viewed = anna.get(f"/uploads/{chosen[1]}").headers["X-Request-ID"]
    found = {
        details["study_instance_uid"]: 2,
        details["series_instance_uid"]: 3,
        details["sop_instance_uid"]: 1,
        "1.2.3": 2,
        " 1.2.4 ": 1,
        chosen[0]: 1,
        details["batch_id"]: 1,
        viewed: 1,
        "IM1": 0,
        "1.2.3%": 0,
        "' OR 1=1 --": 0,
        str(uuid4()): 0,
    }

    counts = {
        text: anna.client.get("/gallery", query_string={"q": text}).text.count(TILE)
        for text in found
    }

    assert counts == found
    assert "cannot be searched" in anna.page("/gallery?q=IM1")


def test_nobody_finds_what_is_anothers_by_its_number(app: Flask) -> None:
    chosen = series(somebody(app), 1)
    charlie = somebody(app, "charlie@example.org")

    assert charlie.page(f"/gallery?q={chosen[0]}").count(TILE) == 0
    assert charlie.page("/gallery?q=1.2.3").count(TILE) == 0
