"""Whole bodies of many files: JSON read as a stream, or the parts of a form.

A ZIP among the files is opened into what it holds. Whatever happens, a spool
that was not kept is closed, so that a body which breaks off leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, cast

from webapp.services import intake
from webapp.services.accounts import Caller
from webapp.services.batch_errors import BatchTooLarge
from webapp.services.batch_json import BatchLimits, JsonEntry, read_batch
from webapp.services.context import context
from webapp.services.intake import Accepted, Arrival
from webapp.services.processing import MEGABYTE
from webapp.services.unpacking import opened
from webapp.storage.spool import SealedSpool

BASE64_OVERHEAD = 1.5
"""Most that base64, escapes and names add to a body before it is hopeless to read it."""


@dataclass(frozen=True)
class Part:
    """A file of a form, sealed while the form was read."""

    name: str
    stream: IO[bytes]
    study_key: str | None = None


def receive_json(
    caller: Caller, stream: IO[bytes], length: int | None, idempotency_key: str | None = None
) -> Accepted:
    """Accept ``{"files": [{"filename", "content"}]}`` of any size up to the limits.

    Raises:
        BatchMalformed, BatchTooDeep, BatchEmpty, BatchTooLarge, BatchTooManyFiles,
        BodyIncomplete: nothing is left.
    """
    settings = context().settings
    limits = BatchLimits(
        file_bytes=settings.max_batch_mb * MEGABYTE,  # an archive; files are bounded below
        total_bytes=settings.max_batch_mb * MEGABYTE,
        files=settings.max_batch_files,
    )
    if length is not None and length > limits.total_bytes * BASE64_OVERHEAD:
        raise BatchTooLarge(limit=settings.max_batch_mb)
    entries = read_batch(stream, limits, context().vault.spool)
    return _accept(caller, map(_of_entry, entries), idempotency_key)


def receive_form(
    caller: Caller, parts: Iterable[Part], idempotency_key: str | None = None
) -> Accepted:
    """Accept the file parts of a form that was read whole.

    Raises:
        BatchEmpty, BatchTooLarge, BatchTooManyFiles: nothing is left.
    """
    return _accept(caller, map(_of_part, parts), idempotency_key)


def _accept(
    caller: Caller, arrivals: Iterable[Arrival], idempotency_key: str | None = None
) -> Accepted:
    taken: list[Arrival] = []
    try:
        for arrival in arrivals:
            take(taken, arrival)
        return intake.accept(caller, taken, idempotency_key=idempotency_key)
    finally:
        intake.close_all(taken)


def take(taken: list[Arrival], arrival: Arrival) -> None:
    """Add a file, opened if it is an archive; stop at the first file too many."""
    try:
        for each in opened(arrival):
            taken.append(each)
            intake.check_limits(files=len(taken))
    except BaseException:
        arrival.close()
        raise


def _of_entry(entry: JsonEntry[SealedSpool]) -> Arrival:
    code = entry.error.code if entry.error else None
    return Arrival(entry.filename, entry.sink, code, entry.study_key)


def _of_part(part: Part) -> Arrival:
    return Arrival(part.name, cast(SealedSpool, part.stream), None, part.study_key)
