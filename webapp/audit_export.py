"""Audit events as files: CSV for people, and DICOM audit messages for archives of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from webapp import audit_messages, csv_export
from webapp.services.audit_search import Event

COLUMNS = (
    "id", "at", "request_id", "address", "actor", "actor_id", "email", "frontend_id",
    "end_user_id", "action", "object_kind", "object_id", "outcome", "facts",
)  # fmt: skip


@dataclass(frozen=True)
class Form:
    """How events are written, and what such a file is called."""

    write: Callable[[Iterable[Event]], Iterator[str]]
    media_type: str
    file_name: str


def as_csv(events: Iterable[Event]) -> Iterator[str]:
    """A line an event."""
    return csv_export.lines(COLUMNS, (_row(event) for event in events))


def _row(event: Event) -> list[object]:
    values = {name: getattr(event, name) for name in COLUMNS}
    values["at"] = event.at.isoformat(timespec="microseconds")
    values["facts"] = json.dumps(event.facts, sort_keys=True) if event.facts else ""
    return list(values.values())


FORMS = {
    "csv": Form(as_csv, "text/csv", "audit.csv"),
    "dicom": Form(audit_messages.document, "application/xml", "audit.xml"),
}
