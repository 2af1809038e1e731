"""What somebody tried and was refused, for the audit.

A refusal has no transaction of its own, and the route tells what was tried:
so it is noted where errors become answers, once for pages and programs.
"""

from __future__ import annotations

import logging

from flask import g, request

from webapp.errors import ServiceError, Unavailable
from webapp.services import audit
from webapp.services.audit import Action, Object

log = logging.getLogger(__name__)

SAFE = ("GET", "HEAD", "OPTIONS")
NO_REFUSAL = {"not-ready", "rate-limited", "unauthorized"}
OBJECTS = {
    "upload_id": "upload",
    "batch_id": "batch",
    "person_id": "person",
    "key_id": "key",
    "frontend_id": "frontend",
}
ACTIONS = {
    "api.upload": Action.UPLOAD_CREATE,
    "api.upload_details": Action.UPLOAD_VIEW,
    "api.upload_dicom": Action.UPLOAD_DOWNLOAD,
    "api.upload_thumbnail": Action.UPLOAD_PICTURE,
    "api.upload_preview": Action.UPLOAD_PICTURE,
    "api.upload_rendered": Action.UPLOAD_PICTURE,
    "api.delete_upload": Action.UPLOAD_DESTROY,
    "api.save_upload": Action.UPLOAD_SAVE,
    "api.export": Action.UPLOAD_DOWNLOAD,
    "api.upload_batch": Action.BATCH_CREATE,
    "api.batch_status": Action.BATCH_VIEW,
    "api.batch_files": Action.BATCH_VIEW,
    "api.cancel_batch": Action.BATCH_CANCEL,
    "api.retry_batch": Action.BATCH_RETRY,
    "pages_uploads.show": Action.UPLOAD_VIEW,
    "pages_uploads.attributes": Action.UPLOAD_VIEW,
    "pages_uploads.delete": Action.UPLOAD_DELETE,
    "pages_uploads.undelete": Action.UPLOAD_RESTORE,
    "pages_selection.download": Action.UPLOAD_DOWNLOAD,
    "pages_selection.save": Action.UPLOAD_SAVE,
    "pages_selection.unsave": Action.UPLOAD_UNSAVE,
    "pages_selection.delete": Action.UPLOAD_DELETE,
    "pages_selection.undelete": Action.UPLOAD_RESTORE,
    "pages_uploads.create": Action.BATCH_CREATE,
    "pages_batches.show": Action.BATCH_VIEW,
    "pages_batches.close": Action.BATCH_CLOSE,
    "pages_batches.cancel": Action.BATCH_CANCEL,
    "pages_batches.retry": Action.BATCH_RETRY,
    "pages_sending.add_file": Action.BATCH_ADD,
}


def note(error: ServiceError) -> None:
    """Note that a known caller was refused; the answer is the same whether or not that works."""
    if "caller" not in g or isinstance(error, Unavailable) or not _counts(error):
        return
    endpoint = request.endpoint or "-"
    try:
        audit.note(
            g.caller,
            ACTIONS.get(endpoint, Action.REQUEST),
            _object(),
            outcome=error.code,
            facts={"route": endpoint},
        )
    except ServiceError as failure:
        log.error("a refusal could not be recorded: %s", failure.code)


def _counts(error: ServiceError) -> bool:
    """A misspelt query is no act; what was tried on an object, or would change something, is."""
    if error.code in NO_REFUSAL:
        return False
    return error.code == "forbidden" or request.method not in SAFE or _object() is not None


def _object() -> Object | None:
    for name, kind in OBJECTS.items():
        found = (request.view_args or {}).get(name)
        if found is not None:
            return Object(kind, found)
    return None
