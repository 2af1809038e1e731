"""The same program scaled out: web and worker apart, on a real PostgreSQL and a real Redis."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from tests import secrets_of_tests as secrets
from tests.running import PYTHON, Program, copy_of_the_program, environment, make_run, program
from tests.servers import free_port

WEB = [str(PYTHON), "-m", "gunicorn", "wsgi:app"]
FLASK = [str(PYTHON), "-m", "flask", "--app", "wsgi"]


@pytest.fixture
def scaled_out(tmp_path: Path, empty_postgres_url: str, redis_url: str) -> Iterator[Program]:
    """Web processes and a worker, which share nothing but what an operator tells them."""
    folder = copy_of_the_program(tmp_path / "machine")
    settings = {
        "DATABASE_URL": empty_postgres_url,
        "REDIS_URL": redis_url,
        "MASTER_KEYS": secrets.MASTER_KEYS,
        "SECRET_KEY": secrets.SECRET_KEY,
        "BOOTSTRAP_API_KEY": secrets.API_KEY,
        "PORT": free_port(),
    }
    subprocess.run([*FLASK, "setup"], cwd=folder, env=environment(**settings), check=True)
    with (
        program(WEB, folder, **settings) as web,
        program([*FLASK, "worker", "--workers", "2"], folder, **settings) as worker,
    ):
        web.wait_for(web.answers)
        yield web
        assert worker.process.poll() is None, worker.output


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    Image.radial_gradient("L").save(tmp_path / "picture.jpg")
    return (tmp_path / "picture.jpg").read_bytes()


@pytest.fixture
def slice_of_ct() -> bytes:
    return Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()


def test_an_upload_comes_back_as_an_instance_that_names_nobody(
    scaled_out: Program, slice_of_ct: bytes, tmp_path: Path
) -> None:
    name = {"X-File-Name": "ct.dcm", "X-User-ID": "alice"}
    answer = json.loads(scaled_out.ask("POST", "/upload", slice_of_ct, name)[1])
    path = f"/upload/{answer['upload_id']}/preprocessed-dicom"
    (tmp_path / "result.dcm").write_bytes(scaled_out.ask("GET", path)[1])

    result = pydicom.dcmread(tmp_path / "result.dcm")

    assert answer["status"] == "completed"
    assert result.PatientIdentityRemoved == "YES"
    assert result.pixel_array.shape == (128, 128)


def test_a_batch_is_worked_to_its_end(
    scaled_out: Program, slice_of_ct: bytes, picture: bytes
) -> None:
    contents = [picture, slice_of_ct, b"neither an image nor DICOM", picture]
    files = [
        {"filename": f"{number}", "content": base64.b64encode(content).decode()}
        for number, content in enumerate(contents)
    ]
    body = json.dumps({"files": files}).encode()
    headers = {"Content-Type": "application/json", "X-User-ID": "bob"}
    batch = json.loads(scaled_out.ask("POST", "/upload/batch", body, headers)[1])
    path = f"/upload/batch/{batch['batch_id']}"

    scaled_out.wait_for(
        lambda: scaled_out.ask_json("GET", f"{path}/status")["status"] == "completed"
    )

    entries = scaled_out.ask_json("GET", f"{path}/files")["files"]
    by_name = {entry["filename"]: entry for entry in entries}
    assert {name: entry["status"] for name, entry in by_name.items()} == {
        "0": "completed",
        "1": "completed",
        "2": "failed",
        "3": "completed",
    }
    assert by_name["2"]["error"]["code"] == "unrecognised"


def test_make_run_serves_on_them_too(
    tmp_path: Path, empty_postgres_url: str, redis_url: str, slice_of_ct: bytes
) -> None:
    folder = copy_of_the_program(tmp_path / "clone")
    settings = {"DATABASE_URL": empty_postgres_url, "REDIS_URL": redis_url}
    with make_run(folder, **settings, BOOTSTRAP_API_KEY=secrets.API_KEY) as running:
        status, _ = running.ask("POST", "/upload", slice_of_ct, {"X-File-Name": "ct"})

        assert status == 201
        assert running.ask_json("GET", "/stats")["total_uploads"] == 1
    assert not list(folder.glob("instance/*.db"))


def test_a_worker_stops_at_a_term_without_a_traceback(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    folder = copy_of_the_program(tmp_path / "machine")
    settings = {
        "DATABASE_URL": postgres_url,
        "REDIS_URL": redis_url,
        "MASTER_KEYS": secrets.MASTER_KEYS,
        "SECRET_KEY": secrets.SECRET_KEY,
    }
    with program([*FLASK, "worker"], folder, **settings) as worker:
        worker.wait_for(lambda: len(worker.processes()) > 2)
        worker.end(15, group=False)

        assert not worker.processes()
        assert "Traceback" not in worker.output


@pytest.mark.parametrize("command", [WEB, [*FLASK, "worker"], [*FLASK, "setup"]])
def test_production_does_not_start_without_its_keys(tmp_path: Path, command: list[str]) -> None:
    folder = copy_of_the_program(tmp_path / "machine")
    with program(command, folder, PORT=free_port()) as started:
        assert started.ended(30) != 0

    assert "SECRET_KEY" in started.output
    assert not list((folder).glob("instance/*.keys"))
