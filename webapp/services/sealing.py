"""Rows and sealed bytes together: what one names, the other holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from uuid import UUID

from webapp.errors import Unavailable
from webapp.pipeline.source import Source, chunks
from webapp.services import chores
from webapp.services.context import context
from webapp.storage.errors import CommitUncertain
from webapp.storage.models import Blob
from webapp.storage.spool import SealedBlob
from webapp.storage.vault import Kind, SealedSource

log = logging.getLogger(__name__)


def seal(upload_id: UUID, kind: Kind, source: Source, *, durable: bool = True) -> Blob:
    """Seal a whole source; the row of the blob, not saved yet.

    Args:
        durable: wait until the bytes survive a power loss (fsync). Pictures
            that can be made again need not.

    Raises:
        StorageFull: there is no room; nothing half-written is left.
    """
    return row(upload_id, kind, context().vault.seal(chunks(source), upload_id, kind, durable))


def row(upload_id: UUID, kind: Kind, sealed: SealedBlob) -> Blob:
    """The row of a blob that was sealed for this upload."""
    return Blob(upload_id=upload_id, kind=kind.name.lower(), **asdict(sealed))


def unseal(blob: Blob) -> SealedSource:
    """The plain bytes of a blob, opened chunk by chunk.

    Raises:
        Damaged: the bytes are not what was sealed under this row.
        BlobMissing: the storage does not hold them.
    """
    kind = Kind[blob.kind.upper()]
    return context().vault.open(
        blob.location, blob.data_key, blob.master_key_id, blob.upload_id, kind
    )


def discard(*blobs: Blob) -> None:
    """Remove the bytes of blobs that no row names any more; during a backup, leave them be.

    A backup's snapshot of the rows may still name them. The sweep comes for them later.
    """
    if blobs and not _held():
        discard_at(*(blob.location for blob in blobs))


def _held() -> bool:
    try:
        return chores.removals_held()
    except Unavailable as error:
        log.warning("blobs that no row names are left to the sweep: %s", error.code)
        return True


def discard_at(*locations: str) -> None:
    """Remove bytes that no row names. Never raises: what cannot be removed now, the sweep will."""
    for location in locations:
        try:
            context().vault.delete(location)
        except Unavailable as error:
            log.warning("a blob that no row names could not be removed: %s", error.code)


@contextmanager
def discarded_unless_recorded(*locations: str) -> Iterator[None]:
    """A transaction that names these bytes: where it fails they go.

    Where nobody can know whether it was committed they stay: a row without its
    bytes is a loss, and bytes without a row are the sweep's.
    """
    try:
        yield
    except CommitUncertain:
        log.warning("the database went away during a commit; what was sealed for it stays")
        raise
    except BaseException:
        discard_at(*locations)
        raise
