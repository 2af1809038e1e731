"""What was backed up is brought back into an empty place, every file of it."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from tests import installation, servers
from tests.callers import Actor, Cast, assemble
from tests.samples import batch_json, ct, picture
from webapp.extensions import db
from webapp.services import accounts, backup, bodies, chores, ingest, snapshots
from webapp.services.setup import set_up
from webapp.storage.blobs import LocalBlobStore
from webapp.storage.database import reading
from webapp.storage.errors import StorageUnavailable
from webapp.storage.models import Status, Upload

OTHER_KEYS = "test:" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@dataclass
class Places:
    """Installations on one kind of database, each in a folder of its own."""

    folder: Path
    new_url: Callable[[], str | None]
    made: list[Flask] = field(default_factory=list)

    def empty(self, **settings: Any) -> Flask:
        """One with nothing in it, as a new machine has it."""
        folder = self.folder / str(len(self.made))
        folder.mkdir()
        in_force = installation.settings(folder, database_url=self.new_url(), **settings)
        self.made.append(installation.app(in_force))
        return self.made[-1]

    def ready(self, **settings: Any) -> Flask:
        """One that was set up."""
        app = self.empty(**settings)
        with app.app_context():
            set_up()
        return app


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    port = request.getfixturevalue("postgres_port") if request.param == "postgresql" else None
    names: list[str] = []

    def new_url() -> str | None:
        if port is None:
            return None
        names.append(f"t{uuid4().hex}")
        _administer(port, f'CREATE DATABASE "{names[-1]}" TEMPLATE template0')
        return servers.postgres_url(port, names[-1])

    found = Places(tmp_path, new_url)
    yield found
    for app in found.made:
        installation.close(app)
    for name in names:
        _administer(port or 0, f'DROP DATABASE "{name}" WITH (FORCE)')


def _administer(port: int, statement: str) -> None:
    with psycopg.connect(servers.postgres_url(port, "postgres"), autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def run(app: Flask, *words: str | Path) -> Result:
    return app.test_cli_runner().invoke(args=[str(word) for word in words])


def succeed(app: Flask, *words: str | Path) -> str:
    result = run(app, *words)
    assert result.exit_code == 0, result.output
    return result.output


def refused(app: Flask, *words: str | Path) -> str:
    result = run(app, *words)
    assert result.exit_code == 1, result.output
    return result.output


def fill(app: Flask) -> Cast:
    """Uploads of several kinds: alone, of a batch, failed, and one of several chunks."""
    cast = assemble(app)
    cast.alice.uploaded(picture(), "knee.jpg")
    cast.bob.uploaded(ct(), "ct.dcm")
    cast.bob.uploaded(picture("BMP", size=(1200, 1000)), "large.bmp")
    cast.lab.post("/upload/batch", batch_json(("a.jpg", picture(colour=2)), ("b.txt", b"diary")))
    return cast


def everything(app: Flask, cast: Cast) -> dict[UUID, tuple[str, str, bytes]]:
    """Name, status and download of every upload."""
    root = Actor(app.test_client(use_cookies=False), cast.root.key)
    with app.app_context(), reading(db.engine) as session:
        ids = session.scalars(select(Upload.id)).all()
    found = {}
    for upload_id in ids:
        details = root.get(f"/upload/{upload_id}/details").get_json()
        file = root.get(f"/upload/{upload_id}/preprocessed-dicom").data
        found[upload_id] = (details["filename"], details["status"], file)
    return found


def without_request_ids(found: dict[UUID, tuple[str, str, bytes]]) -> dict[UUID, Any]:
    """A failed upload has no file; what is said instead differs from request to request."""
    return {key: entry if entry[1] != "failed" else entry[:2] for key, entry in found.items()}


def blobs(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_every_file_comes_back_in_an_empty_place(places: Places, copy: Path) -> None:
    old = places.ready()
    cast = fill(old)
    before = without_request_ids(everything(old, cast))

    said = succeed(old, "backup", copy)
    new = places.empty()
    succeed(new, "restore", copy)
    succeed(new, "setup")

    assert len(before) == 5
    assert sum(entry[2:] != () and len(entry[2]) > 1000 for entry in before.values()) == 4
    assert without_request_ids(everything(new, cast)) == before
    assert "The master keys are NOT in it (test)" in said
    assert succeed(new, "storage", "check", "--deep").startswith("in order: 5,")


def test_the_restored_place_goes_on_as_the_old_one_would(places: Places, copy: Path) -> None:
    old = places.ready()
    cast = fill(old)
    pseudonym = cast.alice.upload(ct(), "again.dcm").get_json()["study_instance_uid"]
    succeed(old, "backup", copy)
    new = places.empty()
    succeed(new, "restore", copy)
    succeed(new, "setup")
    alice = Actor(new.test_client(use_cookies=False), cast.alice.key, "alice")

    assert alice.upload(ct(), "again.dcm").get_json()["duplicate"] is True
    changed = ct(InstanceNumber="77")
    assert alice.upload(changed, "more.dcm").get_json()["study_instance_uid"] == pseudonym


def test_a_backup_is_for_the_service_alone_and_names_nobody(places: Places, copy: Path) -> None:
    old = places.ready()
    cast = assemble(old)
    cast.alice.uploaded(ct(PatientName="Quisling^Vidkun"), "Quisling.dcm")

    succeed(old, "backup", copy)

    assert copy.stat().st_mode & 0o777 == 0o700
    for file in copy.rglob("*"):
        if file.is_file():
            assert b"Quisling" not in file.read_bytes()


def test_an_upload_that_is_processed_meanwhile_is_in_the_backup_as_it_was(
    places: Places, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its original goes with its processing, and the snapshot still needs it."""
    old = places.ready()
    cast = assemble(old)
    queued = _queue(old, cast)
    real = snapshots.snapshot

    def then_process(file: Path) -> Any:
        found = real(file)
        monkeypatch.setattr(backup, "read_list", _first(lambda: ingest.process(queued)))
        return found

    monkeypatch.setattr(snapshots, "snapshot", then_process)
    succeed(old, "backup", copy)
    new = places.empty()
    succeed(new, "restore", copy)
    succeed(new, "setup")

    assert everything(old, cast)[queued][1] == Status.COMPLETED
    assert everything(new, cast)[queued][1] == Status.QUEUED
    with new.app_context():
        ingest.process(queued)
    assert everything(new, cast)[queued] == everything(old, cast)[queued]


