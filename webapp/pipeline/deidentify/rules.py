"""From Table E.1-1 to what is done: one :class:`Rule` for an attribute in its place.

The place matters. A slashed code (X/Z/D) and the plain ones that would break an
IOD are resolved by the attribute's Type in the instance's own IOD; where the
IOD is not known, by the strictest resolution that stays valid in any. Registered
attributes that the table does not list stay, with the exceptions named here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from webapp.pipeline.deidentify.dictionary import keyword, registered
from webapp.pipeline.deidentify.elements import LONG, LOOK, OPEN, VRS, VRS_LOOKING
from webapp.pipeline.deidentify.identifying import DESCRIBING, IDENTIFYING
from webapp.pipeline.deidentify.iod_types import iod_of, type_of
from webapp.pipeline.deidentify.profile import DeidentificationProfile, Option
from webapp.pipeline.deidentify.table import Row, row_for


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """What to do with one attribute.

    ``action`` names the handler (:mod:`actions`), ``code`` is the letter for the
    report, empty for what is no act of de-identification. ``mode`` is handed down to the items of
    a sequence. ``identifies``: its values are searched for in everything else;
    ``describes``: they are taken out of cleaned texts. ``fallback`` is the action
    for a value that is not what an option may keep (text where a date should be).
    ``unseen``: the element goes and nobody has to look at its value.
    """

    action: str
    code: str
    tag: int
    vr: bytes
    mode: str = "keep"
    identifies: bool = False
    describes: bool = False
    fact: str = ""
    fallback: str = "dummy"
    unseen: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        looked_at = self.action != "remove" or self.identifies or self.describes
        object.__setattr__(self, "unseen", not looked_at)


KEEP = Rule("keep", "", 0, b"UN")
"""Carry the attribute as it is; the walker recognises it by identity."""

PRIVATE = Rule("remove", "X", 0, b"UN")
SAFE_PRIVATE = Rule("private", "X", 0, b"UN")
"""Private attributes where the safe ones are kept: each is looked up under its creator."""
UNREGISTERED = Rule("remove", "X", 1, b"UN")
HOUSEKEEPING = Rule("remove", "", 2, b"UN")
"""Group lengths and what is written anew: removed, but nothing was hidden there."""

NOT_IN_AN_INSTANCE = frozenset({0x0000, 0x0002, 0x0004, 0xFFFA, 0xFFFC, 0x4FFE})
"""Groups of commands, file meta, directories, signatures and padding: none belongs in what we
write (PS3.10 7.1). 4FFE holds the parameters of signatures that are gone."""

WRITTEN_ANEW = frozenset({0x00080005, 0x00120062, 0x00120063, 0x00120064, 0x00280303})
"""Attributes that the engine itself inserts at the top."""

ALWAYS_REMOVED = frozenset({0x04000500, 0x04000520})
"""Encrypted Attributes hold the identity itself, for whoever has the key (PS3.15 E.1.1)."""

FIXED_UIDS = frozenset(
    {
        0x00080016,
        0x0008001A,
        0x0008001B,
        0x00080062,
        0x0008010C,
        0x00080117,
        0x00080118,
        0x0008040E,
        0x00081150,
        0x0008115A,
        0x00083002,
        0x00340003,
        0x04000010,
        0x04000510,
        0x30100052,
        0x30100053,
        0x00701904,
    }
)
"""UI attributes that name a class, a syntax or a scheme: exempt by tag, since private SOP
classes lack the DICOM root."""

HARMLESS_URIS = frozenset({0x0008010E, 0x00080120})
"""Coding Scheme URL and URN Code Value; every other UR tells where the instance lay."""

CODES = frozenset(
    {0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080119, 0x0008010F, 0x00080110}
)
"""Text of a code (PS3.3 8.8), left alone inside sequences that are cleaned or emptied."""

DATES = (b"DA", b"DT", b"TM")
FREE_TEXT = (b"LO", b"LT", b"SH", b"ST", b"UC", b"UT")

SPECIAL = {
    0x00100010: "patient_name",
    0x00100020: "patient_id",
    0x00080050: "pseudonym",
    0x00200010: "pseudonym",
    0x0040A730: "content",
}
"""Attributes whose replacement is keyed, or otherwise not the dummy of their VR."""

AGES = frozenset({0x00101010, 0x0072005F})
"""Patient's Age and Selector AS Value: kept, they are folded above 89 years."""

