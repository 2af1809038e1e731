"""Lists by user, ``save-upload`` and ``/stats``: each within what the caller may see."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.callers import Cast, assemble
from tests.samples import picture


def test_a_user_lists_uploads_newest_first_a_page_at_a_time(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    sent = [alice.uploaded(picture(colour=n)) for n in range(5)]

    first = alice.get("/user/alice/uploads?limit=3").get_json()
    rest = alice.get(f"/user/alice/uploads?limit=3&cursor={first['next']}").get_json()

    listed = [entry["upload_id"] for entry in first["uploads"] + rest["uploads"]]
    assert listed == sent[::-1]
    assert (first["count"], rest["count"], rest["next"]) == (3, 2, None)
    assert "report" not in first["uploads"][0]


def test_another_users_list_is_not_found(cast: Cast) -> None:
    assert cast.bob.get("/user/alice/uploads").status_code == 404
    assert cast.bob.get("/user/alice/batches").status_code == 404


def test_a_user_never_seen_has_an_empty_list(cast: Cast) -> None:
    answer = cast.clinic.get("/user/nobody-yet/uploads")

    assert answer.status_code == 200
    assert answer.get_json() == {
        "user_id": "nobody-yet", "uploads": [], "count": 0, "next": None
    }  # fmt: skip


def test_two_frontends_alices_are_two_people(cast: Cast) -> None:
    cast.alice.uploaded(picture())

    assert cast.other_alice.get("/user/alice/uploads").get_json()["count"] == 0


@pytest.mark.parametrize("user", ["a/b", "", "ü", "x" * 129, "a b"])
def test_a_malformed_user_id_is_refused(cast: Cast, user: str) -> None:
    headers = cast.clinic.headers() | {"X-User-ID": user}

    response = cast.clinic.client.get("/stats", headers=headers)

    assert response.status_code == 400
    assert response.get_json()["code"] == "user-id-invalid"


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é"])
def test_a_made_up_cursor_is_refused(cast: Cast, cursor: str) -> None:
    response = cast.alice.get(f"/user/alice/uploads?cursor={cursor}")

    assert response.status_code == 400
    assert response.get_json()["code"] == "cursor-invalid"


def test_saving_gives_a_userless_upload_to_its_user(any_database: Flask) -> None:
    cast = assemble(any_database)
    upload_id = cast.clinic.uploaded(picture())

    response = cast.clinic.post(f"/save-upload?user_id=alice&upload_id={upload_id}")

    assert response.status_code == 200
    assert "message" in response.get_json()
    assert cast.alice.get(f"/upload/{upload_id}/details").get_json()["saved"] is True


def test_saving_twice_changes_nothing(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture())
    path = f"/save-upload?user_id=alice&upload_id={upload_id}"
    cast.alice.post(path)

    assert cast.alice.post(path).status_code == 200


def test_nobody_saves_what_is_anothers(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture())

    assert cast.clinic.post(f"/save-upload?user_id=bob&upload_id={upload_id}").status_code == 404
    assert cast.bob.post(f"/save-upload?user_id=bob&upload_id={upload_id}").status_code == 404
    assert cast.lab.post(f"/save-upload?user_id=alice&upload_id={upload_id}").status_code == 404


def test_a_user_saves_only_as_themselves(cast: Cast) -> None:
    upload_id = cast.clinic.uploaded(picture())

    assert cast.alice.post(f"/save-upload?user_id=bob&upload_id={upload_id}").status_code == 404


def test_saving_what_the_user_has_already_keeps_both(cast: Cast) -> None:
    own = cast.alice.uploaded(picture())
    loose = cast.clinic.uploaded(picture())

    response = cast.clinic.post(f"/save-upload?user_id=alice&upload_id={loose}")

    assert response.status_code == 200
    assert cast.alice.get("/user/alice/uploads").get_json()["count"] == 2
    assert cast.alice.upload(picture()).get_json()["upload_id"] == own


@pytest.mark.parametrize("query", ["", "user_id=alice", "user_id=alice&upload_id=7"])
def test_saving_names_the_parameter_that_is_missing(cast: Cast, query: str) -> None:
    response = cast.clinic.post(f"/save-upload?{query}")

    assert response.status_code == 400
    assert response.get_json()["code"] == "parameter-invalid"


def test_stats_count_what_the_caller_may_see(any_database: Flask) -> None:
    cast = assemble(any_database)
    cast.alice.uploaded(picture(colour=1))
    cast.bob.uploaded(picture(colour=2))
    cast.clinic.uploaded(picture(colour=3))
    cast.other_alice.uploaded(picture(colour=4))

    totals = {
        name: (answer["total_uploads"], answer["unique_users"])
        for name in ("alice", "clinic", "lab", "root")
        for answer in [getattr(cast, name).get("/stats").get_json()]
    }

    assert totals == {"alice": (1, 1), "clinic": (3, 2), "lab": (1, 1), "root": (4, 3)}


def test_stats_of_nothing_have_no_dates(cast: Cast) -> None:
    assert cast.alice.get("/stats").get_json() == {
        "total_uploads": 0, "unique_users": 0, "latest_upload": None, "earliest_upload": None
    }  # fmt: skip
