"""The same secret gives the same answers; without it nothing can be recomputed."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipeline.deidentifying import PSEUDONYMS, SECRET
from webapp.pipeline.pseudonyms import Pseudonyms, normal_name, patient_key

OTHER = Pseudonyms(bytes(reversed(SECRET)))


@given(st.text(max_size=80))
def test_a_replacement_uid_is_valid_and_repeatable(original: str) -> None:
    uid = PSEUDONYMS.uid(original)

    assert uid == Pseudonyms(SECRET).uid(original)
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert str(int(uid.removeprefix("2.25."))) == uid.removeprefix("2.25.")


def test_another_secret_gives_another_answer_to_everything() -> None:
    assert PSEUDONYMS.uid("1.2.3") != OTHER.uid("1.2.3")
    assert PSEUDONYMS.identifier("id", "7") != OTHER.identifier("id", "7")
    assert PSEUDONYMS.patient_name("id:7") != OTHER.patient_name("id:7")
    assert PSEUDONYMS.group("knee") != OTHER.group("knee")
    digest = hashlib.sha256(b"file").digest()
    assert PSEUDONYMS.content_digest(digest) != OTHER.content_digest(digest)


def test_the_same_value_of_two_kinds_gives_two_identifiers() -> None:
    assert PSEUDONYMS.identifier("PatientID", "7") != PSEUDONYMS.identifier("StudyID", "7")


def test_fields_are_not_run_together() -> None:
    assert PSEUDONYMS.identifier("a", "bc") != PSEUDONYMS.identifier("ab", "c")


@given(st.integers(min_value=4, max_value=16))
def test_an_identifier_is_as_long_as_it_may_be(length: int) -> None:
    identifier = PSEUDONYMS.identifier("id", "7", length)

    assert len(identifier) == length
    assert identifier.isalnum()


@given(st.text(max_size=20))
def test_dates_move_back_by_a_month_to_ten_years(patient: str) -> None:
    assert -3650 <= PSEUDONYMS.date_shift_days(patient) <= -30


def test_patients_move_by_different_numbers_of_days() -> None:
    assert len({PSEUDONYMS.date_shift_days(f"id:{n}") for n in range(100)}) > 90


def test_a_content_digest_is_no_plain_hash() -> None:
    digest = hashlib.sha256(b"file").digest()

    assert PSEUDONYMS.content_digest(digest) != digest
    assert len(PSEUDONYMS.content_digest(digest)) == 32


@pytest.mark.parametrize("secret", [b"", b"x" * 31, b"x" * 33])
def test_a_secret_of_another_length_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Pseudonyms(secret)


@pytest.mark.parametrize("name", ["Roe^Ann", "Roe^Ann^", "roe^ann^^^", " Roe ^Ann ", "Roe^Ann=="])
def test_names_that_differ_in_padding_alone_are_one(name: str) -> None:
    assert normal_name(name) == "roe^ann"


def test_a_patient_is_known_by_id_first_and_by_name_without_one() -> None:
    assert patient_key(" 7 ", "Roe^Ann") == patient_key("7", "Roe^Anna")
    assert patient_key("", "Roe^Ann^") == patient_key("", "Roe^Ann")
    assert patient_key("7", "Roe^Ann") != patient_key("8", "Roe^Ann")
    assert patient_key("", "^^") == ""
