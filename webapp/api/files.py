"""Bytes as answers: streamed, with ETag and ranges, never from a temporary file."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import IO, Any, cast

import numpy as np
from flask import Response, request
from werkzeug.wsgi import FileWrapper

from webapp.pipeline.pixels import Samples
from webapp.pipeline.render import RawFrame, Rendered
from webapp.pipeline.source import CHUNK, Source, SourceFile

CHECKED = 64 << 20
DESCRIPTION = "X-Frame-Description"


def source_answer(
    source: Source, sha256: bytes, media_type: str, disposition: str | None = None
) -> Response:
    """A source as it is, whole or the asked range of it.

    What is to be sent, up to 64 MB of it, is opened before the status goes out: a
    damaged blob is an error and no half answer. Damage further on breaks the
    connection off, short of the announced length.
    """
    body = FileWrapper(cast(IO[bytes], SourceFile(source)), CHUNK)
    response = Response(body, mimetype=media_type, direct_passthrough=True)
    response.content_length = source.size
    response.set_etag(sha256.hex())
    response.headers["Cache-Control"] = "private, no-cache"
    if disposition:
        response.headers["Content-Disposition"] = disposition
    response.make_conditional(request, accept_ranges=True, complete_length=source.size)
    if response.status_code in (200, 206):
        _check(source, response)
    return response


def _check(source: Source, response: Response) -> None:
    """Raises Damaged; a source of one or two chunks keeps them opened for the answer."""
    start = response.content_range.start or 0
    stop = min(response.content_range.stop or source.size, start + CHECKED)
    for at in range(start, max(stop, start + 1), CHUNK):
        source.read(at, min(CHUNK, stop - at))


def picture_answer(picture: Rendered) -> Response:
    """A rendered picture."""
    response = Response(picture.content, mimetype=picture.media_type)
    response.add_etag()
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response


def frame_answer(etag: str, frame: RawFrame | None) -> Response:
    """A frame's samples, little-endian, row by row, and behind them its table, if it has one.
    The header says what they are. None: the caller has it already."""
    if frame is None:
        response = Response(status=304)
    else:
        samples = frame.samples.astype(frame.samples.dtype.newbyteorder("<"), copy=False)
        body = b"".join([_bytes(samples), _bytes(frame.table)])
        response = Response(body, mimetype="application/octet-stream")
        response.headers[DESCRIPTION] = json.dumps(_description(frame), allow_nan=False)
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _bytes(samples: Samples) -> memoryview:
    return np.ascontiguousarray(samples).data.cast("B") if samples.size else memoryview(b"")


def _description(frame: RawFrame) -> dict[str, Any]:
    """In ASCII, and short enough for the headers that a proxy lets through."""
    return {
        "frame": frame.frame,
        "frames": frame.frames,
        "rows": frame.samples.shape[0],
        "columns": frame.samples.shape[1],
        "samples": 1 if frame.samples.ndim == 2 else 3,
        "type": frame.samples.dtype.name,
        "table_length": frame.table.size,
        "photometric_interpretation": frame.photometric_interpretation,
        "inverted": frame.is_inverted,
        "slope": frame.slope,
        "intercept": frame.intercept,
        "least": frame.least,
        "greatest": frame.greatest,
        "window": asdict(frame.window),
        "windows": [asdict(window) for window in frame.windows],
        "pixel_aspect": frame.pixel_aspect,
        "frames_per_second": frame.frames_per_second,
        "quantised": frame.is_quantised,
    }
