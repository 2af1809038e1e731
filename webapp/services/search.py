"""What of an upload can be searched: numbers, and only whole ones.

Names of files are sealed and those of patients are gone, so neither can be found. UIDs are
found as they are stored, and as they were before de-identification: the owner's keyed
pseudonym of a UID is the same whenever it is asked for.
"""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select

from webapp.services import accounts
from webapp.services.accounts import Caller
from webapp.storage.admin_models import AuditEvent
from webapp.storage.models import Upload

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_LONGEST_UID = 64


def matching(caller: Caller, text: str) -> ColumnElement[bool]:
    """The uploads with this number: a UID, or the id of an upload, a batch or a request."""
    text = text.strip()
    if len(text) <= _LONGEST_UID and _UID.fullmatch(text):
        return _with_uid(caller, text)
    try:
        return _with_id(UUID(text))
    except ValueError:
        return false()


def _with_uid(caller: Caller, uid: str) -> ColumnElement[bool]:
    uids = (uid, accounts.pseudonyms_of(caller.frontend_id).uid(uid))
    columns = (Upload.study_instance_uid, Upload.series_instance_uid, Upload.sop_instance_uid)
    return or_(*(column.in_(uids) for column in columns))


def _with_id(number: UUID) -> ColumnElement[bool]:
    in_request = select(AuditEvent.object_id).where(
        AuditEvent.request_id == number.hex, AuditEvent.object_kind == "upload"
    )
    return or_(Upload.id == number, Upload.batch_id == number, Upload.id.in_(in_request))
