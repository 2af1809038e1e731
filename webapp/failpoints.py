"""Named steps at which a test stops this process, and times that a test shortens.

Nothing here does anything unless the environment names a folder in
``FAILPOINTS`` when the process starts; no setting, no request and no ``.env``
can. In that folder

- a file named like a step holds a signal (``KILL``, ``STOP``). The first
  process to reach the step takes the file away and sends itself the signal, so
  each file stops one process once;
- a file ``NAME.value`` holds a number that replaces a constant of that name.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

_folder = os.environ.get("FAILPOINTS")


def reach(step: str) -> None:
    """Mark a step of the work: the process may be stopped here."""
    if _folder:
        _stop_at(Path(_folder) / step)


def constant(name: str, value: float) -> float:
    """``value``, unless a test put another in its place."""
    if not _folder:
        return value
    try:
        return float((Path(_folder) / f"{name}.value").read_text())
    except FileNotFoundError:
        return value


def _stop_at(armed: Path) -> None:
    taken = armed.with_name(f"{armed.name}.{os.getpid()}")
    try:
        armed.rename(taken)
    except FileNotFoundError:
        return  # not armed, or another process was first
    os.kill(os.getpid(), signal.Signals[f"SIG{taken.read_text()}"])
