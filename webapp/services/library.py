"""What a caller may see of uploads and batches: lists, records, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from webapp.errors import NotFound
from webapp.services import audit, counters, search
from webapp.services.accounts import Caller
from webapp.services.audit import Action, Object
from webapp.services.context import context
from webapp.services.records import (
    Page,
    UploadRecord,
    decode_cursor,
    encode_cursor,
    record_of,
)
from webapp.storage.database import reading, snapshot
from webapp.storage.models import Batch, EndUser, Upload

Row = TypeVar("Row", Upload, Batch)


@dataclass(frozen=True)
class Filters:
    """Which uploads of a list are wanted; none of a field means any."""

    status: str | None = None
    modality: str | None = None
    batch_id: UUID | None = None
    study_instance_uid: str | None = None
    received_from: datetime | None = None
    received_until: datetime | None = None
    saved: bool = False
    number: str | None = None


@dataclass(frozen=True)
class Extent:
    """How many pictures a study has in a list, and how many of them stand before a page of it."""

    total: int
    before: int


@dataclass(frozen=True)
class Stats:
    """Totals over what the caller may see."""

    total_uploads: int
    unique_users: int
    latest_upload: datetime | None
    earliest_upload: datetime | None


def visible(caller: Caller, table: type[Upload] | type[Batch]) -> ColumnElement[bool]:
    """The rows of ``table`` that the caller may see."""
    if caller.sees_all:
        return true()
    if caller.user is None:
        return table.frontend_id == caller.frontend_id
    if caller.end_user_id is None:
        return false()
    return table.end_user_id == caller.end_user_id


def visible_uploads(caller: Caller) -> ColumnElement[bool]:
    """The uploads that the caller may see; a hidden one waits to be purged."""
    return and_(visible(caller, Upload), Upload.hidden_at.is_(None))


def get_visible(session: Session, caller: Caller, upload_id: UUID) -> Upload:
    """The row of an upload.

    Raises:
        NotFound: absent, or somebody else's.
    """
    query = select(Upload).where(Upload.id == upload_id, visible_uploads(caller))
    found = session.scalar(query)
    if found is None:
        raise NotFound
    return found


def upload(caller: Caller, upload_id: UUID) -> UploadRecord:
    """One upload's record, which the audit notes. Raises NotFound."""
    with reading(context().engine) as session:
        record = record_of(get_visible(session, caller, upload_id), context().vault)
    audit.note(caller, Action.UPLOAD_VIEW, Object("upload", upload_id))
    return record


def owns(caller: Caller, upload_id: UUID) -> bool:
    """Whether an upload is the caller's own, not only visible to it."""
    mine = select(Upload.id).where(Upload.id == upload_id, visible_uploads(caller.as_owner()))
    with reading(context().engine) as session:
        return session.scalar(mine) is not None


def uploads(
    caller: Caller, limit: int, cursor: str | None = None, filters: Filters | None = None
) -> Page[UploadRecord]:
    """The caller's uploads, newest first.

    Raises:
        CursorInvalid: the cursor is not one of ours.
    """
    query = select(Upload).where(visible_uploads(caller), *_conditions(caller, filters))
    with reading(context().engine) as session:
        rows = session.scalars(newest_first(query, Upload, limit, cursor)).all()
    records = [record_of(row, context().vault) for row in rows[:limit]]
    return Page(records, next_cursor(rows, limit))


def extents(
    caller: Caller, page: Sequence[UploadRecord], filters: Filters | None = None
) -> dict[str, Extent]:
    """Of each study on a page of the caller's uploads: how far it reaches beyond the page."""
    studies = {each.study_instance_uid for each in page if each.study_instance_uid}
    if not studies:
        return {}
    newest = page[0]
    newer = or_(
        Upload.created_at > newest.created_at,
        and_(Upload.created_at == newest.created_at, Upload.id > newest.upload_id),
    )
    before = func.sum(case((newer, 1), else_=0))
    query = (
        select(Upload.study_instance_uid, func.count(), before)
        .where(visible_uploads(caller), *_conditions(caller, filters))
        .where(Upload.study_instance_uid.in_(studies))
        .group_by(Upload.study_instance_uid)
    )
    with reading(context().engine) as session:
        return {study: Extent(total, int(first)) for study, total, first in session.execute(query)}


def _conditions(caller: Caller, filters: Filters | None) -> list[ColumnElement[bool]]:
    filters = filters or Filters()
    wanted: list[tuple[InstrumentedAttribute[object], object]] = [
        (Upload.status, filters.status),
        (Upload.modality, filters.modality),
        (Upload.batch_id, filters.batch_id),
        (Upload.study_instance_uid, filters.study_instance_uid),
    ]
    conditions: list[ColumnElement[bool]] = [c == v for c, v in wanted if v is not None]
    if filters.received_from:
        conditions.append(Upload.created_at >= filters.received_from)
    if filters.received_until:
        conditions.append(Upload.created_at < filters.received_until)
    if filters.number:
        conditions.append(search.matching(caller, filters.number))
    if filters.saved:
        conditions.append(Upload.saved_at.is_not(None))
    return conditions


def newest_first(
    query: Select[Row],
    table: type[Upload] | type[Batch],
    limit: int,
    cursor: str | None,
) -> Select[Row]:
    """A keyset page of ``limit`` rows and one more, which tells whether there are others."""
    if cursor:
        moment, row_id = decode_cursor(cursor)
        query = query.where(
            or_(
                table.created_at < moment,
                and_(table.created_at == moment, table.id < row_id),
            )
        )
    return query.order_by(table.created_at.desc(), table.id.desc()).limit(limit + 1)


def next_cursor(rows: Sequence[Upload] | Sequence[Batch], limit: int) -> str | None:
    """The cursor behind the last of ``limit`` rows, where more follow."""
    if len(rows) <= limit:
        return None
    return encode_cursor(rows[limit - 1].created_at, rows[limit - 1].id)


def acting_as(caller: Caller, user: str) -> Caller:
    """The caller, narrowed to one user of its frontend.

    Raises:
        NotFound: the call already acts as another user.
    """
    if caller.user is not None and caller.user != user and not caller.sees_all:
        raise NotFound
    with reading(context().engine) as session:
        query = select(EndUser).where(EndUser.external_id == user)
        if not caller.sees_all:
            query = query.where(EndUser.frontend_id == caller.frontend_id)
        found = session.scalars(query.order_by(EndUser.created_at)).first()
    frontend_id = found.frontend_id if found else caller.frontend_id
    return Caller(frontend_id, user, found.id if found else None, caller.scopes - {"admin"})


def stats(caller: Caller) -> Stats:
    """Totals over what the caller may see, at the same cost however many there are."""
    moments = select(Upload.created_at).where(visible_uploads(caller)).limit(1)
    with snapshot(context().engine) as session:
        total = _total(session, caller)
        latest = session.scalar(moments.order_by(Upload.created_at.desc(), Upload.id.desc()))
        earliest = session.scalar(moments.order_by(Upload.created_at, Upload.id))
    return Stats(total.uploads, total.users, latest, earliest)


def _total(session: Session, caller: Caller) -> counters.Total:
    if caller.sees_all:
        return counters.total(session)
    if caller.user is None:
        return counters.total(session, caller.frontend_id)
    if caller.end_user_id is None:
        return counters.Total(0, 0)
    uploads = counters.total_of_user(session, caller.end_user_id)
    return counters.Total(uploads, int(uploads > 0))