TIME_ZONE = 0x00080201
"""Timezone Offset From UTC: where dates stay, it stays if it is an offset."""

SOMEWHERE = 1
"""Stands for any sequence that no dictionary knows."""

FACTS = {
    0x00080016: "sop_class_uid",
    0x00080018: "sop_instance_uid",
    0x0020000D: "study_instance_uid",
    0x0020000E: "series_instance_uid",
    0x00080060: "modality",
    0x00280010: "rows",
    0x00280011: "columns",
    0x00280008: "number_of_frames",
    0x00280002: "samples_per_pixel",
    0x00280100: "bits_allocated",
    0x00280101: "bits_stored",
    0x00280004: "photometric_interpretation",
}
"""Attributes of :class:`InstanceFacts`, noted at the top of the data set."""

STRUCTURE = {
    0x00080005: "charset",
    0x00080100: "code_value",
    0x00080119: "code_value",
    0x00080102: "code_scheme",
    0x0040A040: "value_type",
    0x0040A160: "text_value",
    0x0040A30A: "number_value",
    0x00282000: "icc_profile",
    0x7FE00008: "pixels",
    0x7FE00009: "pixels",
    0x7FE00010: "pixels",
}
"""Unlisted attributes that the engine must read, or knows how to clean."""

VECTORS = frozenset({0x00700022, 0x00701A07})
"""Graphic Data: points that may write a name; zeroed where graphics are replaced (D)."""

MOST_RULES = 200_000
"""Rules remembered for one plan; beyond, they are worked out anew, so that no file fills memory."""

MOST_STEPS = 1 << 14
"""Steps remembered for one plan; then all are forgotten and worked out anew, so that a file of
nothing but strange tags slows down none that comes after it. A usual plan has some hundred."""

TAG = struct.Struct("<HH")
ITEM_GROUP = 0xFFFE


class Rules(dict[int, Rule]):
    """The rules in one place of a data set, by tag; worked out at first sight."""

    def __init__(self, plan: Plan, parent: int, mode: str) -> None:
        super().__init__()
        self._plan = plan
        self._parent = parent
        self._mode = mode
        self._steps: dict[tuple[bool, bool], Steps] = {}

    def steps(self, explicit: bool, looking: bool) -> Steps:
        """The same by the start of a header; ``looking``: even a kept value is looked at."""
        steps = self._steps.get((explicit, looking))
        if steps is None:
            steps = self._steps[explicit, looking] = Steps(self, self._plan, explicit, looking)
        return steps

    def forget_steps(self) -> None:
        for steps in list(self._steps.values()):
            steps.clear()

    def __missing__(self, tag: int) -> Rule:
        rule = self._plan.rule(tag, self._parent, self._mode)
        if rule is not UNREGISTERED and self._plan.has_room():
            self[tag] = rule
        return rule


class Step(NamedTuple):
    """What to do at an element, whatever its value.

    ``ahead`` bytes stand before the value: 8 or 12, or 0 where no element can
    stand. ``passed``: the value stays, unread; ``dropped``: a private one goes, unread.
    """

    tag: int
    ahead: int
    passed: bool
    dropped: bool
    vr: bytes
    flags: int
    rule: Rule


class Steps(dict[bytes, Step]):
    """Steps by the bytes that a header starts with: the tag, and the VR if it is explicit.

    One look-up in place of five for nearly every element of every file. What is
    remembered are attributes, never values.
    """

    def __init__(self, rules: Rules, plan: Plan, explicit: bool, looking: bool) -> None:
        super().__init__()
        self._rules = rules
        self._plan = plan
        self._explicit = explicit
        self._vrs = VRS_LOOKING if looking else VRS

    def __missing__(self, key: bytes) -> Step:
        self._plan.make_room()
        step = self[key] = self._step(key)
        return step

    def _step(self, key: bytes) -> Step:
        group, number = TAG.unpack_from(key)
        tag = group << 16 | number
        vr = key[4:] if self._explicit else _implied_vr(tag)
        flags = self._vrs.get(vr)
        if flags is None or not self._explicit and group == ITEM_GROUP:
            return Step(tag, 0, False, False, vr, 0, UNREGISTERED)
        rule = self._plan.private if group & 1 else self._rules[tag]
        ahead = 12 if self._explicit and flags & LONG else 8
        passed = rule is KEEP and not flags & LOOK
        return Step(tag, ahead, passed, rule is PRIVATE and not flags & OPEN, vr, flags, rule)


