"""For the pages: cheap passwords in process; and the whole program with a browser before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from flask import Flask
from playwright.sync_api import Browser, sync_playwright

from tests import installation, running
from tests.pages.browsing import ARGUMENTS, CHROMIUM, Tab
from tests.pages.visitor import PASSWORD
from tests.servers import free_port
from webapp import create_app
from webapp.config import Settings
from webapp.services import accounts
from webapp.storage.models import Role


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", hasher)
    accounts._made_decoy.cache_clear()  # one made before cost what a real one does


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Program]:
    """Web and worker, as ``make run`` starts them."""
    folder = running.copy_of_the_program(tmp_path_factory.mktemp("program"))
    command = [str(running.PYTHON), "-m", "webapp.supervisor"]
    settings = {"EMBEDDED": 1, "PORT": free_port(), "RATE_LIMITS": "off"}
    with running.program(command, folder, **settings) as started:
        started.folder = folder
        started.wait_for(lambda: started.said("Serving on"))
        yield started


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def same_database(program: running.Program) -> Iterator[Flask]:
    """An app on the running program's database, to make people with."""
    folder = program.folder
    in_force = Settings(
        _env_file=None,
        state_dir=folder / "instance",
        upload_dir=folder / "uploads",
        log_dir=folder / "logs",
        embedded=True,
    )
    made = create_app(in_force)
    yield made
    installation.close(made)


@pytest.fixture
def account(same_database: Flask) -> Callable[..., str]:
    """Makes a person; the address."""

    def made(role: Role = Role.CLINICIAN) -> str:
        email = f"{uuid4().hex}@example.org"
        with same_database.app_context():
            accounts.create_person(email, PASSWORD, role)
        return email

    return made


@pytest.fixture
def tab(program: running.Program, browser: Browser, account: Callable[..., str]) -> Iterator[Tab]:
    """A new person, logged in, on the upload page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    made = Tab(context.new_page(), f"http://127.0.0.1:{program.port}", account())
    made.log_in()
    yield made
    context.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for files to drop."""
    made = tmp_path / "dropped"
    made.mkdir()
    return made
