"""Audit events as DICOM audit messages (PS3.15 A.5), for an audit record repository.

Each event is one ``AuditMessage`` of the schema in A.5.1; a file of many wraps
them in one element, because a message by itself is a document by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from webapp.services.audit import OK, Action
from webapp.services.audit_search import Event

SOURCE = "intake"
DCM = "DCM"
RFC = "RFC-3881"
MINOR_FAILURE, SUCCESS = "4", "0"
SYSTEM_OBJECT, PERSON_OBJECT = "2", "1"


class Coded(NamedTuple):
    """A code of a scheme, and its meaning there."""

    code: str
    meaning: str
    scheme: str = DCM


class Meaning(NamedTuple):
    """What an action is in the words of PS3.16 CID 400 and 401; the letter is A.5.1's."""

    event: Coded
    letter: str
    kind: Coded | None = None


ACCESSED = Coded("110103", "DICOM Instances Accessed")
EXPORT = Coded("110106", "Export")
IMPORT = Coded("110107", "Import")
AUTHENTICATION = Coded("110114", "User Authentication")
ALERT = Coded("110113", "Security Alert")
LOG_USED = Coded("110101", "Audit Log Used")
LOGIN = Coded("110122", "Login")
LOGOUT = Coded("110123", "Logout")
ROLES = Coded("110136", "Security Roles Changed")
ATTRIBUTES = Coded("110137", "User Security Attributes Changed")
CONFIGURED = Coded("110129", "Security Configuration")
SOFTWARE = Coded("110131", "Software Configuration")
NODE = Coded("110126", "Node Authentication")
RESTRICTED = Coded("110132", "Use of Restricted Function")

MEANINGS: dict[str, Meaning] = {
    Action.UPLOAD_CREATE: Meaning(IMPORT, "C"),
    Action.UPLOAD_VIEW: Meaning(ACCESSED, "R"),
    Action.UPLOAD_DOWNLOAD: Meaning(EXPORT, "R"),
    Action.UPLOAD_PICTURE: Meaning(ACCESSED, "R"),
    Action.UPLOAD_SAVE: Meaning(ACCESSED, "U"),
    Action.UPLOAD_UNSAVE: Meaning(ACCESSED, "U"),
    Action.UPLOAD_DELETE: Meaning(ACCESSED, "D"),
    Action.UPLOAD_RESTORE: Meaning(ACCESSED, "U"),
    Action.UPLOAD_DESTROY: Meaning(ACCESSED, "D"),
    Action.UPLOAD_EXPIRE: Meaning(ACCESSED, "D"),
    Action.BATCH_CREATE: Meaning(IMPORT, "C"),
    Action.BATCH_ADD: Meaning(IMPORT, "C"),
    Action.BATCH_CLOSE: Meaning(IMPORT, "U"),
    Action.BATCH_CANCEL: Meaning(IMPORT, "U"),
    Action.BATCH_RETRY: Meaning(IMPORT, "U"),
    Action.BATCH_VIEW: Meaning(ACCESSED, "R"),
    Action.PERSON_LOG_IN: Meaning(AUTHENTICATION, "E", LOGIN),
    Action.PERSON_LOG_OUT: Meaning(AUTHENTICATION, "E", LOGOUT),
    Action.PERSON_CREATE: Meaning(ALERT, "C", ATTRIBUTES),
    Action.PERSON_ROLE: Meaning(ALERT, "U", ROLES),
    Action.PERSON_ACTIVATE: Meaning(ALERT, "U", ATTRIBUTES),
    Action.PERSON_DEACTIVATE: Meaning(ALERT, "U", ATTRIBUTES),
    Action.PERSON_PASSWORD: Meaning(ALERT, "U", ATTRIBUTES),
    Action.PERSON_RESET: Meaning(ALERT, "U", ATTRIBUTES),
    Action.FRONTEND_CREATE: Meaning(ALERT, "C", CONFIGURED),
    Action.KEY_CREATE: Meaning(ALERT, "C", CONFIGURED),
    Action.KEY_ROTATE: Meaning(ALERT, "U", CONFIGURED),
    Action.KEY_REVOKE: Meaning(ALERT, "D", CONFIGURED),
    Action.KEY_REFUSED: Meaning(ALERT, "E", NODE),
    Action.MASTER_KEY_ROTATE: Meaning(ALERT, "U", CONFIGURED),
    Action.MASTER_KEY_RETIRE: Meaning(ALERT, "D", CONFIGURED),
    Action.RETENTION_SET: Meaning(ALERT, "U", CONFIGURED),
    Action.RETENTION_REMOVE: Meaning(ALERT, "D", CONFIGURED),
    Action.AUDIT_SEARCH: Meaning(LOG_USED, "R"),
    Action.AUDIT_EXPORT: Meaning(LOG_USED, "R"),
    Action.COUNTERS_REBUILD: Meaning(ALERT, "E", SOFTWARE),
    Action.REQUEST: Meaning(ALERT, "E", RESTRICTED),
}
UNKNOWN = MEANINGS[Action.REQUEST]
URI = Coded("12", "URI", RFC)
USER_ID = Coded("11", "User Identifier", RFC)
ROLES_OF_OBJECTS = {"person": "11", "key": "13", "frontend": "12", "batch": "20"}
REPORT = "3"


