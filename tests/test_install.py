"""What the install scripts say where they can do nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSTALL = ROOT / "deploy" / "install.sh"
PACKAGES = ROOT / "deploy" / "debian-packages.sh"


def run(*command: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def an_older_python(folder: Path) -> Path:
    """A stand-in that answers like Python 3.9."""
    program = folder / "python3.9"
    program.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    program.chmod(0o755)
    return program


def test_a_missing_python_is_said_with_how_to_get_it(tmp_path: Path) -> None:
    done = run(INSTALL, "python3.99", tmp_path / "venv", ROOT / "requirements.txt")

    assert done.returncode == 1
    assert "apt-get install python3 python3-venv" in done.stderr


def test_an_old_python_is_refused_with_what_is_needed(tmp_path: Path) -> None:
    old = an_older_python(tmp_path)

    done = run(INSTALL, old, tmp_path / "venv", ROOT / "requirements.txt")

    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "Python 3.9.2" in done.stderr


def test_what_is_installed_already_is_not_installed_again(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("no-such-package==1.0\n")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "installed-requirements.txt").write_text("no-such-package==1.0\n")

    done = run(INSTALL, "python3.99", tmp_path / "venv", requirements)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_packages_that_are_there_are_left_alone() -> None:
    done = run(PACKAGES, "coreutils")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_packages_are_named_where_they_may_not_be_installed(tmp_path: Path) -> None:
    (tmp_path / "sudo").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "sudo").chmod(0o755)
    as_root = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    shell = ["env", f"PATH={tmp_path}:{os.environ['PATH']}", "sh", "-s", "one", "another"]

    done = run(*(as_root if os.geteuid() == 0 else []), *shell, input=PACKAGES.read_text())

    assert done.returncode == 1
    assert "missing: one another" in done.stderr
    assert "sudo apt-get install one another" in done.stderr
