"""What needs an administrator, said first and with the way there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for

from webapp.pages.wording import counted, size
from webapp.services.statistics import Statistics
from webapp.services.system import System
from webapp.storage.models import now

PATIENCE = timedelta(minutes=10)
SEALED_WITHIN = timedelta(minutes=5)
OLD_KEY = timedelta(days=365)
LITTLE_ROOM = 0.1


@dataclass(frozen=True)
class Need:
    """One thing to do: how pressing (``held`` or ``failed``), the sentence, where to go."""

    kind: str
    text: str
    href: str = ""
    link: str = ""


def needs(numbers: Statistics, system: System) -> list[Need]:
    """What needs somebody, the pressing first."""
    found = [*_of_the_machines(numbers, system), *_of_the_files(numbers)]
    return sorted(found, key=lambda need: need.kind != "failed")


def _of_the_machines(numbers: Statistics, system: System) -> Iterator[Need]:
    waiting = numbers.waiting
    if not system.queue_reachable:
        and_so = "its files are processed in the web" if system.fallback else "files wait"
        yield Need("failed", f"The queue is away: {and_so} until it is back.")
    if not system.alive:
        yield Need("failed", "No worker is alive: files of batches are not processed.")
    elif _older(waiting.oldest_queued, PATIENCE):
        yield Need("held", "The oldest queued file has waited for more than ten minutes.")
    if system.room is not None and system.room.free < LITTLE_ROOM * system.room.total:
        yield Need("failed", f"The disk of sealed files is nearly full: {size(system.room.free)}.")
    if _older(numbers.oldest_unlinked, SEALED_WITHIN):
        yield Need("failed", "The audit is not being linked: no sealer has run for five minutes.")
    if _older(system.newest_key_since, OLD_KEY):
        yield Need("held", "The newest master key is more than a year old: rotate it.")
    if numbers.leases_returned_today:
        many = counted(numbers.leases_returned_today, "time")
        yield Need("held", f"Workers were lost in mid-work {many} today; their files went back.")


def _of_the_files(numbers: Statistics) -> Iterator[Need]:
    held, failed = numbers.waiting.held, numbers.states.get("failed")
    if held:
        text = f"{counted(held, 'file is', 'files are')} held for review."
        yield Need("held", text, url_for("pages_review.index"), "Review")
    if failed:
        since = f"{numbers.since.day} {numbers.since:%B %Y}"
        text = f"{counted(failed.uploads, 'file has', 'files have')} failed since {since}."
        yield Need("held", text, "#reasons-title", "See why")


def _older(at: datetime | None, than: timedelta) -> bool:
    return at is not None and now() - at > than
