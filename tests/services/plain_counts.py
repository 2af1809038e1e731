"""The numbers of the statistics, counted the plain way: every row walked in Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from webapp.extensions import db
from webapp.storage.database import reading
from webapp.storage.models import EndUser, Upload

Answer = tuple[int, int, datetime | None, datetime | None]


def rows() -> list[tuple[Upload, str]]:
    """Every visible upload, and its user's own id."""
    query = select(Upload, EndUser.external_id).join(EndUser, EndUser.id == Upload.end_user_id)
    with reading(db.engine) as session:
        found = session.execute(query.where(Upload.hidden_at.is_(None))).all()
    return [(upload, external_id) for upload, external_id in found]


def stats(belongs: Callable[[Upload], bool] = lambda _: True) -> Answer:
    """Total, users, latest, earliest."""
    mine = [(upload, user) for upload, user in rows() if belongs(upload)]
    users = {upload.end_user_id for upload, user in mine if user}
    moments = [upload.created_at for upload, _ in mine]
    return len(mine), len(users), max(moments, default=None), min(moments, default=None)


def of_frontend(frontend_id: UUID) -> Answer:
    return stats(lambda upload: upload.frontend_id == frontend_id)


def of_user(end_user_id: UUID) -> Answer:
    return stats(lambda upload: upload.end_user_id == end_user_id)


def by(name: str) -> dict[str, int]:
    """How many uploads have each value of a column."""
    counted = Counter(getattr(upload, name) for upload, _ in rows())
    return {value: count for value, count in counted.items() if value is not None}


def size() -> int:
    return sum(upload.size for upload, _ in rows())
