"""The running program watched: numbers of all its processes, and an audit that its worker links."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from PIL import Image

from tests import secrets_of_tests as secrets
from tests.running import PYTHON, Program, copy_of_the_program, environment, make_run

TOKEN = "a-token-for-prometheus"
ANSWERED = re.compile(
    r'^intake_http_requests_total\{method="GET",rule="/stats",status="200"\} ([0-9.]+)$',
    re.MULTILINE,
)
ALIVE = re.compile(r"^intake_workers_alive ([0-9.]+)$", re.MULTILINE)
ASKED = 12


def metrics(running: Program) -> str:
    status, body = running.ask("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert status == 200, body
    return body.decode()


def number(pattern: re.Pattern[str], running: Program) -> float:
    found = pattern.search(metrics(running))
    return float(found[1]) if found else 0


def verify(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), "-m", "flask", "--app", "wsgi", "audit", "verify"]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(EMBEDDED=1),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_numbers_of_all_processes_and_the_audit_of_a_running_program(tmp_path: Path) -> None:
    folder = copy_of_the_program(tmp_path / "clone")
    picture = tmp_path / "picture.jpg"
    Image.radial_gradient("L").save(picture)

    with make_run(folder, BOOTSTRAP_API_KEY=secrets.API_KEY, METRICS_TOKEN=TOKEN) as running:
        name = {"X-File-Name": "picture.jpg"}
        assert running.ask("POST", "/upload", picture.read_bytes(), name)[0] == 201
        for _ in range(ASKED):
            assert running.ask("GET", "/stats")[0] == 200

        assert [number(ANSWERED, running) for _ in range(4)] == [ASKED] * 4
        running.wait_for(lambda: number(ALIVE, running) == 2)
        running.wait_for(lambda: "Not linked yet: 0." in verify(folder).stdout)
        verdict = verify(folder)

    assert verdict.returncode == 0, verdict.stderr
    assert "The chain holds." in verdict.stdout