def _implied_vr(tag: int) -> bytes:
    """The VR of an implicitly encoded attribute, from the dictionary (PS3.5 7.1.3)."""
    known = registered(tag)
    return known[0].encode() if known else b"UN"


class Plan:
    """A profile applied to one IOD: the rules for every place."""

    def __init__(self, profile: DeidentificationProfile, iod: str | None) -> None:
        self.profile = profile
        self.iod = iod
        self.columns = frozenset(option.column for option in profile.options)
        self.private = SAFE_PRIVATE if Option.RETAIN_SAFE_PRIVATE in profile else PRIVATE
        self._places: dict[tuple[int, str], Rules] = {}
        self._remembered = self._steps = 0

    def rules(self, parent: int = 0, mode: str = "keep") -> Rules:
        """The rules for the items of sequence ``parent``; 0 is the top of the data set.

        Private and unknown sequences are one place, so that a file full of them fills no memory.
        """
        place = (parent if not parent or registered(parent) else SOMEWHERE, mode)
        if place not in self._places:
            self._places[place] = Rules(self, place[0], mode)
        return self._places[place]

    def has_room(self) -> bool:
        """Whether one more rule may be remembered."""
        self._remembered += 1
        return self._remembered < MOST_RULES

    def make_room(self) -> None:
        """One more step is to be remembered: where there are too many, forget them all."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            self._steps = 1
            for rules in list(self._places.values()):
                rules.forget_steps()

    def rule(self, tag: int, parent: int, mode: str) -> Rule:
        """The rule for the standard attribute ``tag`` in an item of ``parent``."""
        if not tag & 0xFFFF or tag in WRITTEN_ANEW and (not parent or tag != 0x00080005):
            return HOUSEKEEPING
        entry = registered(tag)
        if entry is None:
            return UNREGISTERED
        vr = entry[0].encode()
        if tag in ALWAYS_REMOVED or tag >> 16 in NOT_IN_AN_INSTANCE or tag >> 24 in (0x50, 0x60):
            return Rule("remove", "X", tag, vr)
        row = row_for(tag)
        return (
            self._listed(row, tag, vr, parent, mode) if row else self._other(tag, vr, parent, mode)
        )

    def _other(self, tag: int, vr: bytes, parent: int, mode: str) -> Rule:
        """A registered attribute that the table does not list."""
        if tag in STRUCTURE and (mode == "keep" or tag not in CODES or _is_code(parent)):
            return Rule(STRUCTURE[tag], "", tag, vr, mode)
        if vr == b"SQ":
            return Rule("walk", "", tag, vr, mode)
        if vr == b"PN":
            return Rule("remove", "X", tag, vr, identifies=True)
        if vr == b"UR" and tag not in HARMLESS_URIS:
            return Rule("remove", "X", tag, vr)
        if vr == b"UI" and tag in FIXED_UIDS:
            return Rule("fixed_uid", "", tag, vr, fact="" if parent else FACTS.get(tag, ""))
        if vr == b"UI" and Option.RETAIN_UIDS not in self.profile:
            return Rule("uid", "U", tag, vr)
        if vr in DATES and Option.RETAIN_MODIFIED_DATES in self.profile:
            return Rule("shift", "C", tag, vr)
        return self._in_mode(tag, vr, parent, mode)

    def _in_mode(self, tag: int, vr: bytes, parent: int, mode: str) -> Rule:
        """Unlisted text inside a sequence that is to be replaced (D) or cleaned (C)."""
        code = tag in CODES and _is_code(parent)
        if vr in FREE_TEXT and not code and mode != "keep":
            return Rule("dummy" if mode == "dummy" else "clean", mode[0].upper(), tag, vr)
        if mode == "dummy" and tag in VECTORS:
            return Rule("zeros", "D", tag, vr)
        if not parent and tag in FACTS:
            return Rule("note", "", tag, vr, fact=FACTS[tag])
        return KEEP

    def _listed(self, row: Row, tag: int, vr: bytes, parent: int, mode: str) -> Rule:
        basic = self._resolved(row.basic, tag, parent)
        code = self._optional(row, vr) or basic
        action = self._action(code, tag, vr)
        name = keyword(tag)
        retained = code in ("K", "S")
        return Rule(
            action,
            "C" if code == "S" else code,
            tag,
            vr,
            mode={"D": "dummy", "C": "clean"}.get(code, mode),
            identifies=not retained and (vr == b"PN" or name in IDENTIFYING),
            describes=not retained and name in DESCRIBING,
            fact="" if parent else FACTS.get(tag, ""),
            fallback={"X": "remove", "Z": "empty"}.get(basic, "dummy"),
        )

    def _optional(self, row: Row, vr: bytes) -> str:
        """K, C or S (dates moved) where an option of the profile says so; empty where none does."""
        chosen = {column: code for column, code in row.options.items() if column in self.columns}
        if "modified-dates" in chosen and vr in DATES:
            return "S"
        if "K" in chosen.values() and vr != b"OB":
            return "K"
        return "C" if "C" in chosen.values() and vr not in (b"OB", b"OW") else ""

    def _resolved(self, code: str, tag: int, parent: int) -> str:
        """X, Z, D or U for a code of the Basic Profile, by Type."""
        if self.iod is None:
            return self._unknown(code)
        kind = type_of(self.iod, keyword(tag), keyword(parent) if parent else "")
        if code == "U":
            return code
        if code == "X":
            return {"1": "D", "2": "Z"}.get(kind, "X")
        if code == "D":
            return "X" if kind == "3" and not parent else "D"
        if code in ("Z", "Z/D"):
            return "D" if kind[0] == "1" else "Z"
        if code == "X/D":
            return "X" if kind == "3" else "D"
        if code == "X/Z/U*":
            return "X" if kind == "3" else "U"
        return {"1": "D", "2": "Z"}.get(kind[0], "X")

    def _unknown(self, code: str) -> str:
        """The resolution that no IOD forbids: present, and with a value where that may matter."""
        return {"X/Z": "Z", "X/D": "D", "Z/D": "D", "X/Z/D": "D", "X/Z/U*": "U"}.get(code, code)

    def _action(self, code: str, tag: int, vr: bytes) -> str:
        """The name of the handler for a resolved code."""
        if tag in AGES and code == "K":
            return "age"
        if tag in SPECIAL:
            return "remove" if code == "X" else SPECIAL[tag]
        if vr == b"SQ":
            return self._sequence_action(code, tag)
        if vr == b"UI" and code in ("D", "K"):
            return {"D": "uid", "K": "fixed_uid"}[code]
        if code == "K" and vr in DATES:
            return "keep_date"
        if code in ("C", "K") and tag == TIME_ZONE:
            return "keep_zone"
        if code == "C" and vr not in FREE_TEXT:
            return "keep"
        actions = {"X": "remove", "Z": "empty", "D": "dummy", "U": "uid", "K": "keep"}
        return actions.get(code) or {"C": "clean", "S": "shift"}[code]

    def _sequence_action(self, code: str, tag: int) -> str:
        if code in "XZ":
            return {"X": "remove", "Z": "empty"}[code]
        return "dummy_code" if code == "D" and keyword(tag).endswith("CodeSequence") else "walk"


def _is_code(sequence: int) -> bool:
    """Whether the items of a sequence are codes (PS3.3 8.8)."""
    return keyword(sequence).endswith("CodeSequence")


@lru_cache(maxsize=32)
def plan_for(profile: DeidentificationProfile, sop_class_uid: str) -> Plan:
    """The plan for instances of this SOP class, made once."""
    return _plan(profile, iod_of(sop_class_uid))


@lru_cache(maxsize=32)
def _plan(profile: DeidentificationProfile, iod: str | None) -> Plan:
    return Plan(profile, iod)
