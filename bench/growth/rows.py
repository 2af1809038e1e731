"""Uploads of a thousand users, written straight into PostgreSQL, as if each had been processed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

import psycopg
from sqlalchemy import select

from tests import secrets_of_tests as secrets
from webapp.services import accounts, counting
from webapp.services.context import context
from webapp.storage.database import writing
from webapp.storage.models import EndUser, Frontend, Role
from webapp.storage.spool import Vault

USERS = 1000
CLINICIAN = "clinician@example.org"
MODALITIES = ("CT", "MR", "US", "CR", "DX", "XC", "MG")
A_BATCH = 100
"""Files of each batch."""

EVERY_SO_MANYTH = 4
"""Which batches are the one clinician's, so that there is a 500th page to go to."""

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=365)
TRIGGERS = ("uploads", "blobs")

UPLOAD = (
    "id, frontend_id, end_user_id, batch_id, created_at, finished_at, name, name_key_id, size, "
    "profile, status, attempts, input_format, sop_class_uid, sop_instance_uid, "
    "study_instance_uid, series_instance_uid, transfer_syntax_uid, modality, rows, columns, "
    "frames, pixel_text, processing_ms, diagnosis, confidence, model_name, model_version, "
    "model_mock"
)
BATCH = "id, frontend_id, end_user_id, created_at, closed_at, files, size"
ENTRY = "id, batch_id, position, upload_id, name, name_key_id, duplicate"
BLOB = "id, upload_id, kind, location, data_key, master_key_id, size, sha256, created_at"
CT = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")


class Owner(NamedTuple):
    """Whose an upload is."""

    frontend_id: UUID
    end_user_id: UUID


class Filling:
    """The rows of ``uploads`` uploads, the same ones for the same number."""

    def __init__(self, vault: Vault, clinician: Owner, users: list[Owner], uploads: int) -> None:
        self.vault, self.clinician, self.users = vault, clinician, users
        self.count = uploads
        self.batches = [_id("batch", number) for number in range(-(-uploads // A_BATCH))]
        self.ids = [_id("upload", number) for number in range(uploads)]

    def owner(self, number: int) -> Owner:
        """Of one batch and all its files."""
        batch = number // A_BATCH
        if batch % EVERY_SO_MANYTH == 0:
            return self.clinician
        return self.users[batch % len(self.users)]

    def moment(self, number: int) -> datetime:
        return FIRST + SPAN * number / self.count

    def uploads(self) -> Iterator[tuple[Any, ...]]:
        chance = random.Random(7)
        for number, upload_id in enumerate(self.ids):
            owner, at = self.owner(number), self.moment(number)
            key_id, name = self.vault.seal_name(f"image-{number}.dcm", upload_id)
            study = f"2.25.{number // 50}.1"
            uids = (f"2.25.{number}", study, f"{study}.1")
            yield (
                *(upload_id, owner.frontend_id, owner.end_user_id),
                *(self.batches[number // A_BATCH], at, at + timedelta(seconds=2)),
                *(name, key_id, 529_576, "basic", "completed", 1, "DICOM", CT[0], *uids, CT[1]),
                *(chance.choice(MODALITIES), 512, 512, 1, "not examined", chance.randint(5, 90)),
                *("No finding", 0.5, "mock", "1", True),
            )

    def all_batches(self) -> Iterator[tuple[Any, ...]]:
        for number, batch_id in enumerate(self.batches):
            owner, at = self.owner(number * A_BATCH), self.moment(number * A_BATCH)
            files = min(A_BATCH, self.count - number * A_BATCH)
            yield batch_id, owner.frontend_id, owner.end_user_id, at, at, files, files * 529_576

    def entries(self) -> Iterator[tuple[Any, ...]]:
        for number in range(self.count):
            entry_id = _id("entry", number)
            key_id, name = self.vault.seal_name(f"image-{number}.dcm", entry_id)
            batch_id = self.batches[number // A_BATCH]
            yield entry_id, batch_id, number % A_BATCH, self.ids[number], name, key_id, False

    def blobs(self) -> Iterator[tuple[Any, ...]]:
        """Their bytes are nowhere: nothing that is measured opens them."""
        key_id = self.vault.keyring.newest_id
        for number in range(self.count):
            blob_id = _id("blob", number)
            yield (
                *(blob_id, self.ids[number], "dicom", blob_id.hex, bytes(60), key_id),
                *(529_576, bytes(32), self.moment(number)),
            )


def _id(kind: str, number: int) -> UUID:
    return uuid5(NAMESPACE_OID, f"{kind}-{number}")


def fill(url: str, uploads: int) -> Filling:
    """Fill the empty database at ``url`` within the running app, and count anew."""
    filling = Filling(context().vault, _clinician(), _users(), uploads)
    with psycopg.connect(url) as connection:
        for table in TRIGGERS:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        _copy(connection, "batches", BATCH, filling.all_batches())
        _copy(connection, "uploads", UPLOAD, filling.uploads())
        _copy(connection, "batch_entries", ENTRY, filling.entries())
        _copy(connection, "blobs", BLOB, filling.blobs())
        for table in TRIGGERS:
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    counting.rebuild()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return filling


def _copy(
    connection: psycopg.Connection[Any],
    table: str,
    columns: str,
    rows: Iterator[tuple[Any, ...]],
) -> None:
    with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _clinician() -> Owner:
    accounts.create_person(CLINICIAN, secrets.ADMIN_PASSWORD, Role.CLINICIAN)
    person = accounts.authenticate_person(CLINICIAN, secrets.ADMIN_PASSWORD)
    assert person is not None
    return Owner(accounts.people_frontend_id(), person.end_user_id)


def _users() -> list[Owner]:
    """The end users ``0`` to ``999`` of the first frontend."""
    with writing(context().engine) as session:
        frontend_id = session.scalars(
            select(Frontend.id).where(Frontend.of_people.is_(False))
        ).first()
        assert frontend_id is not None
        users = [EndUser(frontend_id=frontend_id, external_id=str(n)) for n in range(USERS)]
        session.add_all(users)
        session.flush()
        return [Owner(frontend_id, user.id) for user in users]
