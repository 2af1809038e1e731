"""A file comes in: taken, processed, sealed, recorded.

Accepted means answered. A small single upload is processed in memory and one
transaction writes its finished row; anything larger is sealed while it is
received, and its row is held under the request's own lease.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import closing
from dataclasses import dataclass
from typing import IO
from uuid import UUID, uuid4

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.errors import Rejected, ServiceError, Unavailable
from webapp.failpoints import constant, reach
from webapp.pipeline.deidentify import parse_profile
from webapp.pipeline.source import BytesSource
from webapp.services import accounts, audit, idempotency, leases, recording
from webapp.services.accounts import Caller
from webapp.services.audit import Action, Object
from webapp.services.batch_errors import FileTooLarge
from webapp.services.context import context
from webapp.services.processing import Order, Product, produce, turn
from webapp.services.records import UploadRecord, record_of
from webapp.services.sealing import discard, discarded_unless_recorded, row, seal, unseal
from webapp.storage.database import changed, reading, writing
from webapp.storage.models import Blob, Status, Upload, now
from webapp.storage.spool import SealedSpool
from webapp.storage.vault import Kind

log = logging.getLogger(__name__)

MEGABYTE = 1 << 20
SMALL = int(constant("small", 32 * MEGABYTE))
PIECE = 1 * MEGABYTE


class OriginalGone(Rejected):
    """The received file is no longer kept, so nothing can be done with it again."""

    code = "original-gone"


@dataclass(frozen=True)
class Incoming:
    """A file on its way in. ``length`` is what its sender announced, in bytes."""

    stream: IO[bytes]
    name: str
    length: int | None = None
    study_key: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Received:
    """What became of a single upload."""

    upload: UploadRecord
    duplicate: bool = False


def receive(caller: Caller, incoming: Incoming) -> Received:
    """Take one file and process it before answering.

    Raises:
        Rejected: the file's fault; no row is left.
        Unavailable: something is away or full; no row is left.
    """
    limit = context().settings.max_upload_mb
    if incoming.length is not None and incoming.length > limit * MEGABYTE:
        raise FileTooLarge(limit=limit)
    slots = context().in_memory
    if incoming.length is not None and incoming.length > SMALL or not slots.acquire(blocking=False):
        return _receive_sealed(caller, incoming, b"")
    try:
        content = _read_small(incoming.stream)
        if len(content) <= SMALL:
            return _receive_in_memory(caller, incoming, content)
    finally:
        slots.release()
    return _receive_sealed(caller, incoming, content)


def _read_small(stream: IO[bytes]) -> bytearray:
    content = bytearray()
    while len(content) <= SMALL:
        piece = stream.read(min(PIECE, SMALL + 1 - len(content)))
        if not piece:
            break
        content += piece
    return content


def _receive_in_memory(caller: Caller, incoming: Incoming, content: bytearray) -> Received:
    digest = _digest(caller, hashlib.sha256(content).digest())
    before = _received_before(caller, incoming, digest)
    if before:
        return before
    order = recording.order_for(caller, incoming.study_key)
    upload = recording.new_upload(caller, incoming.name, len(content), digest)
    with turn(source := BytesSource(content)) as made:
        made(product := produce(source, order))
        for column, value in recording.finished_values(product).items():
            setattr(upload, column, value)
        reach("receive.produced")
        blob = seal(upload.id, Kind.DICOM, product.output)
        del product
    reach("receive.sealed")
    try:
        _insert(caller, incoming, upload, blob)
    except IntegrityError:
        return _lost_the_race(caller, digest)
    reach("receive.committed")
    return Received(record_of(upload, context().vault))


def _digest(caller: Caller, sha256: bytes) -> bytes:
    return accounts.pseudonyms_of(caller.frontend_id).content_digest(sha256)


def _received_before(caller: Caller, incoming: Incoming, digest: bytes) -> Received | None:
    """The first answer to this ``Idempotency-Key``, or the first upload of these bytes."""
    first = idempotency.find(caller, incoming.idempotency_key, digest)
    if first is not None and first.upload_id is not None:
        return Received(_record(first.upload_id))
    existing = recording.find_same(caller, digest)
    return Received(existing, duplicate=True) if existing else None


def _insert(caller: Caller, incoming: Incoming, upload: Upload, blob: Blob) -> None:
    with discarded_unless_recorded(blob.location), writing(context().engine) as session:
        owner = upload.end_user_id = accounts.end_user(session, caller)
        session.add(upload)
        session.flush()
        session.add(blob)
        key, digest = incoming.idempotency_key, upload.digest or b""
        idempotency.remember(session, owner, key, digest, upload_id=upload.id)
        audit.write(session, caller, Action.UPLOAD_CREATE, Object("upload", upload.id))
        session.flush()
        reach("receive.written")


def _record(upload_id: UUID) -> UploadRecord:
    with reading(context().engine) as session:
        return record_of(session.get_one(Upload, upload_id), context().vault)


def _lost_the_race(caller: Caller, digest: bytes) -> Received:
    """Somebody sent the same bytes at the same moment and was first."""
    existing = recording.find_same(caller, digest)
    if existing is None:
        raise Unavailable
    return Received(existing, duplicate=True)


def _receive_sealed(caller: Caller, incoming: Incoming, head: bytes | bytearray) -> Received:
    with closing(context().vault.spool()) as spool:
        fill(spool, incoming.stream, context().settings.max_upload_mb, head)
        reach("receive.spooled")
        digest = _digest(caller, spool.sha256)
        before = _received_before(caller, incoming, digest)
        if before:
            return before
        return _process_sealed(caller, incoming, spool, digest)


def fill(spool: SealedSpool, stream: IO[bytes], limit: int, head: bytes | bytearray = b"") -> None:
    """Seal a whole body into the spool.

    Raises:
        FileTooLarge: it has more than ``limit`` megabytes.
    """
    piece: bytes | bytearray = head or stream.read(PIECE)
    while piece:
        spool.write(piece)
        if spool.size > limit * MEGABYTE:
            raise FileTooLarge(limit=limit)
        piece = stream.read(PIECE)


def _process_sealed(
    caller: Caller, incoming: Incoming, spool: SealedSpool, digest: bytes
) -> Received:
    upload = recording.new_upload(caller, incoming.name, spool.size, digest, spool.upload_id)
    upload.status, upload.attempts = Status.PROCESSING, 1
    upload.lease, upload.lease_until = uuid4(), now() + leases.LEASE
    original = row(upload.id, Kind.ORIGINAL, spool.keep())
    reach("receive.kept")
    try:
        _insert(caller, incoming, upload, original)
    except IntegrityError:
        return _lost_the_race(caller, digest)
    try:
        with leases.heartbeat(upload.id, upload.lease):
            order = recording.order_for(caller, incoming.study_key)
            with turn(source := unseal(original)) as made:
                made(product := produce(source, order))
                complete(leases.Claim(upload, original, upload.lease), product)
                del product
    except BaseException:
        forget(upload.id, upload.lease)
        raise
    return Received(_record(upload.id))


def forget(upload_id: UUID, lease: UUID) -> None:
    """A refused single upload leaves no row and no bytes."""
    with writing(context().engine) as session:
        blobs = session.scalars(select(Blob).where(Blob.upload_id == upload_id)).all()
        gone = changed(session, delete(Upload).where(leases.owned(upload_id, lease)))
        if gone:
            audit.write(session, None, Action.UPLOAD_DESTROY, Object("upload", upload_id))
    if gone:
        discard(*blobs)


def process(upload_id: UUID) -> None:
    """Work on a queued upload: run at least once, stored once.

    Never raises: the outcome is the row's. The file's fault and a bug end it
    ``failed`` under their own codes; what may pass puts it back to wait.
    """
    try:
        claimed = leases.claim(upload_id)
    except Unavailable as error:
        log.warning("upload %s: not claimed: %s; the sweep brings it back", upload_id, error.code)
        return
    if claimed is None:
        return
    reach("process.claimed")
    try:
        _process_claimed(claimed)
    except Unavailable as error:
        log.warning("upload %s: ended while %s; its lease will run out", upload_id, error.code)


def _process_claimed(claimed: leases.Claim) -> None:
    upload_id, lease = claimed.upload.id, claimed.lease
    try:
        with leases.heartbeat(upload_id, lease):
            complete(claimed, produce_claimed(claimed))
    except Unavailable as error:
        log.warning("upload %s: must wait: %s", upload_id, error.code)
        leases.put_back(claimed.upload, lease, error.code)
    except ServiceError as error:
        leases.fail(upload_id, lease, error.code)
    except Exception:
        log.exception("upload %s: a bug in the pipeline", upload_id)
        leases.fail(upload_id, lease, "processing-error")


def produce_claimed(claimed: leases.Claim) -> Product:
    """The product of a claimed row's sealed original.

    Raises:
        OriginalGone: it is no longer kept.
    """
    if claimed.original is None:
        raise OriginalGone
    upload = claimed.upload
    order = Order(
        profile=parse_profile(upload.profile),
        pseudonyms=accounts.pseudonyms_of(upload.frontend_id),
        study_group=upload.study_group,
    )
    return produce(unseal(claimed.original), order)


def complete(claimed: leases.Claim, product: Product) -> bool:
    """Seal the product and finish the row in one transaction; the original goes.

    False when the lease was lost to another worker: nothing of ours is stored.
    """
    upload_id = claimed.upload.id
    reach("complete.produced")
    blob = seal(upload_id, Kind.DICOM, product.output)
    reach("complete.sealed")
    with discarded_unless_recorded(blob.location), writing(context().engine) as session:
        stored = _finish_row(session, claimed, product)
        if stored:
            session.execute(delete(Blob).where(Blob.upload_id == upload_id))
            session.add(blob)
            session.flush()
        reach("complete.written")
    reach("complete.committed")
    if not stored:
        discard(blob)
    elif claimed.original:
        discard(claimed.original)
    reach("complete.discarded")
    return stored


def _finish_row(session: Session, claimed: leases.Claim, product: Product) -> bool:
    done = (
        update(Upload)
        .where(leases.owned(claimed.upload.id, claimed.lease))
        .values(lease=None, lease_until=None, **recording.finished_values(product))
    )
    return bool(changed(session, done))
