"""Logging: to the console and to a file that many processes share, naming nobody.

Three things keep names out. An exception is written as its type and the places
it passed through, never by its own text. What a library says is written
without the strings it fills in, since they may be a path, a header or a DICOM
value. And what nobody wrote for a log (warnings, uncaught errors) goes the
same way. Each line carries the id of its request.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from pathlib import Path
from typing import Any, TextIO

from concurrent_log_handler import ConcurrentRotatingFileHandler

from webapp.log_lines import JsonFormatter, TextFormatter
from webapp.log_lines import request_id as request_id
from webapp.tracebacks import kind_of, place

FILE_NAME = "dicom_service.log"
MAX_BYTES = 10 * 1024 * 1024
BACKUPS = 5

log = logging.getLogger(__name__)

_LEVELS = {
    "werkzeug": logging.WARNING,  # a line a request, with its path
    "gunicorn.access": logging.CRITICAL,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    "webassets": logging.WARNING,
    "PIL": logging.WARNING,
    "pydicom": logging.ERROR,
    "flask_limiter": logging.ERROR,
    "urllib3": logging.WARNING,
}
_TAKEN_OVER = ("webapp", "gunicorn.error", "gunicorn.access", "huey", "huey.consumer", "werkzeug")


def configure_logging(level: str, folder: Path, as_json: bool = False) -> None:
    """Send everything to the console and to ``folder/dicom_service.log``.

    The file rotates at 10 MB and keeps 5 older ones; processes may write and
    rotate it at once. Calling this again replaces what it set up before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Console | _File)]:
        root.removeHandler(handler)
        handler.close()
    formatter: logging.Formatter = JsonFormatter() if as_json else TextFormatter()
    for new in (_Console(), _File(folder / FILE_NAME)):
        new.setFormatter(formatter)
        root.addHandler(new)
    root.setLevel(level)
    _take_over(logging.getLevelName(level))
    _watch_the_unlogged()


class _Discreet(logging.Handler):
    """A handler that says a line was lost, but not (as logging would) what it held."""

    def handleError(self, record: logging.LogRecord) -> None:
        kind = kind_of(sys.exc_info()[1])
        sys.stderr.write(f"A log line of {record.name} could not be written: {kind}\n")


class _Console(_Discreet, logging.StreamHandler[TextIO]):
    """Standard error, whichever it is at the time."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class _File(_Discreet, ConcurrentRotatingFileHandler):
    """The file that all processes share."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            str(path), maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", chmod=0o600
        )


def _take_over(level: int) -> None:
    """Loggers that bring handlers of their own write through ours."""
    for name in _TAKEN_OVER:
        taken = logging.getLogger(name)
        taken.handlers.clear()
        taken.propagate = True
    for name, least in _LEVELS.items():
        logging.getLogger(name).setLevel(max(level, least))


def _watch_the_unlogged() -> None:
    """Warnings and uncaught errors print their own text unless somebody else prints them."""
    warnings.showwarning = _on_warning
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _on_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda found: _on_uncaught(
            found.exc_type, found.exc_value, found.exc_traceback
        )
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda found: _on_uncaught(
            found.exc_type, found.exc_value, found.exc_traceback
        )


def _on_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    log.warning("%s at %s", category.__name__, place(filename, lineno))


def _on_uncaught(kind: Any, error: BaseException | None, trace: Any) -> None:
    if error is None or isinstance(error, KeyboardInterrupt):
        return
    log.critical("Uncaught", exc_info=(kind, error, trace))
