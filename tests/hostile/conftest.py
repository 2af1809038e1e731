"""Whoever attacks, and whom: the cast, and cheap passwords."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from flask import Flask

from tests import running
from tests import secrets_of_tests as secrets
from tests.callers import Cast, assemble
from tests.running import Program
from tests.servers import free_port
from webapp.services import accounts


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", hasher)
    accounts._made_decoy.cache_clear()  # one made before cost what a real one does


@pytest.fixture
def cast(app: Flask) -> Cast:
    return assemble(app)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Web and worker as ``make run`` starts them, with one web process: it bears all there is."""
    folder = running.copy_of_the_program(tmp_path_factory.mktemp("program"))
    command = [str(running.PYTHON), "-m", "webapp.supervisor"]
    settings = {"EMBEDDED": 1, "PORT": free_port(), "WEB_WORKERS": 1, "TASK_WORKERS": 1,
                "BOOTSTRAP_API_KEY": secrets.API_KEY, "ADMIN_EMAIL": secrets.ADMIN_EMAIL,
                "ADMIN_PASSWORD": secrets.ADMIN_PASSWORD}  # fmt: skip
    with running.program(command, folder, **settings) as started:
        started.wait_for(lambda: started.said("Serving on"))
        yield started
