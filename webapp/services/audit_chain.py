"""The chain that shows whether the audit was changed.

Rows are committed without a link, so that no act waits for another. One sealer
at a time gives each committed row its position and an HMAC over itself and the
link before it, then appends count and head to the anchor: a file outside the
database. Whoever changes a row without the key breaks the chain there; whoever
cuts its tail is found out by the anchor.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from webapp.services.context import context
from webapp.storage.admin_models import AuditEvent, AuditKey
from webapp.storage.database import alone, reading, snapshot, upserting, writing
from webapp.storage.models import now

SLICE = 500  # of a transaction: SQLite has one writer, and others wait meanwhile
KEY_BYTES = 32
FIRST = bytes(32)
AAD = b"audit"
ONLY = 1
COLUMNS = (
    "id", "at", "request_id", "address", "actor", "actor_id", "frontend_id", "end_user_id",
    "action", "object_kind", "object_id", "outcome", "facts",
)  # fmt: skip


@dataclass(frozen=True)
class Broken:
    """The first place at which the chain does not hold. ``event_id`` where there is a row."""

    position: int
    reason: str
    event_id: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What ``audit verify`` found; all is well when ``broken`` is none."""

    linked: int
    unlinked: int
    anchors: int
    broken: Broken | None = None


@dataclass(frozen=True)
class Anchor:
    """A line of the anchor: how long the chain was, and its last link."""

    count: int
    head: bytes


def seal() -> int:
    """Link every committed row that has no link yet; how many."""
    total = 0
    while _anything_to_link():
        linked = _seal_slice()
        total += linked
        if not linked:
            break  # another process is at it
    return total


def _anything_to_link() -> bool:
    with reading(context().engine) as session:
        return bool(session.scalar(select(exists().where(AuditEvent.position.is_(None)))))


def _seal_slice() -> int:
    with writing(context().engine) as session:
        if not alone(session, "audit"):
            return 0
        key = _key(session) or _new_key(session)
        position, link = _end(session)
        unlinked = select(AuditEvent).where(AuditEvent.position.is_(None))
        events = session.scalars(unlinked.order_by(AuditEvent.id).limit(SLICE)).all()
        values = []
        for event in events:
            position, link = position + 1, _link(key, link, position + 1, event)
            values.append({"id": event.id, "position": position, "link": link})
        session.expunge_all()
        if values:
            session.execute(update(AuditEvent), values)
    if values:
        _append(Anchor(position, link))
    return len(values)


def _end(session: Session) -> tuple[int, bytes]:
    last = select(AuditEvent.position, AuditEvent.link).where(AuditEvent.position.is_not(None))
    row = session.execute(last.order_by(AuditEvent.position.desc()).limit(1)).one_or_none()
    return (row[0], row[1]) if row else (0, FIRST)  # type: ignore[return-value]


def _link(key: bytes, before: bytes, position: int, event: AuditEvent) -> bytes:
    content = [position, *(_plain(getattr(event, name)) for name in COLUMNS)]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hmac.digest(key, before + text.encode(), "sha256")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value if value is None or isinstance(value, int | str | dict) else str(value)


def _key(session: Session) -> bytes | None:
    row = session.get(AuditKey, ONLY)
    return context().keyring.unwrap(row.key_id, row.key, AAD) if row else None


def _new_key(session: Session) -> bytes:
    key = secrets.token_bytes(KEY_BYTES)
    key_id, wrapped = context().keyring.wrap(key, AAD)
    session.execute(
        upserting(session, AuditKey)
        .values(id=ONLY, key=wrapped, key_id=key_id)
        .on_conflict_do_nothing()
    )
    return _key(session) or key


def verify() -> Verdict:
    """Check every link against its row, and the anchor against the chain."""
    anchors = list(_anchors(context().settings.audit_anchor_file))
    with snapshot(context().engine) as session:
        key = _key(session)
        count = select(func.count()).select_from(AuditEvent)
        unlinked = session.scalar(count.where(AuditEvent.position.is_(None))) or 0
        linked, broken = _check(session, key, anchors)
    return Verdict(linked, unlinked, len(anchors), broken)


def _check(
    session: Session, key: bytes | None, anchors: list[Anchor | None]
) -> tuple[int, Broken | None]:
    if None in anchors:
        return 0, Broken(0, f"line {anchors.index(None) + 1} of the anchor is malformed")
    wanted = {anchor.count: anchor.head for anchor in anchors if anchor}
    linked, link = 0, FIRST
    query = select(AuditEvent).where(AuditEvent.position.is_not(None))
    for event in session.scalars(
        query.order_by(AuditEvent.position), execution_options={"yield_per": SLICE}
    ):
        expected = linked + 1
        if key is None:
            return linked, Broken(expected, "the key of the chain is gone", event.id)
        if event.position != expected:
            return linked, Broken(expected, "the row is gone")
        link = _link(key, link, expected, event)
        if event.link is None or not hmac.compare_digest(link, event.link):
            return linked, Broken(expected, "the row was changed", event.id)
        if wanted.pop(expected, link) != link:
            return linked, Broken(expected, "the row is not the one that was anchored", event.id)
        linked = expected
        session.expunge(event)
    return linked, _after_the_end(linked, wanted, bool(anchors))


def _after_the_end(linked: int, left: dict[int, bytes], anchored: bool) -> Broken | None:
    if left:
        return Broken(linked + 1, f"the tail is cut: {max(left) - linked} rows are gone")
    if linked and not anchored:
        return Broken(linked, "the anchor is gone, so a cut tail would not show")
    return None


def _append(anchor: Anchor) -> None:
    """A line: time, count, head; on the disk when this returns. The head is a MAC itself."""
    path = context().settings.audit_anchor_file
    path.parent.mkdir(parents=True, exist_ok=True)
    line = f"{now():%Y-%m-%dT%H:%M:%SZ} {anchor.count} {anchor.head.hex()}\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def _anchors(path: Path) -> Iterator[Anchor | None]:
    """The lines of the anchor; none for one that is not of its form."""
    if not path.exists():
        return
    with path.open() as file:
        for line in file:
            parts = line.split()
            whole = len(parts) == 3 and parts[1].isdecimal() and len(parts[2]) == 64
            try:
                yield Anchor(int(parts[1]), bytes.fromhex(parts[2])) if whole else None
            except ValueError:
                yield None
