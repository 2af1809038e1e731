"""Logging in and out, and what a session is worth."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from tests import installation
from tests.pages.visitor import PASSWORD, Visitor, newcomer, somebody, token_in


def test_a_person_logs_in_and_goes_on_to_where_they_were_going(app: Flask) -> None:
    anna = newcomer(app, "anna@example.org")

    asked = anna.get("/gallery?modality=CT")
    answer = anna.log_in(target=asked.headers["Location"])

    assert (asked.status_code, answer.status_code) == (303, 303)
    assert answer.headers["Location"] == "/gallery?modality=CT"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_a_log_in_never_leads_to_another_site(app: Flask, target: str) -> None:
    anna = newcomer(app, "anna@example.org")

    answer = anna.log_in(target=f"/login?next={target}")

    assert answer.headers["Location"] == "/uploads/new"


@pytest.mark.parametrize(
    ("email", "password"), [("anna@example.org", "no"), ("no@x.org", PASSWORD)]
)
def test_a_wrong_password_and_an_unknown_address_look_alike(
    app: Flask, email: str, password: str
) -> None:
    anna = newcomer(app, "anna@example.org")

    answer = Visitor(anna.client, email).log_in(password)

    assert answer.status_code == 422
    assert "do not belong together" in answer.get_data(as_text=True)


def test_what_a_session_held_before_the_log_in_does_not_outlive_it(app: Flask) -> None:
    anna = newcomer(app, "anna@example.org")
    before = token_in(anna.get("/login").get_data(as_text=True))
    anna.log_in()

    answer = anna.client.post("/logout", data={"csrf_token": before})

    assert answer.status_code == 400


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(app: Flask) -> None:
    answer = newcomer(app, "anna@example.org").log_in()

    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Expires" not in cookie


def test_the_session_cookie_is_secure_over_https(app: Flask) -> None:
    answer = app.test_client().get("/login", base_url="https://localhost")

    assert "Secure" in answer.headers["Set-Cookie"]


def test_to_stay_logged_in_has_to_be_asked_for(app: Flask) -> None:
    anna = newcomer(app, "anna@example.org")
    fields = {"email": anna.email, "password": PASSWORD, "remember": "1"}
    fields["csrf_token"] = token_in(anna.get("/login").get_data(as_text=True))

    answer = anna.client.post("/login", data=fields)

    assert "Expires" in answer.headers["Set-Cookie"]


def test_after_logging_out_every_page_leads_to_the_log_in(app: Flask) -> None:
    anna = somebody(app)

    answer = anna.send("/logout")

    assert answer.headers["Clear-Site-Data"] == '"cache"'
    assert anna.get("/gallery").headers["Location"].startswith("/login")


def test_a_changed_password_ends_every_other_session(app: Flask) -> None:
    anna = somebody(app)
    elsewhere = Visitor(app.test_client(), anna.email)
    elsewhere.log_in()

    anna.send("/account", current=PASSWORD, password="another long password")

    assert anna.get("/gallery").status_code == 200
    assert elsewhere.get("/gallery").status_code == 303
    assert elsewhere.log_in("another long password").status_code == 303


@pytest.mark.parametrize(
    ("current", "new", "said"),
    [("wrong", "another long password", "not your current"), (PASSWORD, "short", "Too short")],
)
def test_a_refused_change_of_password_says_why(
    app: Flask, current: str, new: str, said: str
) -> None:
    answer = somebody(app).send("/account", current=current, password=new)

    assert answer.status_code == 422
    assert said in answer.get_data(as_text=True)


def test_the_eleventh_try_in_a_minute_is_told_to_wait(
    tmp_path: Path, sqlite_template: Path
) -> None:
    in_force = installation.settings(tmp_path, rate_limits="on")
    installation.copy_database(sqlite_template, in_force)
    app = installation.app(in_force)
    anna = newcomer(app, "anna@example.org")

    answers = [anna.log_in("wrong") for _ in range(11)]

    installation.close(app)
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert "Wait a minute" in answers[-1].get_data(as_text=True)


def test_a_script_without_a_session_gets_401_and_no_page(app: Flask) -> None:
    client = app.test_client()

    answers = [
        client.get("/batches", headers={"HX-Request": "true", "Accept": "text/html"}),
        client.get("/session", headers={"Accept": "application/json"}),
        client.post("/batches", headers={"X-CSRFToken": "x", "Accept": "*/*"}),
    ]

    assert [answer.status_code for answer in answers] == [401] * 3
    assert {answer.mimetype for answer in answers} == {"application/problem+json"}


def test_light_or_dark_is_remembered_by_the_browser(app: Flask) -> None:
    anna = somebody(app)

    anna.send("/account/appearance", appearance="dark")

    assert 'data-appearance="dark"' in anna.page("/account")
