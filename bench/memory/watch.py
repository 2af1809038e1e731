"""What all processes of a program hold together, looked at ten times a second."""

from __future__ import annotations

import threading
from types import TracebackType

from tests.hostile.memory import resident
from tests.running import Program


class Watch:
    """Looks while its block runs; ``together`` is the most it saw, in bytes."""

    def __init__(self, program: Program) -> None:
        self.together = 0
        self._program = program
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            self.together = max(self.together, sum(resident(self._program).values()))
