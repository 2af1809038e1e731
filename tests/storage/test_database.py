"""Transactions that do not wait for the disk leave the others as they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from flask import Flask
from sqlalchemy import select, text

from webapp.config import Settings
from webapp.extensions import db
from webapp.storage.admin_models import AuditEvent
from webapp.storage.database import alone, reading, snapshot, writing, writing_relaxed

NORMAL, FULL = 1, 2
ROOT = Path(__file__).parents[2]
NOTING = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from tests import installation
from webapp.services.audit import Action, Object, note
app = installation.app(installation.settings(Path(sys.argv[1])))
with app.app_context():
    for number in range(20):
        note(None, Action.UPLOAD_VIEW, Object("upload", UUID(int=number)))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_only_the_relaxed_transaction_does_not_wait_for_the_disk(app: Flask) -> None:
    with app.app_context():
        with writing_relaxed(db.engine) as connection:
            relaxed = connection.scalar(text("PRAGMA synchronous"))
        with writing(db.engine) as session:
            after = session.scalar(text("PRAGMA synchronous"))

    assert (relaxed, after) == (NORMAL, FULL)


def test_what_was_noted_survives_the_death_of_its_process(
    app: Flask, settings: Settings, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", NOTING, str(tmp_path)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, capture_output=True,
    )  # fmt: skip

    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    with app.app_context(), reading(db.engine) as session:
        noted = session.scalars(select(AuditEvent.object_id).filter_by(action="upload.view")).all()
    assert len(noted) == 20


def test_one_transaction_at_a_time_does_what_is_done_alone(any_database: Flask) -> None:
    with any_database.app_context(), writing(db.engine) as first:
        assert alone(first, "audit")
        if db.engine.dialect.name == "postgresql":
            with writing(db.engine) as second:
                assert not alone(second, "audit")
                assert alone(second, "something else")


def test_a_snapshot_does_not_see_what_is_committed_meanwhile(any_database: Flask) -> None:
    count = select(AuditEvent.id)
    with any_database.app_context(), snapshot(db.engine) as session:
        before = session.scalars(count).all()
        with writing_relaxed(db.engine) as connection:
            connection.execute(
                text(
                    "INSERT INTO audit_events (at, request_id, address, actor, action, outcome)"
                    " VALUES ('2026-11-25 00:00:00', '-', '-', 'system', 'x', 'ok')"
                )
            )

        assert session.scalars(count).all() == before


def test_the_triggers_of_administration_are_there(any_database: Flask) -> None:
    """A later migration that copies a table loses them without a word."""
    with any_database.app_context(), reading(db.engine) as session:
        sqlite = db.engine.dialect.name == "sqlite"
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'" if sqlite else (
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
        )  # fmt: skip
        found = set(session.scalars(text(query)))

    assert found == {
        "uploads_come",
        "uploads_gone",
        "uploads_changed",
        "blobs_come",
        "blobs_gone",
        "audit_events_stay",
        "audit_events_linked_once",
    }
