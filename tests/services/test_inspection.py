"""``storage check``: whether rows and stored bytes agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import delete, select, update

from tests.callers import Cast, assemble
from tests.samples import batch_json, ct, picture
from webapp.extensions import db
from webapp.services import inspection
from webapp.services.context import context
from webapp.storage.blobs import LocalBlobStore
from webapp.storage.database import reading, writing
from webapp.storage.models import Blob


@pytest.fixture
def app(any_database: Flask) -> Iterator[Flask]:
    with any_database.app_context():
        yield any_database


@pytest.fixture
def upload_id(app: Flask) -> str:
    """Jane Doe's picture, among others."""
    cast: Cast = assemble(app)
    cast.bob.uploaded(ct(), "ct.dcm")
    cast.bob.post("/upload/batch", batch_json(("a.txt", b"a diary"), ("b.jpg", picture(colour=3))))
    return cast.alice.uploaded(picture(), "Doe_Jane.jpg")


@pytest.fixture
def cli(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


def store() -> LocalBlobStore:
    found = context().vault.store
    assert isinstance(found, LocalBlobStore)
    return found


def location(upload_id: str) -> str:
    with reading(db.engine) as session:
        found = session.scalar(select(Blob.location).where(Blob.upload_id == UUID(upload_id)))
    assert found
    return found


def faults(deep: bool = False) -> list[tuple[str | None, str]]:
    found = inspection.inspect(deep)
    return [(f.fault, str(f.upload_id or f.location)) for f in found if f.fault]


@pytest.mark.parametrize("options", [[], ["--deep"]])
def test_all_is_well(upload_id: str, cli: FlaskCliRunner, options: list[str]) -> None:
    result = cli.invoke(args=["storage", "check", *options])

    assert result.exit_code == 0
    assert result.output.startswith("in order: 4, missing: 0, damaged: 0,")


def test_an_empty_installation_is_in_order(cli: FlaskCliRunner) -> None:
    assert cli.invoke(args=["storage", "check"]).exit_code == 0


def test_a_missing_blob_is_named_by_its_upload(upload_id: str, cli: FlaskCliRunner) -> None:
    store().delete(location(upload_id))

    result = cli.invoke(args=["storage", "check"])

    assert result.exit_code == 1
    assert f"missing {upload_id} dicom\n" in result.output
    assert "in order: 3, missing: 1," in result.output
    assert "Doe" not in result.output


def test_an_extra_blob_is_found_and_one_that_is_being_written_is_not(upload_id: str) -> None:
    writing_now = store().create()
    key = store().create().commit()

    assert faults() == [("extra", key)]
    writing_now.abort()


def test_an_old_leftover_is_extra(upload_id: str) -> None:
    left = store().create()
    name = left.key + ".part"
    os.utime(store().path(name), (0, 0))

    assert faults() == [("extra", name)]
    left.abort()


def test_a_blob_that_was_cut_is_found_by_its_size(upload_id: str) -> None:
    path = store().path(location(upload_id))
    path.write_bytes(path.read_bytes()[:-1])

    assert faults() == [("damaged", upload_id)]


@pytest.mark.parametrize("at", [0, 25, -1])
def test_a_flipped_bit_is_found_by_the_deep_check(upload_id: str, at: int) -> None:
    path = store().path(location(upload_id))
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)

    assert faults() == []
    assert faults(deep=True) == [("damaged", upload_id)]


def test_blobs_that_were_exchanged_are_found_by_the_deep_check(upload_id: str) -> None:
    first = store().path(location(upload_id))
    copy = first.read_bytes()
    with reading(db.engine) as session:
        other = session.scalars(select(Blob).where(Blob.location != first.name)).first()
    assert other
    store().path(other.location).write_bytes(copy)

    assert ("damaged", str(other.upload_id)) in faults(deep=True)


def test_a_row_under_a_master_key_that_is_not_here_is_unreadable(upload_id: str) -> None:
    with writing(db.engine) as session:
        mine = update(Blob).where(Blob.upload_id == UUID(upload_id))
        session.execute(mine.values(master_key_id="gone"))

    assert faults(deep=True) == [("unreadable", upload_id)]


def test_an_upload_without_the_row_of_its_bytes_is_incomplete(upload_id: str) -> None:
    key = location(upload_id)
    with writing(db.engine) as session:
        session.execute(delete(Blob).where(Blob.upload_id == UUID(upload_id)))

    assert sorted(faults()) == [("extra", key), ("incomplete", upload_id)]


def test_what_is_deleted_while_it_looks_is_no_fault(
    upload_id: str, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = list(store().iterate())
    key = location(upload_id)
    with writing(db.engine) as session:
        session.execute(delete(Blob).where(Blob.location != key))
    for blob in listed:
        if blob.key != key:
            store().delete(blob.key)
    monkeypatch.setattr(
        LocalBlobStore, "iterate", lambda _, start="": (b for b in listed if b.key[:2] == start)
    )

    assert {fault for fault, _ in faults()} == {"incomplete"}


def test_what_comes_while_it_looks_is_no_fault(
    upload_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalBlobStore, "iterate", lambda *_: iter(()))

    assert faults(deep=True) == []
