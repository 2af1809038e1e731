"""Callers who reach for what is not theirs, on every route that there is."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import IO
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from tests.callers import Actor, Cast, assemble
from tests.hostile.addresses import Address, addresses
from tests.pages.visitor import Visitor, newcomer, somebody
from tests.samples import batch_json, ct, picture
from webapp.security import HEADERS
from webapp.services.context import context
from webapp.storage.database import reading, writing
from webapp.storage.models import ApiKey, Batch, Person, Role, Upload, now

PUBLIC = {
    "api.healthz", "api.readyz", "api.welcome", "pages_auth.login", "pages_auth.log_in",
    "pages_auth.logout", "pages_kinds.index", "pages_kinds.show", "pages_profile.show",
    "static",
}  # fmt: skip


def own_of(actor: Actor) -> dict[str, str]:
    """An upload and a batch of this caller's."""
    upload_id = actor.uploaded(picture())
    batch = actor.post("/upload/batch", batch_json(("a.jpg", picture(colour=3))))
    return {"upload_id": upload_id, "batch_id": str(batch.get_json()["batch_id"])}


def with_ids(app: Flask) -> list[Address]:
    """The routes of the API that name a resource."""
    return [
        address
        for address in addresses(app)
        if address.arguments & {"upload_id", "batch_id"}
        and address.guard in ("read", "write")
        and address.endpoint != "pages_sending.add_file"
    ]


def test_every_route_is_closed_to_strangers_but_the_few_that_are_for_all(app: Flask) -> None:
    client = app.test_client()
    answered = {
        address.endpoint: client.open(address.path(), method=address.method).status_code
        for address in addresses(app)
        if address.endpoint not in PUBLIC
    }

    # Forms are asked for their token before anybody is asked who they are; without a
    # METRICS_TOKEN nothing is at /metrics.
    assert answered.pop("api.read") == 404
    assert set(answered.values()) <= {401, 400}, answered
    assert len(answered) > 40


def test_a_guessed_id_and_somebody_elses_look_alike(cast: Cast, app: Flask) -> None:
    hers, asked = own_of(cast.alice), with_ids(app)

    for address in asked:
        for stranger in (cast.bob, cast.lab, cast.other_alice):
            real = ask(stranger, address, hers)
            guessed = ask(stranger, address, {name: str(uuid4()) for name in hers})
            assert real == guessed == (404, "not-found"), address

    assert len(asked) >= 11
    assert cast.alice.get(f"/upload/{hers['upload_id']}/details").status_code == 200


def ask(actor: Actor, address: Address, ids: dict[str, str]) -> tuple[int, str]:
    headers = actor.headers(X_File_Name="a.jpg")
    answer = actor.client.open(address.path(**ids), method=address.method, headers=headers)
    return answer.status_code, answer.get_json()["code"]


def test_pages_of_somebody_elses_files_are_not_there(app: Flask) -> None:
    anna, eve = somebody(app), somebody(app, "eve@example.org")
    batch = anna.opened()
    added = anna.added(batch, picture())
    ids = {"upload_id": added["upload_id"], "batch_id": batch.rpartition("/")[2]}
    asked = [
        address
        for address in addresses(app)
        if address.guard == "person"
        and address.arguments
        and address.rule != "/problems/<code>"
        # Shows nothing of the upload, whose deletion it offers to undo.
        and address.endpoint != "pages_uploads.deleted"
    ]

    answers = {
        f"{address.method} {address.rule}": _as(eve, address, ids).status_code for address in asked
    }

    assert set(answers.values()) == {404}, answers
    assert len(answers) >= 8


def _as(visitor: Visitor, address: Address, ids: dict[str, str]) -> object:
    if address.changes:
        return visitor.send(address.path(**ids))
    return visitor.get(address.path(**ids))


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.REVIEWER])
def test_no_page_of_administration_opens_for_anybody_else(app: Flask, role: Role) -> None:
    visitor = somebody(app, role=role)
    asked = [address for address in addresses(app) if address.guard == "admin"]

    answers = {address.rule: _as(visitor, address, {}).status_code for address in asked}

    assert set(answers.values()) == {403}, answers
    assert len(asked) >= 15


def test_no_key_opens_pages(cast: Cast, app: Flask) -> None:
    """Not even one with the admin scope: what people do is noted under their own names."""
    asked = [a for a in addresses(app) if a.guard in ("admin", "person", "reviewer")]

    for address in asked:
        headers = cast.root.headers(Accept="text/html")
        answer = cast.root.client.open(address.path(), method=address.method, headers=headers)
        assert answer.status_code in (303, 400, 401), address


