"""Administration without a script: numbers, people, keys, audit and retention, for admins alone."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests import secrets_of_tests as secrets
from tests.callers import assemble
from tests.pages.visitor import PASSWORD, Visitor, newcomer, somebody
from tests.samples import ct, picture
from webapp.extensions import db
from webapp.services import accounts, workers
from webapp.storage.admin_models import AuditEvent
from webapp.storage.database import reading, writing
from webapp.storage.models import ApiKey, Frontend, Person, Role, Upload, now

PAGES = ("/admin", "/admin/people", "/admin/keys", "/admin/audit", "/admin/retention")
SECRET = re.compile(r'id="secret">([^<]+)<')


@pytest.fixture
def root(app: Flask) -> Visitor:
    return somebody(app, "root@example.org", Role.ADMIN)


def id_of(app: Flask, email: str) -> str:
    with app.app_context(), reading(db.engine) as session:
        return str(session.scalars(select(Person.id).where(Person.email == email)).one())


def frontend_id(app: Flask, name: str) -> str:
    with app.app_context(), reading(db.engine) as session:
        return str(session.scalars(select(Frontend.id).where(Frontend.name == name)).one())


def secret_in(html: str) -> str:
    found = SECRET.search(html)
    assert found, html
    return found[1]


def table(root: Visitor, name: str, by: str = "day") -> list[dict[str, str]]:
    text = root.page(f"/admin/numbers/{name}.csv?by={by}")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    "path", [*PAGES, "/admin/numbers/states.csv", "/admin/audit.csv", "/admin/audit.dicom"]
)
def test_a_clinician_and_a_reviewer_are_refused_everywhere(app: Flask, path: str) -> None:
    for role in (Role.CLINICIAN, Role.REVIEWER):
        assert somebody(app, f"{role}@example.org", role).get(path).status_code == 403


@pytest.mark.parametrize("act", ["role", "deactivate", "activate", "reset"])
def test_a_clinician_changes_nobody(app: Flask, act: str) -> None:
    anna = somebody(app)

    answer = anna.send(f"/admin/people/{id_of(app, anna.email)}/{act}", role="admin")

    assert answer.status_code == 403
    assert somebody(app, "root@example.org", Role.ADMIN).page("/admin/people").count("Admin") > 1


def test_nothing_needs_anybody_where_all_is_well(app: Flask, root: Visitor) -> None:
    with app.app_context():
        workers.beat(uuid4(), 2)

    assert "Nothing: no file is held" in root.page("/admin")


def test_what_needs_somebody_stands_first(app: Flask, root: Visitor) -> None:
    root.uploaded(b"a diary", "diary.txt")
    with app.app_context(), writing(db.engine) as session:
        held = {"status": "held", "code": "identifier-suspected"}
        session.execute(update(Upload).values(**held))
    page = root.page("/admin")

    assert page.index("What needs somebody") < page.index("By state")
    assert "No worker is alive" in page
    assert "1 file is held for review." in page


def test_each_table_of_the_page_has_a_chart_and_a_csv(root: Visitor) -> None:
    root.uploaded(ct(), "a.dcm")
    root.uploaded(picture())
    root.uploaded(b"a diary", "diary.txt")
    page = root.page("/admin")

    names = re.findall(r"/admin/numbers/([a-z-]+)\.csv", page)
    assert len(names) == 7
    assert page.count('<svg class="chart') >= 7
    for name in names:
        assert table(root, name), name


def test_the_numbers_are_those_of_the_files(root: Visitor) -> None:
    root.uploaded(ct(), "a.dcm")
    root.uploaded(picture())
    root.uploaded(b"a diary", "diary.txt")

    states = {row["State"]: row["Uploads"] for row in table(root, "states")}
    assert states == {"Waiting": "0", "Completed": "2", "Held for review": "0", "Failed": "1"}
    assert {row["Format"] for row in table(root, "formats")} == {"DICOM", "JPEG"}
    assert [row["Reason"] for row in table(root, "reasons")] == ["Not an image or DICOM"]


@pytest.mark.parametrize(("by", "slots"), [("day", 30), ("week", 26), ("month", 24), ("x", 30)])
def test_the_history_is_by_day_week_or_month(root: Visitor, by: str, slots: int) -> None:
    root.uploaded(picture())

    history = table(root, "over-time", by)

    assert len(history) == slots
    assert [row["Uploads"] for row in history] == ["0"] * (slots - 1) + ["1"]
    assert root.get(f"/admin?by={by}").status_code == 200


def test_an_old_upload_stands_in_its_month(app: Flask, root: Visitor) -> None:
    root.uploaded(picture())
    past = now() - timedelta(days=100)
    with app.app_context(), writing(db.engine) as session:
        session.execute(update(Upload).values(created_at=past))

    history = table(root, "over-time", "month")

    assert [row["Month"] for row in history if row["Uploads"] == "1"] == [f"{past:%Y-%m}-01"]


def test_a_modality_that_is_a_formula_stays_text(app: Flask, root: Visitor) -> None:
    root.uploaded(ct(), "a.dcm")
    with app.app_context(), writing(db.engine) as session:
        session.execute(update(Upload).values(modality="=1+1"))

    assert [row["Modality"] for row in table(root, "modalities")] == ["'=1+1"]


def test_an_unknown_table_is_not_found(root: Visitor) -> None:
    assert root.get("/admin/numbers/nothing.csv").status_code == 404


def test_a_person_is_added_and_logs_in_with_what_was_shown(app: Flask, root: Visitor) -> None:
    answer = root.send("/admin/people", email="New@Example.org", role="reviewer")

    newcomer_ = Visitor(app.test_client(), "new@example.org")
    assert newcomer_.log_in(secret_in(answer.get_data(as_text=True))).status_code == 303
    assert newcomer_.get("/review").status_code == 200


@pytest.mark.parametrize("email", ["", "nobody", "a b@c", "root@example.org"])
def test_a_wrong_or_taken_address_is_said_beside_its_field(root: Visitor, email: str) -> None:
    answer = root.send("/admin/people", email=email, role="clinician")

    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.get_data(as_text=True)


def test_who_is_deactivated_is_out_with_the_next_request(app: Flask, root: Visitor) -> None:
    anna = somebody(app)

    root.send(f"/admin/people/{id_of(app, anna.email)}/deactivate")

    assert anna.get("/gallery").status_code == 303
    assert anna.log_in().status_code == 422


def test_a_changed_role_is_in_force_with_the_next_request(app: Flask, root: Visitor) -> None:
    anna = somebody(app)

    root.send(f"/admin/people/{id_of(app, anna.email)}/role", role="admin")

    assert anna.get("/admin").status_code == 200


def test_a_reset_ends_the_sessions_and_shows_the_password_once(app: Flask, root: Visitor) -> None:
    anna = somebody(app)
    path = f"/admin/people/{id_of(app, anna.email)}"

    drawn = secret_in(root.send(f"{path}/reset").get_data(as_text=True))

    assert drawn not in root.page(path)
    assert anna.get("/gallery").status_code == 303
    assert anna.log_in(PASSWORD).status_code == 422
    assert anna.log_in(drawn).status_code == 303


def test_the_last_administrator_cannot_be_removed(app: Flask, root: Visitor) -> None:
    root.send(f"/admin/people/{id_of(app, secrets.ADMIN_EMAIL)}/deactivate")
    own = f"/admin/people/{id_of(app, root.email)}"

    for act in ("deactivate", "role"):
        root.send(f"{own}/{act}", role="clinician")
        assert "Nobody else is an active administrator" in root.page(own)

    assert root.get("/admin").status_code == 200


def test_a_key_is_shown_once_and_works(app: Flask, root: Visitor) -> None:
    answer = root.send("/admin/keys", name="ward", scope=["read"], life="90")
    raw = secret_in(answer.get_data(as_text=True))
    listed = root.page("/admin/keys")

    assert raw not in listed
    assert raw[:8] in listed
    with app.app_context():
        caller = accounts.authenticate_key(raw, None)
    assert caller
    assert caller.scopes == {"read"}


@pytest.mark.parametrize(
    "fields",
    [{"name": "", "scope": ["read"]}, {"name": "people", "scope": ["read"]}, {"name": "ward"}],
)
def test_a_key_that_cannot_be_made_says_why(root: Visitor, fields: dict[str, object]) -> None:
    answer = root.send("/admin/keys", **fields)

    assert answer.status_code == 422
    assert 'class="wrong"' in answer.get_data(as_text=True)


def test_a_key_is_rotated_and_revoked(app: Flask, root: Visitor) -> None:
    alice = assemble(app).alice
    with app.app_context(), reading(db.engine) as session:
        key_id = session.scalars(select(ApiKey.id).where(ApiKey.prefix == alice.key[:8])).one()

    raw = secret_in(root.send(f"/admin/keys/{key_id}/rotate").get_data(as_text=True))
    both = [alice.get("/stats").status_code]
    assert "Revoke" in root.page(f"/admin/keys/{key_id}/revoke")
    root.send(f"/admin/keys/{key_id}/revoke")
    alice_again = [alice.get("/stats").status_code]
    alice.key = raw

    assert both + alice_again + [alice.get("/stats").status_code] == [200, 401, 200]
    root.send(f"/admin/keys/{key_id}/rotate")
    assert "revoked or has run out" in root.page("/admin/keys")


def test_the_audit_is_found_by_request_object_and_outcome(app: Flask, root: Visitor) -> None:
    alice = assemble(app).alice
    answer = alice.upload(picture())
    upload_id = answer.get_json()["upload_id"]
    alice.client.get(f"/upload/{upload_id}/details", headers=root_headers(app))

    for query in (f"request={answer.headers['X-Request-ID']}", f"id={upload_id}"):
        page = root.page(f"/admin/audit?{query}")
        assert "upload.create" in page
        assert upload_id in page
        assert "person.log-in</th>" not in page
    refused = root.page("/admin/audit?outcome=failed")
    assert "not-found" in refused
    assert "upload.create</th>" not in refused


def root_headers(app: Flask) -> dict[str, str]:
    """Of another frontend's key."""
    with app.app_context():
        raw = accounts.create_key("elsewhere", ("read",))
    return {"Authorization": f"Bearer {raw}"}


