"""The sweep of orphans removes what no row names, and never what one does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select, update

from tests import installation
from tests.callers import Cast, assemble
from tests.samples import picture
from webapp.extensions import db
from webapp.services import chores, release, upkeep
from webapp.services.chores import Name
from webapp.services.context import context
from webapp.storage.blobs import LocalBlobStore
from webapp.storage.database import reading, writing
from webapp.storage.models import Blob, Chore, Upload, now
from webapp.tasks import ingest as tasks

DAYS_AGO = (now() - timedelta(days=3)).timestamp()


@pytest.fixture
def app(any_database: Flask) -> Iterator[Flask]:
    with any_database.app_context():
        yield any_database


@pytest.fixture
def cast(app: Flask) -> Cast:
    return assemble(app)


@pytest.fixture
def cli(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


def store() -> LocalBlobStore:
    found = context().vault.store
    assert isinstance(found, LocalBlobStore)
    return found


def stored() -> set[str]:
    return {blob.key for blob in store().iterate()}


def named() -> set[str]:
    with reading(db.engine) as session:
        return set(session.scalars(select(Blob.location)))


def orphan(content: bytes = b"nobody's") -> str:
    """A blob, as a process leaves it that was killed before its row was written."""
    writer = store().create()
    writer.write(content)
    return writer.commit()


def leftover() -> str:
    """What a process leaves that was killed while it wrote."""
    path = store().path(orphan())
    path.rename(path.with_name(path.name + ".part"))
    return path.name + ".part"


def age(*keys: str) -> None:
    for key in keys or stored():
        os.utime(store().path(key), (DAYS_AGO, DAYS_AGO))


def sweep() -> upkeep.Swept:
    return [upkeep.Swept(), *upkeep.sweep_orphans()][-1]


def test_old_orphans_and_leftovers_go_and_what_rows_name_stays(cast: Cast) -> None:
    cast.alice.uploaded(picture())
    orphan(b"12345678")
    leftover()
    age()

    swept = sweep()

    assert stored() == named() != set()
    assert (swept.seen, swept.removed, swept.size) == (3, 2, 16)


def test_what_is_younger_than_a_day_stays(cast: Cast) -> None:
    cast.alice.uploaded(picture())
    young = {orphan(), leftover()}

    sweep()

    assert young < stored()


def test_many_are_asked_about_together(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "SLICE", 3)
    for colour in range(4):
        cast.alice.uploaded(picture(colour=colour))
        orphan()
    age()

    steps = list(upkeep.sweep_orphans())

    assert [step.seen for step in steps] == [3, 6, 8]
    assert stored() == named()


def test_a_storage_of_another_database_is_left_alone(cli: FlaskCliRunner) -> None:
    """A DATABASE_URL that leads elsewhere must not cost every file."""
    kept = {orphan(), orphan()}
    leftover()
    age()

    result = cli.invoke(args=["storage", "sweep"])

    assert result.exit_code == 1
    assert "Is DATABASE_URL the right one" in result.output
    assert kept <= stored()


def test_rows_whose_blobs_are_elsewhere_prove_nothing(cast: Cast, tmp_path: Path) -> None:
    upload_id = cast.alice.uploaded(picture())
    for key in named():
        store().delete(key)
    kept = orphan()
    age()

    with pytest.raises(upkeep.StrangeStorage):
        sweep()

    assert upload_id
    assert stored() == {kept}


def test_the_operator_may_insist(cli: FlaskCliRunner) -> None:
    orphan(b"1234")
    age()

    result = cli.invoke(args=["storage", "sweep", "--strange"])

    assert result.output == "Looked at 1, removed 1 (4 bytes).\n"
    assert stored() == set()


def test_a_leftover_is_nobodys_whatever_the_database(app: Flask) -> None:
    leftover()
    age()

    sweep()

    assert stored() == set()


def test_nothing_is_removed_during_a_backup(cast: Cast) -> None:
    cast.alice.uploaded(picture())
    kept = orphan()
    age()
    chores.hold_removals()

    sweep()

    assert kept in stored()


def test_what_is_deleted_during_a_backup_is_left_to_the_sweep(cast: Cast) -> None:
    first, second = cast.alice.uploaded(picture()), cast.alice.uploaded(picture(colour=5))
    before = stored()
    chores.hold_removals()

    assert cast.alice.delete(f"/upload/{first}").status_code == 204
    assert stored() == before

    chores.allow_removals()
    age()
    sweep()
    assert stored() == named()
    assert cast.alice.get(f"/upload/{second}/preprocessed-dicom").status_code == 200


def test_what_is_deleted_otherwise_goes_at_once(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture())

    cast.alice.delete(f"/upload/{upload_id}")

    assert stored() == set()


def test_the_periodic_sweep_sweeps_orphans_once_an_hour(cast: Cast) -> None:
    cast.alice.uploaded(picture())
    orphan()
    age()
    tasks.sweep()
    first = stored()

    orphan()
    age()
    tasks.sweep()
    second = stored()

    with writing(db.engine) as session:
        session.execute(update(Chore).values(due_at=now()))
    tasks.sweep()

    assert first == named()
    assert len(second) == len(first) + 1
    assert stored() == named()


def test_one_of_many_processes_does_it(app: Flask) -> None:
    assert [chores.claim(Name.ORPHANS, upkeep.PERIOD) for _ in range(3)] == [True, False, False]


def test_a_long_sweep_goes_on_where_it_stopped(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "SLICE", 1)
    monkeypatch.setattr(upkeep, "STEP_SECONDS", -1.0)
    cast.alice.uploaded(picture())
    for _ in range(3):
        orphan()
    age()
    rounds = upkeep.HourlySweep()

    left = []
    for _ in range(6):
        rounds.step()
        left.append(len(stored()))

    assert left[-1] == 1
    assert left == sorted(left, reverse=True)
    assert len(set(left)) > 2
    assert stored() == named()


def test_a_strange_storage_stops_no_other_step(app: Flask) -> None:
    kept = orphan()
    age()

    tasks.sweep()

    assert stored() == {kept}


def test_a_hidden_upload_is_purged_with_its_bytes(cast: Cast) -> None:
    upload_id = UUID(cast.alice.uploaded(picture()))
    with writing(db.engine) as session:
        hidden = now() - timedelta(minutes=1)
        session.execute(update(Upload).where(Upload.id == upload_id).values(hidden_at=hidden))

    release.purge_hidden()

    assert stored() == set()


def test_it_sweeps_a_bucket_too(tmp_path: Path, sqlite_template: Path, storage_url: str) -> None:
    in_force = installation.settings(tmp_path, storage_url=storage_url)
    installation.copy_database(sqlite_template, in_force)
    app = installation.app(in_force)
    with app.app_context():
        assemble(app).alice.uploaded(picture())
        writer = context().vault.store.create()
        writer.write(b"nobody's")
        writer.commit()
        unfinished = context().vault.store.create()
        unfinished.write(bytes(9 << 20))

        with pytest.MonkeyPatch.context() as later:
            later.setattr(upkeep, "now", lambda: now() + timedelta(days=2))
            sweep()

        assert {blob.key for blob in context().vault.store.iterate()} == named() != set()
        assert not in_force.upload_dir.exists() or not list(in_force.upload_dir.iterdir())
    installation.close(app)
