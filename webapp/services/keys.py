"""Master keys come and go: what they wrap is wrapped again, blobs stay as they are."""

from __future__ import annotations

from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute

from webapp.services import audit, audit_chain
from webapp.services.accounts import secret_aad
from webapp.services.audit import Action
from webapp.services.context import context
from webapp.storage.admin_models import AuditKey
from webapp.storage.database import reading, writing
from webapp.storage.models import BatchEntry, Blob, Frontend, Upload
from webapp.storage.vault import Kind

SLICE = 500
Wrapped = Frontend | Upload | BatchEntry | Blob | AuditKey


TABLES: tuple[tuple[type[Wrapped], InstrumentedAttribute[str]], ...] = (
    (Frontend, Frontend.secret_key_id),
    (Upload, Upload.name_key_id),
    (BatchEntry, BatchEntry.name_key_id),
    (Blob, Blob.master_key_id),
    (AuditKey, AuditKey.key_id),
)


def rewrap_all() -> int:
    """Wrap everything under the newest master key, a slice a transaction; how many rows.

    It may be interrupted and run again: only rows under older keys are touched.
    """
    total = sum(_rewrap(table, column) for table, column in TABLES)
    if total:
        facts = {"key_id": context().keyring.newest_id, "rows": total}
        with writing(context().engine) as session:
            audit.write(session, None, Action.MASTER_KEY_ROTATE, facts=facts)
    return total


def rows_under(key_id: str) -> int:
    """How many rows still need a master key."""
    with reading(context().engine) as session:
        return sum(
            session.scalar(select(func.count()).select_from(table).where(column == key_id)) or 0
            for table, column in TABLES
        )


def retire(key_id: str) -> int:
    """Drop an old master key; how many rows still need it, and then it stays.

    Counted again after it is gone: a transaction in flight may have used it.

    Raises:
        KeyMissing: there is no such key.
        ValueError: it is the newest, or the keys are not in a file.
    """
    needed = rows_under(key_id)
    if needed:
        return needed
    with writing(context().engine) as session:
        audit.write(session, None, Action.MASTER_KEY_RETIRE, facts={"key_id": key_id})
    removed = context().keyring.remove(key_id)
    late = rows_under(key_id)
    if late:
        context().keyring.put_back(key_id, removed)
    return late


def _rewrap(table: type[Wrapped], column: InstrumentedAttribute[str]) -> int:
    done, newest = 0, context().keyring.newest_id
    while True:
        with writing(context().engine) as session:
            query = select(table).where(column != newest).limit(SLICE).with_for_update()
            rows = session.scalars(query).all()
            for row in rows:
                _rewrap_row(cast(Wrapped, row))
        if not rows:
            return done
        done += len(rows)


def _rewrap_row(row: Wrapped) -> None:
    keyring, vault = context().keyring, context().vault
    if isinstance(row, Frontend):
        secret = keyring.unwrap(row.secret_key_id, row.secret, secret_aad(row.id))
        row.secret_key_id, row.secret = keyring.wrap(secret, secret_aad(row.id))
    elif isinstance(row, AuditKey):
        key = keyring.unwrap(row.key_id, row.key, audit_chain.AAD)
        row.key_id, row.key = keyring.wrap(key, audit_chain.AAD)
    elif isinstance(row, Blob):
        row.master_key_id, row.data_key = vault.rewrap(
            row.data_key, row.master_key_id, row.upload_id, Kind[row.kind.upper()]
        )
    else:
        name = vault.open_name(row.name_key_id, row.name, row.id)
        row.name_key_id, row.name = vault.seal_name(name, row.id)
