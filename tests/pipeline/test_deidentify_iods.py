"""The output stays valid: dciodvfy finds no error in it that the input lacked."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import data_store
import pytest
from pydicom.data import get_charset_files, get_testdata_files

from tests.pipeline.deidentifying import done, written
from tests.pipeline.encoding import EXPLICIT, EXPLICIT_LITTLE, File, ct
from webapp.errors import Rejected
from webapp.pipeline.deidentify.dictionary import keyword, registered
from webapp.pipeline.deidentify.iod_types import type_of
from webapp.pipeline.deidentify.profile import SWITCHES
from webapp.pipeline.deidentify.standard import rows
from webapp.pipeline.deidentify.table import table_e1_1
from webapp.pipeline.verify import verify

EVERYTHING = "+".join(["basic", *(s for s in SWITCHES if s != "retain-modified-dates")])
PROFILES = ["basic", EVERYTHING, "basic+retain-modified-dates+clean-descriptors"]

LARGEST = 1_200_000
PACKAGED = Path(data_store.__file__).parent / "data"
REAL = sorted(
    {
        Path(file)
        for file in [*get_testdata_files(), *get_charset_files(), *map(str, PACKAGED.glob("*"))]
        if Path(file).is_file() and Path(file).stat().st_size < LARGEST
    }
)

DIFFERENT_VALUES = re.compile(r"<[^>]*>|= ?\S+|(?<=UID )[0-9.]+|\"[0-9.]*\"|\[\d+\]")
UNREADABLE = {
    "Error - Dicom dataset read failed",
    "Error - Tags out of order - trailing garbage, wrong transfer syntax, or not valid DICOM",
}


def errors(content: bytes, folder: Path) -> Counter[str]:
    """dciodvfy's errors with their numbers, values taken out."""
    assert shutil.which("dciodvfy"), "dicom3tools is needed: apt-get install dicom3tools"
    file = folder / "instance.dcm"
    file.write_bytes(content)
    answer = subprocess.run(
        ["dciodvfy", str(file)], capture_output=True, text=True, errors="replace", check=False
    )
    found = (line for line in answer.stderr.splitlines() if line.startswith("Error"))
    return Counter(DIFFERENT_VALUES.sub("", line) for line in found)


@pytest.mark.parametrize("file", REAL, ids=lambda file: file.name)
def test_a_real_file_gains_no_error_and_holds_nobody(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    before = errors(content, tmp_path) if content[128:132] == b"DICM" else Counter(UNREADABLE)
    for profile in PROFILES[: 1 if len(content) > 100_000 else None]:
        try:
            result = done(content, profile)
        except Rejected:
            continue

        assert verify(result) == ()
        if not UNREADABLE & before.keys():
            assert not errors(written(result), tmp_path) - before


def instance_of(sop_class: str, iod: str) -> File:
    """An instance that holds every attribute of the table that its IOD asks for."""
    base = ct()
    file = File(EXPLICIT, sop_class, elements=dict(base.elements))
    file.elements[0x00080016] = EXPLICIT_LITTLE.element(0x00080016, "UI", sop_class)
    for key in table_e1_1():
        if key == "private" or "xx" in key:
            continue
        tag = int(key, 16)
        known = registered(tag)
        if known and known[0] in VALUES and type_of(iod, keyword(tag)) != "3":
            content = VALUES[known[0]]
            file.elements[tag] = EXPLICIT_LITTLE.element(tag, known[0], content)
    return file


VALUES = {
    "AE": "PLACE",
    "CS": "F",
    "DA": "20190402",
    "DT": "20190402101500",
    "LO": "some text",
    "LT": "some text",
    "PN": "Vantongerloo^Mirabel",
    "SH": "some text",
    "ST": "some text",
    "TM": "101500",
    "UC": "some text",
    "UI": "1.2.3.4.88",
    "UT": "some text",
}
CLASSES = [(fields[0], fields[1]) for fields in rows("sop_class_iods")]
REFUSED = (".104.", ".9.4.", ".1.3.10")
TAKEN = [pair for pair in CLASSES if not any(part in pair[0] for part in REFUSED)]


@pytest.mark.parametrize(("sop_class", "iod"), TAKEN, ids=[iod for _, iod in TAKEN])
def test_a_generated_instance_of_each_sop_class_gains_no_error(
    sop_class: str, iod: str, tmp_path: Path
) -> None:
    content = instance_of(sop_class, iod).encode()
    before = errors(content, tmp_path)

    for profile in PROFILES[:2]:
        assert not errors(written(done(content, profile)), tmp_path) - before