def test_no_session_changes_anything_without_its_token(app: Flask) -> None:
    """What another site can make a browser send: cookies, and any form."""
    anna = somebody(app, role=Role.ADMIN)
    batch_id = anna.opened().rpartition("/")[2]
    asked = [a for a in addresses(app) if a.changes]
    before = everything(app)

    for address in asked:
        path = address.path(batch_id=batch_id)
        for content_type in ("text/plain", "multipart/form-data; boundary=x", FORM):
            answer = anna.client.open(
                path,
                method=address.method,
                data=b"x=y",
                headers={"Content-Type": content_type, "X-File-Name": "a", "Origin": "https://e"},
            )
            assert answer.status_code == 400, address
            assert answer.get_json()["code"] in ("csrf", "form-malformed"), address

    assert len(asked) >= 25
    assert everything(app) == before


FORM = "application/x-www-form-urlencoded"


def everything(app: Flask) -> list[int]:
    """How many rows there are that a caller can make."""
    with app.app_context(), reading(context().engine) as session:
        tables = (Upload, Batch, Person, ApiKey)
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def test_the_token_of_one_session_is_worth_nothing_in_another(app: Flask) -> None:
    anna, eve = somebody(app), somebody(app, "eve@example.org")

    answer = anna.client.post("/batches", headers={"X-CSRFToken": eve.token()})

    assert answer.get_json()["code"] == "csrf"


def test_a_key_given_in_a_cookie_or_in_the_address_counts_for_nothing(cast: Cast) -> None:
    client, key = cast.alice.client, cast.alice.key

    answers = [
        client.get(f"/stats?api_key={key}&access_token={key}"),
        client.get("/stats", headers={"Cookie": f"Authorization=Bearer {key}; session={key}"}),
        client.get("/stats", headers={"X-API-Key": key}),
    ]

    assert [answer.status_code for answer in answers] == [401] * 3


def test_an_upload_key_may_be_revoked_while_its_body_is_under_way(any_database: Flask) -> None:
    alice = assemble(any_database).alice

    answer = during(any_database, alice, "/upload", picture(), revoke)

    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
    assert everything(any_database)[:2] == [0, 0]


def test_a_batch_key_may_expire_while_its_body_is_under_way(any_database: Flask) -> None:
    alice = assemble(any_database).alice

    answer = during(any_database, alice, "/upload/batch", batch_json(("a", picture())), expire)

    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
    assert everything(any_database)[:2] == [0, 0]


def test_a_person_may_be_shut_out_while_their_file_is_under_way(app: Flask) -> None:
    anna = somebody(app)
    batch, token = anna.opened(), anna.token()
    headers = {"X-CSRFToken": token, "X-File-Name": "a.jpg", "Accept": "application/json"}
    body = Slow(picture(), lambda: change(app, update(Person).values(active=False)))

    answer = anna.client.post(f"{batch}/files", input_stream=body, headers=headers | length(body))

    assert answer.status_code == 401
    assert everything(app)[0] == 0


class Slow(io.BytesIO):
    """A body, at the first byte of which something happens."""

    def __init__(self, content: bytes, happen: Callable[[], object]) -> None:
        super().__init__(content)
        self._happen: Callable[[], object] | None = happen

    def read(self, size: int | None = -1, /) -> bytes:
        if self._happen:
            self._happen()
            self._happen = None
        return super().read(size)


def during(
    app: Flask, actor: Actor, path: str, content: bytes, happen: Callable[[Flask], object]
) -> object:
    body = Slow(content, lambda: happen(app))
    headers = actor.headers(X_File_Name="a.jpg") | length(body)
    return actor.client.post(path, input_stream=body, headers=headers)


def length(body: IO[bytes]) -> dict[str, str]:
    return {"Content-Length": str(len(body.getvalue()))}  # type: ignore[attr-defined]


def revoke(app: Flask) -> None:
    change(app, update(ApiKey).values(revoked_at=now()))


def expire(app: Flask) -> None:
    change(app, update(ApiKey).values(expires_at=now() - timedelta(seconds=1)))


def change(app: Flask, statement: object) -> None:
    with app.app_context(), writing(context().engine) as session:
        session.execute(statement)  # type: ignore[call-overload]


def test_every_answer_tells_the_browser_what_not_to_do(app: Flask) -> None:
    client = app.test_client()
    answers = [
        client.open(address.path(filename="x"), method=address.method, headers=accept)
        for address in addresses(app)
        for accept in ({"Accept": "text/html"}, {"Accept": "application/json"})
    ]
    answers += strange(client)

    for answer in answers:
        assert HEADERS.items() <= dict(answer.headers).items(), answer.request.path
        assert answer.headers["X-Request-ID"]


