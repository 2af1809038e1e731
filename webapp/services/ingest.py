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
from typing import IO, Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.errors import Rejected, Unavailable
from webapp.pipeline.deidentify import parse_profile
from webapp.pipeline.source import BytesSource
from webapp.services import accounts, leases
from webapp.services.accounts import Caller
from webapp.services.batch_errors import FileTooLarge
from webapp.services.context import context
from webapp.services.processing import Order, Product, produce
from webapp.services.records import UploadRecord, record_of
from webapp.services.sealing import discard, row, seal, unseal
from webapp.storage.database import reading, writing
from webapp.storage.models import Blob, Status, Upload, now
from webapp.storage.spool import SealedSpool
from webapp.storage.vault import Kind

log = logging.getLogger(__name__)

MEGABYTE = 1 << 20
SMALL = 32 * MEGABYTE
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
    pseudonyms = accounts.pseudonyms_of(caller.frontend_id)
    digest = pseudonyms.content_digest(hashlib.sha256(content).digest())
    existing = find_same(caller, digest)
    if existing:
        return Received(existing, duplicate=True)
    order = order_for(caller, incoming.study_key)
    product = produce(BytesSource(content), order)
    upload = new_upload(caller, incoming.name, len(content), digest)
    blob = seal(upload.id, Kind.DICOM, product.output)
    try:
        _insert_finished(caller, upload, blob, product)
    except IntegrityError:
        discard(blob)
        return _lost_the_race(caller, digest)
    except BaseException:
        discard(blob)
        raise
    return Received(record_of(upload, context().vault))


def _insert_finished(caller: Caller, upload: Upload, blob: Blob, product: Product) -> None:
    for name, value in finished_values(product).items():
        setattr(upload, name, value)
    with writing(context().engine) as session:
        upload.end_user_id = accounts.end_user(session, caller)
        session.add(upload)
        session.flush()
        session.add(blob)


def _lost_the_race(caller: Caller, digest: bytes) -> Received:
    """Somebody sent the same bytes at the same moment and was first."""
    existing = find_same(caller, digest)
    if existing is None:
        raise Unavailable
    return Received(existing, duplicate=True)


def _receive_sealed(caller: Caller, incoming: Incoming, head: bytes | bytearray) -> Received:
    with closing(context().vault.spool()) as spool:
        fill(spool, incoming.stream, head)
        digest = accounts.pseudonyms_of(caller.frontend_id).content_digest(spool.sha256)
        existing = find_same(caller, digest)
        if existing:
            return Received(existing, duplicate=True)
        return _process_sealed(caller, incoming, spool, digest)


def fill(spool: SealedSpool, stream: IO[bytes], head: bytes | bytearray = b"") -> None:
    """Seal a whole body into the spool.

    Raises:
        FileTooLarge: it has more than ``MAX_UPLOAD_MB``.
    """
    limit = context().settings.max_upload_mb
    piece: bytes | bytearray = head or stream.read(PIECE)
    while piece:
        spool.write(piece)
        if spool.size > limit * MEGABYTE:
            raise FileTooLarge(limit=limit)
        piece = stream.read(PIECE)


def _process_sealed(
    caller: Caller, incoming: Incoming, spool: SealedSpool, digest: bytes
) -> Received:
    upload = new_upload(caller, incoming.name, spool.size, digest, spool.upload_id)
    upload.status, upload.attempts = Status.PROCESSING, 1
    upload.lease, upload.lease_until = uuid4(), now() + leases.LEASE
    original = row(upload.id, Kind.ORIGINAL, spool.keep())
    try:
        with writing(context().engine) as session:
            upload.end_user_id = accounts.end_user(session, caller)
            session.add(upload)
            session.flush()
            session.add(original)
    except IntegrityError:
        discard(original)
        return _lost_the_race(caller, digest)
    try:
        with leases.heartbeat(upload.id, upload.lease):
            order = order_for(caller, incoming.study_key)
            product = produce(unseal(original), order)
            complete(leases.Claim(upload, original, upload.lease), product)
    except BaseException:
        forget(upload.id, upload.lease)
        raise
    with reading(context().engine) as session:
        return Received(record_of(session.get_one(Upload, upload.id), context().vault))


def forget(upload_id: UUID, lease: UUID) -> None:
    """A refused single upload leaves no row and no bytes."""
    with writing(context().engine) as session:
        blobs = session.scalars(select(Blob).where(Blob.upload_id == upload_id)).all()
        gone = session.execute(delete(Upload).where(leases.owned(upload_id, lease)))
    if gone.rowcount:
        discard(*blobs)


