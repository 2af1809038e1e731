"""Who did what is recorded with the act itself, and a changed record shows; on both databases."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from tests.callers import Cast, assemble
from tests.samples import batch_json, ct, picture
from webapp.extensions import db
from webapp.services import accounts, audit, audit_chain, release
from webapp.services.audit import Action, Object
from webapp.services.context import context
from webapp.storage.admin_models import AuditEvent
from webapp.storage.database import reading, writing
from webapp.storage.errors import DatabaseUnavailable, StorageFull
from webapp.tasks import ingest as tasks


@pytest.fixture
def app(any_database: Flask) -> Iterator[Flask]:
    with any_database.app_context():
        yield any_database


@pytest.fixture
def cast(app: Flask) -> Cast:
    return assemble(app)


def events(**wanted: object) -> list[AuditEvent]:
    """What was recorded and is like this, oldest first."""
    query = select(AuditEvent).filter_by(**wanted).order_by(AuditEvent.id)
    with reading(db.engine) as session:
        return list(session.scalars(query))


def told(upload_id: str) -> list[tuple[str, str]]:
    """What was done to an upload, and how it ended."""
    return [(event.action, event.outcome) for event in events(object_id=UUID(upload_id))]


def tampering(*statements: str) -> None:
    """As somebody who has the database and lets nothing stop him."""
    postgresql = db.engine.dialect.name == "postgresql"
    table = " ON audit_events" if postgresql else ""
    with writing(db.engine) as session:
        for trigger in ("audit_events_stay", "audit_events_linked_once"):
            session.execute(text(f"DROP TRIGGER IF EXISTS {trigger}{table}"))
        for statement in statements:
            session.execute(text(statement))


def test_an_act_says_who_did_what_from_where_in_which_request(cast: Cast) -> None:
    answer = cast.alice.upload(picture())

    [event] = events(object_id=UUID(answer.get_json()["upload_id"]))
    who = accounts.authenticate_key(cast.alice.key, "alice")
    assert who
    assert (event.actor, event.actor_id) == ("key", who.key_id)
    assert (event.frontend_id, event.end_user_id) == (who.frontend_id, None)
    assert (event.action, event.outcome) == ("upload.create", "ok")
    assert event.request_id == answer.headers["X-Request-ID"]
    assert event.address == "127.0.0.1"


def test_the_life_of_an_upload_is_told_from_its_first_to_its_last_day(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture())
    for path in ("details", "preprocessed-dicom", "thumbnail", "thumbnail", "preview"):
        assert cast.alice.get(f"/upload/{upload_id}/{path}").status_code == 200
    cast.alice.post(f"/save-upload?user_id=alice&upload_id={upload_id}")
    cast.alice.delete(f"/upload/{upload_id}")

    assert told(upload_id) == [
        ("upload.create", "ok"),
        ("upload.view", "ok"),
        ("upload.download", "ok"),
        ("upload.picture", "ok"),
        ("upload.picture", "ok"),
        ("upload.picture", "ok"),
        ("upload.save", "ok"),
        ("upload.destroy", "ok"),
    ]


def test_every_file_of_a_batch_is_recorded_and_so_is_what_becomes_of_the_batch(cast: Cast) -> None:
    body = batch_json(("a.jpg", picture()), ("b.txt", b"diary"), ("c.jpg", picture()))
    batch_id = cast.alice.post("/upload/batch", body).get_json()["batch_id"]
    cast.alice.post(f"/upload/batch/{batch_id}/retry")
    cast.alice.delete(f"/upload/batch/{batch_id}")

    made = events(action="upload.create")
    assert [event.facts for event in made] == [{"batch": batch_id}] * 2
    assert [(event.action, event.facts) for event in events(object_id=UUID(batch_id))] == [
        ("batch.create", {"files": 3}),
        ("batch.retry", {"files": 1}),
        ("batch.cancel", {"files": 0}),
    ]


def test_what_another_was_refused_is_recorded(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture())
    cast.bob.get(f"/upload/{upload_id}/details")
    cast.bob.get(f"/upload/{upload_id}/preprocessed-dicom")
    cast.lab.delete(f"/upload/{upload_id}")
    cast.lab.post(f"/save-upload?user_id=x&upload_id={upload_id}")

    assert told(upload_id)[1:] == [
        ("upload.view", "not-found"),
        ("upload.download", "not-found"),
        ("upload.destroy", "not-found"),
    ]
    assert [event.outcome for event in events(action="upload.save")] == ["not-found"]


def test_a_missing_permission_and_a_refused_file_are_recorded(cast: Cast) -> None:
    cast.reader.upload(picture())
    cast.alice.upload(b"a diary", "diary.txt")

    assert [event.outcome for event in events(action="upload.create")] == [
        "forbidden",
        "unrecognised",
    ]


def test_an_unknown_key_is_recorded_and_no_key_is_not(app: Flask, cast: Cast) -> None:
    cast.alice.client.get("/stats", headers={"Authorization": "Bearer wrong"})
    cast.alice.client.get("/stats")

    [event] = events(action="key.refused")
    assert (event.actor, event.outcome, event.address) == ("nobody", "unauthorized", "127.0.0.1")


def test_a_log_in_that_fails_is_recorded_without_what_was_typed(app: Flask) -> None:
    accounts.create_person("anna@example.org", "a good password")

    accounts.authenticate_person("anna@example.org", "hunter2hunter2")
    accounts.authenticate_person("nobody@example.org", "hunter2hunter2")
    accounts.authenticate_person("anna@example.org", "a good password")

    found = events(action="person.log-in")
    assert [event.outcome for event in found] == ["unauthorized", "unauthorized", "ok"]
    assert [event.object_id is None for event in found] == [False, True, True]
    assert found[2].actor == "person"


def test_nothing_of_a_patient_or_a_file_is_in_it(cast: Cast) -> None:
    content = ct(PatientName="Zzyzx^Quilla", PatientID="MRN-778899", StudyDescription="Qqknee")
    upload_id = cast.alice.uploaded(content, "Zzyzx_Quilla.dcm")
    cast.alice.get(f"/upload/{upload_id}/details")
    cast.bob.get(f"/upload/{upload_id}/details")
    cast.alice.post("/upload/batch", batch_json(("Zzyzx.txt", b"Zzyzx")))

    everything = json.dumps(
        [[str(getattr(event, name)) for name in audit_chain.COLUMNS] for event in events()]
    )
    assert len(events()) > 4
    for word in ("Zzyzx", "Quilla", "MRN-778899", "Qqknee", "alice"):
        assert word.lower() not in everything.lower()


def test_what_is_undone_leaves_no_event(app: Flask) -> None:
    def undone() -> None:
        with writing(db.engine) as session:
            audit.write(session, None, Action.UPLOAD_DELETE, Object("upload", uuid4()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()

    assert events(action="upload.delete") == []


@pytest.mark.parametrize(
    "change",
    [update(AuditEvent).values(outcome="ok", address="elsewhere"), delete(AuditEvent)],
    ids=["update", "delete"],
)
def test_the_database_refuses_to_change_or_delete_what_was_recorded(
    cast: Cast, change: object
) -> None:
    cast.alice.uploaded(picture())

    with pytest.raises(DBAPIError, match="takes new rows only"), writing(db.engine) as session:
        session.execute(change)  # type: ignore[call-overload]


def test_a_link_is_given_once(cast: Cast) -> None:
    audit_chain.seal()

    with pytest.raises(DBAPIError, match="new rows only"), writing(db.engine) as session:
        session.execute(update(AuditEvent).values(link=bytes(32)))


def test_a_whole_chain_holds_and_tells_what_is_not_linked_yet(cast: Cast) -> None:
    cast.alice.uploaded(picture())
    linked = audit_chain.seal()
    cast.bob.uploaded(picture())

    verdict = audit_chain.verify()

    assert verdict.broken is None
    assert (verdict.linked, verdict.unlinked, verdict.anchors) == (linked, 1, 1)


def test_the_sealers_tick_links_what_was_committed(cast: Cast) -> None:
    cast.alice.uploaded(picture())
    tasks.huey.tick()
    cast.bob.uploaded(picture())
    tasks.huey.tick()

    verdict = audit_chain.verify()

    assert (verdict.broken, verdict.unlinked, verdict.anchors) == (None, 0, 2)


def test_many_sealers_at_once_make_one_chain(app: Flask, cast: Cast) -> None:
    for number in range(5):
        cast.alice.uploaded(picture(colour=number))

    def sealing() -> None:
        with app.app_context():
            audit_chain.seal()

    threads = [threading.Thread(target=sealing) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    audit_chain.seal()

    verdict = audit_chain.verify()
    assert (verdict.broken, verdict.unlinked) == (None, 0)
    assert verdict.linked == len(events())


@pytest.mark.parametrize(
    ("statement", "position", "reason"),
    [
        ("UPDATE audit_events SET address = 'elsewhere' WHERE position = 3", 3, "changed"),
        ("UPDATE audit_events SET request_id = 'x' WHERE position >= 2", 2, "chang"),
        ("UPDATE audit_events SET facts = '{\"files\": 1}' WHERE position = 4", 4, "changed"),
        ("DELETE FROM audit_events WHERE position = 3", 3, "gone"),
        ("DELETE FROM audit_events WHERE position = 1", 1, "gone"),
        ("DELETE FROM audit_events WHERE position > 3", 4, "tail is cut"),
        ("DELETE FROM audit_events WHERE position IS NOT NULL", 1, "tail is cut"),
        ("DELETE FROM audit_keys", 1, "key"),
    ],
)
def test_the_first_broken_row_is_named(
    cast: Cast, statement: str, position: int, reason: str
) -> None:
    for number in range(4):
        cast.alice.uploaded(picture(colour=number))
    audit_chain.seal()
    tampering(statement)

    broken = audit_chain.verify().broken

    assert broken
    assert broken.position == position
    assert reason in broken.reason


def test_a_tail_cut_and_grown_again_is_found_out(cast: Cast) -> None:
    for number in range(4):
        cast.alice.uploaded(picture(colour=number))
    audit_chain.seal()
    tampering("DELETE FROM audit_events WHERE position > 3")
    for _ in range(20):
        audit.note(None, Action.AUDIT_SEARCH)
    audit_chain.seal()

    broken = audit_chain.verify().broken

    assert broken
    assert "anchored" in broken.reason


def test_without_its_anchor_the_chain_is_not_called_whole(cast: Cast) -> None:
    cast.alice.uploaded(picture())
    audit_chain.seal()
    context().settings.audit_anchor_file.unlink()

    broken = audit_chain.verify().broken

    assert broken
    assert "anchor" in broken.reason


def test_a_malformed_anchor_is_named(cast: Cast) -> None:
    audit_chain.seal()
    with context().settings.audit_anchor_file.open("a") as file:
        file.write("not a line of ours\n")

    broken = audit_chain.verify().broken

    assert broken
    assert "line 2" in broken.reason


def test_verify_exits_with_1_and_names_the_row(app: Flask, cast: Cast) -> None:
    cast.alice.uploaded(picture())
    audit_chain.seal()
    runner = app.test_cli_runner()
    whole = runner.invoke(args=["audit", "verify"])
    tampering("UPDATE audit_events SET address = 'elsewhere' WHERE position = 2")

    broken = runner.invoke(args=["audit", "verify"])

    assert (whole.exit_code, broken.exit_code) == (0, 1)
    assert "The chain holds." in whole.output
    assert "BROKEN at position 2, event " in broken.output


def test_notes_of_many_at_once_are_all_written(app: Flask) -> None:
    objects = [uuid4() for _ in range(40)]

    def noting(some: list[UUID]) -> None:
        with app.app_context():
            for each in some:
                audit.note(None, Action.UPLOAD_VIEW, Object("upload", each))

    threads = [threading.Thread(target=noting, args=(objects[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {event.object_id for event in events(action="upload.view")} == set(objects)


def test_what_cannot_be_recorded_is_not_given_out(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = cast.alice.uploaded(picture())
    monkeypatch.setattr(audit, "writing_relaxed", _raising(DatabaseUnavailable))

    answers = [
        cast.alice.get(f"/upload/{upload_id}/{path}").status_code
        for path in ("details", "preprocessed-dicom", "rendered.png")
    ]

    assert answers == [503] * 3


def test_on_a_full_disk_reading_goes_on_and_is_recorded_when_there_is_room(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = cast.alice.uploaded(picture())
    with monkeypatch.context() as full:
        full.setattr(audit, "writing_relaxed", _raising(StorageFull))
        answer = cast.alice.get(f"/upload/{upload_id}/preprocessed-dicom")
    assert answer.status_code == 200

    cast.alice.get(f"/upload/{upload_id}/details")

    assert told(upload_id)[1:] == [("upload.download", "ok"), ("upload.view", "ok")]


def test_the_service_itself_destroys_what_was_hidden_and_says_so(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture())
    who = accounts.authenticate_key(cast.alice.key, "alice")
    assert who
    release.hide(who, UUID(upload_id))
    tampering("UPDATE uploads SET hidden_at = '2020-01-01 00:00:00.000000'")

    tasks.sweep()

    assert told(upload_id)[1:] == [("upload.delete", "ok"), ("upload.destroy", "ok")]
    assert events(action="upload.destroy")[0].actor == "system"


def _raising(error: type[Exception]) -> object:
    def raising(*_args: object) -> None:
        raise error

    return raising
