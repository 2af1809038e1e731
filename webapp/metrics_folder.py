"""Where the web processes of one gunicorn count together what ``/metrics`` shows."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own name for it; read when it is first imported."""


def make_folder(state_dir: Path) -> Path:
    """A folder for the processes of one gunicorn, in memory where there is room for that."""
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else state_dir
    folder = Path(tempfile.mkdtemp(prefix="metrics-", dir=parent))
    os.environ[FOLDER] = str(folder)
    return folder


def drop_folder() -> None:
    """Remove what :func:`make_folder` made."""
    shutil.rmtree(os.environ.pop(FOLDER, ""), ignore_errors=True)
