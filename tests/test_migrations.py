"""One set of migrations makes, on either database, what the models say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect

from tests import installation
from webapp.extensions import db
from webapp.storage.models import Base


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An app over each database in turn, with no schema yet."""
    overrides = {}
    if request.param == "postgresql":
        overrides["database_url"] = request.getfixturevalue("empty_postgres_url")
    app = installation.app(installation.settings(tmp_path, **overrides))
    with app.app_context():
        yield app
    installation.close(app)


def tables() -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_migrations_and_models_agree(bare: Flask) -> None:
    upgrade()

    with db.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_down_and_up_again_goes_round(bare: Flask) -> None:
    upgrade()
    before = tables()

    downgrade(revision="base")
    between = tables()
    upgrade()

    assert between == set()
    assert tables() == before == set(Base.metadata.tables)


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(bare: Flask) -> None:
    upgrade()
    before = tables()

    upgrade()

    assert tables() == before
