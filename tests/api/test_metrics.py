"""``/metrics``: off without a token, closed without it, and true."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import installation
from tests.callers import assemble
from tests.samples import picture
from webapp.config import Settings, SettingsError, load_settings

TOKEN = "a-token-for-prometheus"


@pytest.fixture
def watched(settings: Settings) -> Iterator[Flask]:
    """An app whose numbers may be read."""
    made = installation.app(Settings(_env_file=None, **settings.model_dump() | {
        "metrics_token": TOKEN,
        "admin_password": settings.admin_password, "secret_key": settings.secret_key,
    }))  # fmt: skip
    yield made
    installation.close(made)


def read(client: FlaskClient, token: str = TOKEN) -> dict[str, float]:
    response = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200, response.get_data(as_text=True)
    lines = response.get_data(as_text=True).splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_without_a_token_set_there_is_nothing(client: FlaskClient) -> None:
    assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 404


@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {TOKEN}", "Bearer é", "Bearer"])
def test_without_the_token_nothing_is_told(watched: Flask, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}

    response = watched.test_client().get("/metrics", headers=headers)

    assert response.status_code == 401
    assert response.get_json()["code"] == "unauthorized"


def test_an_api_key_is_no_token(watched: Flask) -> None:
    root = assemble(watched).root

    assert root.get("/metrics").status_code == 401


def test_it_tells_what_was_answered_and_how_the_service_stands(watched: Flask) -> None:
    cast = assemble(watched)
    cast.alice.uploaded(picture())
    cast.alice.get("/upload/00000000-0000-0000-0000-000000000000/details")

    told = read(watched.test_client())

    assert told["intake_uploads"] == 1
    assert told['intake_recent_uploads{state="completed"}'] == 1
    assert told["intake_queued"] == 0
    assert told["intake_queue_reachable"] == 1
    assert told["intake_workers_alive"] == 0
    answered = 'intake_http_requests_total{method="POST",rule="/upload",status="201"}'
    assert told[answered] >= 1
    assert not any("00000000" in name for name in told)


def test_processes_of_one_gunicorn_are_added_up(tmp_path: Path) -> None:
    count = (
        "from webapp import metrics; requests, _ = metrics._families();"
        "requests.labels('GET', '/', 200).inc()"
    )
    total = (
        "from prometheus_client import CollectorRegistry, generate_latest;"
        "from prometheus_client.multiprocess import MultiProcessCollector;"
        "registry = CollectorRegistry(); MultiProcessCollector(registry);"
        "print(generate_latest(registry).decode())"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    for script in (count, count):
        subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    told = subprocess.run(
        [sys.executable, "-c", total], env=environment, check=True, capture_output=True, text=True
    ).stdout

    assert 'intake_http_requests_total{method="GET",rule="/",status="200"} 2.0' in told


def test_a_short_token_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="METRICS_TOKEN"):
        load_settings(metrics_token="short", _env_file=None)
