"""The row is the truth, the queue a hint: claims, leases, and what a sweep brings back."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.callers import Cast, assemble
from tests.samples import batch_json, picture
from webapp.errors import Unavailable
from webapp.extensions import db
from webapp.services import accounts, bodies, ingest, leases
from webapp.services.context import context
from webapp.storage.database import reading, writing
from webapp.storage.models import Blob, Status, Upload, now
from webapp.tasks import ingest as tasks


@pytest.fixture
def app(any_database: Flask) -> Iterator[Flask]:
    """Each test here runs on both databases."""
    with any_database.app_context():
        yield any_database


@pytest.fixture
def cast(app: Flask) -> Cast:
    return assemble(app)


@pytest.fixture
def queued(cast: Cast) -> UUID:
    """An accepted upload that no worker was told about."""
    caller = accounts.authenticate_key(cast.alice.key, "alice")
    assert caller
    body = batch_json(("a.jpg", picture()))
    return bodies.receive_json(caller, io.BytesIO(body), len(body)).queued[0]


def row(upload_id: UUID) -> Upload:
    with reading(db.engine) as session:
        return session.get_one(Upload, upload_id)


def change(upload_id: UUID, **values: object) -> None:
    with writing(db.engine) as session:
        session.execute(update(Upload).where(Upload.id == upload_id).values(**values))


def stored() -> set[str]:
    """What the storage holds, whoever knows of it."""
    return {blob.key for blob in context().vault.store.iterate()}


def named() -> set[str]:
    """What the rows name."""
    with reading(db.engine) as session:
        return set(session.scalars(select(Blob.location)))


def test_a_queued_upload_completes(queued: UUID) -> None:
    ingest.process(queued)

    assert row(queued).status == Status.COMPLETED
    assert stored() == named()


def test_processing_twice_stores_once(queued: UUID) -> None:
    ingest.process(queued)
    first = stored()

    ingest.process(queued)

    assert stored() == first == named()


def test_a_claimed_row_cannot_be_claimed_again(queued: UUID) -> None:
    assert leases.claim(queued) is not None

    assert leases.claim(queued) is None


def test_a_row_that_is_gone_is_no_error(app: Flask) -> None:
    ingest.process(uuid4())

    assert stored() == set()


def test_who_lost_the_lease_stores_nothing(queued: UUID) -> None:
    slow = leases.claim(queued)
    assert slow
    change(queued, lease=uuid4())

    stayed = ingest.complete(slow, ingest.produce_claimed(slow))

    assert stayed is False
    assert stored() == named()
    assert row(queued).status == Status.PROCESSING


def test_an_expired_lease_goes_back_to_the_queue_and_completes(queued: UUID) -> None:
    leases.claim(queued)
    change(queued, lease_until=now() - timedelta(seconds=1))

    tasks.sweep()

    assert row(queued).status == Status.COMPLETED


def test_a_lease_that_runs_is_left_alone(queued: UUID) -> None:
    leases.claim(queued)

    tasks.sweep()

    assert row(queued).status == Status.PROCESSING


def test_five_interruptions_are_a_failure(queued: UUID) -> None:
    leases.claim(queued)
    change(queued, attempts=leases.MAX_ATTEMPTS, lease_until=now() - timedelta(seconds=1))

    tasks.sweep()

    assert (row(queued).status, row(queued).code) == (Status.FAILED, "attempts-exhausted")


def test_the_sweep_hands_over_what_the_queue_lost(queued: UUID) -> None:
    tasks.sweep()

    assert row(queued).status == Status.COMPLETED


def test_the_queue_being_away_loses_nothing(queued: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "process", _raise(ConnectionError))

    tasks.hand_over([queued])

    assert row(queued).status == Status.QUEUED


def test_what_may_pass_waits_and_is_tried_again(
    queued: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "produce", _raise(Unavailable))

    ingest.process(queued)

    waiting = row(queued)
    assert waiting.status == Status.QUEUED
    assert waiting.not_before
    assert waiting.not_before > now()
    assert leases.claim(queued) is None


def test_what_may_pass_fails_after_five_attempts(
    queued: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "produce", _raise(Unavailable))
    change(queued, attempts=leases.MAX_ATTEMPTS - 1)

    ingest.process(queued)

    assert (row(queued).status, row(queued).code) == (Status.FAILED, "unavailable")


def test_a_bug_ends_the_upload_and_tells_nobody_its_text(
    queued: UUID, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ingest, "produce", _raise(lambda: KeyError("Doe^Jane")))

    tasks.process.call_local(str(queued))

    assert (row(queued).status, row(queued).code) == (Status.FAILED, "processing-error")


def test_a_failed_upload_keeps_its_original_for_a_retry(cast: Cast) -> None:
    response = cast.alice.post("/upload/batch", batch_json(("a.txt", b"diary")))
    batch_id = response.get_json()["batch_id"]

    retried = cast.alice.post(f"/upload/batch/{batch_id}/retry")

    assert retried.status_code == 202
    assert stored() == named() != set()


def test_an_original_that_was_kept_long_enough_is_destroyed(cast: Cast) -> None:
    cast.alice.post("/upload/batch", batch_json(("a.txt", b"diary")))
    with writing(db.engine) as session:
        session.execute(update(Upload).values(finished_at=now() - timedelta(days=8)))

    tasks.sweep()

    assert stored() == named() == set()


def test_a_hidden_upload_is_destroyed_after_its_time(cast: Cast) -> None:
    upload_id = UUID(cast.alice.uploaded(picture()))
    change(upload_id, hidden_at=now() - timedelta(seconds=31))

    tasks.sweep()

    assert stored() == set()
    assert cast.alice.get("/stats").get_json()["total_uploads"] == 0


def _raise(error: Callable[[], BaseException]) -> Callable[..., None]:
    def raising(*_args: object, **_kwargs: object) -> None:
        raise error()

    return raising
