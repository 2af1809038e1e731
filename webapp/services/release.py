"""What leaves: the finished instance, its pictures, and an upload's end."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.errors import NotFound, Rejected
from webapp.pipeline.errors import NoPicture
from webapp.pipeline.render import Rendered, RenderOptions
from webapp.pipeline.source import BytesSource, Source
from webapp.services import accounts, audit
from webapp.services.accounts import Caller
from webapp.services.audit import Action, Object
from webapp.services.context import context
from webapp.services.library import get_visible, visible
from webapp.services.records import UploadRecord, record_of
from webapp.services.sealing import discard, seal, unseal
from webapp.storage.database import reading, writing
from webapp.storage.errors import BlobMissing
from webapp.storage.models import Blob, EndUser, Status, Upload, now
from webapp.storage.vault import Kind, SealedSource

log = logging.getLogger(__name__)

UNDO = timedelta(seconds=30)
THUMBNAIL = RenderOptions(frame=None, max_size=256, window=None, format="webp")
PREVIEW = RenderOptions(frame=None, max_size=1280, window=None, format="webp")
PICTURES = {Kind.THUMBNAIL: THUMBNAIL, Kind.PREVIEW: PREVIEW}


class NotReady(Rejected):
    """The upload still waits or is worked on."""

    code = "not-ready"


class Held(Rejected):
    """A person must look at the upload before it is given out."""

    code = "held"


class Failed(Rejected):
    """The upload failed, so there is nothing to give out."""

    code = "failed"


@dataclass(frozen=True)
class Instance:
    """A finished DICOM file, ready to be streamed. ``sha256`` is of its plain bytes."""

    upload: UploadRecord
    source: SealedSource
    sha256: bytes


def dicom(caller: Caller, upload_id: UUID, action: Action = Action.UPLOAD_DOWNLOAD) -> Instance:
    """The de-identified file; the audit notes what it is wanted for, ``action``.

    Raises:
        NotFound: absent, or somebody else's.
        NotReady, Held, Failed: there is none to give.
    """
    upload, blob = _released(caller, upload_id, Kind.DICOM)
    if blob is None:
        raise BlobMissing
    audit.note(caller, action, Object("upload", upload_id))
    return Instance(record_of(upload, context().vault), unseal(blob), blob.sha256)


def picture(caller: Caller, upload_id: UUID, kind: Kind) -> tuple[Source, bytes]:
    """A thumbnail or preview (WebP), made at first view and kept sealed; bytes and SHA-256.

    Raises:
        NotFound, NotReady, Held, Failed: as :func:`dicom`.
        NoPicture: the instance holds no pixels.
        DecodeFailed: its pixels cannot be decoded.
    """
    upload, blob = _released(caller, upload_id, kind)
    if blob is not None:
        audit.note(caller, Action.UPLOAD_PICTURE, Object("upload", upload_id))
        return unseal(blob), blob.sha256
    if not (upload.rows and upload.columns):
        raise NoPicture
    source = BytesSource(rendered(caller, upload_id, PICTURES[kind]).content)
    return source, _keep(upload_id, kind, source)


def _keep(upload_id: UUID, kind: Kind, source: BytesSource) -> bytes:
    blob = seal(upload_id, kind, source, durable=False)
    try:
        with writing(context().engine) as session:
            session.add(blob)
    except IntegrityError:
        discard(blob)
    return blob.sha256


def rendered(caller: Caller, upload_id: UUID, options: RenderOptions) -> Rendered:
    """One frame as a picture, made anew.

    Raises:
        As :func:`picture`.
    """
    with closing(dicom(caller, upload_id, Action.UPLOAD_PICTURE).source) as source:
        return context().sandbox.render(source, options)


def _released(caller: Caller, upload_id: UUID, kind: Kind) -> tuple[Upload, Blob | None]:
    with reading(context().engine) as session:
        upload = get_visible(session, caller, upload_id)
        _check_released(caller, upload)
        blob = session.scalar(
            select(Blob).where(Blob.upload_id == upload_id, Blob.kind == kind.name.lower())
        )
    return upload, blob


def _check_released(caller: Caller, upload: Upload) -> None:
    if upload.status == Status.FAILED:
        raise Failed
    if upload.status == Status.HELD and not caller.may_review:
        raise Held
    if upload.status in (Status.QUEUED, Status.PROCESSING):
        raise NotReady


def save(caller: Caller, user: str, upload_id: UUID) -> None:
    """Assign a userless upload to ``user``, or mark one already theirs as saved.

    Raises:
        NotFound: absent, or anybody else's.
    """
    if caller.user is not None and caller.user != user:
        raise NotFound
    with writing(context().engine) as session:
        upload = session.scalar(
            select(Upload).where(Upload.id == upload_id, Upload.hidden_at.is_(None))
        )
        if upload is None or not (caller.is_admin or upload.frontend_id == caller.frontend_id):
            raise NotFound
        owner = session.get_one(EndUser, upload.end_user_id).external_id
        if owner not in (accounts.NOBODY, user):
            raise NotFound
        if owner == accounts.NOBODY:
            _assign(session, upload, Caller(upload.frontend_id, user))
        upload.saved_at = upload.saved_at or now()
        audit.write(session, caller, Action.UPLOAD_SAVE, Object("upload", upload_id))


def _assign(session: Session, upload: Upload, owner: Caller) -> None:
    """Where the user already has the same bytes, theirs stays the one that duplicates find."""
    user_id = accounts.end_user(session, owner)
    same = select(Upload.id).where(
        Upload.end_user_id == user_id,
        Upload.digest == upload.digest,
        Upload.profile == upload.profile,
    )
    if session.scalar(same):
        upload.digest = None
    upload.end_user_id = user_id


def delete_upload(caller: Caller, upload_id: UUID) -> None:
    """Destroy record, bytes and data keys at once.

    Raises:
        NotFound: absent, or somebody else's.
    """
    with writing(context().engine) as session:
        get_visible(session, caller, upload_id)
        blobs = purge(session, upload_id)
        audit.write(session, caller, Action.UPLOAD_DESTROY, Object("upload", upload_id))
    discard(*blobs)


def purge(session: Session, upload_id: UUID) -> list[Blob]:
    """Delete an upload's row and data keys; its blobs, whose bytes are to be discarded then."""
    blobs = list(session.scalars(select(Blob).where(Blob.upload_id == upload_id)))
    session.execute(delete(Upload).where(Upload.id == upload_id))
    return blobs


