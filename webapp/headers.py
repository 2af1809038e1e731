"""What a request's headers and parameters say, checked."""

from __future__ import annotations

import re
from math import isfinite
from urllib.parse import quote, unquote_to_bytes
from uuid import UUID

from flask import request

from webapp.errors import Rejected
from webapp.guards import USER_ID

NAME_LENGTH = 1024
VISIBLE = re.compile(r"[!-~]{1,128}")
IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,255}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Bidirectional overrides too: they show ``exe.gpj`` as ``jpg.exe``, and the line after it."""


class FileNameMissing(Rejected):
    """``X-File-Name`` is required."""

    code = "file-name-missing"


class StudyKeyInvalid(Rejected):
    """``X-Study-Key`` is malformed."""

    code = "study-key-invalid"


class IdempotencyKeyInvalid(Rejected):
    """``Idempotency-Key`` is malformed."""

    code = "idempotency-key-invalid"


class ParameterInvalid(Rejected):
    """A query parameter is missing or malformed. Facts: ``name``, ours."""

    code = "parameter-invalid"


def file_name() -> str:
    """The name in ``X-File-Name``, decoded once.

    Raises:
        FileNameMissing: the header is absent or empty.
    """
    header = request.headers.get("X-File-Name", "")
    if not header.strip():
        raise FileNameMissing
    return clean_name(_decoded(unquote_to_bytes(header.encode("latin-1", "replace"))))


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def clean_name(name: str) -> str:
    """A name without control characters and lone surrogates, of bearable length."""
    name = CONTROL.sub("_", name[:NAME_LENGTH])
    return name.encode("utf-8", "replace").decode("utf-8")


def study_key() -> str | None:
    """The key in ``X-Study-Key``; none when it is absent. Raises StudyKeyInvalid."""
    key = request.headers.get("X-Study-Key")
    if key is not None and not VISIBLE.fullmatch(key):
        raise StudyKeyInvalid
    return key


def idempotency_key() -> str | None:
    """The ``Idempotency-Key``; none when it is absent. Raises IdempotencyKeyInvalid."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise IdempotencyKeyInvalid
    return key


def whole_number(name: str, default: int, least: int, most: int) -> int:
    """A number of the query string. Raises ParameterInvalid outside ``least`` to ``most``."""
    text = request.args.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise ParameterInvalid(name=name)
    return int(text)


def attachment(name: str, plain: str) -> str:
    """A Content-Disposition: ``plain`` (ASCII) for old clients, ``name`` by RFC 5987."""
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def uuid_parameter(name: str) -> UUID:
    """An id of the query string. Raises ParameterInvalid."""
    try:
        return UUID(request.args.get(name, ""))
    except ValueError:
        raise ParameterInvalid(name=name) from None


def user_id(name: str) -> str:
    """A user id of the query string. Raises ParameterInvalid."""
    text = request.args.get(name, "")
    if not USER_ID.fullmatch(text):
        raise ParameterInvalid(name=name)
    return text


def window() -> tuple[float, float] | None:
    """The parameter ``window=center,width``; none when absent. Raises ParameterInvalid."""
    text = request.args.get("window")
    if text is None:
        return None
    try:
        center, width = (float(part) for part in text.split(","))
    except ValueError:
        raise ParameterInvalid(name="window") from None
    if not (isfinite(center) and isfinite(width) and width > 0):
        raise ParameterInvalid(name="window")
    return center, width


def cursor() -> str | None:
    """The opaque cursor of a list; none for its beginning."""
    return request.args.get("cursor")
