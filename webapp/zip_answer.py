"""A ZIP as an answer, sent while it is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask import Response, stream_with_context

from webapp.services import export
from webapp.services.export import Member
from webapp.storage.models import now


def zip_answer(members: Sequence[Member]) -> Response:
    """A ZIP of these instances.

    The first file is opened before the status goes out: a damaged one is an error and no
    answer. Damage further on breaks the connection off, and what has come is no ZIP.
    """
    pieces = export.archive(members)
    body = _after(next(pieces), pieces)
    response = Response(stream_with_context(body), mimetype="application/zip")
    name = f"dicom-{now():%Y-%m-%d}.zip"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _after(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces
