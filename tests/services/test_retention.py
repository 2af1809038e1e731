"""Rules take what is due and nothing else, and what they take cannot be had again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from tests.callers import Cast, assemble
from tests.samples import batch_json, picture
from webapp.errors import NotFound
from webapp.extensions import db
from webapp.services import counting, retention
from webapp.services.context import context
from webapp.services.retention import DaysInvalid
from webapp.storage.admin_models import AuditEvent
from webapp.storage.database import reading, writing
from webapp.storage.models import Batch, BatchEntry, Blob, Status, Upload, now
from webapp.tasks import ingest as tasks


@pytest.fixture
def app(any_database: Flask) -> Iterator[Flask]:
    with any_database.app_context():
        yield any_database


@pytest.fixture
def cast(app: Flask) -> Cast:
    return assemble(app)


@pytest.fixture
def clinic(cast: Cast) -> UUID:
    return retention.frontend_named("clinic")


def aged(days: int, *upload_ids: str) -> None:
    ids = [UUID(upload_id) for upload_id in upload_ids]
    with writing(db.engine) as session:
        past = now() - timedelta(days=days)
        session.execute(update(Upload).where(Upload.id.in_(ids)).values(created_at=past))


def there() -> set[str]:
    with reading(db.engine) as session:
        return {str(upload_id) for upload_id in session.scalars(select(Upload.id))}


def test_a_preview_counts_and_changes_nothing(cast: Cast, clinic: UUID) -> None:
    old = cast.alice.uploaded(picture(colour=1))
    new = cast.bob.uploaded(picture(colour=2))
    cast.alice.post(f"/save-upload?user_id=alice&upload_id={old}")
    aged(31, old)

    seen = retention.preview(clinic, 30)

    assert (seen.uploads, seen.saved) == (1, 1)
    assert seen.size > 0
    assert there() == {old, new}


def test_a_rule_takes_row_bytes_and_keys_of_what_is_due(cast: Cast, clinic: UUID) -> None:
    old, new = (cast.alice.uploaded(picture(colour=n)) for n in (1, 2))
    other = cast.other_alice.uploaded(picture(colour=1))
    cast.alice.get(f"/upload/{old}/thumbnail")
    aged(31, old, other)
    retention.set_rule(clinic, 30)

    tasks.sweep()

    assert there() == {new, other}
    with reading(db.engine) as session:
        named = set(session.scalars(select(Blob.location)))
    assert {blob.key for blob in context().vault.store.iterate()} == named
    assert cast.alice.get(f"/upload/{old}/details").status_code == 404
    assert counting.check() == []


def test_each_upload_that_went_has_its_line(cast: Cast, clinic: UUID) -> None:
    old = [cast.alice.uploaded(picture(colour=n)) for n in range(3)]
    aged(31, *old)
    retention.set_rule(clinic, 30)

    assert retention.run() == 3

    with reading(db.engine) as session:
        lines = session.scalars(select(AuditEvent).filter_by(action="upload.expire")).all()
    assert {str(line.object_id) for line in lines} == set(old)
    assert {(line.actor, line.outcome) for line in lines} == {("system", "ok")}
    assert all(line.facts == {"days": 30} for line in lines)


def test_more_than_a_slice_goes_in_one_run(
    cast: Cast, clinic: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 2)
    aged(31, *(cast.alice.uploaded(picture(colour=n)) for n in range(5)))
    retention.set_rule(clinic, 30)

    assert retention.run() == 5


def test_a_batch_and_its_sealed_names_go_with_the_last_of_its_files(
    cast: Cast, clinic: UUID
) -> None:
    cast.alice.post("/upload/batch", batch_json(("Doe.jpg", picture()), ("b.txt", b"diary")))
    aged(31, *there())
    with writing(db.engine) as session:
        session.execute(update(Batch).values(created_at=now() - timedelta(days=31)))
    retention.set_rule(clinic, 30)

    retention.run()

    with reading(db.engine) as session:
        left = [session.scalar(select(func.count()).select_from(t)) for t in (Batch, BatchEntry)]
    assert left == [0, 0]


def test_what_is_being_worked_on_waits(cast: Cast, clinic: UUID) -> None:
    upload_id = cast.alice.uploaded(picture())
    aged(31, upload_id)
    with writing(db.engine) as session:
        session.execute(update(Upload).values(status=Status.PROCESSING))
    retention.set_rule(clinic, 30)

    assert retention.run() == 0
    assert there() == {upload_id}


def test_a_rule_that_was_taken_back_takes_nothing(cast: Cast, clinic: UUID) -> None:
    aged(31, cast.alice.uploaded(picture()))
    retention.set_rule(clinic, 30)
    retention.remove_rule(clinic)

    assert retention.run() == 0


def test_a_rule_is_replaced_by_the_next(cast: Cast, clinic: UUID) -> None:
    retention.set_rule(clinic, 30)
    retention.set_rule(clinic, 60)

    assert {rule.frontend: rule.days for rule in retention.rules()}["clinic"] == 60


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_a_rule_needs_days(clinic: UUID, days: int) -> None:
    with pytest.raises(DaysInvalid):
        retention.set_rule(clinic, days)


def test_a_rule_needs_a_frontend(app: Flask) -> None:
    with pytest.raises(NotFound):
        retention.set_rule(uuid4(), 30)
