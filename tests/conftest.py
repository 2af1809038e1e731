"""What every test may ask for: private servers, databases of their own, an app, a client.

The program is imported only by the fixtures that run it: tests of the pipeline need no app.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
import redis

from tests import s3_server, servers
from tests import secrets_of_tests as secrets
from tests.hostile import rows

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

    from webapp.config import Settings

RUN = pytest.StashKey[dict[str, servers.Server]]()
STARTERS = {
    "postgres": servers.start_postgres,
    "redis": servers.start_redis,
    "s3": s3_server.start_s3,
}


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give each process of a parallel run the ports of servers that all of them share."""
    running = node.config.stash.setdefault(RUN, {})
    for kind, start in STARTERS.items():
        if kind not in running:
            running[kind] = start()
        node.workerinput[f"{kind}_port"] = running[kind].port


def pytest_unconfigure(config: pytest.Config) -> None:
    for server in config.stash.get(RUN, {}).values():
        server.stop()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many faults were survived, tests marked so; how many attacks of SECURITY.md refused."""
    stats = terminalreporter.stats
    faults = {
        outcome: [report for report in stats.get(outcome, ()) if "faults" in report.keywords]
        for outcome in ("passed", "failed", "error")
    }
    total = sum(map(len, faults.values()))
    if total:
        terminalreporter.write_line(f"survived {len(faults['passed'])}/{total}")
    refused = rows.summary(
        [report.nodeid for report in stats.get("passed", ())],
        [report.nodeid for kind in ("failed", "error") for report in stats.get(kind, ())],
    )
    if refused:
        terminalreporter.write_line(refused)


def _port(config: pytest.Config, kind: str) -> int:
    given = getattr(config, "workerinput", {}).get(f"{kind}_port")
    if given is not None:
        return int(given)
    running = config.stash.setdefault(RUN, {})
    if kind not in running:
        running[kind] = STARTERS[kind]()
    return running[kind].port


@pytest.fixture(scope="session")
def postgres_port(request: pytest.FixtureRequest) -> int:
    return _port(request.config, "postgres")


@pytest.fixture(scope="session")
def redis_port(request: pytest.FixtureRequest) -> int:
    return _port(request.config, "redis")


@pytest.fixture
def empty_postgres_url(postgres_port: int) -> Iterator[str]:
    """A database with nothing in it, of this test's own."""
    yield from _database(postgres_port, "template0")


@pytest.fixture
def redis_url(redis_port: int) -> str:
    """An empty database of the private Redis; processes of a parallel run have one each."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
    redis.Redis(port=redis_port, db=number).flushdb()
    return f"redis://127.0.0.1:{redis_port}/{number}"


@pytest.fixture
def storage_url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place in the private S3 server, and the credentials to it."""
    for name, value in s3_server.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return s3_server.storage_url(_port(request.config, "s3"), uuid4().hex)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SQLite file of an installation just set up."""
    from tests import installation

    in_force = installation.settings(tmp_path_factory.mktemp("template"))
    installation.set_up_once(in_force)
    return in_force.state_dir / "service.db"


@pytest.fixture(scope="session")
def postgres_template(
    postgres_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The name of a PostgreSQL database just set up."""
    from tests import installation

    for url in _database(postgres_port, "template0"):
        folder = tmp_path_factory.mktemp("template")
        installation.set_up_once(installation.settings(folder, database_url=url))
        yield url.rpartition("/")[2]


@pytest.fixture
def postgres_url(postgres_port: int, postgres_template: str) -> Iterator[str]:
    """A PostgreSQL database of this test's own, with schema, administrator and key."""
    yield from _database(postgres_port, postgres_template)


@pytest.fixture
def settings(tmp_path: Path, sqlite_template: Path) -> Settings:
    """An installation on SQLite, just set up."""
    from tests import installation

    in_force = installation.settings(tmp_path)
    installation.copy_database(sqlite_template, in_force)
    return in_force


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The service on SQLite; tasks run at once."""
    yield from _running(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """The service on each database in turn; tasks run at once."""
    from tests import installation

    if request.param == "sqlite":
        in_force = request.getfixturevalue("settings")
    else:
        url = request.getfixturevalue("postgres_url")
        in_force = installation.settings(tmp_path, database_url=url)
    yield from _running(in_force)


@pytest.fixture
def key() -> str:
    """The API key of the first frontend; it may read and write."""
    return secrets.API_KEY


def _running(in_force: Settings) -> Iterator[Flask]:
    from tests import installation

    made = installation.app(in_force)
    yield made
    installation.close(made)


def _database(port: int, template: str) -> Iterator[str]:
    name = f"t{uuid4().hex}"
    _administer(port, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield servers.postgres_url(port, name)
    _administer(port, f'DROP DATABASE "{name}" WITH (FORCE)')


def _administer(port: int, statement: str) -> None:
    with psycopg.connect(servers.postgres_url(port, "postgres"), autocommit=True) as connection:
        connection.execute(statement)