def strange(client: FlaskClient) -> list[object]:
    """Answers that no view gives."""
    return [
        client.get("/nowhere"),
        client.get("/static/nothing.css"),
        client.get("/static/app.css"),
        client.open("/stats", method="TRACE"),
        client.options("/upload"),
        client.post("/login", data=b"x" * (2 << 20), content_type=FORM),
        client.get("/", headers={"Host": "a b"}),
        client.get("//stats"),
    ]


def test_no_answer_repeats_the_host_that_was_asked_for(app: Flask) -> None:
    client = app.test_client()
    for path in ("//stats", "/stats/", "/upload//batch", "/gallery", "/", "//login"):
        asked = {"PATH_INFO": path, "HTTP_HOST": "evil.example", "HTTP_ACCEPT": "text/html"}
        answer = client.get(environ_overrides=asked)

        assert "evil.example" not in answer.get_data(as_text=True)
        assert "evil.example" not in answer.headers.get("Location", ""), path


@pytest.mark.parametrize(
    "target",
    [
        "///evil.example", "////evil.example/", "/%2Fevil.example", "/%09/evil.example",
        "/%5Cevil.example", "%2F%2Fevil.example", "https:evil.example", "/.//evil.example/..//",
        "javascript:alert(1)", "/\u3000/evil.example", "/%0d%0aSet-Cookie:%20session=x",
    ],
)  # fmt: skip
def test_no_log_in_leads_to_another_site(app: Flask, target: str) -> None:
    anna = newcomer(app, "anna@example.org")

    answer = anna.log_in(target=f"/login?next={target}")

    location = answer.headers["Location"]
    assert answer.status_code == 303
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "\r" not in location
    assert anna.get("/account").status_code == 200


@pytest.mark.parametrize("junk", ["a\x00b", "\ud800';--", "9" * 4000])
def test_no_parameter_is_answered_with_a_bug(any_database: Flask, junk: str) -> None:
    root = somebody(any_database, role=Role.ADMIN)
    key = assemble(any_database).root
    names = [
        *("cursor", "limit", "frame", "window", "modality", "status", "study", "batch", "from"),
        *("until", "saved", "next", "by", "who", "what", "user_id", "upload_id", "days", "q"),
        *("action", "object", "outcome", "person", "key"),
    ]
    query = {name: junk.encode("utf-8", "surrogatepass") for name in names}

    for address in addresses(any_database):
        path = address.path(user_id="a%00b", code="a%00b", name="a%00b", filename="a%00b")
        if not address.changes:
            for client, headers in ((root.client, {}), (key.client, key.headers())):
                answer = client.get(path, query_string=query, headers=headers)
                assert answer.status_code < 500, address
    form = {name: junk.encode("utf-8", "surrogatepass") for name in ("email", "password", "name")}
    for path in ("/login", "/admin/people", "/admin/keys", "/account"):
        token = {"csrf_token": root.token()}
        assert root.client.post(path, data={**form, **token}).status_code < 500, path


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=5-2"},
        {"Range": "bytes=0-18446744073709551616"},
        {"Range": "bytes=" + "0-1," * 2000},
        {"If-Range": "\x80", "Range": "bytes=0-1"},
        {"If-None-Match": '"' * 5000},
        {"Accept": "text/html;q=nan,*/*;q=1e999"},
        {"Cookie": "session=\x80;" * 200},
        {"X-Study-Key": "\x80"},
        {"Idempotency-Key": "\x80"},
        {"Content-Type": "multipart/form-data; boundary=\x80"},
        {"Authorization": "Bearer " + "\x80" * 3000},
        {"X-Forwarded-For": "'\x80", "X-Forwarded-Proto": "\x80", "Forwarded": "for=\x80"},
    ],
)
def test_no_header_is_answered_with_a_bug(cast: Cast, headers: dict[str, str]) -> None:
    path = f"/upload/{cast.alice.uploaded(ct(), 'a.dcm')}/preprocessed-dicom"
    given = cast.alice.headers(X_File_Name="x") | headers

    answers = [
        cast.alice.client.get(path, headers=given),
        cast.alice.client.post("/upload", data=picture(colour=7), headers=given),
        cast.alice.client.post("/upload/batch", data=b"{}", headers=given),
        cast.alice.client.get("/stats", headers=given),
    ]

    assert max(answer.status_code for answer in answers) < 500
