"""A de-identification profile: the Basic Profile of PS3.15 Annex E and the options chosen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Option(Enum):
    """An option of PS3.15 E.3: its code (PS3.16 CID 7050), meaning, and column of Table E.1-1.

    The value's first part is the name by which a profile's text switches it on.
    """

    CLEAN_PIXEL_DATA = ("clean-pixel-data", "113101", "Clean Pixel Data Option", "")
    CLEAN_RECOGNIZABLE_VISUAL_FEATURES = (
        "clean-recognizable-visual-features",
        "113102",
        "Clean Recognizable Visual Features Option",
        "",
    )
    CLEAN_GRAPHICS = ("clean-graphics", "113103", "Clean Graphics Option", "graphics")
    CLEAN_STRUCTURED_CONTENT = (
        "clean-structured-content",
        "113104",
        "Clean Structured Content Option",
        "structured",
    )
    CLEAN_DESCRIPTORS = ("clean-descriptors", "113105", "Clean Descriptors Option", "descriptors")
    RETAIN_FULL_DATES = (
        "retain-full-dates",
        "113106",
        "Retain Longitudinal Temporal Information Full Dates Option",
        "full-dates",
    )
    RETAIN_MODIFIED_DATES = (
        "retain-modified-dates",
        "113107",
        "Retain Longitudinal Temporal Information Modified Dates Option",
        "modified-dates",
    )
    RETAIN_PATIENT_CHARACTERISTICS = (
        "retain-patient-characteristics",
        "113108",
        "Retain Patient Characteristics Option",
        "patient",
    )
    RETAIN_DEVICE_IDENTITY = (
        "retain-device-identity",
        "113109",
        "Retain Device Identity Option",
        "device",
    )
    RETAIN_UIDS = ("retain-uids", "113110", "Retain UIDs Option", "uids")
    RETAIN_SAFE_PRIVATE = (
        "retain-safe-private",
        "113111",
        "Retain Safe Private Option",
        "private",
    )
    RETAIN_INSTITUTION_IDENTITY = (
        "retain-institution-identity",
        "113112",
        "Retain Institution Identity Option",
        "institution",
    )

    @property
    def switch(self) -> str:
        """The name that switches the option on, as in ``basic+retain-uids``."""
        return self.value[0]

    @property
    def code(self) -> str:
        """Code Value under the scheme DCM."""
        return self.value[1]

    @property
    def meaning(self) -> str:
        """Code Meaning, the option's name in the standard."""
        return self.value[2]

    @property
    def column(self) -> str:
        """The option's column in our copy of Table E.1-1; empty for the pixel options."""
        return self.value[3]


BASIC = ("113100", "Basic Application Confidentiality Profile")
"""Code Value and Code Meaning of the Basic Profile itself."""

PIXEL_OPTIONS = frozenset({Option.CLEAN_PIXEL_DATA, Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES})
"""Options about pixels: recorded here for whoever cleaned them, never done here."""

CLEANING = frozenset(
    {
        Option.CLEAN_DESCRIPTORS,
        Option.CLEAN_GRAPHICS,
        Option.CLEAN_STRUCTURED_CONTENT,
        Option.RETAIN_PATIENT_CHARACTERISTICS,
    }
)
"""Options under which some texts are cleaned (C) rather than removed."""

ALIASES = {
    "retain-longitudinal-full-dates": "retain-full-dates",
    "retain-longitudinal-modified-dates": "retain-modified-dates",
    "retain-longitudinal-temporal-information-full-dates": "retain-full-dates",
    "retain-longitudinal-temporal-information-modified-dates": "retain-modified-dates",
}
"""Longer spellings of switches."""

SWITCHES = {option.switch: option for option in Option if option not in PIXEL_OPTIONS}


@dataclass(frozen=True, slots=True)
class DeidentificationProfile:
    """The Basic Profile with ``options``; a value, equal to any other with the same options.

    Raises ValueError for the two date options together, which contradict each other.
    """

    options: frozenset[Option] = frozenset()

    def __post_init__(self) -> None:
        if self.options >= {Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES}:
            raise ValueError(Option.RETAIN_MODIFIED_DATES.switch)

    @property
    def name(self) -> str:
        """``basic`` and the switches in alphabetical order; :func:`parse_profile` reads it."""
        return "+".join(["basic", *sorted(option.switch for option in self.options)])

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Code Value and Code Meaning of the profile and its options, by Code Value."""
        return (BASIC, *sorted((option.code, option.meaning) for option in self.options))

    @property
    def cleans(self) -> bool:
        """Whether texts are cleaned, which takes knowing all identifiers beforehand."""
        return not self.options.isdisjoint(CLEANING)

    def __contains__(self, option: Option) -> bool:
        return option in self.options


def parse_profile(name: str) -> DeidentificationProfile:
    """The profile that ``name`` spells, such as ``basic+retain-uids+clean-descriptors``.

    Raises ValueError with the name of the part that is none.
    """
    first, *switches = (part.strip().lower().replace("_", "-") for part in name.split("+"))
    if first != "basic":
        raise ValueError(first)
    return DeidentificationProfile(frozenset(_option(switch) for switch in switches))


def _option(switch: str) -> Option:
    option = SWITCHES.get(ALIASES.get(switch, switch))
    if option is None:
        raise ValueError(switch)
    return option
