"""Files of a batch on their way in: sealed as they come, accepted together.

Nothing is written to the database until the whole body has come, so that a
body which breaks off leaves nothing behind. One bad file never spoils the
rest: it becomes a failed row that says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.failpoints import reach
from webapp.pipeline.pseudonyms import Pseudonyms
from webapp.services import accounts, audit, idempotency, recording
from webapp.services.accounts import Caller
from webapp.services.audit import Action, Object
from webapp.services.batch_errors import BatchEmpty, BatchTooLarge, BatchTooManyFiles
from webapp.services.batches import BatchClosed, get_batch
from webapp.services.context import context
from webapp.services.processing import MEGABYTE
from webapp.services.sealing import discard_at, row
from webapp.storage.database import reading, writing
from webapp.storage.errors import CommitUncertain
from webapp.storage.models import Batch, BatchEntry, Blob, Status, Upload, now
from webapp.storage.spool import SealedBlob, SealedSpool
from webapp.storage.vault import Kind

LOOKUP = 500
ATTEMPTS = 3


@dataclass
class Arrival:
    """One file that came: its sealed spool, or the code of why there is none."""

    name: str
    spool: SealedSpool | None = None
    code: str | None = None
    study_key: str | None = None
    upload_id: UUID = field(default_factory=uuid4)
    sealed: SealedBlob | None = None
    same_as: UUID | None = None
    digest: bytes | None = None

    @property
    def size(self) -> int:
        return self.spool.size if self.spool else 0

    @property
    def points_to(self) -> UUID:
        """The upload that holds these bytes."""
        return self.same_as or self.upload_id

    def close(self) -> None:
        """Let go of what was not kept."""
        if self.spool:
            self.spool.close()


@dataclass(frozen=True)
class Accepted:
    """A batch, or more of one: how many files came, and the uploads to hand over."""

    batch_id: UUID
    total_files: int
    queued: list[UUID]


def accept(
    caller: Caller,
    arrivals: Sequence[Arrival],
    batch_id: UUID | None = None,
    idempotency_key: str | None = None,
) -> Accepted:
    """Commit what arrived: into a new, closed batch, or into an open one.

    Raises:
        BatchEmpty, BatchTooManyFiles, BatchTooLarge: nothing is left.
        NotFound, BatchClosed: of an open batch.
        Unavailable: nothing is left.
    """
    if not arrivals:
        raise BatchEmpty
    _identify(caller, arrivals)
    reach("intake.arrived")
    try:
        accepted = _record(caller, arrivals, batch_id, idempotency_key)
    except CommitUncertain:
        raise  # rows may name what was sealed; what they do not name is the sweep's
    except BaseException:
        discard_at(*_sealed(arrivals))
        raise
    reach("intake.committed")
    named = set(accepted.queued)
    discard_at(*_sealed(arrival for arrival in arrivals if arrival.upload_id not in named))
    return accepted


def _record(
    caller: Caller,
    arrivals: Sequence[Arrival],
    batch_id: UUID | None,
    idempotency_key: str | None,
) -> Accepted:
    """Seal, then commit; again where somebody sent the same at the same moment."""
    digest = _digest_of(caller, arrivals)
    for attempt in range(1, ATTEMPTS + 1):
        before = idempotency.find(caller, idempotency_key, digest)
        if before is not None and before.batch_id is not None:
            return Accepted(before.batch_id, len(arrivals), [])
        _find_same(caller, arrivals)
        _keep(arrivals)
        reach("intake.kept")
        try:
            return _commit(caller, arrivals, batch_id, (idempotency_key, digest))
        except IntegrityError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _identify(caller: Caller, arrivals: Iterable[Arrival]) -> None:
    pseudonyms = accounts.pseudonyms_of(caller.frontend_id)
    for arrival in arrivals:
        if arrival.spool and not arrival.code:
            arrival.upload_id = arrival.spool.upload_id
            arrival.digest = pseudonyms.content_digest(arrival.spool.sha256)


def _find_same(caller: Caller, arrivals: Sequence[Arrival]) -> None:
    """Point duplicates at the upload that holds their bytes: an earlier one, or of this batch."""
    digests = list({arrival.digest for arrival in arrivals if arrival.digest})
    first: dict[bytes, UUID] = {}
    with reading(context().engine) as session:
        user_id = accounts.known_user(session, caller)
        for start in range(0, len(digests) if user_id else 0, LOOKUP):
            some = digests[start : start + LOOKUP]
            query = select(Upload.digest, Upload.id).where(
                recording.live_of(user_id), Upload.digest.in_(some)
            )
            first.update(session.execute(query).tuples().all())  # type: ignore[arg-type]
    for arrival in arrivals:
        if arrival.digest:
            held_by = first.setdefault(arrival.digest, arrival.upload_id)
            arrival.same_as = held_by if held_by != arrival.upload_id else None


def _keep(arrivals: Iterable[Arrival]) -> None:
    new = [a for a in arrivals if a.digest and not a.same_as and not a.sealed]
    kept = context().vault.keep_all([a.spool for a in new if a.spool])
    for arrival, sealed in zip(new, kept, strict=True):
        arrival.sealed = sealed


def _sealed(arrivals: Iterable[Arrival]) -> Iterator[str]:
    """Where the bytes of these files lie, as far as they were kept."""
    return (arrival.sealed.location for arrival in arrivals if arrival.sealed)


def _digest_of(caller: Caller, arrivals: Iterable[Arrival]) -> bytes:
    """What makes two batches the same: names, contents and study keys, in order."""
    digest = hashlib.sha256()
    for arrival in arrivals:
        for part in (arrival.name, arrival.study_key or "", arrival.code or ""):
            digest.update(hashlib.sha256(part.encode("utf-8", "replace")).digest())
        digest.update(arrival.digest or b"")
    return accounts.pseudonyms_of(caller.frontend_id).content_digest(digest.digest())


def _commit(
    caller: Caller,
    arrivals: Sequence[Arrival],
    batch_id: UUID | None,
    key: tuple[str | None, bytes],
) -> Accepted:
    with writing(context().engine) as session:
        batch = _batch(session, caller, batch_id)
        start = batch.files
        _grow(batch, arrivals)
        owner = accounts.end_user(session, caller)
        session.add_all(_uploads(caller, owner, batch.id, arrivals))
        session.flush()
        session.add_all(_blobs(arrivals))
        rows = [_entry(batch.id, start + n, arrival) for n, arrival in enumerate(arrivals)]
        session.add_all(rows)
        idempotency.remember(session, owner, *key, batch_id=batch.id)
        _audit(session, caller, batch, arrivals, new=batch_id is None)
        session.flush()
        reach("intake.written")
    return Accepted(
        batch_id=batch.id,
        total_files=len(arrivals),
        queued=[a.upload_id for a in arrivals if a.digest and not a.same_as],
    )


def _audit(
    session: Session, caller: Caller, batch: Batch, arrivals: Sequence[Arrival], *, new: bool
) -> None:
    action = Action.BATCH_CREATE if new else Action.BATCH_ADD
    about = Object("batch", batch.id)
    audit.write(session, caller, action, about, facts={"files": len(arrivals)})
    made = [Object("upload", each.upload_id) for each in arrivals if each.same_as is None]
    if made:
        facts = {"batch": str(batch.id)}
        audit.write(session, caller, Action.UPLOAD_CREATE, *made, facts=facts)


def _batch(session: Session, caller: Caller, batch_id: UUID | None) -> Batch:
    if batch_id is not None:
        batch = get_batch(session, caller, batch_id)
        if batch.closed_at:
            raise BatchClosed
        return batch
    owner = accounts.end_user(session, caller)
    batch = Batch(
        id=uuid4(),
        frontend_id=caller.frontend_id,
        end_user_id=owner,
        closed_at=now(),
        files=0,
        size=0,
    )
    session.add(batch)
    session.flush()
    return batch


def _grow(batch: Batch, arrivals: Sequence[Arrival]) -> None:
    batch.files += len(arrivals)
    batch.size += sum(arrival.size for arrival in arrivals)
    check_limits(batch.files, batch.size)


def check_limits(files: int, size: int = 0) -> None:
    """Raises BatchTooManyFiles or BatchTooLarge; ``size`` is in bytes."""
    settings = context().settings
    if files > settings.max_batch_files:
        raise BatchTooManyFiles(limit=settings.max_batch_files)
    if size > settings.max_batch_mb * MEGABYTE:
        raise BatchTooLarge(limit=settings.max_batch_mb)


def _uploads(
    caller: Caller, owner: UUID, batch_id: UUID, arrivals: Iterable[Arrival]
) -> Iterator[Upload]:
    pseudonyms = accounts.pseudonyms_of(caller.frontend_id)
    for arrival in arrivals:
        if arrival.same_as is None:
            yield _upload(caller, owner, batch_id, arrival, pseudonyms)


def _upload(
    caller: Caller, owner: UUID, batch_id: UUID, arrival: Arrival, pseudonyms: Pseudonyms
) -> Upload:
    upload = recording.new_upload(
        caller, arrival.name, arrival.size, arrival.digest, arrival.upload_id
    )
    upload.end_user_id, upload.batch_id = owner, batch_id
    upload.status, upload.code = Status.QUEUED, None
    upload.study_group = pseudonyms.group(arrival.study_key) if arrival.study_key else None
    if arrival.code:
        upload.status, upload.code, upload.finished_at = Status.FAILED, arrival.code, now()
    return upload


def _blobs(arrivals: Iterable[Arrival]) -> Iterator[Blob]:
    for arrival in arrivals:
        if arrival.sealed and not arrival.same_as:
            yield row(arrival.upload_id, Kind.ORIGINAL, arrival.sealed)


def _entry(batch_id: UUID, position: int, arrival: Arrival) -> BatchEntry:
    entry_id = uuid4()
    key_id, name = context().vault.seal_name(arrival.name, entry_id)
    return BatchEntry(
        id=entry_id,
        batch_id=batch_id,
        position=position,
        upload_id=arrival.points_to,
        name=name,
        name_key_id=key_id,
        duplicate=arrival.same_as is not None,
    )


def close_all(arrivals: Iterable[Arrival]) -> None:
    """Let go of every spool; what was kept stays."""
    for arrival in arrivals:
        arrival.close()
