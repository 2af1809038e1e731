"""Exceptions told without their own words: types and places only.

An exception's text can hold whatever it stumbled over, a patient's name among
it; so can local values. A type's name and a line of code cannot.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

MOST_FRAMES = 40
MOST_ERRORS = 10

_ROOT = str(Path(__file__).resolve().parent.parent) + "/"
_LIBRARIES = "site-packages/"


def describe(error: BaseException) -> list[str]:
    """The error and those it came from, newest first, each with its frames, innermost first.

    ``["ValueError at webapp/a.py:3 parse", "webapp/b.py:9 run", "KeyError at ..."]``
    """
    lines: list[str] = []
    for one in _chain(error):
        kind, places = kind_of(one), _places(one)
        lines.append(f"{kind} at {places[0]}" if places else kind)
        lines += places[1:]
    return lines


def kind_of(value: object) -> str:
    """The name of a value's type, with its module where it is not a builtin."""
    kind = type(value)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def place(filename: str, line: int) -> str:
    """``file:line``, the file without the folders that say where this is installed."""
    short = filename.removeprefix(_ROOT)
    if _LIBRARIES in short:
        short = short.rpartition(_LIBRARIES)[2]
    elif short.startswith("/"):
        short = "/".join(short.split("/")[-2:])
    return f"{short}:{line}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < MOST_ERRORS:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions)
        cause = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        if cause is not None:
            waiting.append(cause)


def _places(error: BaseException) -> list[str]:
    frames = [
        f"{place(frame.f_code.co_filename, line)} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    frames.reverse()
    if len(frames) <= MOST_FRAMES:
        return frames
    left_out = len(frames) - MOST_FRAMES
    half = MOST_FRAMES // 2
    return [*frames[:half], f"({left_out} more)", *frames[-half:]]
