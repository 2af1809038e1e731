"""How Alembic runs here: online only, one set of migrations for SQLite and PostgreSQL."""

from alembic import context
from flask import current_app

from webapp.storage.models import Moment

database = current_app.extensions["migrate"].db


def render_item(kind: str, item: object, _autogen: object) -> str | bool:
    """Our own column types are written as what they are in the database."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


def run_migrations() -> None:
    """Each migration is whole or undone, on SQLite too: its engine opens real transactions."""
    with database.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_as_batch=True,
            compare_type=True,
            render_item=render_item,
            transactional_ddl=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations()