def test_the_audit_has_pages(root: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.pages.admin_audit.PAGE", 2)
    for _ in range(3):
        root.page("/admin/audit")
    first = root.page("/admin/audit")

    older = re.search(r'href="(/admin/audit\?cursor=e\d+)"', first)

    assert older
    assert root.get(older[1]).status_code == 200
    assert root.get("/admin/audit?cursor=x").status_code == 400


@pytest.mark.parametrize("query", ["id=7", "id=nothing"])
def test_an_id_that_is_none_is_said(root: Visitor, query: str) -> None:
    answer = root.get(f"/admin/audit?{query}")

    assert answer.status_code == 422
    assert "hexadecimal" in answer.get_data(as_text=True)


def test_the_audit_is_taken_away_in_both_forms_and_that_is_recorded(root: Visitor) -> None:
    rows = list(csv.DictReader(io.StringIO(root.page("/admin/audit.csv?actor=person"))))
    messages = ElementTree.fromstring(root.page("/admin/audit.dicom?actor=person"))

    assert {row["actor"] for row in rows} == {"person"}
    assert len(messages) == len(rows) + 1
    assert root.page("/admin/audit?action=audit.export").count("audit.export</th>") == 2
    assert root.get("/admin/audit.pdf").status_code == 404


def test_a_rule_is_seen_before_it_is_in_force(app: Flask, root: Visitor) -> None:
    root.uploaded(picture())
    with app.app_context(), writing(db.engine) as session:
        session.execute(update(Upload).values(created_at=now() - timedelta(days=40)))
    path = f"/admin/retention/{frontend_id(app, accounts.PEOPLE)}"

    seen = root.page(f"{path}?days=30")
    before = root.page("/admin/retention")
    root.send(path, days="30")

    assert "Nothing has happened yet" in seen
    assert re.search(r"<dt>would be destroyed now</dt><dd>1</dd>", seen)
    assert "30 days" not in before
    assert "30 days" in root.page("/admin/retention")
    root.send(f"{path}/remove")
    assert "Everything stays for good." in root.page("/admin/retention")


@pytest.mark.parametrize("days", ["", "0", "-3", "x", "1e3", "99999999999"])
def test_a_rule_without_a_number_of_days_is_refused(app: Flask, root: Visitor, days: str) -> None:
    path = f"/admin/retention/{frontend_id(app, accounts.PEOPLE)}"

    assert root.get(f"{path}?days={days}").status_code == 422
    assert root.send(path, days=days).status_code == 422


def test_acts_of_an_administrator_are_theirs_in_the_audit(app: Flask, root: Visitor) -> None:
    root.send("/admin/people", email="new@example.org", role="clinician")

    with app.app_context(), reading(db.engine) as session:
        events = session.scalars(select(AuditEvent).filter_by(action="person.create")).all()
    assert str(events[-1].actor_id) == id_of(app, root.email)


def test_logging_in_and_out_are_recorded(app: Flask) -> None:
    anna = newcomer(app, "anna@example.org")
    anna.log_in()
    anna.send("/logout")

    with app.app_context(), reading(db.engine) as session:
        mine = select(AuditEvent.action).filter_by(actor="person").order_by(AuditEvent.id)
        assert session.scalars(mine).all()[-2:] == ["person.log-in", "person.log-out"]
