"""Unique values planted wherever a file can hide one, and the search for them in raw bytes.

:func:`planted` gives files with their tokens: one in every attribute of Table
E.1-1, under its own VR and under wrong ones, at the top and nested, inside
private sequences and UN, and one in each hiding place that implementers miss.
:func:`found` says which tokens stand in some bytes, in any of several encodings.
"""

from __future__ import annotations

import base64
import itertools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.pipeline.encoding import EXPLICIT, EXPLICIT_LITTLE, Encoding, File, ct
from webapp.pipeline.deidentify.dictionary import registered
from webapp.pipeline.deidentify.table import table_e1_1

SEQUENCE_HOST = 0x00081115
"""Referenced Series Sequence: registered, not in the table, so its items are walked."""

INNER_HOSTS = (0x0040A168, 0x00081199)
"""Concept Code Sequence and Referenced SOP Sequence, for deeper levels."""

PRIVATE_HOST = 0x00091010


@dataclass
class Canaries:
    """Tokens drawn so far, with what each was planted in."""

    tokens: dict[bytes, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def draw(self, place: str, vr: str = "LO") -> bytes:
        """A value valid for ``vr`` that stands nowhere else; empty if the VR can hold none."""
        number = next(self.numbers)
        value = TOKENS.get(vr, TOKENS["LO"])(number).encode()
        if value:
            self.tokens[value] = place
        return value


def _date(number: int) -> str:
    return f"{1750 + number // 336}{number % 336 // 28 + 1:02}{number % 28 + 1:02}"


TOKENS: dict[str, Callable[[int], str]] = {
    "LO": lambda number: f"Zanzibar{number:05}Q",
    "PN": lambda number: f"Zephyrine{number:05}^Quill",
    "SH": lambda number: f"Zsh{number:05}Q",
    "CS": lambda number: f"ZCS{number:05}Q",
    "AE": lambda number: f"ZAE{number:05}Q",
    "AS": lambda number: "",
    "DA": _date,
    "DT": lambda number: _date(number) + "101112.131313",
    "TM": lambda number: f"{number % 24:02}{number % 60:02}{number % 59:02}.{number:06}",
    "DS": lambda number: f"7{number:05}.375",
    "IS": lambda number: f"8{number:07}",
    "UI": lambda number: f"1.3.6.1.4.1.77777.{number}.5",
    "US": lambda number: "",
    "SQ": lambda number: "",
    "OB": lambda number: f"Zoctets{number:05}Q",
    "UN": lambda number: f"Zunknown{number:05}Q",
}

WRONG_VRS = ("LT", "UN", "OB", "PN")


def found(content: bytes, tokens: dict[bytes, str]) -> dict[bytes, str]:
    """The tokens that stand in ``content`` as ASCII, UTF-8, UTF-16 or base64."""
    return {
        token: place
        for token, place in tokens.items()
        if any(form in content for form in _forms(token))
    }


def _forms(token: bytes) -> list[bytes]:
    wide = token.decode().encode("utf-16-le")
    aligned = [base64.b64encode(bytes(shift) + token)[4 if shift else 0 : -4] for shift in range(3)]
    return [token, wide, *(form for form in aligned if len(form) >= 8)]


def listed() -> Iterator[tuple[int, str]]:
    """Tag and VR of every row of Table E.1-1 that stands for one attribute or repeating group."""
    for key in table_e1_1():
        if key == "private" or key.startswith("0002"):
            continue
        tag = int(key.replace("50xxxxxx", "50003000").replace("60xx", "6000"), 16)
        known = registered(tag)
        assert known is not None, key
        yield tag, known[0]


def _value(canaries: Canaries, tag: int, vr: str, place: str, encoding: Encoding) -> bytes:
    """An element of ``tag`` that holds a token; a sequence holds one in each of its texts."""
    if vr != "SQ":
        return encoding.element(tag, vr, canaries.draw(place, vr))
    inner = encoding.element(0x00080100, "SH", canaries.draw(f"{place}/code", "SH"))
    inner += encoding.element(0x00100020, "LO", canaries.draw(f"{place}/id", "LO"))
    inner += encoding.element(0x0040A123, "PN", canaries.draw(f"{place}/name", "PN"))
    return encoding.sequence(tag, inner)


def attributes(canaries: Canaries, level: str, encoding: Encoding) -> dict[int, bytes]:
    """Every listed attribute with a token, as elements by tag."""
    return {
        tag: _value(canaries, tag, vr, f"{level} {tag:08X}", encoding)
        for tag, vr in listed()
        if tag >> 16 not in (0x0000, 0x0004, 0xFFFA, 0xFFFC)
    }


def joined(elements: dict[int, bytes]) -> bytes:
    return b"".join(content for _, content in sorted(elements.items()))


def every_attribute(encoding: Encoding = EXPLICIT_LITTLE) -> tuple[File, Canaries]:
    """A CT with a token in every listed attribute at the top."""
    canaries, file = Canaries(), ct(encoding)
    file.elements.update(attributes(canaries, "top", encoding))
    return file, canaries


def nested(depth: int, encoding: Encoding = EXPLICIT_LITTLE) -> tuple[File, Canaries]:
    """A CT with a token in every listed attribute, ``depth`` sequences deep."""
    canaries, file = Canaries(), ct(encoding)
    content = joined(attributes(canaries, f"{depth} deep", encoding))
    for level in range(depth - 1):
        content = encoding.sequence(INNER_HOSTS[level % 2], content)
    file.elements[SEQUENCE_HOST] = encoding.sequence(SEQUENCE_HOST, content)
    return file, canaries


def in_private(encoding: Encoding = EXPLICIT_LITTLE) -> tuple[File, Canaries]:
    """A CT with every listed attribute inside a private sequence, and creators that tell."""
    canaries, file = Canaries(), ct(encoding)
    creator = canaries.draw("private creator")
    file.elements[0x00090010] = encoding.element(0x00090010, "LO", creator)
    content = joined(attributes(canaries, "private", encoding))
    file.elements[PRIVATE_HOST] = encoding.sequence(PRIVATE_HOST, content)
    value = canaries.draw("private value", "UN")
    file.elements[0x00091011] = encoding.element(0x00091011, "UN", value)
    return file, canaries


def in_unknown(tag: int = SEQUENCE_HOST) -> tuple[File, Canaries]:
    """A CT whose ``tag`` is a sequence sent as UN: its items are implicit (PS3.5 6.2.2)."""
    canaries, file, inner = Canaries(), ct(), Encoding(explicit=False)
    content = inner.item(joined(attributes(canaries, "UN", inner)))
    file.elements[tag] = EXPLICIT_LITTLE.element(tag, "UN", content)
    return file, canaries


def under_wrong_vrs() -> Iterator[tuple[File, Canaries]]:
    """A CT for each wrong VR, with every listed attribute under it."""
    for vr in WRONG_VRS:
        canaries, file = Canaries(), ct()
        for tag, right in listed():
            if right not in ("SQ", "UI") and tag >> 16 not in (0x0000, 0x0004, 0xFFFC):
                token = canaries.draw(f"{vr} {tag:08X}", vr)
                file.elements[tag] = EXPLICIT_LITTLE.element(tag, vr, token)
        yield file, canaries


def in_hiding_places() -> tuple[File, Canaries]:
    """A CT with a token in each place outside the table that implementers miss."""
    canaries, file, write = Canaries(), ct(), EXPLICIT_LITTLE.element
    for name, tag, vr in PLACES:
        file.elements[tag] = write(tag, vr, canaries.draw(name, vr))
    file.preamble = canaries.draw("preamble").ljust(128, b"\0")
    file.trailer = write(0xFFFCFFFC, "OB", canaries.draw("padding")) + canaries.draw("trailer") * 9
    file.meta = b"".join(write(tag, vr, canaries.draw(name, vr)) for name, tag, vr in META_PLACES)
    icon = write(0x00280010, "US", struct.pack("<H", 1)) + write(
        0x7FE00010, "OB", canaries.draw("icon pixels")
    )
    file.elements[0x00880200] = EXPLICIT_LITTLE.sequence(0x00880200, icon)
    earlier = write(0x00100010, "PN", canaries.draw("original attributes", "PN"))
    file.elements[0x04000561] = EXPLICIT_LITTLE.sequence(
        0x04000561, EXPLICIT_LITTLE.sequence(0x04000550, earlier)
    )
    file.elements[0x00282000] = write(0x00282000, "OB", icc_profile(canaries))
    return file, canaries


PLACES = (
    ("retrieve URL", 0x00081190, "UR"),
    ("earlier method", 0x00120063, "LO"),
    ("command group", 0x00001030, "AE"),
    ("directory group", 0x00041130, "CS"),
    ("overlay description", 0x60000022, "LO"),
    ("overlay label", 0x60001500, "LO"),
    ("overlay comments", 0x60004000, "LT"),
    ("overlay data", 0x60003000, "OB"),
    ("a second overlay", 0x60023000, "OB"),
    ("curve label", 0x50002500, "LO"),
    ("curve data", 0x50003000, "OB"),
    ("unknown even group", 0x00160FF0, "LO"),
    ("unregistered tag", 0x00101FF2, "LO"),
    ("tag of no group", 0x7FDE0010, "LT"),
    ("encrypted content", 0x04000520, "OB"),
    ("digital signature", 0xFFFAFFF8, "OB"),
    ("instance UID not in the table", 0x0070031B, "UI"),
    ("volume frame of reference", 0x00209312, "UI"),
    ("name not in the table", 0x00142006, "PN"),
    ("private without creator", 0x00111001, "LO"),
    ("private group length", 0x00130000, "LO"),
)
"""Name, tag and VR of attributes that no row of the table covers, or only loosely."""

META_PLACES = (
    ("version name", 0x00020013, "SH"),
    ("source title", 0x00020016, "AE"),
    ("sending title", 0x00020017, "AE"),
    ("receiving title", 0x00020018, "AE"),
    ("source address", 0x00020026, "UR"),
    ("private meta creator", 0x00020100, "UI"),
    ("private meta", 0x00020102, "OB"),
)


def icc_profile(canaries: Canaries) -> bytes:
    """A profile with tokens in its texts, between its tags, and behind its end."""
    texts = [
        b"text\0\0\0\0" + canaries.draw("profile copyright") + b"\0",
        b"desc\0\0\0\0" + struct.pack(">L", 15) + canaries.draw("profile description") + b"\0",
    ]
    table, data, offset = b"", b"", 128 + 4 + 12 * len(texts)
    for name, text in zip((b"cprt", b"desc"), texts, strict=True):
        gap = canaries.draw("between the tags")
        table += name + struct.pack(">LL", offset + len(data) + len(gap), len(text))
        data += gap + text
    size = offset + len(data)
    header = struct.pack(">L", size) + bytes(32) + b"acsp" + bytes(88)
    profile = header + struct.pack(">L", len(texts)) + table + data
    return profile + canaries.draw("tail of the profile")


__all__ = ["EXPLICIT", "Canaries", "every_attribute", "found", "in_hiding_places", "nested"]
