"""The gallery: what is there, what is asked for, and what is nobody else's business."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.pages.visitor import Visitor, somebody
from tests.samples import ct, picture
from webapp.pages import studies

TILE = '<li class="tile"'


def tiles(visitor: Visitor, query: str = "") -> int:
    return visitor.page(f"/gallery{query}").count(TILE)


def test_a_picture_is_a_link_to_its_instance(app: Flask) -> None:
    anna = somebody(app)
    upload_id = anna.uploaded(ct(), "a.dcm")

    page = anna.page("/gallery")

    assert f'<a href="/uploads/{upload_id}">' in page
    assert f'src="/upload/{upload_id}/thumbnail"' in page


def test_pictures_of_one_study_lie_on_one_sheet(app: Flask) -> None:
    anna = somebody(app)
    for number in "12":
        anna.uploaded(ct(SOPInstanceUID=f"1.2.3.{number}"), f"{number}.dcm")
    anna.uploaded(ct(StudyInstanceUID="1.2.3.4"), "other.dcm")

    page = anna.page("/gallery")

    assert page.count('class="film study') == 2
    assert "Computed tomography" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?modality=CT", 1),
        ("?modality=MR", 0),
        ("?status=completed", 2),
        ("?status=failed", 0),
        ("?from=2020-01-01&until=2020-12-31", 0),
        ("?from=2020-01-01", 2),
        ("?status=nonsense&from=nonsense&batch=nonsense", 2),
    ],
)
def test_the_address_holds_the_filters(app: Flask, query: str, expected: int) -> None:
    anna = somebody(app)
    anna.uploaded(ct(), "a.dcm")
    anna.uploaded(picture(), "b.jpg")

    assert tiles(anna, query) == expected


def test_the_chosen_filters_are_shown_as_chosen(app: Flask) -> None:
    page = somebody(app).page("/gallery?modality=MR&from=2026-01-02")

    assert '<option value="MR" selected>' in page
    assert 'value="2026-01-02"' in page


def test_older_pictures_come_by_a_link_that_keeps_the_filters(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "PAGE", 2)
    anna = somebody(app)
    for colour in (1, 2, 3):
        anna.uploaded(picture(colour=colour))

    first = anna.page("/gallery?status=completed")
    link = first.partition('<div class="more" id="more"><a class="button" href="')[2].split('"')[0]

    assert first.count(TILE) == 2
    assert "status=completed" in link
    assert tiles(anna, link.replace("&amp;", "&").removeprefix("/gallery")) == 1


def test_a_swap_for_what_follows_gets_the_rows_alone(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "PAGE", 1)
    anna = somebody(app)
    for colour in (1, 2):
        anna.uploaded(picture(colour=colour))
    link = anna.page("/gallery").partition('id="more"><a class="button" href="')[2].split('"')[0]

    rows = anna.get(link, HX_Request="true").get_data(as_text=True)

    assert rows.count(TILE) == 1
    assert "<form" not in rows


def test_nobody_sees_what_another_uploaded(app: Flask) -> None:
    somebody(app).uploaded(ct(), "a.dcm")

    assert tiles(somebody(app, "charlie@example.org")) == 0


def test_empty_and_nothing_found_are_two_things(app: Flask) -> None:
    anna = somebody(app)

    assert "No picture yet" in anna.page("/gallery")
    assert "No picture matches" in anna.page("/gallery?modality=CT")


def test_a_cursor_of_somebody_elses_making_is_refused(app: Flask) -> None:
    assert somebody(app).get("/gallery?cursor=nonsense").status_code == 400
