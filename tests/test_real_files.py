"""Files that nobody here wrote: pydicom's own test data, and the package pydicom-data.

Each goes in through the API. It comes out as a DICOM instance that other programs
read and find no worse than they found the input, or it is refused with the code
that ``REFUSED`` gives, and why.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import data_store
import pydicom
import pydicom.data
import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from tests import installation
from tests.secrets_of_tests import bearer

BUNDLED = Path(pydicom.data.__file__).parent
PACKAGED = Path(data_store.__file__).parent / "data"
FILES = {
    f"{root.name}/{file.relative_to(root)}": file
    for root in (BUNDLED / "test_files", BUNDLED / "charset_files", BUNDLED / "palettes", PACKAGED)
    for file in sorted(root.rglob("*"))
    if file.is_file() and file.suffix not in (".py", ".pyc")
}

# A few elements without a SOP Class UID: dciodvfy has nothing to hold them against.
OF_NO_CLASS = {
    "test_files/empty_charset_LEI.dcm",
    "test_files/meta_missing_tsyntax.dcm",
    "test_files/nested_priv_SQ.dcm",
}
VALUES = re.compile(r"<[^>]*>|= ?\S+|(?<=UID )[0-9.]+|\"[0-9.]*\"")
TEXT = "unrecognised"  # notes, dumps, a colour profile, a gzip: neither images nor DICOM
CUT_OFF = "dicom-damaged"  # ends in the middle of an element, or before the pixels it describes
INDEX = "dicomdir"  # lists other files and their patients; the files themselves are taken
REFUSED = {
    "charset_files/FileInfo.txt": TEXT,
    "charset_files/chrJapMulti.dcm": CUT_OFF,
    "charset_files/chrJapMultiExplicitIR6.dcm": CUT_OFF,
    "charset_files/chrKoreanMulti.dcm": CUT_OFF,
    "data/emri_small_jpeg_2k_lossless_too_short.dcm": CUT_OFF,
    "palettes/README.md": TEXT,
    "test_files/MR_truncated.dcm": CUT_OFF,
    "test_files/README.txt": TEXT,
    "test_files/crayons.icc": TEXT,
    "test_files/dicomdirtests/DICOMDIR": INDEX,
    "test_files/dicomdirtests/DICOMDIR-bigEnd": INDEX,
    "test_files/dicomdirtests/DICOMDIR-empty.dcm": INDEX,
    "test_files/dicomdirtests/DICOMDIR-implicit": INDEX,
    "test_files/dicomdirtests/DICOMDIR-nooffset": INDEX,
    "test_files/dicomdirtests/DICOMDIR-nopatient": INDEX,
    "test_files/dicomdirtests/DICOMDIR-reordered": INDEX,
    "test_files/dicomdirtests/README.txt": TEXT,
    "test_files/dicomdirtests/TINY_ALPHA/DICOMDIR": INDEX,
    "test_files/dicomdirtests/TINY_ALPHA/README": TEXT,
    "test_files/no_meta.dcm": TEXT,  # its first byte is missing: no reader can start on it
    "test_files/rtplan.dump": TEXT,
    "test_files/rtplan_truncated.dcm": CUT_OFF,
    "test_files/rtstruct.dump": TEXT,
    "test_files/test1.json": TEXT,
    "test_files/test_PN.json": TEXT,
    "test_files/zipMR.gz": TEXT,
}


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[FlaskClient]:
    """One installation for all files; each file has a user of its own."""
    in_force = installation.settings(tmp_path_factory.mktemp("real"))
    installation.copy_database(sqlite_template, in_force)
    app: Flask = installation.app(in_force)
    yield app.test_client()
    installation.close(app)


def upload(client: FlaskClient, name: str) -> tuple[int, dict[str, object]]:
    user = re.sub(r"[^a-zA-Z0-9]", "_", name)
    headers = bearer(user=user, X_File_Name="file")
    answer = client.post("/upload", data=FILES[name].read_bytes(), headers=headers)
    return answer.status_code, answer.get_json()


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_for_a_reason(service: FlaskClient, name: str) -> None:
    status, answer = upload(service, name)

    assert (answer.get("code"), status // 100) == (REFUSED[name], 4)


@pytest.mark.parametrize("name", [n for n in FILES if n not in REFUSED])
def test_a_file_comes_out_as_an_instance_that_others_read_and_find_no_worse(
    service: FlaskClient, name: str, tmp_path: Path
) -> None:
    output = tmp_path / "output.dcm"

    status, answer = upload(service, name)
    assert (status, answer.get("status")) == (201, "completed"), answer
    path = f"/upload/{answer['upload_id']}/preprocessed-dicom"
    output.write_bytes(service.get(path, headers=bearer()).get_data())

    assert sum(1 for _ in pydicom.dcmread(output).iterall()) > 0
    assert not complaints("dcmdump", "-q", output)
    if name not in OF_NO_CLASS:
        assert not iod_errors(output) - iod_errors_of_input(FILES[name], tmp_path)


def complaints(*command: str | Path) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return [line for line in done.stderr.splitlines() if line.startswith("E:")]


def iod_errors_of_input(file: Path, folder: Path) -> Counter[str]:
    """The input's errors; dciodvfy cannot inflate, so that is done for it first."""
    content = pydicom.dcmread(file, force=True, stop_before_pixels=True)
    syntax = content.file_meta.get("TransferSyntaxUID")
    if syntax != DeflatedExplicitVRLittleEndian:
        return iod_errors(file)
    content = pydicom.dcmread(file)
    content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content.save_as(folder / "inflated.dcm")
    return iod_errors(folder / "inflated.dcm")


def iod_errors(file: Path) -> Counter[str]:
    """What dciodvfy calls an error, values taken out: they are what de-identifying changes."""
    done = subprocess.run(
        ["dciodvfy", file], capture_output=True, text=True, errors="replace", check=False
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    return Counter(VALUES.sub("", line) for line in lines)
