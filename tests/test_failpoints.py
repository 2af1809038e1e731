"""Fail points do nothing unless the environment names their folder at the start."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.running import PYTHON, ROOT, environment

SCRIPT = "from webapp import failpoints as f; f.reach('step'); print(f.constant('lease', 60))"


def run(**settings: str) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), "-c", SCRIPT]
    env = environment(**settings)
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_without_a_folder_nothing_happens() -> None:
    done = run()

    assert (done.returncode, done.stdout) == (0, "60\n")


def test_the_first_process_to_reach_a_step_is_stopped_and_the_second_is_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "step").write_text("KILL")

    codes = [run(FAILPOINTS=str(tmp_path)).returncode for _ in range(2)]

    assert codes == [-signal.SIGKILL, 0]


def test_a_constant_is_replaced_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "lease.value").write_text("2.5")

    assert run(FAILPOINTS=str(tmp_path)).stdout == "2.5\n"
