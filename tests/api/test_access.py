"""Who may call, and what everybody may."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import installation
from tests.callers import Cast, assemble
from tests.samples import picture
from webapp.config import Settings
from webapp.guards import guard_of

NOT_OURS = {"static"}


def test_every_route_names_its_guard(app: Flask) -> None:
    unguarded = [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in NOT_OURS and guard_of(app.view_functions[rule.endpoint]) is None
    ]

    assert unguarded == []


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", "Basic YTpi", "Bearer \x00", "Bearer é"]
)
def test_without_a_valid_key_nothing_is_told(app: Flask, header: str) -> None:
    response = app.test_client().get("/stats", headers={"Authorization": header})

    assert response.status_code == 401
    assert response.get_json()["code"] == "unauthorized"
    assert "Bearer" in response.headers["WWW-Authenticate"]


def test_a_key_that_may_only_read_does_not_write(cast: Cast) -> None:
    assert cast.reader.get("/stats").status_code == 200
    assert cast.reader.upload(picture()).status_code == 403


def test_failed_authentication_is_slowed_and_valid_keys_are_not(settings: Settings) -> None:
    app = installation.app(settings.model_copy(update={"rate_limits": "on"}))
    cast = assemble(app)
    bad = {"Authorization": "Bearer wrong"}
    answers = [cast.alice.client.get("/stats", headers=bad) for _ in range(61)]

    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert cast.alice.get("/stats").status_code == 200


def test_the_welcome_is_json_for_a_program(client: FlaskClient) -> None:
    answer = client.get("/").get_json()

    assert answer["message"]
    assert answer["version"]
    assert answer["links"]


def test_the_welcome_leads_a_browser_to_the_pages(client: FlaskClient) -> None:
    response = client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert response.status_code in (302, 303)


def test_an_unknown_address_is_a_problem(client: FlaskClient) -> None:
    response = client.get("/no/such/address")

    assert response.status_code == 404
    assert response.mimetype == "application/problem+json"


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    response = client.put("/upload")

    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


def test_it_says_that_it_is_up_and_ready(client: FlaskClient) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").get_json() == {
        "status": "ok", "database": "ok", "queue": "ok", "storage": "ok"
    }  # fmt: skip
