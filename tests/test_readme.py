"""The README says what the program does: its settings are all there, and its commands work."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from pydicom.data import get_testdata_file

from tests import secrets_of_tests as secrets
from tests.running import copy_of_the_program, make_run
from webapp.config import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
INTERNAL = {"embedded"}  # set by `make run` alone


def settings_table() -> str:
    """The table as the settings themselves describe it."""
    rows = ["| setting | default | what it is |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        if name not in INTERNAL:
            rows.append(f"| `{name.upper()}` | {shown(field.default)} | {field.description} |")
    return "\n".join(rows)


def shown(default: object) -> str:
    if default is None or default == ():
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_settings_table_is_what_the_settings_say() -> None:
    assert settings_table() in README


def pasted(url: str, key: str) -> str:
    """The lines of "Try it", one after another, as a newcomer's shell gets them."""
    section = README.partition("## Try it")[2].partition("\n## ")[0]
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))
    assert "KEY=...\n" in script
    assert "URL=http://127.0.0.1:8000\n" in script
    script = script.replace("KEY=...", f"KEY={key}").replace("http://127.0.0.1:8000", url)
    # An error answer ends the script, which curl alone would let pass.
    return 'set -e\ncurl() { command curl --fail-with-body "$@"; }\n' + script


def test_its_lines_work_when_pasted_one_after_another(tmp_path: Path) -> None:
    folder = copy_of_the_program(tmp_path / "clone")
    with make_run(folder, BOOTSTRAP_API_KEY=secrets.API_KEY) as running:
        script = pasted(f"http://127.0.0.1:{running.port}", secrets.API_KEY)
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Error" not in verified(folder / "result.dcm")
    assert (folder / "thumbnail").stat().st_size > 100


def test_a_real_slice_comes_back_as_an_instance_that_dciodvfy_accepts(tmp_path: Path) -> None:
    folder = copy_of_the_program(tmp_path / "clone")
    with make_run(folder, BOOTSTRAP_API_KEY=secrets.API_KEY) as running:
        slice_of_ct = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
        answer = running.ask_json(
            "POST", "/upload", body=slice_of_ct, headers={"X-File-Name": "slice"}
        )
        path = f"/upload/{answer['upload_id']}/preprocessed-dicom"
        (tmp_path / "result.dcm").write_bytes(running.ask("GET", path)[1])

    assert "Error" not in verified(tmp_path / "result.dcm")


def verified(file: Path) -> str:
    """What dciodvfy says about an instance."""
    return subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False).stderr


def test_every_endpoint_of_the_service_has_its_line() -> None:
    for path in (
        "$URL/upload ",
        "$URL/upload/batch ",
        "/status",
        "/files",
        "/user/alice/batches",
        "/user/alice/uploads",
        "/details",
        "/preprocessed-dicom",
        "/save-upload?user_id=",
        "/stats",
        "$URL/\n",
    ):
        assert path in README
