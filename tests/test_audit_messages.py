"""Audit events as DICOM audit messages: the codes are DICOM's, the form is PS3.15 A.5.1's."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID
from xml.etree import ElementTree

import pytest
from pydicom.sr._concepts_dict import concepts

from webapp.audit_messages import DCM, MEANINGS, document, message
from webapp.services.audit import Action
from webapp.services.audit_search import Event

UPLOAD = UUID("5a0a6c3e-0f5e-4a43-9a53-3f1f3a2b1c0d")
DICOM_CODES = {
    code: meaning for names in concepts["DCM"].values() for code, (meaning, *_) in names.items()
}


def event(**changes: object) -> Event:
    values: dict[str, object] = {
        "id": 1, "at": datetime(2026, 11, 25, 12, 0, tzinfo=UTC), "request_id": "ab" * 16,
        "address": "192.0.2.7", "actor": "person", "actor_id": UUID(int=7), "email": "a@b.example",
        "frontend_id": UUID(int=8), "end_user_id": UUID(int=9), "action": "upload.download",
        "object_kind": "upload", "object_id": UPLOAD, "outcome": "ok", "facts": None,
        "linked": True,
    }  # fmt: skip
    return Event(**{**values, **changes})  # type: ignore[arg-type]


def test_every_action_has_its_meaning() -> None:
    assert set(MEANINGS) == set(Action)


@pytest.mark.parametrize("action", list(Action))
def test_the_codes_mean_in_dicom_what_is_written_beside_them(action: Action) -> None:
    meaning = MEANINGS[action]

    for coded in (meaning.event, meaning.kind):
        if coded and coded.scheme == DCM:
            assert DICOM_CODES[coded.code] == coded.meaning
    assert meaning.letter in "CRUDE"


def test_a_message_says_who_did_what_to_which_object_from_where() -> None:
    root = message(event())

    assert [child.tag for child in root] == [
        "EventIdentification",
        "ActiveParticipant",
        "AuditSourceIdentification",
        "ParticipantObjectIdentification",
    ]
    identification, actor, _, about = root
    assert identification.attrib == {
        "EventActionCode": "R",
        "EventDateTime": "2026-11-25T12:00:00.000+00:00",
        "EventOutcomeIndicator": "0",
    }
    assert identification[0].attrib == {
        "csd-code": "110106", "codeSystemName": "DCM", "originalText": "Export"
    }  # fmt: skip
    assert actor.attrib["UserID"] == str(UUID(int=7))
    assert actor.attrib["NetworkAccessPointID"] == "192.0.2.7"
    assert about.attrib["ParticipantObjectID"] == str(UPLOAD)


def test_a_refusal_is_a_failure_with_its_reason() -> None:
    identification = message(event(outcome="not-found"))[0]

    assert identification.attrib["EventOutcomeIndicator"] == "4"
    assert identification.findtext("EventOutcomeDescription") == "not-found"


def test_an_event_without_actor_or_object_is_still_a_message() -> None:
    root = message(event(actor="nobody", actor_id=None, end_user_id=None, object_id=None))

    assert root[1].attrib["UserID"] == "nobody"
    assert root.find("ParticipantObjectIdentification") is None


def test_a_file_of_many_is_well_formed_whatever_an_address_holds() -> None:
    strange = event(address='<x a="1">&', action="no.such.action")

    root = ElementTree.fromstring("".join(document([event(), strange])))

    assert [child.tag for child in root] == ["AuditMessage"] * 2
    assert root[1][1].attrib["NetworkAccessPointID"] == '<x a="1">&'
