"""``make run``, for real, from a copy of the work tree."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest
from PIL import Image

from tests import secrets_of_tests as secrets
from tests.running import copy_of_the_program, every_process, make_run, program
from tests.servers import free_port

UNATTENDED = {
    "ADMIN_EMAIL": secrets.ADMIN_EMAIL,
    "ADMIN_PASSWORD": secrets.ADMIN_PASSWORD,
    "BOOTSTRAP_API_KEY": secrets.API_KEY,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A work tree in which nothing was run yet."""
    return copy_of_the_program(tmp_path / "clone")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work tree in which the program was run and ended before."""
    folder = copy_of_the_program(tmp_path_factory.mktemp("ready") / "clone")
    with make_run(folder, **UNATTENDED) as running:
        running.end()
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    file = tmp_path / "picture.jpg"
    Image.radial_gradient("L").save(file)
    return file.read_bytes()


def test_a_second_run_keeps_accounts_keys_and_data(folder: Path, picture: bytes) -> None:
    name = {"X-File-Name": "picture.jpg"}
    with make_run(folder) as first:
        key = re.findall(r"API key: +(\S+)", first.output)[0]
        headers = {**name, "Authorization": f"Bearer {key}"}
        upload = json.loads(first.ask("POST", "/upload", picture, headers)[1])
        first.end()

    with make_run(folder) as second:
        path = f"/upload/{upload['upload_id']}/preprocessed-dicom"
        status, content = second.ask("GET", path, headers=headers)

        assert (status, content[128:132]) == (200, b"DICM")
        assert "Password" not in second.output
        assert "API key" not in second.output
    assert "Password:" in first.output


def test_an_unattended_first_start_takes_what_was_given_and_prints_no_secret(folder: Path) -> None:
    with make_run(folder, **UNATTENDED) as running:
        status, _ = running.ask("GET", "/stats")

        assert status == 200
        assert secrets.API_KEY not in running.output
        assert secrets.ADMIN_PASSWORD not in running.output


def test_all_its_processes_stay_in_its_group_and_session(ready: Path, picture: bytes) -> None:
    with make_run(ready) as running:
        running.wait_for(lambda: len(running.processes()) > 7)
        running.ask("POST", "/upload", picture, {"X-File-Name": "a.jpg"})
        everything = every_process()

        for pid in running.descendants() & everything.keys():
            assert everything[pid][2:] == (running.process.pid,) * 2


@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGTERM, False), (signal.SIGHUP, True)],
    ids=["Ctrl-C", "TERM to all", "TERM to make", "terminal closed"],
)
def test_a_stop_ends_every_process_without_a_traceback(
    ready: Path, number: signal.Signals, group: bool
) -> None:
    with make_run(ready) as running:
        running.end(number, group)

        assert not running.processes()
        assert "Traceback" not in running.output


def test_an_upload_that_is_under_way_at_a_stop_is_still_answered(
    ready: Path, picture: bytes
) -> None:
    with make_run(ready) as running, socket.create_connection(("127.0.0.1", running.port)) as sock:
        sock.settimeout(20)
        head = f"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {len(picture)}\r\n"
        headers = {**secrets.bearer(X_File_Name="a.jpg"), "Expect": "100-continue"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        sock.sendall(f"{head}{lines}\r\n".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        os.killpg(running.process.pid, signal.SIGINT)
        running.wait_for(lambda: running.said("Stopping"))
        sock.sendall(picture)

        assert sock.recv(1000).startswith(b"HTTP/1.1 20")
        running.ended()


@pytest.mark.parametrize("part", ["gunicorn wsgi:app", "wsgi worker"])
def test_the_end_of_one_part_ends_the_other(ready: Path, part: str) -> None:
    with make_run(ready) as running:
        running.wait_for(lambda: any(part in line for line in running.processes().values()))
        os.kill(min(pid for pid, line in running.processes().items() if part in line), 9)

        assert running.ended() != 0
        assert not running.processes()


def test_nothing_outlives_a_killed_supervisor(ready: Path) -> None:
    with make_run(ready) as running:
        pids = running.processes().items()
        os.kill(next(pid for pid, line in pids if line.endswith("webapp.supervisor ")), 9)

        assert running.ended() != 0
        running.wait_until_gone()


def test_a_port_in_use_is_said_in_a_sentence_before_anything_is_made(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with program(["make", "run"], folder, PORT=port) as running:
            assert running.ended() != 0

    assert f"Port {port} on 127.0.0.1 is in use" in running.output
    assert not (folder / "instance").exists()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("PORT", "eighty"), ("MAX_UPLOAD_MB", "-1"), ("LOG_LEVEL", "loud"), ("TASK_WORKERS", "many")],
)
def test_a_malformed_setting_is_refused_in_a_sentence_that_names_it(
    folder: Path, setting: str, value: str
) -> None:
    settings = {"PORT": free_port(), setting: value}
    with program(["make", "run"], folder, **settings) as running:
        assert running.ended(30) != 0

    assert setting in running.output
    assert "Traceback" not in running.output


def test_a_host_that_is_not_here_is_refused_in_a_sentence(folder: Path) -> None:
    with program(["make", "run"], folder, HOST="203.0.113.7", PORT=free_port()) as running:
        assert running.ended() != 0

    assert "203.0.113.7 is not an address of this machine" in running.output
