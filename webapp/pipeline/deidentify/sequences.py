"""Sequences, private blocks and content items: what hangs together from element to element."""

from __future__ import annotations

from dataclasses import replace

from webapp.pipeline.deidentify.dictionary import registered
from webapp.pipeline.deidentify.dummies import dummy, dummy_code
from webapp.pipeline.deidentify.elements import UNDEFINED, VRS, encode
from webapp.pipeline.deidentify.profile import Option
from webapp.pipeline.deidentify.report import Tally
from webapp.pipeline.deidentify.rules import PRIVATE, SAFE_PRIVATE, UNREGISTERED, Rule
from webapp.pipeline.deidentify.safe_private import is_safe_creator, safe_vr
from webapp.pipeline.deidentify.structured import concept_code
from webapp.pipeline.deidentify.values import Values
from webapp.pipeline.deidentify.walker import Element, Place
from webapp.pipeline.errors import DicomDamaged

CONCEPT_NAME = 0x0040A043
CONCEPT_CODE = 0x0040A168
SUBJECT_AGE = ("121033", "DCM")
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
WALKING = frozenset({"walk", "content", "keep", "uid"})
"""Actions that leave a sequence in place and go on inside its items."""


class Sequences(Values):
    """A walker that also knows what to do with sequences."""

    keep_items = False
    """Content items are emptied rather than removed, since others point at them by position."""

    dropped_items = False
    """Content items were removed: nothing may point at any by position."""

    def nested(self, rule: Rule, element: Element, end: int) -> int:
        """An element that is a sequence, or may be one by its tag or by its open length.

        Raises DicomDamaged for an undefined length where only a sequence may have one.
        """
        if rule is SAFE_PRIVATE:
            rule = self.private_rule(element)
        undefined = element.stop - element.value == UNDEFINED
        if element.tag in PIXELS:
            return self.pixels(element, end)
        if not undefined and not is_sequence(element, rule):
            if element.stop > end:
                raise DicomDamaged()
            self.handle(rule, element)
            return element.stop
        if element.vr not in (b"SQ", b"UN"):
            raise DicomDamaged()
        explicit = element.place.explicit and element.vr == b"SQ"
        if element.tag == CONCEPT_CODE and self.concept_code(element.place) == "X":
            rule = replace(rule, action="dummy_code", code="D")
        if rule.action not in WALKING:
            return self.without_items(rule, element, end, explicit)
        self.count(rule, element.place.depth)
        rules = self.plan.rules(element.tag, rule.mode)
        stop = self.items(element, end, rule, rules, explicit)
        if element.tag == CONCEPT_NAME:
            self.judge(element.place)
        return stop

    def without_items(self, rule: Rule, element: Element, end: int, explicit: bool) -> int:
        """Go through the items for the identifiers they hold, then write what replaces them."""
        self.flush(element.start)
        mark, charset, tally = self.out.mark(), self.charset, self.tally
        self.tally = Tally()
        try:
            stop = self.items(element, end, rule, self.plan.rules(element.tag), explicit)
        except DicomDamaged:
            stop = self.skipped(rule, element, end)
        self.charset, self.tally, self.run = charset, tally, stop
        self.out.return_to(mark)
        self.out.content += self.replacement(rule, element)
        self.count(rule, element.place.depth)
        return stop

    def skipped(self, rule: Rule, element: Element, end: int) -> int:
        """A private value that cannot be read goes all the same, if its length is known."""
        private = rule is PRIVATE or rule is UNREGISTERED
        if not private or element.stop - element.value == UNDEFINED or element.stop > end:
            raise DicomDamaged()
        return element.stop

    def replacement(self, rule: Rule, element: Element) -> bytes:
        """What stands for a sequence that does not stay."""
        explicit = element.place.explicit
        if rule.action == "empty":
            return encode(element.tag, rule.vr, b"", explicit)
        if rule.action == "dummy_code":
            return encode(element.tag, b"SQ", dummy_code(explicit), explicit)
        if rule.action in ("dummy", "patient_name", "patient_id", "pseudonym"):
            return encode(element.tag, rule.vr, dummy(element.tag, rule.vr), explicit)
        return b""

    # Private blocks (PS3.5 7.8.1).

    def do_private(self, rule: Rule, element: Element) -> None:
        rule = self.private_rule(element)
        if rule is PRIVATE:
            self.do_remove(rule, element)
        else:
            element.flags = VRS[rule.vr]
            self.handle(rule, element)

    def private_rule(self, element: Element) -> Rule:
        """What is on the list of safe attributes stays, with its creator; the rest goes."""
        group, number = element.tag >> 16, element.tag & 0xFFFF
        if 0x10 <= number <= 0xFF and element.stop - element.value <= 64:
            creator = self.text(element)
            element.place.creators[group << 8 | number] = creator
            safe = is_safe_creator(creator, group)
            return Rule("keep", "", element.tag, b"LO") if safe else PRIVATE
        creator = element.place.creators.get(group << 8 | number >> 8, "")
        vr = safe_vr(creator, group, number & 0xFF) if number >= 0x1000 else None
        if vr is None:
            return PRIVATE
        action = {b"SQ": "walk", b"UI": "uid"}.get(vr, "keep")
        if action == "uid" and Option.RETAIN_UIDS in self.plan.profile:
            action = "keep"
        return Rule(action, "", element.tag, vr)

    # Content items (PS3.3 C.17.3).

    def judge(self, place: Place) -> None:
        """Once its concept is known: does this content item go as a whole?"""
        if self.concept_code(place) == "X" and not self.keep_items:
            place.dropped = self.dropped_items = True

    def concept_code(self, place: Place) -> str:
        return concept_code(self.plan.columns, place.concept, place.value_type)

    def do_value_type(self, rule: Rule, element: Element) -> None:
        element.place.value_type = self.text(element)
        self.do_keep(rule, element)

    def do_code_value(self, rule: Rule, element: Element) -> None:
        place = element.place
        if place.sequence == CONCEPT_NAME and place.parent:
            place.parent.concept = (self.text(element), place.parent.concept[1])
        self.do_keep(rule, element)

    def do_code_scheme(self, rule: Rule, element: Element) -> None:
        place = element.place
        if place.sequence == CONCEPT_NAME and place.parent:
            place.parent.concept = (place.parent.concept[0], self.text(element))
        self.do_keep(rule, element)

    def do_text_value(self, rule: Rule, element: Element) -> None:
        code = self.concept_code(element.place) or "C"
        if code == "K":
            return self.do_keep(rule, element)
        cleaning = "structured" in self.plan.columns and code == "C"
        done = Rule("clean" if cleaning else "dummy", code if cleaning else "D", rule.tag, rule.vr)
        return self.handle(done, element)

    def do_number_value(self, rule: Rule, element: Element) -> None:
        outer = element.place.parent
        if outer is not None and self.concept_code(outer) == "X":
            return self.put(replace(rule, code="D"), element, b"0")
        if outer is None or outer.concept != SUBJECT_AGE:
            return self.do_keep(rule, element)
        try:
            old = float(self.text(element)) > 89
        except ValueError:
            old = True
        return self.put(rule, element, b"90") if old else None

    def pixels(self, element: Element, end: int) -> int:
        raise NotImplementedError


def is_sequence(element: Element, rule: Rule) -> bool:
    """Whether items stand in the value: by VR, or by the dictionary when the VR is UN."""
    if element.vr == b"SQ" or rule.vr == b"SQ":
        return True
    known = registered(element.tag)
    return known is not None and known[0] == "SQ"
