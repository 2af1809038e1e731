"""Process queued uploads, and bring back what the queue or a worker lost.

Guarantee: an upload is worked on at least once and stored once, because
completion is a conditional update of its row under its lease. A task never
raises: Huey would store the exception's text, which can hold a name.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

from redis.exceptions import RedisError

from webapp.extensions import db, huey
from webapp.failpoints import reach
from webapp.services import batches, idempotency, ingest, leases, release, retention
from webapp.services.upkeep import HourlySweep
from webapp.storage.models import now
from webapp.tasks.upkeep import Step, beat, carry_out

log = logging.getLogger(__name__)

FORGOTTEN = timedelta(hours=1)

_fallback = ThreadPoolExecutor(1, "fallback")


@huey.task()  # type: ignore[untyped-decorator]
def process(upload_id: str) -> None:
    """Process one upload, if it still waits."""
    with huey.app.app_context():
        try:
            ingest.process(UUID(upload_id))
        except Exception:
            log.exception("upload %s: the task failed; its lease will run out", upload_id)


@huey.on_startup()  # type: ignore[untyped-decorator]
def forget_connections() -> None:
    """A forked worker must not share its parent's connections."""
    with huey.app.app_context():
        db.engine.dispose(close=False)


def fall_back(upload_ids: Iterable[UUID]) -> None:
    """Without a queue, and with ``FALLBACK_PROCESSING``, a thread of this process does the work.

    It is a hint like any other: what the thread does not come to, the sweep brings back.
    """
    if huey.app.config["SETTINGS"].fallback_processing:
        for upload_id in upload_ids:
            _fallback.submit(process.call_local, str(upload_id))


def hand_over(upload_ids: Sequence[UUID]) -> None:
    """Tell the workers that committed rows wait.

    The queue may be away: the rows stay queued, and the sweep hands them over.
    """
    try:
        for upload_id in upload_ids:
            process(str(upload_id))
    except (RedisError, OSError, sqlite3.Error):
        log.warning("the queue is away; the sweep will hand over what waits")
        fall_back(upload_ids)
    reach("handed-over")


def sweep() -> None:
    """Return expired leases, hand over what nobody was told about, purge what is due."""
    with huey.app.app_context():
        carry_out(STEPS)


def _bring_back() -> None:
    returned = leases.return_expired()
    if returned:
        log.warning("%d leases ran out; their uploads wait again", returned)
    lost = leases.waiting(beyond=huey.storage.queue_size())
    hand_over(lost)


def _close() -> None:
    batches.close_forgotten(now() - FORGOTTEN)


STEPS: tuple[Step, ...] = (
    beat,
    _bring_back,
    release.purge_hidden,
    release.drop_failed_originals,
    idempotency.forget_old,
    _close,
    retention.run,
    HourlySweep().step,
)
huey.sweep = sweep