def hide(caller: Caller, upload_id: UUID) -> None:
    """Delete with thirty seconds to think it over. Raises NotFound."""
    with writing(context().engine) as session:
        get_visible(session, caller, upload_id).hidden_at = now()
        audit.write(session, caller, Action.UPLOAD_DELETE, Object("upload", upload_id))


def unhide(caller: Caller, upload_id: UUID) -> None:
    """Take a deletion back.

    Raises:
        NotFound: too late, or somebody else's.
    """
    query = select(Upload).where(
        Upload.id == upload_id, visible(caller, Upload), Upload.hidden_at.is_not(None)
    )
    try:
        with writing(context().engine) as session:
            upload = session.scalar(query)
            if upload is None:
                raise NotFound
            upload.hidden_at = None
            audit.write(session, caller, Action.UPLOAD_RESTORE, Object("upload", upload_id))
    except IntegrityError:
        raise NotFound from None


def purge_hidden() -> int:
    """Destroy what was deleted more than thirty seconds ago; how many."""
    with reading(context().engine) as session:
        due = session.scalars(select(Upload.id).where(Upload.hidden_at < now() - UNDO)).all()
    for upload_id in due:
        with writing(context().engine) as session:
            blobs = purge(session, upload_id)
            audit.write(session, None, Action.UPLOAD_DESTROY, Object("upload", upload_id))
        discard(*blobs)
    return len(due)


def drop_failed_originals() -> int:
    """Destroy what was received of uploads that failed ``KEEP_FAILED_DAYS`` ago; how many."""
    before = now() - timedelta(days=context().settings.keep_failed_days)
    query = (
        select(Blob)
        .join(Upload, Upload.id == Blob.upload_id)
        .where(Upload.status == Status.FAILED, Upload.finished_at < before)
        .limit(500)
    )
    with writing(context().engine) as session:
        blobs = list(session.scalars(query))
        session.execute(delete(Blob).where(Blob.id.in_([blob.id for blob in blobs])))
    discard(*blobs)
    return len(blobs)
