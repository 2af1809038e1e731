"""Specific Character Set (0008,0005): from whatever a file was written in to UTF-8 (PS3.5 6.1)."""

from __future__ import annotations

import re
import warnings

from pydicom.charset import decode_bytes, python_encoding

warnings.filterwarnings("ignore", module=r"pydicom\.charset")
# What cannot be decoded is guessed here on purpose; pydicom would print the bytes, names in them.

UTF_8 = b"ISO_IR 192"
"""The Specific Character Set of everything we write (PS3.3 C.12.1.1.2)."""

ESCAPE = b"\x1b"
MOST_ESCAPES = 10_000
"""Escape sequences of one value; a page of Japanese has some hundred."""

OTHERWISE = re.compile("^ISO[-_ ]IR[-_ ]")

DELIMITERS = set(b"\r\n\t\f\\^=")
"""Bytes after which the first character set holds again (PS3.5 6.1.2.5.3)."""


class Charset:
    """The character sets that a data set or an item declares; none is the default repertoire."""

    def __init__(self, declared: bytes = b"") -> None:
        terms = [term.strip(" \0") for term in declared.decode("latin-1").split("\\")]
        self.default = not any(terms)
        self._encodings = _encodings(terms)

    def decode(self, value: bytes) -> str:
        """The text of ``value``; bytes that its character set lacks are guessed, never an error."""
        if value.isascii() and ESCAPE not in value:
            return value.decode("ascii")
        if ESCAPE in value or len(self._encodings) > 1:
            return self._decode_escaped(value)
        for encoding in ("utf-8",) if self.default else (self._encodings[0], "utf-8"):
            try:
                return value.decode(encoding)
            except UnicodeDecodeError:
                continue
        return value.decode("latin-1")

    def _decode_escaped(self, value: bytes) -> str:
        """ISO 2022 code extensions, by pydicom; a flood of escapes is no text."""
        if value.count(ESCAPE) > MOST_ESCAPES:
            return value.replace(ESCAPE, b"").decode("latin-1")
        text = decode_bytes(value, self._encodings, DELIMITERS)
        return "".join(character for character in text if character != "\x1b")


def _encodings(terms: list[str]) -> list[str]:
    """Python's names of the declared character sets; unknown terms count for nothing.

    Some writers spell ``ISO IR 100`` or ``ISO-IR 100``.
    """
    spelled = (
        term if term in python_encoding else OTHERWISE.sub("ISO_IR ", term) for term in terms
    )
    known = [python_encoding[term] for term in spelled if term in python_encoding]
    return known or ["utf-8"]