def process(upload_id: UUID) -> None:
    """Work on a queued upload: run at least once, stored once.

    Never raises: the outcome is the row's. The file's fault and a bug end it
    ``failed`` under their own codes; what may pass puts it back to wait.
    """
    try:
        claimed = leases.claim(upload_id)
    except Unavailable:
        log.warning("upload %s: the database is away; the sweep will bring it back", upload_id)
        return
    if claimed is None:
        return
    try:
        _process_claimed(claimed)
    except Unavailable as error:
        log.warning("upload %s: ended while %s; its lease will run out", upload_id, error.code)


def _process_claimed(claimed: leases.Claim) -> None:
    upload_id, lease = claimed.upload.id, claimed.lease
    try:
        with leases.heartbeat(upload_id, lease):
            complete(claimed, produce_claimed(claimed))
    except Rejected as error:
        leases.fail(upload_id, lease, error.code)
    except Unavailable as error:
        leases.put_back(claimed.upload, lease, error.code)
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
    blob = seal(upload_id, Kind.DICOM, product.output)
    try:
        with writing(context().engine) as session:
            stored = _finish_row(session, claimed, product)
            if stored:
                session.execute(delete(Blob).where(Blob.upload_id == upload_id))
                session.add(blob)
    except BaseException:
        discard(blob)
        raise
    if not stored:
        discard(blob)
    elif claimed.original:
        discard(claimed.original)
    return stored


def _finish_row(session: Session, claimed: leases.Claim, product: Product) -> bool:
    done = session.execute(
        update(Upload)
        .where(leases.owned(claimed.upload.id, claimed.lease))
        .values(lease=None, lease_until=None, **finished_values(product))
    )
    return bool(done.rowcount)


def finished_values(product: Product) -> dict[str, Any]:
    """The columns that a product fills."""
    instance, diagnosis, model = product.deidentified.instance, product.diagnosis, context().model
    return {
        "status": Status.HELD if product.held else Status.COMPLETED,
        "code": "identifier-suspected" if product.held else None,
        "finished_at": now(),
        "input_format": product.input_format,
        "sop_class_uid": instance.sop_class_uid,
        "sop_instance_uid": instance.sop_instance_uid,
        "study_instance_uid": instance.study_instance_uid,
        "series_instance_uid": instance.series_instance_uid,
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "modality": instance.modality,
        "rows": instance.rows,
        "columns": instance.columns,
        "frames": instance.number_of_frames or (1 if instance.has_pixels else None),
        "report": product.deidentified.report.as_dict(),
        "diagnosis": diagnosis.label if diagnosis else None,
        "confidence": diagnosis.confidence if diagnosis else None,
        "model_name": model.name,
        "model_version": model.version,
        "model_mock": model.mock,
    }


def order_for(caller: Caller, study_key: str | None) -> Order:
    """How this caller's files are processed."""
    pseudonyms = accounts.pseudonyms_of(caller.frontend_id)
    group = pseudonyms.group(study_key) if study_key else None
    return Order(context().profile, pseudonyms, group)


def find_same(caller: Caller, digest: bytes) -> UploadRecord | None:
    """The live upload of the same bytes by the same user under the same profile."""
    with reading(context().engine) as session:
        user_id = accounts.known_user(session, caller)
        query = select(Upload).where(live_of(user_id), Upload.digest == digest)
        found = session.scalar(query)
    return record_of(found, context().vault) if found else None


def live_of(end_user_id: UUID | None) -> ColumnElement[bool]:
    """The uploads that count as first of their bytes; a failed or deleted one does not."""
    return and_(
        Upload.end_user_id == end_user_id,
        Upload.profile == context().profile.name,
        Upload.status != Status.FAILED,
        Upload.hidden_at.is_(None),
    )


def new_upload(
    caller: Caller, name: str, size: int, digest: bytes | None, upload_id: UUID | None = None
) -> Upload:
    """The row of a file that came in, its name sealed; owner and status are the caller's to set."""
    upload_id = upload_id or uuid4()
    key_id, sealed = context().vault.seal_name(name, upload_id)
    return Upload(
        id=upload_id,
        frontend_id=caller.frontend_id,
        name=sealed,
        name_key_id=key_id,
        size=size,
        digest=digest,
        profile=context().profile.name,
        created_at=now(),
        pixel_text="not examined",
    )
