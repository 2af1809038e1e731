"""Keyed replacements for whatever identifies: the same secret, the same answer.

One owner's files of one patient, study and series stay together whenever they
come in, and nobody without the owner's secret can recompute or test a guess.
Every purpose has a key of its own, drawn from the secret by HKDF-SHA256 under
a distinct label, so that a pseudonym of one kind says nothing about another.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from webapp.pipeline.uids import uuid_derived_uid

SECRET_LENGTH = 32
"""Bytes of an owner's pseudonym secret."""

SHORTEST_SHIFT, LONGEST_SHIFT = 30, 3650
"""Days; dates move back, so that none ever lies in the future."""

LETTERS = 8
"""Bytes of a digest that become sixteen hexadecimal digits."""

PURPOSES = ("uid", "identifier", "patient-name", "date-shift", "content", "group")


class Pseudonyms:
    """Replacements under one owner's 256-bit ``secret``; ValueError for any other length."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_LENGTH:
            raise ValueError("a pseudonym secret is 32 bytes")
        self._keys = {purpose: _subkey(secret, purpose) for purpose in PURPOSES}
        self.uid = lru_cache(maxsize=4096)(self._uid)

    def _uid(self, original: str) -> str:
        """A UID under ``2.25`` (PS3.5 B.2) that stands for ``original``; at most 44 characters."""
        return uuid_derived_uid(self._mac("uid", original))

    def identifier(self, kind: str, value: str, length: int = 16) -> str:
        """An id of hexadecimal digits for ``value``, at most ``length`` (4-16) long.

        ``kind`` keeps apart what happens to be equal: a Patient ID and an Accession Number.
        """
        return _letters(self._mac("identifier", kind, value))[:length]

    def patient_name(self, patient: str) -> str:
        """A Person Name (PN, PS3.5 6.2.1) for the patient that :func:`patient_key` names."""
        return f"PATIENT^{_letters(self._mac('patient-name', patient))}"

    def date_shift_days(self, patient: str) -> int:
        """Days, always negative, by which every date of this patient moves."""
        drawn = int.from_bytes(self._mac("date-shift", patient)[:8], "big")
        return -(SHORTEST_SHIFT + drawn % (LONGEST_SHIFT - SHORTEST_SHIFT + 1))

    def content_digest(self, digest: bytes) -> bytes:
        """32 bytes that tell whether this owner sent the same bytes (SHA-256 ``digest``) before."""
        return hmac.digest(self._keys["content"], digest, sha256)

    def group(self, study_key: str) -> bytes:
        """32 bytes for the examination that a client names ``study_key``."""
        return self._mac("group", study_key)

    def _mac(self, purpose: str, *fields: str) -> bytes:
        return hmac.digest(self._keys[purpose], _joined(fields), sha256)


def patient_key(patient_id: str, patient_name: str) -> str:
    """What one patient is known by: Patient ID (0010,0020), else Patient's Name (0010,0010).

    Padding and empty trailing components do not matter: ``A^B`` and ``A^B^``
    are one patient. Empty when the data set names nobody.
    """
    if patient_id.strip(" \0"):
        return "id:" + patient_id.strip(" \0")
    name = normal_name(patient_name)
    return "name:" + name if name else ""


def normal_name(name: str) -> str:
    """A Person Name without what does not tell people apart: padding, empty tails, case."""
    groups = (
        "^".join(part.strip(" \0") for part in group.split("^")).rstrip("^")
        for group in name.split("=")
    )
    return "=".join(groups).rstrip("=").casefold()


def _subkey(secret: bytes, purpose: str) -> bytes:
    label = f"webapp/pseudonyms/1/{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label).derive(secret)


def _joined(fields: tuple[str, ...]) -> bytes:
    """Fields with their lengths, so that no two lists of fields read alike."""
    encoded = [field.encode("utf-8", "surrogatepass") for field in fields]
    return b"".join([len(field).to_bytes(4, "big") + field for field in encoded])


def _letters(digest: bytes) -> str:
    return digest[:LETTERS].hex().upper()
