"""The two shapes of an installation, each just set up and with an undisturbed twin."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psycopg
from huey.storage import SqliteStorage

from tests import installation, servers
from tests import secrets_of_tests as secrets
from tests.faults.client import Client
from tests.faults.files import Sample
from tests.faults.promise import Promise, Reference
from tests.faults.site import Site
from tests.running import every_process
from webapp.config import Settings


@dataclass
class Shape:
    """An installation that does not run yet; its servers, where it has any, do.

    ``left`` are blobs that faults left behind so far, as far as that is allowed.
    """

    site: Site
    url: str
    reference: Reference
    postgres: servers.Server | None = None
    redis: servers.Server | None = None

    def __post_init__(self) -> None:
        self.left: set[str] = set()

    def promise(self, client: Client) -> Promise:
        """A new user, of whom nothing was accepted yet."""
        folders = [server.folder for server in (self.postgres, self.redis) if server]
        return Promise(self.site, client, self.url, self.reference, folders, self.left)


@contextmanager
def embedded(program: Path, folder: Path) -> Iterator[Shape]:
    """SQLite, and Huey's SQLite queue."""
    twin = installation.settings(folder / "twin")
    installation.set_up_once(twin)
    shutil.copytree(twin.state_dir, folder / "site" / "instance")
    SqliteStorage(filename=str(folder / "site" / "instance" / "queue.db")).close()
    site = Site(program, folder / "site")
    url = f"sqlite:///{folder}/site/instance/service.db"
    with undisturbed(twin) as reference:
        yield Shape(site, url, reference)
        site.end()


@contextmanager
def scaled_out(program: Path, folder: Path) -> Iterator[Shape]:
    """PostgreSQL and Redis, both of its own."""
    postgres, redis = servers.start_postgres(), servers.start_redis()
    try:
        url = servers.postgres_url(postgres.port, "twin")
        _administer(postgres, 'CREATE DATABASE "twin"')
        twin = installation.settings(folder / "twin", database_url=url)
        installation.set_up_once(twin)
        _administer(postgres, 'CREATE DATABASE "site" TEMPLATE "twin"')
        settings = {
            "DATABASE_URL": servers.postgres_url(postgres.port, "site"),
            "REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
        }
        site = Site(program, folder / "site", dict(settings))
        at = settings["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
        with undisturbed(twin) as reference:
            yield Shape(site, at, reference, postgres, redis)
            site.end()
    finally:
        for server in (postgres, redis):
            resume(server)
            server.stop()


SHAPES = {"embedded": embedded, "scaled-out": scaled_out}


@contextmanager
def undisturbed(twin: Settings) -> Iterator[Reference]:
    """What an installation of the same keys, to which nothing happens, makes of a file."""
    app = installation.app(twin)
    client = app.test_client(use_cookies=False)

    @cache
    def made_of(sample: Sample) -> bytes:
        headers = {**secrets.bearer(), "X-File-Name": quote(sample.name)}
        answer = client.post("/upload", data=sample.content, headers=headers)
        path = f"/upload/{answer.get_json()['upload_id']}/preprocessed-dicom"
        return client.get(path, headers=secrets.bearer()).data

    try:
        yield made_of
    finally:
        installation.close(app)


def pause(server: servers.Server) -> None:
    """Stop a server and its children where they are; connections stay open."""
    _send(server, signal.SIGSTOP)


def resume(server: servers.Server) -> None:
    """Let a paused server go on."""
    _send(server, signal.SIGCONT)


def _send(server: servers.Server, number: signal.Signals) -> None:
    # PostgreSQL's processes each lead a group of their own.
    server_pid = server.process.pid
    for pid, (_state, parent, _group, _session) in every_process().items():
        if server_pid in (pid, parent):
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, number)


def _administer(postgres: servers.Server, statement: str) -> None:
    url = servers.postgres_url(postgres.port, "postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
