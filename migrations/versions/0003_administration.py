"""audit, counters, workers and retention

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
HELD = sa.text("status = 'held'")
HIDDEN = sa.text("hidden_at IS NOT NULL")
UNLINKED = sa.text("position IS NULL")

# What one upload adds to the counters; {row} is NEW or OLD, {sign} is 1 or -1.
DELTA = """
    INSERT INTO counter_deltas (day, frontend_id, end_user_id, state, code, modality,
                                input_format, processing_ms, uploads, size)
    SELECT {day}, {row}.frontend_id, {row}.end_user_id, {state}, {row}.code, {row}.modality,
           {row}.input_format, {row}.processing_ms, {sign}, {sign} * {row}.size
    WHERE {row}.hidden_at IS NULL;
"""
# What one blob adds to what is stored.
STORED = """
    INSERT INTO counter_deltas (day, state, uploads, size)
    VALUES ('', 'stored', {sign}, {sign} * {row}.size);
"""
STATE = "CASE WHEN {row}.status IN ('queued', 'processing') THEN 'waiting' ELSE {row}.status END"
COUNTED = (
    "created_at", "frontend_id", "end_user_id", "code", "modality", "input_format",
    "processing_ms", "size",
)  # fmt: skip
KEPT = (
    "id", "at", "request_id", "address", "actor", "actor_id", "frontend_id", "end_user_id",
    "action", "object_kind", "object_id", "outcome",
)  # fmt: skip


def upgrade() -> None:
    _make_tables()
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _sqlite_triggers() if sqlite else _postgresql_triggers():
        op.execute(sa.text(statement.replace(":", "\\:")))
    _count_what_is_there(sqlite)


def _make_tables() -> None:
    op.add_column("uploads", sa.Column("processing_ms", sa.Integer(), nullable=True))
    op.create_index(
        "ix_uploads_held", "uploads", ["created_at"], sqlite_where=HELD, postgresql_where=HELD
    )
    op.drop_index("ix_uploads_hidden_at", "uploads")
    op.create_index(
        "ix_uploads_hidden", "uploads", ["hidden_at"], sqlite_where=HIDDEN, postgresql_where=HIDDEN
    )
    op.create_table(
        "audit_events",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("actor", sa.String(length=8), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("frontend_id", sa.Uuid(), nullable=True),
        sa.Column("end_user_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("object_kind", sa.String(length=16), nullable=True),
        sa.Column("object_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("link", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("position", name=op.f("uq_audit_events_position")),
    )
    for column in ("at", "request_id", "actor_id", "object_id"):
        op.create_index(op.f(f"ix_audit_events_{column}"), "audit_events", [column])
    op.create_index(
        "ix_audit_events_unlinked", "audit_events", ["id"],
        sqlite_where=UNLINKED, postgresql_where=UNLINKED,
    )  # fmt: skip
    op.create_table(
        "audit_keys",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_keys")),
    )
    op.create_table(
        "counter_deltas",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("frontend_id", sa.Uuid(), nullable=True),
        sa.Column("end_user_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("modality", sa.String(length=16), nullable=True),
        sa.Column("input_format", sa.String(length=32), nullable=True),
        sa.Column("processing_ms", sa.Integer(), nullable=True),
        sa.Column("uploads", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counter_deltas")),
    )
    op.create_table(
        "counters",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("uploads", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "day", "key", name=op.f("pk_counters")),
    )
    op.create_index(op.f("ix_counters_kind_uploads"), "counters", ["kind", "uploads"])
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("processes", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "master_key_sightings",
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_master_key_sightings")),
    )
    op.create_table(
        "retention_rules",
        sa.Column("frontend_id", sa.Uuid(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["frontend_id"], ["frontends.id"], name=op.f("fk_retention_rules_frontend_id_frontends")
        ),
        sa.PrimaryKeyConstraint("frontend_id", name=op.f("pk_retention_rules")),
    )


def _delta(row: str, sign: int, day: str) -> str:
    state = STATE.format(row=row)
    return DELTA.format(row=row, sign=sign, state=state, day=day.format(row=row))


def _recounted(unequal: str) -> str:
    pairs = [(STATE.format(row="OLD"), STATE.format(row="NEW"))]
    pairs += [(f"OLD.{name}", f"NEW.{name}") for name in COUNTED]
    pairs.append(("(OLD.hidden_at IS NULL)", "(NEW.hidden_at IS NULL)"))
    return " OR ".join(f"({old}) {unequal} ({new})" for old, new in pairs)


def _sqlite_triggers() -> list[str]:
    day = "substr({row}.created_at, 1, 10)"
    gone, come = _delta("OLD", -1, day), _delta("NEW", 1, day)
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in (*KEPT, "facts"))
    refuse = "SELECT RAISE(ABORT, 'audit_events takes new rows only');"
    return [
        f"CREATE TRIGGER uploads_come AFTER INSERT ON uploads BEGIN {come} END",
        f"CREATE TRIGGER uploads_gone AFTER DELETE ON uploads BEGIN {gone} END",
        f"CREATE TRIGGER uploads_changed AFTER UPDATE ON uploads WHEN {_recounted('IS NOT')}"
        f" BEGIN {gone} {come} END",
        f"CREATE TRIGGER blobs_come AFTER INSERT ON blobs BEGIN {STORED.format(row='NEW', sign=1)}"
        " END",
        f"CREATE TRIGGER blobs_gone AFTER DELETE ON blobs BEGIN {STORED.format(row='OLD', sign=-1)}"
        " END",
        f"CREATE TRIGGER audit_events_stay BEFORE DELETE ON audit_events BEGIN {refuse} END",
        "CREATE TRIGGER audit_events_linked_once BEFORE UPDATE ON audit_events"
        f" WHEN OLD.position IS NOT NULL OR {changed} BEGIN {refuse} END",
    ]


def _postgresql_triggers() -> list[str]:
    day = "to_char({row}.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    gone, come = _delta("OLD", -1, day), _delta("NEW", 1, day)
    changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in KEPT)
    changed += " OR OLD.facts::text IS DISTINCT FROM NEW.facts::text"
    return [
        f"""CREATE FUNCTION count_upload() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF TG_OP <> 'INSERT' THEN {gone} END IF;
            IF TG_OP <> 'DELETE' THEN {come} END IF;
            RETURN NULL; END $$""",
        "CREATE TRIGGER uploads_come AFTER INSERT ON uploads"
        " FOR EACH ROW EXECUTE FUNCTION count_upload()",
        "CREATE TRIGGER uploads_gone AFTER DELETE ON uploads"
        " FOR EACH ROW EXECUTE FUNCTION count_upload()",
        "CREATE TRIGGER uploads_changed AFTER UPDATE ON uploads FOR EACH ROW"
        f" WHEN ({_recounted('IS DISTINCT FROM')}) EXECUTE FUNCTION count_upload()",
        f"""CREATE FUNCTION count_blob() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF TG_OP = 'INSERT' THEN {STORED.format(row='NEW', sign=1)}
            ELSE {STORED.format(row='OLD', sign=-1)} END IF;
            RETURN NULL; END $$""",
        "CREATE TRIGGER blobs_come AFTER INSERT ON blobs"
        " FOR EACH ROW EXECUTE FUNCTION count_blob()",
        "CREATE TRIGGER blobs_gone AFTER DELETE ON blobs"
        " FOR EACH ROW EXECUTE FUNCTION count_blob()",
        """CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'audit_events takes new rows only'; END $$""",
        "CREATE TRIGGER audit_events_stay BEFORE DELETE OR TRUNCATE ON audit_events"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
        "CREATE TRIGGER audit_events_linked_once BEFORE UPDATE ON audit_events FOR EACH ROW"
        f" WHEN (OLD.position IS NOT NULL OR {changed}) EXECUTE FUNCTION refuse_audit_change()",
    ]


def _count_what_is_there(sqlite: bool) -> None:
    """The next fold takes these in like any other change."""
    day = "substr(u.created_at, 1, 10)" if sqlite else (
        "to_char(u.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    )  # fmt: skip
    uploads = DELTA.format(row="u", sign=1, day=day, state=STATE.format(row="u"))
    op.execute(uploads.replace("WHERE", "FROM uploads AS u WHERE"))
    op.execute(
        "INSERT INTO counter_deltas (day, state, uploads, size)"
        " SELECT '', 'stored', 1, size FROM blobs"
    )


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name, table in (
        ("uploads_come", "uploads"),
        ("uploads_gone", "uploads"),
        ("uploads_changed", "uploads"),
        ("blobs_come", "blobs"),
        ("blobs_gone", "blobs"),
    ):
        op.execute(f"DROP TRIGGER {name}" + ("" if sqlite else f" ON {table}"))
    for table in (
        "retention_rules", "master_key_sightings", "workers", "counters", "counter_deltas",
        "audit_keys", "audit_events",
    ):  # fmt: skip
        op.drop_table(table)
    if not sqlite:
        for function in ("count_upload", "count_blob", "refuse_audit_change"):
            op.execute(f"DROP FUNCTION {function}()")
    op.drop_index("ix_uploads_hidden", "uploads")
    op.create_index(op.f("ix_uploads_hidden_at"), "uploads", ["hidden_at"])
    op.drop_index("ix_uploads_held", "uploads")
    op.drop_column("uploads", "processing_ms")
