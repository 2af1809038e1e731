"""Many instances as one ZIP: a DICOM File-set (PS3.10) with a DICOMDIR made for it.

The ZIP is written while it is sent. Nothing of it touches a disk, and memory holds
one file of up to 8 MB, or a chunk of a larger one, and the growing DICOMDIR, which
therefore comes last. Sizes and checksums stand before each file, where readers that
cannot seek look for them: a file that does not fit in memory is read twice.
"""

from __future__ import annotations

import logging
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from webapp.errors import NotFound, Rejected
from webapp.pipeline.fileset import Directory, FileID, Namer
from webapp.pipeline.source import Buffer, BytesSource, Source, chunks
from webapp.services import audit
from webapp.services.accounts import Caller
from webapp.services.audit import Action, Object
from webapp.services.context import context
from webapp.services.library import visible_uploads
from webapp.services.release import Failed, Held, NotReady
from webapp.services.sealing import unseal
from webapp.storage.database import reading
from webapp.storage.errors import BlobMissing
from webapp.storage.models import Blob, Status, Upload, now

if TYPE_CHECKING:
    from stream_zip import MemberFile, Method

log = logging.getLogger(__name__)

MOST = 10_000
IN_MEMORY = 8 << 20
"""Bytes of a file that is read once; a larger one is read twice."""

ZIP64_FROM = 0xF000_0000
"""Bytes in all from which ZIP64 is used: short of 4 GB, for the directories also count."""

_AT_ONCE = 500
_MODE = stat.S_IFREG | 0o644
_REFUSED = {
    Status.FAILED: Failed,
    Status.HELD: Held,
    Status.QUEUED: NotReady,
    Status.PROCESSING: NotReady,
}


class SelectionEmpty(Rejected):
    """Nothing was chosen."""

    code = "selection-empty"


class SelectionTooLarge(Rejected):
    """More than ``limit`` were chosen."""

    code = "selection-too-large"


@dataclass(frozen=True)
class Member:
    """An instance that goes into a ZIP, and its File ID there."""

    file_id: FileID
    blob: Blob


class _Row(NamedTuple):
    id: UUID
    status: str
    study: str | None
    series: str | None
    blob: Blob | None


def distinct(upload_ids: Iterable[UUID]) -> list[UUID]:
    """A choice of uploads, each once, in its order.

    Raises:
        SelectionEmpty, SelectionTooLarge: there are none, or more than :data:`MOST`.
    """
    chosen = list(dict.fromkeys(upload_ids))
    if not chosen:
        raise SelectionEmpty
    if len(chosen) > MOST:
        raise SelectionTooLarge(limit=MOST)
    return chosen


def prepare(caller: Caller, upload_ids: Iterable[UUID]) -> list[Member]:
    """The members of a ZIP of these uploads; the audit notes the download of each.

    All of them can be given out, or none is: what is held is refused to reviewers too,
    for in a ZIP it would leave with the others unseen.

    Raises:
        SelectionEmpty, SelectionTooLarge: as :func:`distinct`.
        NotFound: one of them is absent, or somebody else's.
        NotReady, Held, Failed: there is no file to give of one of them.
    """
    chosen = distinct(upload_ids)
    with reading(context().engine) as session:
        found = {row.id: row for row in _rows(session, caller, chosen)}
    if len(found) < len(chosen):
        raise NotFound
    members = _members(found[upload_id] for upload_id in chosen)
    about = tuple(Object("upload", upload_id) for upload_id in chosen)
    context().notes.write(audit.rows(caller, Action.UPLOAD_DOWNLOAD, about, audit.OK, None))
    return members


def _rows(session: Session, caller: Caller, chosen: Sequence[UUID]) -> Iterator[_Row]:
    of_dicom = and_(Blob.upload_id == Upload.id, Blob.kind == "dicom")
    series = (Upload.study_instance_uid, Upload.series_instance_uid)
    query = select(Upload.id, Upload.status, *series, Blob).outerjoin(Blob, of_dicom)
    for start in range(0, len(chosen), _AT_ONCE):
        some = chosen[start : start + _AT_ONCE]
        wanted = query.where(visible_uploads(caller), Upload.id.in_(some))
        yield from (_Row(*row) for row in session.execute(wanted))


def _members(rows: Iterable[_Row]) -> list[Member]:
    rows = list(rows)
    for status, refusal in _REFUSED.items():
        if any(row.status == status for row in rows):
            raise refusal
    namer, members = Namer(), []
    for row in rows:
        if row.blob is None:
            raise BlobMissing
        members.append(Member(namer.name(row.study or "", row.series or ""), row.blob))
    return members


def archive(members: Sequence[Member]) -> Iterator[bytes]:
    """The ZIP, piece by piece. The first piece comes when the first file has been opened.

    Raises:
        Damaged, BlobMissing: a stored file is not what it was. What was sent until then is
            no ZIP that opens, for its directory comes last.
    """
    from stream_zip import stream_zip  # brings 16 MB that nobody needs who exports nothing

    yield from stream_zip(_files(members), chunk_size=1 << 20)


def _files(members: Sequence[Member]) -> Iterator[MemberFile]:
    directory, at = Directory(), now()
    large = sum(member.blob.size for member in members) >= ZIP64_FROM
    unlisted = 0
    for member in members:
        with closing(unseal(member.blob)) as source:
            unlisted += not directory.add(member.file_id, source)
            method, content = _stored(source, large)
            yield "/".join(member.file_id), at, _MODE, method, content
    if unlisted:
        log.info("a DICOMDIR does not list %d of %d files", unlisted, len(members))
    method, content = _stored(BytesSource(directory.content()), large)
    yield "DICOMDIR", at, _MODE, method, content


def _stored(source: Source, large: bool) -> tuple[Method, Iterable[bytes]]:
    """How a file is stored, its size and checksum known beforehand, and its content."""
    from stream_zip import NO_COMPRESSION_32, NO_COMPRESSION_64

    content: Iterable[Buffer] = chunks(source)
    if source.size <= IN_MEMORY:
        content = list(content)
    checksum = 0
    for piece in content:
        checksum = zlib.crc32(piece, checksum)
    if source.size > IN_MEMORY:
        content = chunks(source)
    kind = NO_COMPRESSION_64 if large else NO_COMPRESSION_32
    return kind(source.size, checksum), cast(Iterable[bytes], content)
