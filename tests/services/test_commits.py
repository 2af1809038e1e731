"""The database goes away at the worst moment: after it committed, before it said so."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import select

from tests.callers import Cast, assemble
from tests.samples import batch_json, ct, picture
from webapp.extensions import db
from webapp.services import accounts, bodies, ingest
from webapp.services.context import context
from webapp.services.sealing import discard_at
from webapp.storage.database import reading, writing
from webapp.storage.errors import CommitUncertain, StorageFull, StorageUnavailable
from webapp.storage.local_blob import LocalBlob
from webapp.storage.models import Blob, Frontend


@pytest.fixture
def app(any_database: Flask) -> Iterator[Flask]:
    """Each test here runs on both databases."""
    with any_database.app_context():
        yield any_database


@pytest.fixture
def cast(app: Flask) -> Cast:
    return assemble(app)


@contextmanager
def answers_lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every commit is carried out, and its answer never arrives."""
    dialect = db.engine.dialect
    commit: Callable[[object], None] = dialect.do_commit

    def committed_in_silence(connection: object) -> None:
        commit(connection)
        raise dialect.dbapi.OperationalError("the connection was lost")  # type: ignore[union-attr]

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", committed_in_silence)
        yield


def carried_out(*statements: str) -> None:
    with writing(db.engine) as session:
        for statement in statements:
            session.connection().exec_driver_sql(statement)


def stored() -> set[str]:
    return {blob.key for blob in context().vault.store.iterate()}


def named() -> set[str]:
    with reading(db.engine) as session:
        return set(session.scalars(select(Blob.location)))


def test_a_lost_answer_to_a_commit_is_uncertain(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answers_lost(monkeypatch), pytest.raises(CommitUncertain), writing(db.engine) as session:
        session.scalars(select(Frontend)).all()


def test_a_small_file_whose_commit_is_uncertain_keeps_its_bytes(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.alice.uploaded(picture(colour=1))
    with answers_lost(monkeypatch):
        refused = cast.alice.upload(picture(colour=2))

    again = cast.alice.upload(picture(colour=2))

    assert refused.status_code == 503
    assert again.get_json()["duplicate"] is True
    path = f"/upload/{again.get_json()['upload_id']}/preprocessed-dicom"
    assert cast.alice.get(path).status_code == 200


def test_a_large_file_whose_commits_are_uncertain_keeps_its_bytes(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "SMALL", 1000)
    with answers_lost(monkeypatch):
        refused = cast.alice.upload(ct())

    assert refused.status_code == 503
    assert named() <= stored()


def test_a_batch_whose_commit_is_uncertain_keeps_its_bytes(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = accounts.authenticate_key(cast.alice.key, "alice")
    body = batch_json(("a.jpg", picture()), ("b.dcm", ct()))
    with answers_lost(monkeypatch), pytest.raises(CommitUncertain):
        bodies.receive_json(caller, io.BytesIO(body), len(body))  # type: ignore[arg-type]

    assert named() == stored() != set()


def test_a_result_whose_commit_is_uncertain_keeps_its_bytes(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = accounts.authenticate_key(cast.alice.key, "alice")
    body = batch_json(("a.jpg", picture()))
    (upload_id,) = bodies.receive_json(caller, io.BytesIO(body), len(body)).queued  # type: ignore[arg-type]
    claimed = ingest.leases.claim(upload_id)
    product = ingest.produce_claimed(claimed)
    with answers_lost(monkeypatch), pytest.raises(CommitUncertain):
        ingest.complete(claimed, product)

    assert named() <= stored()


def test_a_full_disk_of_the_database_is_a_full_disk(app: Flask) -> None:
    if db.engine.dialect.name == "sqlite":
        pages = "PRAGMA max_page_count = 1"
        fill = "CREATE TABLE filling AS SELECT randomblob(100000) AS content"
    else:
        pages = "SELECT 1"
        fill = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$"

    with pytest.raises(StorageFull):
        carried_out(pages, fill)


def test_what_cannot_be_discarded_now_is_left_to_the_sweep(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_location: str) -> None:
        raise StorageUnavailable

    monkeypatch.setattr(context().vault.store, "delete", away)

    discard_at("0" * 32)


def test_a_storage_that_is_away_is_no_fault_of_the_picture(
    app: Flask, monkeypatch: pytest.MonkeyPatch, cast: Cast
) -> None:
    upload_id = cast.alice.uploaded(ct())

    def away(*_args: object) -> bytes:
        raise StorageUnavailable

    monkeypatch.setattr(LocalBlob, "read", away)

    assert cast.alice.get(f"/upload/{upload_id}/preview").status_code == 503
