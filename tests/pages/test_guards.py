"""Every page has a guard, a strict policy, and nothing inline."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.pages.visitor import somebody
from tests.samples import ct
from webapp.guards import guard_of
from webapp.storage.models import Role

PATHS = (
    "/login",
    "/uploads/new",
    "/batches",
    "/gallery",
    "/review",
    "/admin",
    "/account",
    "/logged-in",
    "/nowhere",
    "{upload}",
    "{upload}/attributes",
    "{upload}/delete",
    "{upload}/deleted",
    "{batch}",
)
INLINE = re.compile(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", re.IGNORECASE)
OUTSIDE = re.compile(r'(?:src|href|action)="(?:https?:)?//', re.IGNORECASE)


def test_every_view_of_a_page_names_its_guard(app: Flask) -> None:
    views = {name: view for name, view in app.view_functions.items() if name.startswith("pages_")}

    unguarded = [name for name, view in views.items() if guard_of(view) is None]

    assert views
    assert not unguarded


@pytest.mark.parametrize("path", ["/uploads/new", "/batches", "/gallery", "/account", "/admin"])
def test_nobody_sees_a_page_without_logging_in(app: Flask, path: str) -> None:
    answer = app.test_client().get(path, headers={"Accept": "text/html"})

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/login?next={path}"


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.CLINICIAN, {"/review": 403, "/admin": 403}),
        (Role.REVIEWER, {"/review": 200, "/admin": 403}),
        (Role.ADMIN, {"/review": 200, "/admin": 200}),
    ],
)
def test_review_and_administration_are_for_those_who_may(
    app: Flask, role: Role, expected: dict[str, int]
) -> None:
    visitor = somebody(app, role=role)

    answers = {path: visitor.get(path).status_code for path in expected}

    assert answers == expected


@pytest.fixture
def answers(app: Flask) -> dict[str, TestResponse]:
    """Every page there is, as an administrator sees it."""
    root = somebody(app, role=Role.ADMIN)
    batch = root.opened()
    upload = f"/uploads/{root.added(batch, ct(), 'a.dcm')['upload_id']}"
    paths = [path.format(upload=upload, batch=batch) for path in PATHS]
    return {path: root.get(path) for path in paths} | {"/login": app.test_client().get("/login")}


def test_no_page_has_anything_inline_or_from_outside(answers: dict[str, TestResponse]) -> None:
    pages = {path: answer.get_data(as_text=True) for path, answer in answers.items()}

    assert not [path for path, html in pages.items() if INLINE.search(html)]
    assert not [path for path, html in pages.items() if OUTSIDE.search(html)]


def test_every_page_comes_with_the_strict_policy(answers: dict[str, TestResponse]) -> None:
    policies = {answer.headers["Content-Security-Policy"] for answer in answers.values()}

    assert len(policies) == 1
    assert "default-src 'none'" in (policy := policies.pop())
    assert "unsafe" not in policy


def test_the_token_for_scripts_stands_once_on_the_body(answers: dict[str, TestResponse]) -> None:
    pages = {path: answer.get_data(as_text=True) for path, answer in answers.items()}

    assert not [path for path, html in pages.items() if html.count("hx-headers=") != 1]
    assert not [path for path, html in pages.items() if "<body hx-headers=" not in html]


@pytest.mark.parametrize(
    "path", ["/logout", "/account", "/account/appearance", "/uploads", "/batches/{id}/retry"]
)
def test_a_form_without_its_token_is_refused(app: Flask, path: str) -> None:
    anna = somebody(app)
    batch_id = anna.opened().rpartition("/")[2]

    answer = anna.client.post(path.format(id=batch_id), data={}, headers={"Accept": "text/html"})

    assert answer.status_code == 400
    assert "too old" in answer.get_data(as_text=True)


def test_a_script_without_its_token_is_refused(app: Flask) -> None:
    anna = somebody(app)

    answer = anna.client.post("/batches", headers={"Accept": "application/json"})

    assert (answer.status_code, answer.get_json()["code"]) == (400, "csrf")


def test_a_page_that_is_not_there_says_so_with_the_request_id(app: Flask) -> None:
    answer = somebody(app).get("/nowhere")

    html = answer.get_data(as_text=True)
    assert answer.status_code == 404
    assert "Not found" in html
    assert answer.headers["X-Request-ID"] in html
