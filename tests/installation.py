"""Settings and apps for a test, in a folder of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from flask import Flask

from tests import secrets_of_tests as secrets
from webapp import create_app
from webapp.config import Settings
from webapp.extensions import db, huey
from webapp.services.setup import set_up

# The tests say themselves what is in force; a developer's environment does not.
for _name in Settings.model_fields:
    os.environ.pop(_name.upper(), None)


def settings(folder: Path, **overrides: Any) -> Settings:
    """What is in force for a test: everything lies in ``folder``."""
    values: dict[str, Any] = {
        "state_dir": folder / "instance",
        "upload_dir": folder / "uploads",
        "log_dir": folder / "logs",
        "master_keys": secrets.MASTER_KEYS,
        "secret_key": secrets.SECRET_KEY,
        "admin_email": secrets.ADMIN_EMAIL,
        "admin_password": secrets.ADMIN_PASSWORD,
        "bootstrap_api_key": secrets.API_KEY,
        "rate_limits": "off",
    }
    return Settings(_env_file=None, **{**values, **overrides})


def app(in_force: Settings) -> Flask:
    """An app whose tasks run at once, in the caller's process."""
    in_force.state_dir.mkdir(parents=True, exist_ok=True)
    in_force.upload_dir.mkdir(parents=True, exist_ok=True)
    made = create_app(in_force)
    made.testing = True
    huey.immediate = True
    return made


def set_up_once(in_force: Settings) -> None:
    """Schema, administrator and first key, for databases to be copied from."""
    made = app(in_force)
    with made.app_context():
        set_up()
        db.engine.dispose()


def copy_database(template: Path, in_force: Settings) -> None:
    """Put a copy of a SQLite file where ``in_force`` expects its database."""
    in_force.state_dir.mkdir(parents=True)
    shutil.copy(template, in_force.state_dir / "service.db")


def close(made: Flask) -> None:
    """Let go of what an app holds."""
    with made.app_context():
        db.engine.dispose()
    huey.immediate = False
