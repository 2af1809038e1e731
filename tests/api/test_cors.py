"""Other origins: only those that are configured, and never with cookies."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import installation
from webapp.config import Settings

OURS, STRANGER = "https://app.example", "https://evil.example"


@pytest.fixture
def app(settings: Settings) -> Flask:
    return installation.app(settings.model_copy(update={"cors_origins": (OURS,)}))


def preflight(client: FlaskClient, origin: str) -> dict[str, str]:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-file-name",
    }
    return dict(client.options("/upload", headers=asked).headers)


def test_a_configured_origin_may_call_with_a_token_and_without_cookies(client: FlaskClient) -> None:
    headers = preflight(client, OURS)

    assert headers["Access-Control-Allow-Origin"] == OURS
    assert "x-file-name" in headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in headers


def test_another_origin_is_told_nothing(client: FlaskClient) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(client, STRANGER)


def test_without_the_setting_no_origin_may_call(settings: Settings) -> None:
    client = installation.app(settings).test_client()

    assert "Access-Control-Allow-Origin" not in preflight(client, OURS)


def test_an_error_can_be_read_by_a_configured_origin(client: FlaskClient) -> None:
    response = client.get("/stats", headers={"Origin": OURS})

    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == OURS