def document(events: Iterable[Event]) -> Iterator[str]:
    """All events as one XML file, piece by piece."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<AuditMessages>\n'
    for event in events:
        yield ElementTree.tostring(message(event), "unicode") + "\n"
    yield "</AuditMessages>\n"


def message(event: Event) -> ElementTree.Element:
    """One event as an ``AuditMessage``."""
    root = ElementTree.Element("AuditMessage")
    _add_event(root, event)
    _add_actor(root, event)
    source = ElementTree.SubElement(root, "AuditSourceIdentification", AuditSourceID=SOURCE)
    _code(source, "AuditSourceTypeCode", Coded("4", "Application Server Process", RFC))
    if event.object_kind and event.object_id:
        _add_object(root, event)
    return root


def _add_event(root: ElementTree.Element, event: Event) -> None:
    meaning = MEANINGS.get(event.action, UNKNOWN)
    identification = ElementTree.SubElement(
        root,
        "EventIdentification",
        EventActionCode=meaning.letter,
        EventDateTime=event.at.isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=SUCCESS if event.outcome == OK else MINOR_FAILURE,
    )
    _code(identification, "EventID", meaning.event)
    for kind in (meaning.kind, Coded(event.action, event.action, SOURCE)):
        if kind:
            _code(identification, "EventTypeCode", kind)
    if event.outcome != OK:
        ElementTree.SubElement(identification, "EventOutcomeDescription").text = event.outcome


def _add_actor(root: ElementTree.Element, event: Event) -> None:
    who = {"UserID": str(event.actor_id or event.actor), "UserIsRequestor": "true"}
    if event.end_user_id:
        who["AlternativeUserID"] = str(event.end_user_id)
    if event.address != "-":
        network = "2" if _is_address(event.address) else "1"
        who |= {"NetworkAccessPointID": event.address, "NetworkAccessPointTypeCode": network}
    ElementTree.SubElement(root, "ActiveParticipant", who)


def _is_address(text: str) -> bool:
    return "@" not in text and ("." in text or ":" in text)


def _add_object(root: ElementTree.Element, event: Event) -> None:
    kind = str(event.object_kind)
    about = ElementTree.SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=str(event.object_id),
        ParticipantObjectTypeCode=PERSON_OBJECT if kind == "person" else SYSTEM_OBJECT,
        ParticipantObjectTypeCodeRole=ROLES_OF_OBJECTS.get(kind, REPORT),
    )
    _code(about, "ParticipantObjectIDTypeCode", USER_ID if kind == "person" else URI)
    ElementTree.SubElement(about, "ParticipantObjectName").text = kind


def _code(parent: ElementTree.Element, name: str, coded: Coded) -> None:
    attributes = {
        "csd-code": coded.code,
        "codeSystemName": coded.scheme,
        "originalText": coded.meaning,
    }
    ElementTree.SubElement(parent, name, attributes)