def _queue(app: Flask, cast: Cast) -> UUID:
    with app.app_context():
        caller = accounts.authenticate_key(cast.alice.key, "alice")
        assert caller
        body = batch_json(("a.jpg", picture()))
        return bodies.receive_json(caller, io.BytesIO(body), len(body)).queued[0]


def _first(step: Callable[[], None]) -> Callable[[Path], Any]:
    """Read the list after ``step``, the first time."""
    from webapp.services.copying import read_list

    steps = [step]

    def reading_list(file: Path) -> Any:
        while steps:
            steps.pop()()
        return read_list(file)

    return reading_list


def test_a_second_backup_copies_what_is_new_and_forgets_what_is_gone(
    places: Places, copy: Path
) -> None:
    old = places.ready()
    cast = fill(old)
    gone = cast.alice.uploaded(picture(colour=7))
    succeed(old, "backup", copy)

    cast.alice.delete(f"/upload/{gone}")
    cast.alice.uploaded(picture(colour=8))
    said = succeed(old, "backup", copy)

    assert "Backed up 6 blobs" in said
    assert "1 of them new" in said
    assert blobs(copy / "blobs") == blobs(old.config["SETTINGS"].upload_dir)
    assert len(list(copy.iterdir())) == 4


def test_a_backup_that_breaks_off_leaves_the_earlier_one_whole_and_holds_nobody_up(
    places: Places, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = places.ready()
    cast = fill(old)
    before = without_request_ids(everything(old, cast))
    succeed(old, "backup", copy)
    cast.alice.uploaded(picture(colour=9))

    with monkeypatch.context() as broken:
        broken.setattr(LocalBlobStore, "commit_all", _raise(StorageUnavailable))
        refused(old, "backup", copy)

    with old.app_context():
        assert not chores.removals_held()
    new = places.empty()
    succeed(new, "restore", copy)
    succeed(new, "setup")
    assert without_request_ids(everything(new, cast)) == before
    assert "1 of them new" in succeed(old, "backup", copy)


def test_a_restore_that_breaks_off_is_repeated(
    places: Places, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = places.ready()
    cast = fill(old)
    succeed(old, "backup", copy)
    new = places.empty()

    with monkeypatch.context() as broken:
        broken.setattr(snapshots, "bring_back", _raise(StorageUnavailable))
        refused(new, "restore", copy)

    assert "0 copied" in succeed(new, "restore", copy)
    succeed(new, "setup")
    assert everything(new, cast).keys() == everything(old, cast).keys()


def test_a_blob_that_is_not_there_does_not_keep_the_rest_and_is_told(
    places: Places, copy: Path
) -> None:
    old = places.ready()
    fill(old)
    store = old.config["SETTINGS"].upload_dir
    next(f for f in sorted(store.rglob("*")) if f.is_file()).unlink()

    said = refused(old, "backup", copy)

    assert "1 blobs were not there" in said
    assert blobs(copy / "blobs") == blobs(store)
    new = places.empty()
    assert "1 blobs were not there" in refused(new, "restore", copy)
    succeed(new, "setup")
    assert "missing: 1," in refused(new, "storage", "check")


def test_one_backup_at_a_time(places: Places, copy: Path) -> None:
    old = places.ready()
    with old.app_context():
        chores.hold_removals()

    assert "Another backup runs" in refused(old, "backup", copy)


def test_a_database_that_is_not_empty_is_not_overwritten(places: Places, copy: Path) -> None:
    old = places.ready()
    cast = fill(old)
    succeed(old, "backup", copy)
    other = places.ready()

    assert "The database is not empty" in refused(other, "restore", copy)
    assert everything(other, cast) == {}


def test_without_its_master_keys_nothing_is_restored(places: Places, copy: Path) -> None:
    old = places.ready()
    fill(old)
    succeed(old, "backup", copy)
    without = places.empty(master_keys="another" + OTHER_KEYS)
    wrong = places.empty(master_keys=OTHER_KEYS)

    assert "master keys are missing here: test." in refused(without, "restore", copy)
    assert "not those of the backup" in refused(wrong, "restore", copy)
    assert blobs(wrong.config["SETTINGS"].upload_dir) == {}


def test_keys_travel_with_it_when_they_are_told_to(places: Places, copy: Path) -> None:
    old = places.ready(master_keys=None, embedded=True)
    cast = fill(old)
    before = without_request_ids(everything(old, cast))

    said = succeed(old, "backup", copy, "--with-keys")
    new = places.empty(master_keys=None, embedded=True)
    succeed(new, "restore", copy)
    succeed(new, "setup")

    assert "whoever has this folder can read every file" in said
    assert (copy / "master.keys").stat().st_mode & 0o777 == 0o600
    assert without_request_ids(everything(new, cast)) == before


@pytest.mark.parametrize("broken", ["", "{}", "[1]", '{"kind": 1}'])
def test_what_is_no_finished_backup_is_not_restored(
    places: Places, copy: Path, broken: str
) -> None:
    copy.mkdir()
    if broken:
        (copy / "manifest.json").write_text(broken)

    assert "no finished backup" in refused(places.empty(), "restore", copy)


def test_a_folder_of_something_else_is_not_written_to(places: Places, copy: Path) -> None:
    copy.mkdir()
    (copy / "thesis.tex").write_text("my only copy")

    assert "no backup" in refused(places.ready(), "backup", copy)
    assert [file.name for file in copy.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_written_is_said(
    places: Places, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = places.ready()
    monkeypatch.setattr(snapshots.os, "open", _raise(lambda: OSError(errno.ENOSPC, "Doe")))

    assert "cannot be read or written: No space left" in refused(old, "backup", copy)
    with old.app_context():
        assert not chores.removals_held()


def test_the_backup_of_another_database_is_not_replaced(places: Places, copy: Path) -> None:
    first = places.ready()
    fill(first)
    succeed(first, "backup", copy)
    before = blobs(copy / "blobs")

    assert "of another database" in refused(places.ready(), "backup", copy)
    assert blobs(copy / "blobs") == before


def test_a_backup_of_one_kind_of_database_is_none_for_another(places: Places, copy: Path) -> None:
    old = places.ready()
    succeed(old, "backup", copy)
    manifest = copy / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "kind": "oracle"}))

    assert "This backup is of oracle" in refused(places.empty(), "restore", copy)


def test_from_a_folder_into_a_bucket(places: Places, copy: Path, storage_url: str) -> None:
    old = places.ready()
    cast = fill(old)
    before = without_request_ids(everything(old, cast))
    succeed(old, "backup", copy)

    new = places.empty(storage_url=storage_url)
    succeed(new, "restore", copy)
    succeed(new, "setup")
    succeed(new, "backup", copy)

    assert without_request_ids(everything(new, cast)) == before
    assert succeed(new, "storage", "check", "--deep").startswith("in order: 5,")


def _raise(error: Callable[[], Exception]) -> Callable[..., None]:
    def raising(*_args: object, **_kwargs: object) -> None:
        raise error()

    return raising
