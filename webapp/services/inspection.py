"""Whether rows and stored bytes agree: what is missing, damaged, or named by nobody.

It may run beside everything else: what changed while it looked is looked at
again before it is reported. The storage is gone through in 256 parts, so that
millions of blobs need little memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select

from webapp.pipeline.source import chunks
from webapp.services.context import context
from webapp.services.sealing import unseal
from webapp.services.upkeep import AGE, slices, unnamed
from webapp.storage.blobs import StoredBlob
from webapp.storage.database import reading
from webapp.storage.errors import BlobMissing, Damaged, KeyMissing
from webapp.storage.local_blob import PART
from webapp.storage.models import Blob, Status, Upload, now
from webapp.storage.vault import sealed_size

PAGE = 1000
FAULTS = ("missing", "damaged", "unreadable", "extra", "incomplete")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``fault`` is one of FAULTS, none where all is well.

    missing: a row names bytes that are not there. damaged: they are not what
    was sealed. unreadable: their master key is not here. extra: no row names
    them. incomplete: an upload whose row of its bytes is gone.
    """

    fault: str | None
    kind: str = ""
    upload_id: UUID | None = None
    location: str = ""
    young: bool = False


def inspect(deep: bool = False) -> Iterator[Finding]:
    """Everything there is, good or bad.

    Args:
        deep: open every chunk and compare digests; else names and sizes.

    Raises:
        Unavailable: database or storage is away.
    """
    for number in range(256):
        stored = {blob.key: blob for blob in context().vault.store.iterate(f"{number:02x}")}
        for row in _rows(number):
            yield _of_row(row, stored.pop(row.location, None), deep)
        for some in slices(iter(stored.values())):
            yield from _extra(some)
    yield from _incomplete()


def _rows(number: int) -> Iterator[Blob]:
    after, end = f"{number:02x}", f"{number + 1:02x}" if number < 255 else "g"
    while True:
        query = select(Blob).where(Blob.location > after, Blob.location < end)
        with reading(context().engine) as session:
            page = session.scalars(query.order_by(Blob.location).limit(PAGE)).all()
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].location


def _of_row(row: Blob, stored: StoredBlob | None, deep: bool) -> Finding:
    fault = _fault(row, stored, deep)
    if fault and _has_changed(row):
        fault = None
    return Finding(fault, row.kind, row.upload_id, row.location)


def _fault(row: Blob, stored: StoredBlob | None, deep: bool) -> str | None:
    try:
        size = stored.size if stored else _size_of(row.location)
        if size != sealed_size(row.size):
            return "damaged"
        if deep and not _opens(row):
            return "damaged"
    except BlobMissing:
        return "missing"
    except Damaged:
        return "damaged"
    except KeyMissing:
        return "unreadable"
    return None


def _size_of(location: str) -> int:
    """It may have come after the listing. Raises BlobMissing."""
    blob = context().vault.store.open(location)
    blob.close()
    return blob.size


def _opens(row: Blob) -> bool:
    source = unseal(row)
    digest = hashlib.sha256()
    try:
        for chunk in chunks(source):
            digest.update(chunk)
    finally:
        source.close()
    return digest.digest() == row.sha256


def _has_changed(row: Blob) -> bool:
    with reading(context().engine) as session:
        key = session.execute(
            select(Blob.data_key, Blob.master_key_id).where(
                Blob.id == row.id, Blob.location == row.location
            )
        ).first()
    return key is None or key.tuple() != (row.data_key, row.master_key_id)


def _extra(some: list[StoredBlob]) -> Iterator[Finding]:
    nobodys = unnamed(blob.key for blob in some)
    young = (now() - AGE).timestamp()
    for blob in some:
        if blob.key not in nobodys or not _still_there(blob):
            continue
        finding = Finding("extra", location=blob.key, young=blob.modified >= young)
        if not (finding.young and blob.key.endswith(PART)):  # that is being written
            yield finding


def _still_there(blob: StoredBlob) -> bool:
    if blob.key.endswith(PART):
        return True
    try:
        _size_of(blob.key)
    except BlobMissing:
        return False
    return True


def _incomplete() -> Iterator[Finding]:
    with reading(context().engine) as session:
        found = session.scalars(select(Upload.id).where(_without_bytes())).all()
    yield from (Finding("incomplete", upload_id=upload_id) for upload_id in found)


def _without_bytes() -> ColumnElement[bool]:
    def has(kind: str) -> ColumnElement[bool]:
        return exists().where(Blob.upload_id == Upload.id, Blob.kind == kind)

    finished = Upload.status.in_((Status.COMPLETED, Status.HELD))
    return or_(
        and_(finished, ~has("dicom")), and_(Upload.status == Status.QUEUED, ~has("original"))
    )
