"""ZIP archives among the files of a batch: each is replaced by what it holds."""

from __future__ import annotations

from collections.abc import Iterator

from webapp.errors import Rejected
from webapp.services.archives import (
    ArchiveEntry,
    ArchiveLimits,
    is_archive,
    read_archive,
)
from webapp.services.context import context
from webapp.services.intake import Arrival
from webapp.services.processing import MEGABYTE
from webapp.storage.spool import SealedSpool


def opened(arrival: Arrival) -> Iterator[Arrival]:
    """The files of an archive one after the other; anything else as it is.

    An archive that cannot be opened is one failed file that says why, and one
    without files is too. A file over ``MAX_UPLOAD_MB`` is a failed one.
    """
    spool = arrival.spool
    if spool is None or not is_archive(spool.head):
        yield _bounded(arrival)
        return
    try:
        entries = read_archive(spool.source, _limits(), context().vault.spool)
    except Rejected as error:
        arrival.close()
        yield Arrival(arrival.name, None, error.code)
        return
    yield from _files(arrival, entries)
    arrival.close()


def _files(archive: Arrival, entries: Iterator[ArchiveEntry[SealedSpool]]) -> Iterator[Arrival]:
    found = False
    for entry in entries:
        if not entry.skipped:
            found = True
            code = entry.error.code if entry.error else None
            yield Arrival(entry.name, entry.sink, code, archive.study_key)
    if not found:
        yield Arrival(archive.name, None, "archive-empty")


def _bounded(arrival: Arrival) -> Arrival:
    if arrival.size <= context().settings.max_upload_mb * MEGABYTE:
        return arrival
    arrival.close()
    return Arrival(arrival.name, None, "file-too-large")


def _limits() -> ArchiveLimits:
    settings = context().settings
    return ArchiveLimits(
        file_bytes=settings.max_upload_mb * MEGABYTE,
        total_bytes=settings.max_batch_mb * MEGABYTE,
        files=settings.max_batch_files,
        ratio=settings.max_zip_ratio,
    )
