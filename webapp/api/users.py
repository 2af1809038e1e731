"""Lists by user, statistics, and the welcome."""

from __future__ import annotations

from flask import Response, jsonify, redirect
from werkzeug.wrappers import Response as AnyResponse

from webapp import VERSION, headers
from webapp.api import blueprint, schemas
from webapp.guards import caller, needs, public
from webapp.responses import wants_page
from webapp.services import batches, library

LIMIT = 50
MOST = 200


@blueprint.get("/user/<user_id>/uploads")
@needs("read")
def user_uploads(user_id: str) -> Response:
    user = library.acting_as(caller(), user_id)
    page = library.uploads(user, headers.whole_number("limit", LIMIT, 1, MOST), headers.cursor())
    return schemas.UserUploads(
        user_id=user_id,
        uploads=[schemas.details(record) for record in page.items],
        count=len(page.items),
        next=page.next,
    ).answer()


@blueprint.get("/user/<user_id>/batches")
@needs("read")
def user_batches(user_id: str) -> Response:
    user = library.acting_as(caller(), user_id)
    page = batches.batches(user, headers.whole_number("limit", LIMIT, 1, MOST), headers.cursor())
    return schemas.UserBatches(
        user_id=user_id,
        batches=[schemas.batch_status(status) for status in page.items],
        count=len(page.items),
        next=page.next,
    ).answer()


@blueprint.get("/stats")
@needs("read")
def stats() -> Response:
    return schemas.StatsAnswer.model_validate(library.stats(caller())).answer()


@blueprint.get("/")
@public
def welcome() -> AnyResponse:
    if wants_page():
        return redirect("/uploads/new")
    return jsonify(
        message="Welcome. Send medical images here; get de-identified DICOM back.",
        version=VERSION,
        links={
            "upload": "/upload",
            "batch": "/upload/batch",
            "stats": "/stats",
            "health": "/healthz",
            "pages": "/uploads/new",
        },
    )
