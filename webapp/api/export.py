"""Many instances in one answer."""

from __future__ import annotations

from uuid import UUID

from flask import Response, request
from pydantic import BaseModel, ConfigDict, ValidationError

from webapp.api import blueprint
from webapp.errors import Rejected
from webapp.guards import caller, needs
from webapp.services.export import prepare
from webapp.zip_answer import zip_answer


class SelectionMalformed(Rejected):
    """The body is not a JSON object with a list of upload ids."""

    code = "selection-malformed"


class Selection(BaseModel):
    """Which uploads are wanted, in the order of the archive."""

    model_config = ConfigDict(frozen=True)

    upload_ids: list[UUID]


@blueprint.post("/export")
@needs("read")
def export() -> Response:
    return zip_answer(prepare(caller(), _selection().upload_ids))


def _selection() -> Selection:
    try:
        return Selection.model_validate_json(request.get_data(cache=False))
    except ValidationError:
        raise SelectionMalformed from None
