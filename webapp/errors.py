"""What can go wrong, grouped by what the caller does about it.

Raise a subclass that carries its own ``code``; ``problems.py`` gives each code
its status and its sentence. Nothing here ever takes a value that came in with
a file: an error's text may end in a log, and a log must hold no name.
"""

from __future__ import annotations

from typing import ClassVar


class ServiceError(Exception):
    """The root of every error this program raises on purpose.

    ``facts`` fill the placeholders of the code's sentence. They are numbers
    and names of our own (a limit, a setting), never anything a client sent.
    """

    code: ClassVar[str] = "error"

    def __init__(self, **facts: int | str) -> None:
        super().__init__(self.code)
        self.facts = facts


class Rejected(ServiceError):
    """The request's or the file's own fault: say why, never retry."""

    code = "rejected"


class Unavailable(ServiceError):
    """Something this program needs is away: try again."""

    code = "unavailable"


class NotFound(ServiceError):
    """Absent, or not the caller's: the two look alike on purpose."""

    code = "not-found"
