"""Numbers for the pages of administrators and reviewers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from webapp.services.accounts import Caller
from webapp.services.context import context
from webapp.services.library import visible_uploads
from webapp.storage.database import reading
from webapp.storage.models import Status, Upload, now


@dataclass(frozen=True)
class Overview:
    """Uploads the caller may see: how many in each state, and the bytes they came with."""

    by_status: dict[Status, int]
    received_bytes: int
    last_day: int

    @property
    def total(self) -> int:
        return sum(self.by_status.values())


def overview(caller: Caller) -> Overview:
    """Count what the caller may see; every state has its number, zero too."""
    seen = visible_uploads(caller)
    by_status = select(Upload.status, func.count(), func.sum(Upload.size)).where(seen)
    lately = select(func.count(Upload.id)).where(
        seen, Upload.created_at >= now() - timedelta(days=1)
    )
    with reading(context().engine) as session:
        rows = session.execute(by_status.group_by(Upload.status)).all()
        last_day = session.scalar(lately) or 0
    counts = {Status(status): count for status, count, _ in rows}
    received = sum(int(size or 0) for _, _, size in rows)
    return Overview({status: counts.get(status, 0) for status in Status}, received, last_day)
