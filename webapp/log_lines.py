"""One log record as one line, without what a line may not say."""

from __future__ import annotations

import json
import logging
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from webapp.tracebacks import describe, kind_of

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request that is being answered; ``-`` outside of one."""

_PACKAGE = f"{Path(__file__).parent}/"
_WITHHELD = "(withheld)"
_SPOKEN = ("gunicorn", "huey", "alembic")
"""Libraries whose messages without arguments are known to be fixed sentences."""
_KEPT = frozenset(
    {
        "Starting gunicorn %s",
        "Listening at: %s (%s)",
        "Using worker: %s",
        "Running upgrade %s -> %s, %s",
        "Running downgrade %s -> %s, %s",
    }
)
"""Templates of libraries whose strings are our own settings."""
_CONTROLS = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)]}
_CONTROLS |= {9: "\\t", 10: "\\n", 13: "\\r", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class TextFormatter(logging.Formatter):
    """One line for each record: time (UTC), level, process, request id, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        line = (
            f"{_time(record)} {record.levelname} [{record.process}] {request_id.get()} "
            f"{record.name}: {_message(record)}"
        )
        error = _error(record)
        return f"{line} | {' < '.join(error)}" if error else line


class JsonFormatter(logging.Formatter):
    """The same as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname,
            "process": record.process,
            "request_id": request_id.get(),
            "logger": record.name,
            "message": _message(record),
        }
        error = _error(record)
        return json.dumps(line | {"error": error} if error else line)


def _time(record: logging.LogRecord) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{moment}.{int(record.msecs):03d}Z"


def _message(record: logging.LogRecord) -> str:
    """The message on one line, without what it may not say."""
    message, arguments = record.msg, record.args
    if isinstance(message, BaseException):
        return kind_of(message)
    if not _is_ours(record):
        return _of_a_library(record).translate(_CONTROLS)
    if not arguments:
        return str(message).translate(_CONTROLS)
    return _filled(str(message), _without_errors(arguments)).translate(_CONTROLS)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether the line that logged stands in this program and not in a library."""
    return record.pathname.startswith(_PACKAGE)


def _of_a_library(record: logging.LogRecord) -> str:
    template, arguments = str(record.msg), record.args
    if not arguments:
        return template if record.name.split(".")[0] in _SPOKEN else _WITHHELD
    if template in _KEPT:
        return _filled(template, arguments)
    return _filled(template, _numbers_only(arguments))


def _filled(template: str, arguments: Any) -> str:
    try:
        return str(template % arguments)
    except (TypeError, ValueError, KeyError):
        return f"{template} (its arguments do not fit)"


def _without_errors(arguments: Any) -> Any:
    """An exception among the arguments would be filled in by its text: its type will do."""
    return _each(arguments, lambda one: kind_of(one) if isinstance(one, BaseException) else one)


def _numbers_only(arguments: Any) -> Any:
    def discreet(one: Any) -> Any:
        if isinstance(one, int | float):
            return one
        return "…" if isinstance(one, str | bytes) else kind_of(one)

    return _each(arguments, discreet)


def _each(arguments: Any, change: Any) -> Any:
    if isinstance(arguments, dict):
        return {name: change(one) for name, one in arguments.items()}
    return tuple(change(one) for one in arguments)


def _error(record: logging.LogRecord) -> list[str]:
    if not record.exc_info or record.exc_info[1] is None:
        return []
    return describe(record.exc_info[1])
