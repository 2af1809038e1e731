"""What the consumer's scheduler does between the sweeps: link the audit, fold the counters."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from functools import cache
from uuid import UUID, uuid4

from redis.exceptions import RedisError

from webapp.errors import ServiceError
from webapp.extensions import huey
from webapp.services import audit_chain, counters, workers

log = logging.getLogger(__name__)

Step = Callable[[], object]


def tick() -> None:
    """Every two seconds: link what was recorded, fold what was counted."""
    with huey.app.app_context():
        carry_out((audit_chain.seal, counters.fold))


def carry_out(steps: Iterable[Step]) -> None:
    """One step after the other; none keeps the next from its turn."""
    for step in steps:
        try:
            step()
        except ServiceError as error:
            log.warning("the sweep waits: %s", error.code)
        except (RedisError, OSError, sqlite3.Error):
            log.warning("the sweep waits: the queue is away")
        except Exception:
            log.exception("a bug in the sweep")


def beat() -> None:
    """Say that this consumer runs, where one does."""
    if huey.processes:
        workers.beat(_consumer(), huey.processes)


@cache
def _consumer() -> UUID:
    """The id of the consumer that this process belongs to."""
    return uuid4()


huey.tick = tick
