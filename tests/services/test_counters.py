"""Counters, folded or pending, are always what a plain count says; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import delete, select, update

from tests.callers import Cast, assemble
from tests.samples import batch_json, ct, picture
from tests.services import plain_counts
from webapp.extensions import db
from webapp.services import accounts, counters, counting, leases, library, release
from webapp.services.accounts import Caller
from webapp.services.statistics import percentile, statistics
from webapp.storage.admin_models import Counter, CounterDelta
from webapp.storage.database import reading, writing
from webapp.storage.models import Blob, Upload, now
from webapp.tasks import ingest as tasks


@pytest.fixture
def app(any_database: Flask) -> Iterator[Flask]:
    with any_database.app_context():
        yield any_database


@pytest.fixture
def cast(app: Flask) -> Cast:
    return assemble(app)


def caller(cast: Cast, name: str) -> Caller:
    actor = getattr(cast, name)
    found = accounts.authenticate_key(actor.key, actor.user)
    assert found
    return found


def answers(who: Caller) -> plain_counts.Answer:
    found = library.stats(who)
    return found.total_uploads, found.unique_users, found.latest_upload, found.earliest_upload


def busy(cast: Cast) -> Iterator[str]:
    """Everything that can happen to uploads, a step at a time."""
    own = cast.alice.uploaded(picture(colour=1))
    yield "a single upload"
    cast.bob.uploaded(ct(Modality="MR"), "a.dcm")
    cast.other_alice.uploaded(picture(colour=2))
    loose = cast.clinic.uploaded(picture(colour=3))
    yield "other users and nobody's"
    batch = batch_json(("a.png", picture("PNG", 4)), ("b.txt", b"diary"), ("c.jpg", picture()))
    answer = cast.bob.post("/upload/batch", batch).get_json()
    yield "a batch with a bad file"
    cast.bob.post(f"/upload/batch/{answer['batch_id']}/retry")
    yield "a retry"
    cast.clinic.post(f"/save-upload?user_id=carol&upload_id={loose}")
    yield "nobody's upload becomes a new user's"
    release.hide(caller(cast, "alice"), UUID(own))
    yield "a user's last upload hidden"
    release.unhide(caller(cast, "alice"), UUID(own))
    yield "and shown again"
    cast.alice.delete(f"/upload/{own}")
    yield "and destroyed"


def check_all(cast: Cast, step: str) -> None:
    for name in ("alice", "bob", "other_alice"):
        who = caller(cast, name)
        expected = plain_counts.of_user(who.end_user_id) if who.end_user_id else (0, 0, None, None)
        assert answers(who) == expected, (step, name)
    for name in ("clinic", "lab"):
        who = caller(cast, name)
        assert answers(who) == plain_counts.of_frontend(who.frontend_id), (step, name)
    assert answers(caller(cast, "root")) == plain_counts.stats(), step
    assert counting.check() == [], step


@pytest.mark.parametrize("fold", [None, counters.fold], ids=["pending", "folded"])
def test_the_numbers_are_a_plain_counts_after_every_step(
    cast: Cast, fold: Callable[[], int] | None
) -> None:
    for step in busy(cast):
        check_all(cast, step)
        if fold:
            fold()
            check_all(cast, f"{step}, folded")


def test_the_page_and_stats_read_the_same_numbers(cast: Cast) -> None:
    for _ in busy(cast):
        numbers = statistics("day")

        assert (numbers.total.uploads, numbers.users) == plain_counts.stats()[:2]
        assert numbers.total.size == plain_counts.size()
        assert {key: each.uploads for key, each in numbers.states.items()} == plain_counts.by(
            "status"
        )
        for name, shown in (
            ("modality", numbers.modalities),
            ("input_format", numbers.formats),
            ("code", numbers.reasons),
        ):
            assert {key: each.uploads for key, each in shown.items()} == plain_counts.by(name)
        assert numbers.slots[-1].uploads == numbers.total.uploads


def test_what_is_stored_follows_the_blobs(cast: Cast) -> None:
    for _ in busy(cast):
        with reading(db.engine) as session:
            sizes = session.scalars(select(Blob.size)).all()

        stored = statistics("day").stored

        assert (stored.uploads, stored.size) == (len(sizes), sum(sizes))


def test_waiting_files_are_counted_before_a_worker_comes(cast: Cast) -> None:
    with writing(db.engine) as session:
        session.execute(update(Upload).values(status="queued"))
    upload_id = cast.alice.uploaded(picture())
    with writing(db.engine) as session:
        queued = {"status": "queued", "created_at": now() - timedelta(hours=1)}
        session.execute(update(Upload).where(Upload.id == UUID(upload_id)).values(**queued))

    numbers = statistics("day")

    assert numbers.states["waiting"].uploads == numbers.waiting.queued == 1
    assert numbers.waiting.oldest_queued
    assert numbers.waiting.oldest_queued < now() - timedelta(minutes=59)


def test_folding_from_many_threads_at_once_counts_everything_once(app: Flask, cast: Cast) -> None:
    for _ in busy(cast):
        pass

    def folding() -> None:
        with app.app_context():
            counters.fold()

    threads = [threading.Thread(target=folding) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counters.fold()

    with reading(db.engine) as session:
        assert session.scalar(select(CounterDelta.id).limit(1)) is None
    assert counting.check() == []


def test_check_finds_a_wrong_counter_and_rebuild_mends_it(app: Flask, cast: Cast) -> None:
    for _ in busy(cast):
        pass
    counters.fold()
    with writing(db.engine) as session:
        session.execute(update(Counter).where(Counter.kind == "all").values(uploads=77))
        session.execute(delete(Counter).where(Counter.kind == "users"))
    runner: FlaskCliRunner = app.test_cli_runner()

    found = runner.invoke(args=["counters", "check"])
    mended = runner.invoke(args=["counters", "rebuild"])
    after = runner.invoke(args=["counters", "check"])

    assert (found.exit_code, mended.exit_code, after.exit_code) == (1, 0, 0)
    assert "kept 77" in found.output
    check_all(cast, "rebuilt")


def test_rebuilding_keeps_count_of_what_no_row_tells(cast: Cast) -> None:
    upload_id = UUID(cast.alice.uploaded(picture()))
    lost = {"status": "processing", "lease_until": now() - timedelta(seconds=1), "attempts": 1}
    with writing(db.engine) as session:
        session.execute(update(Upload).where(Upload.id == upload_id).values(**lost))
    leases.return_expired()

    counting.rebuild()

    assert statistics("day").leases_returned == statistics("day").leases_returned_today == 1


def test_the_sweep_leaves_nothing_pending(cast: Cast) -> None:
    cast.alice.uploaded(picture())

    tasks.sweep()
    tasks.huey.tick()

    with reading(db.engine) as session:
        assert session.scalar(select(CounterDelta.id).limit(1)) is None
    assert statistics("day").owners[0].name == "alice"


def test_processing_times_are_told_to_a_fifth(cast: Cast) -> None:
    upload_id = UUID(cast.alice.uploaded(picture()))
    with writing(db.engine) as session:
        session.execute(update(Upload).where(Upload.id == upload_id).values(processing_ms=2000))

    numbers = statistics("month")

    assert numbers.processed == 1
    assert numbers.p50
    assert 2.0 <= numbers.p50 < 2.4


def test_percentiles_of_nothing_are_not_zero() -> None:
    assert percentile({}, 0.5) is None


@pytest.mark.parametrize(("share", "expected"), [(0.5, 100), (0.95, 100), (0.999, 5000)])
def test_a_percentile_is_the_bucket_that_its_share_falls_into(share: float, expected: int) -> None:
    fast, slow = counters.bucket(100), counters.bucket(5000)
    times = {str(fast): counters.Amount(990), str(slow): counters.Amount(10)}

    found = percentile(times, share)

    assert found
    assert expected <= found * 1000 < expected * counters.GROWTH
