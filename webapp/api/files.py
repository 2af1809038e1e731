"""Bytes as answers: streamed, with ETag and ranges, never from a temporary file."""

from __future__ import annotations

from typing import IO, cast

from flask import Response, request
from werkzeug.wsgi import FileWrapper

from webapp.pipeline.render import Rendered
from webapp.pipeline.source import CHUNK, Source, SourceFile


def source_answer(
    source: Source, sha256: bytes, media_type: str, disposition: str | None = None
) -> Response:
    """A source as it is, whole or the asked range of it.

    The first bytes are opened before the status goes out: a damaged blob is an
    error and no half answer.
    """
    source.read(0, 1)
    body = FileWrapper(cast(IO[bytes], SourceFile(source)), CHUNK)
    response = Response(body, mimetype=media_type, direct_passthrough=True)
    response.content_length = source.size
    response.set_etag(sha256.hex())
    response.headers["Cache-Control"] = "private, no-cache"
    if disposition:
        response.headers["Content-Disposition"] = disposition
    response.make_conditional(request, accept_ranges=True, complete_length=source.size)
    return response


def picture_answer(picture: Rendered) -> Response:
    """A rendered picture."""
    response = Response(picture.content, mimetype=picture.media_type)
    response.add_etag()
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response
