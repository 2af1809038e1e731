"""Words that say nothing about a person: Defined Terms, placeholders, words of the field."""

from __future__ import annotations

import re
from functools import cache
from typing import cast

from pydicom._dicom_dict import DicomDictionary

from webapp.pipeline.deidentify.standard import rows

PLACEHOLDERS = frozenset(
    [
        "anon",
        "anonymous",
        "anonymised",
        "anonymized",
        "deidentified",
        "de-identified",
        "none",
        "null",
        "unknown",
        "unspecified",
        "no_name",
        "noname",
        "name",
        "firstname",
        "lastname",
        "xxxx",
        "xxxxx",
        "xxxxxx",
        "0000",
        "00000",
        "000000",
        "0000000",
        "00000000",
        "1111",
        "9999",
        "99999",
        "999999",
    ]
)
"""What is written where no name or id was known."""

WORD = re.compile(r"[^\W\d_]+")


def is_term(text: str) -> bool:
    """Whether ``text`` (lower case) is a Defined Term, or a placeholder for a name."""
    return text in PLACEHOLDERS or text in _defined_terms()


@cache
def vocabulary() -> frozenset[str]:
    """Lower-case words of code meanings, attribute names and radiology: none names a person.

    A word counts when the standard writes it in lower case somewhere, so that
    most eponyms stay out; taken from the code tables (PS3.16) that pydicom carries.
    """
    from pydicom.sr._concepts_dict import concepts  # a megabyte, needed under few profiles

    words = {word for (word,) in rows("words")}
    schemes = cast("dict[str, dict[str, dict[str, tuple[str, list[int]]]]]", concepts)
    for keywords in schemes.values():
        for codes in keywords.values():
            for meaning, _ in codes.values():
                words.update(word for word in WORD.findall(meaning) if word.islower())
    for entry in DicomDictionary.values():
        words.update(word.lower() for word in WORD.findall(entry[2]))
    words.update(word for term in _defined_terms() for word in WORD.findall(term))
    return frozenset(words)


@cache
def _defined_terms() -> frozenset[str]:
    return frozenset(term for (term,) in rows("terms"))
