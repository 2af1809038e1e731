"""The profile in words, generated from the rules: for the documentation and for a page.

``python -m webapp.pipeline.deidentify.describe`` prints ``docs/deidentification.md``.
"""

from __future__ import annotations

from webapp.pipeline.deidentify.profile import (
    BASIC,
    PIXEL_OPTIONS,
    DeidentificationProfile,
    Option,
)
from webapp.pipeline.deidentify.standard import EDITION
from webapp.pipeline.deidentify.table import Row, table_e1_1

ACTIONS = {
    "D": "replaced by a value that means nothing",
    "Z": "emptied, or replaced where the IOD asks for a value",
    "X": "removed",
    "K": "kept",
    "C": "cleaned",
    "U": "replaced by a UID that stands for it everywhere",
}
"""The action codes of Table E.1-1a; a slash means: by the attribute's Type in the IOD."""

WHAT_IT_DOES = {
    Option.RETAIN_UIDS: "UIDs of studies, series, instances and what they refer to stay.",
    Option.RETAIN_DEVICE_IDENTITY: "Serial numbers, station names and other device ids stay.",
    Option.RETAIN_INSTITUTION_IDENTITY: "Name, address and department of the institution stay.",
    Option.RETAIN_PATIENT_CHARACTERISTICS: (
        "Sex, age, size, weight and the like stay; an age above 89 years becomes 90."
    ),
    Option.RETAIN_FULL_DATES: "Dates and times stay as they are, the birth date excepted.",
    Option.RETAIN_MODIFIED_DATES: (
        "Dates move by a number of days that is the same for all files of a patient; times of "
        "day and intervals stay."
    ),
    Option.RETAIN_SAFE_PRIVATE: (
        "Private attributes that the standard lists as safe stay, known by their creator."
    ),
    Option.CLEAN_DESCRIPTORS: (
        "Descriptions and comments stay as far as their words belong to the vocabulary of the "
        "field; names, dates, numbers of five or more digits and whatever the file itself "
        "says about a person are taken out."
    ),
    Option.CLEAN_STRUCTURED_CONTENT: (
        "Texts of structured reports are cleaned like descriptions; items whose concept "
        "identifies (PS3.15 Table E.3.4-1) go."
    ),
    Option.CLEAN_GRAPHICS: (
        "Graphic annotations keep their shapes, their texts are cleaned; overlays and curves go "
        "all the same, since nothing tells what they show."
    ),
}
"""One sentence for each option that the engine does."""

BEYOND_THE_TABLE = (
    "Every private attribute is removed, and every attribute that no dictionary knows.",
    "Overlays (60xx) and curves (50xx) are removed whole, with their labels and descriptions.",
    "Sequences are followed to any depth, inside UN elements as well.",
    "Person Names and addresses on the network (UR) that the table does not list are removed; "
    "UIDs of instances that it does not list are replaced.",
    "Any other registered attribute that the table does not list stays, unless it holds a name, "
    "an id, an address, a telephone number or the birth date found in the same file: that is "
    "cut out.",
    "UIDs of the standard itself (under 1.2.840.10008), of SOP classes, transfer syntaxes and "
    "coding schemes are never replaced.",
    "The preamble becomes zeros, the file meta information is written anew, padding and bytes "
    "after the end are dropped, and groups 0000, 0004, 4FFE, FFFA and FFFC with them.",
    "Comments and application segments inside JPEG frames, comments inside JPEG 2000 and boxes "
    "of metadata are overwritten with zeros; texts of ICC profiles with spaces. Pixels stay.",
    "Text is written in UTF-8, whatever character set it came in.",
    "Patient ID, Patient's Name, Accession Number and Study ID become keyed pseudonyms: the "
    "same for the same value and owner, and no one without the key can compute them.",
    "Encapsulated documents (PDF, CDA, STL, OBJ, MTL), audio, video and media directories are "
    "refused, and so is a file that is not whole.",
)
"""What the engine does that no row of the table says."""


def describe(profile: DeidentificationProfile) -> str:
    """The profile in a few sentences of plain text."""
    chosen = [option for option in Option if option in profile]
    told = [WHAT_IT_DOES.get(option, f"{option.meaning}.") for option in chosen]
    return " ".join([f"{BASIC[1]} of DICOM PS3.15 {EDITION}.", *told])


def action(row: Row, profile: DeidentificationProfile) -> str:
    """The action codes that ``profile`` gives to a row of Table E.1-1."""
    columns = {option.column for option in profile.options}
    codes = {code for column, code in row.options.items() if column in columns}
    if "modified-dates" in columns & row.options.keys():
        return "C"
    return next((code for code in "KC" if code in codes), row.basic)


def document() -> str:
    """``docs/deidentification.md``."""
    parts = [_HEAD, _options(), _beyond(), _table()]
    return "\n".join(parts)


def _options() -> str:
    lines = ["## Options", "", "| switch | code | option | what it does |", "|---|---|---|---|"]
    for option in Option:
        if option not in PIXEL_OPTIONS:
            told = WHAT_IT_DOES[option]
            lines.append(f"| `{option.switch}` | {option.code} | {option.meaning} | {told} |")
    return "\n".join([*lines, ""])


def _beyond() -> str:
    lines = [f"- {sentence}" for sentence in BEYOND_THE_TABLE]
    return "\n".join(["## Beyond the table", "", *lines, ""])


def _table() -> str:
    codes = [f"- {code}: {meaning}" for code, meaning in ACTIONS.items()]
    lines = ["| tag | attribute | basic | with options |", "|---|---|---|---|"]
    for row in table_e1_1().values():
        switches = (f"{column}: {code}" for column, code in row.options.items())
        lines.append(f"| {_tag(row.tag)} | {row.name} | {row.basic} | {', '.join(switches)} |")
    head = ["## Every attribute of Table E.1-1", "", *codes, ""]
    return "\n".join([*head, *lines, ""])


def _tag(key: str) -> str:
    return "odd groups" if key == "private" else f"({key[:4]},{key[4:]})"


_HEAD = f"""# De-identification

This page is generated from the rules (`python -m webapp.pipeline.deidentify.describe`); a test
holds both equal. The tables are those of DICOM PS3.15 {EDITION}, © NEMA.

A profile is the {BASIC[1]} (code {BASIC[0]}) and any options, written as in
`basic+retain-uids+clean-descriptors`. Every output says of itself, in De-identification Method
Code Sequence (0012,0064), which of them were applied.

From a shell, without the service:

    python -m webapp.pipeline.deidentify IN OUT [--profile basic+...] [--key-file FILE] [--jobs N]

`IN` and `OUT` are files or folders. A key file holds 32 secret bytes
(`head -c 32 /dev/urandom > key`); the same key gives the same pseudonyms in every run. A folder's
`manifest.jsonl` has one line for each file: what became of it and what was done, never a value; a
process for each core works on it, or as many as `--jobs` says.
The exit code is 0 when everything was written, 1 when something was refused or held, 2 for
wrong use.
"""


if __name__ == "__main__":
    print(document(), end="")
