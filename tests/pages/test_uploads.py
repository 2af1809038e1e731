"""The instance page: the picture, what is known of it, and its end."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask

from tests.pages.visitor import somebody
from tests.samples import ct, picture
from webapp.services.context import context
from webapp.storage.database import writing
from webapp.storage.models import Role, Status, Upload


def test_the_page_shows_and_says_what_it_must(app: Flask) -> None:
    anna = somebody(app)
    path = f"/uploads/{anna.uploaded(ct(), 'a.dcm')}"

    page = anna.page(path)

    assert "Download DICOM" in page
    assert "not for diagnostic use" in page
    assert '<span class="tag">mock</span>' in page
    assert "Text in the picture: not examined." in page


def test_what_de_identification_did_is_counted_by_attribute(app: Flask) -> None:
    anna = somebody(app)

    page = anna.page(f"/uploads/{anna.uploaded(ct(), 'a.dcm')}")

    assert "PatientName" in page
    assert "UID replaced" in page
    assert "CompressedSamples" not in page


def test_the_attributes_of_the_stored_instance_can_be_read(app: Flask) -> None:
    anna = somebody(app)

    page = anna.page(f"/uploads/{anna.uploaded(ct(), 'a.dcm')}/attributes")

    assert "DeidentificationMethod" in page
    assert "(0008,0060) CS" in page
    assert "ORIGINAL\\PRIMARY\\AXIAL" in page


def test_an_attribute_that_is_markup_stays_text(app: Flask) -> None:
    anna = somebody(app)
    upload_id = anna.uploaded(ct(ImageType="<script>alert(1)</script>"), "a.dcm")

    page = anna.page(f"/uploads/{upload_id}/attributes")

    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("query", "picture_path"),
    [
        ("", "/preview"),
        ("?center=40&amp;width=400", "/rendered.png?window=40%2C400&amp;size=1280"),
        ("?center=40&width=0", "/preview"),
        ("?center=1e9&width=x", "/preview"),
        ("?frame=99", "/preview"),
    ],
)
def test_the_address_says_what_of_the_picture_is_shown(
    app: Flask, query: str, picture_path: str
) -> None:
    anna = somebody(app)
    upload_id = anna.uploaded(ct(), "a.dcm")

    page = anna.page(f"/uploads/{upload_id}{query.replace('&amp;', '&')}")

    assert f'src="/upload/{upload_id}{picture_path}"' in page


def test_the_picture_and_the_file_come_with_the_session(app: Flask) -> None:
    anna = somebody(app)
    upload_id = anna.uploaded(ct(), "a.dcm")

    answers = [
        anna.get(f"/upload/{upload_id}/{what}")
        for what in ("preview", "thumbnail", "rendered.png?window=40,400", "preprocessed-dicom")
    ]

    assert [answer.status_code for answer in answers] == [200] * 4


def test_a_deleted_picture_can_be_taken_back(app: Flask) -> None:
    anna = somebody(app)
    path = f"/uploads/{anna.uploaded(picture())}"

    deleted = anna.send(f"{path}/delete")
    gone = anna.get(path).status_code
    anna.send(f"{path}/undelete")

    assert deleted.headers["Location"] == f"{path}/deleted"
    assert (gone, anna.get(path).status_code) == (404, 200)


@pytest.mark.parametrize("rest", ["", "/attributes", "/delete"])
def test_somebody_elses_picture_is_not_there(app: Flask, rest: str) -> None:
    upload_id = somebody(app).uploaded(ct(), "a.dcm")
    charlie = somebody(app, "charlie@example.org")

    assert charlie.get(f"/uploads/{upload_id}{rest}").status_code == 404


def test_a_failed_file_has_a_page_without_a_download(app: Flask) -> None:
    anna = somebody(app)

    page = anna.page(f"/uploads/{anna.uploaded(b'no picture', 'a.txt')}")

    assert "Send the picture itself" in page
    assert "Download DICOM" not in page


def test_only_a_reviewer_sees_the_picture_of_a_held_file(app: Flask) -> None:
    root = somebody(app, "root@example.org", Role.ADMIN)
    anna = somebody(app)
    upload_id = anna.uploaded(ct(), "a.dcm")
    with app.app_context(), writing(context().engine) as session:
        session.get_one(Upload, UUID(upload_id)).status = Status.HELD

    pages = [visitor.page(f"/uploads/{upload_id}") for visitor in (anna, root)]

    assert ["<img" in page for page in pages] == [False, True]
    assert "a.dcm" in root.page("/review")
