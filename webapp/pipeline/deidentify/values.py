"""What each action does to an element of known length: one method for each action's name.

Handlers read the value if they need it, write its replacement, count what they
did, and remember values that identify.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from webapp.pipeline.deidentify import dates
from webapp.pipeline.deidentify.charsets import ESCAPE, UTF_8, Charset
from webapp.pipeline.deidentify.dictionary import registered
from webapp.pipeline.deidentify.dummies import dummy
from webapp.pipeline.deidentify.elements import BULK, STRING, TEXT, VRS, encode
from webapp.pipeline.deidentify.finder import Finder
from webapp.pipeline.deidentify.icc import clean_profile
from webapp.pipeline.deidentify.identifiers import Identifiers, is_no_identity
from webapp.pipeline.deidentify.report import Tally
from webapp.pipeline.deidentify.rules import FACTS, FIXED_UIDS, FREE_TEXT, PRIVATE, Plan, Rule
from webapp.pipeline.deidentify.text import clean_text, cut
from webapp.pipeline.deidentify.walker import Element, Walker
from webapp.pipeline.pseudonyms import Pseudonyms, normal_name, patient_key
from webapp.pipeline.source import Source

SPAN_FROM = 1 << 20
"""Bytes from which a binary value is carried as a span; smaller ones are copied and searched."""

UID = re.compile(r"[0-9]+(?:\.[0-9]+)+")
DOTTED = re.compile(r"[0-9. \0\\]*")
LONGEST_UID = 64
STANDARD_ROOT = "1.2.840.10008."
"""UIDs of the standard itself stand for no instance and are never replaced (PS3.5 B.1)."""


SAYS_SOMETHING = re.compile(rb"[0-9A-Za-z\x80-\xff]")


NEEDED = (0x00080018, 0x0020000D, 0x0020000E)
"""SOP, Study and Series Instance UID: without them no instance can be kept or found."""


@dataclass(slots=True)
class Subject:
    """Whom the data set is about: what keyed replacements hang on.

    ``uid_for`` gives a UID for an attribute that every instance must have and this one lacks.
    """

    key: str
    name: str
    uid_for: Callable[[int], str]


@dataclass(slots=True)
class Found:
    """What the walk noted on its way: facts of the output, by field of InstanceFacts."""

    facts: dict[str, str | int] = field(default_factory=dict)
    pixels: tuple[int, int] | None = None
    native: bool = True


class Values(Walker):
    """A walker with the handlers for plain values: ``do_`` and the name of the action."""

    actions: ClassVar[dict[str, Callable[[Any, Rule, Element], None]]]

    def __init_subclass__(cls) -> None:
        names = (name for name in dir(cls) if name.startswith("do_"))
        cls.actions = {name.removeprefix("do_"): getattr(cls, name) for name in names}

    def __init__(
        self,
        source: Source,
        plan: Plan,
        pseudonyms: Pseudonyms,
        subject: Subject,
        charset: Charset,
        finder: Finder | None = None,
        cleaner: Finder | None = None,
    ) -> None:
        super().__init__(source, plan, finder is not None)
        self.pseudonyms = pseudonyms
        self.subject = subject
        self.charset = charset
        self.finder = finder
        self.cleaner = cleaner
        self.identifiers = Identifiers()
        self.tally = Tally()
        self.found = Found()

    def handle(self, rule: Rule, element: Element) -> None:
        if rule.identifies or rule.describes:
            self.remember(rule, element)
        self.actions[rule.action](self, rule, element)

    def count(self, rule: Rule, depth: int) -> None:
        if rule.code:
            self.tally.add(rule.tag, rule.code, depth)

    def count_private(self, count: int, depth: int) -> None:
        self.tally.add(PRIVATE.tag, PRIVATE.code, depth, count)

    # Reading.

    def text(self, element: Element) -> str:
        """The value as text, without its padding."""
        return self.charset.decode(self.value(element)).strip(" \0")

    def remember(self, rule: Rule, element: Element) -> None:
        """Keep a value that identifies in mind, to search for it everywhere else."""
        if element.stop == element.value:
            return
        raw = self.value(element)[:4096]
        text = self.charset.decode(raw)
        if rule.describes:
            self.identifiers.add_place(text)
        elif rule.vr == b"PN" or element.vr == b"PN":
            self.identifiers.add_name(text, raw)
        elif rule.vr == b"DA":
            self.identifiers.add_date(text)
        else:
            self.identifiers.add(text, raw)

    # Writing.

    def put(self, rule: Rule, element: Element, value: bytes) -> None:
        """Write ``value`` under the attribute's registered VR, and count it."""
        self.replace(element, encode(element.tag, rule.vr, value, element.place.explicit))
        self.count(rule, element.place.depth)

    # Handlers.

    def do_remove(self, rule: Rule, element: Element) -> None:
        self.replace(element, b"")
        self.count(rule, element.place.depth)

    def do_empty(self, rule: Rule, element: Element) -> None:
        if element.stop > element.value:
            self.put(rule, element, b"")

    def do_dummy(self, rule: Rule, element: Element) -> None:
        if element.stop > element.value:
            self.put(rule, element, dummy(element.tag, rule.vr))

    def do_zeros(self, rule: Rule, element: Element) -> None:
        self.put(rule, element, bytes(min(element.stop - element.value, SPAN_FROM)))

    def fall_back(self, rule: Rule, element: Element) -> None:
        """The value is not what the option may keep: the Basic Profile's action instead."""
        self.actions[rule.fallback](self, rule, element)

    def do_uid(self, rule: Rule, element: Element) -> None:
        original = self.text(element)
        if not original:
            self.fill_in(rule, element)
            return
        if "\\" in original:
            replaced = "\\".join([self.new_uid(uid.strip(" \0")) for uid in original.split("\\")])
        else:
            replaced = self.new_uid(original)
        if replaced != original:
            self.put(rule, element, replaced.encode())
        if rule.fact:
            self.found.facts[rule.fact] = replaced

    def fill_in(self, rule: Rule, element: Element) -> None:
        """An empty UID at the top that every instance must have gets a value."""
        if element.place.parent is None and element.tag in NEEDED:
            self.replace(element, self.needed(element.tag))

    def needed(self, tag: int) -> bytes:
        uid = self.subject.uid_for(tag)
        self.found.facts[FACTS[tag]] = uid
        self.tally.note("uid-added")
        return encode(tag, b"UI", uid.encode(), self.explicit)

    def new_uid(self, original: str) -> str:
        """The replacement of one UID; those of the standard itself stay."""
        valid = is_uid(original)
        if not original or (valid and original.startswith(STANDARD_ROOT)):
            return original
        if valid and "uids" not in self.plan.columns:
            self.identifiers.uids.add(original)
        return self.pseudonyms.uid(original)

    def do_fixed_uid(self, rule: Rule, element: Element) -> None:
        text = self.text(element)
        if not text:
            self.fill_in(rule, element)
        elif all(len(uid) <= LONGEST_UID for uid in text.split("\\")) and DOTTED.fullmatch(text):
            if rule.fact:
                self.found.facts[rule.fact] = text
        elif element.tag in FIXED_UIDS:
            self.put(rule, element, b"")
        else:
            self.do_uid(rule, element)

    def do_walk(self, rule: Rule, element: Element) -> None:
        """A sequence by its tag, but not by its VR: nothing says what it holds."""
        self.do_remove(dataclasses.replace(rule, code="X"), element)

    do_content = do_dummy_code = do_walk

    def do_patient_name(self, rule: Rule, element: Element) -> None:
        name = self.text(element)
        if not normal_name(name):
            return
        same = element.place.parent is None or normal_name(name) == self.subject.name
        key = self.subject.key if same and self.subject.key else patient_key("", name)
        self.put(rule, element, self.pseudonyms.patient_name(key).encode())

    def do_patient_id(self, rule: Rule, element: Element) -> None:
        if text := self.text(element):
            self.put(rule, element, self.pseudonyms.identifier("PatientID", text).encode())

    def do_pseudonym(self, rule: Rule, element: Element) -> None:
        if text := self.text(element):
            kind = f"{element.tag:08X}"
            self.put(rule, element, self.pseudonyms.identifier(kind, text).encode())

    def do_shift(self, rule: Rule, element: Element) -> None:
        text = self.text(element)
        days = self.pseudonyms.date_shift_days(self.subject.key)
        moved = dates.shift(rule.vr.decode(), text, days)
        if moved is None:
            self.fall_back(rule, element)
        elif text:
            self.put(rule, element, moved.encode())

    def do_keep_date(self, rule: Rule, element: Element) -> None:
        if not dates.is_valid(rule.vr.decode(), self.text(element)):
            self.fall_back(rule, element)

    def do_keep_zone(self, rule: Rule, element: Element) -> None:
        if not dates.ZONE.fullmatch(self.text(element)):
            self.fall_back(rule, element)

    def do_age(self, rule: Rule, element: Element) -> None:
        text = self.text(element)
        folded = dates.fold_age(text) if text else text
        if folded is None:
            self.fall_back(rule, element)
        elif folded != text:
            self.put(rule, element, folded.encode())

    def do_note(self, rule: Rule, element: Element) -> None:
        """An attribute that stays, and that :class:`InstanceFacts` tells of."""
        value = self.value(element)[:64]
        if rule.vr == b"US" and not element.flags & STRING:
            fact: str | int | None = int.from_bytes(value[:2], "little") if value else None
        else:
            text = value.decode("latin-1").strip(" \0")
            fact = text if rule.vr == b"CS" else _integer(text)
        if fact not in (None, ""):
            self.found.facts[rule.fact] = fact
        self.do_keep(rule, element)

    def do_clean(self, rule: Rule, element: Element) -> None:
        text = self.text(element)
        if not text:
            return
        cleaned = clean_text(text, self.cleaner) if self.cleaner is not None else ""
        if not cleaned:
            self.fall_back(rule, element)
        elif cleaned != text:
            self.put(rule, element, cleaned.encode())

    def do_icc_profile(self, rule: Rule, element: Element) -> None:
        profile = clean_profile(self.value(element))
        if profile is None:
            self.do_remove(dataclasses.replace(rule, code="X"), element)
        else:
            self.put(rule, element, profile)

    def do_charset(self, rule: Rule, element: Element) -> None:
        self.charset = Charset(self.value(element))
        self.put(rule, element, UTF_8)

    def do_keep(self, rule: Rule, element: Element) -> None:
        """An attribute that stays: its text in UTF-8, identifiers cut out, bulk as a span."""
        flags, vr = element.flags, element.vr
        if vr == b"UN" and (known := registered(element.tag)):
            vr = known[0].encode()
            flags = VRS[vr]
        length = element.stop - element.value
        if element.vr == b"PN" and rule.vr != b"PN":
            self.identifiers.add_name(self.text(element))
            self.replace(element, b"")
            self.tally.add(element.tag, "X", element.place.depth)
        elif flags & BULK and length >= SPAN_FROM and not flags & TEXT:
            self.flush(element.value)
            self.out.add_span(element.value, length)
            self.run = element.stop
        elif self.finder is not None:
            self.search(element, vr)
        elif flags & TEXT:
            self.transcode(element)

    def transcode(self, element: Element) -> None:
        raw = self.value(element)
        if not raw.isascii() or ESCAPE in raw:
            encoded = self.charset.decode(raw).encode("utf-8", "replace")
            if encoded != raw:
                vr = element.vr
                self.replace(element, encode(element.tag, vr, encoded, element.place.explicit))

    def search(self, element: Element, vr: bytes) -> None:
        """Cut identifiers out of a value that stays."""
        flags, explicit = VRS[vr], element.place.explicit
        if not flags & STRING and vr not in (b"OB", b"UN"):
            return
        raw = self.value(element)
        content = self.charset.decode(raw).encode("utf-8", "replace") if flags & TEXT else raw
        if self.identifies(vr, content):
            content = self.without_identifiers(element.tag, vr, content)
            self.tally.add(element.tag, "C", element.place.depth)
        if content != raw:
            self.replace(element, encode(element.tag, element.vr, content, explicit))

    def identifies(self, vr: bytes, content: bytes) -> bool:
        """Whether something that identifies stands in ``content`` and is more than a number."""
        spans = self.finder.spans(content) if self.finder else ()
        return not all(is_no_identity(vr, content, content[start:stop]) for start, stop in spans)

    def without_identifiers(self, tag: int, vr: bytes, content: bytes) -> bytes:
        """What is left of a text; a value that was nothing else, or no text, becomes a dummy."""
        if self.finder is None:
            return content
        if not VRS[vr] & STRING:
            return cut(content, self.finder, blank=True)
        if vr in FREE_TEXT:
            left = cut(content, self.finder)
            return left if SAYS_SOMETHING.search(left) else dummy(tag, vr)
        parts = content.split(b"\\")
        return b"\\".join(dummy(tag, vr) if self.identifies(vr, part) else part for part in parts)


def is_uid(text: str) -> bool:
    """Digits and dots, at most 64 (PS3.5 9.1)."""
    return len(text) <= LONGEST_UID and UID.fullmatch(text) is not None


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
