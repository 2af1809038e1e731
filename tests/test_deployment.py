"""The files an operator starts from say what the program takes."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
import yaml

from webapp.config import Settings

ROOT = Path(__file__).parents[1]
INTERNAL = {"EMBEDDED"}  # set by `make run` alone

# Loaded by name by another package rather than imported here.
PLUGINS = {"psycopg", "psycopg-binary", "rcssmin", "rjsmin"}
# Codecs that pydicom finds by itself.
PLUGINS |= {"pyjpegls", "pylibjpeg-openjpeg", "pylibjpeg-rle"}
MODULES = {"argon2-cffi": "argon2", "pillow": "pil", "python-dotenv": "dotenv"}


def settings() -> set[str]:
    return {name.upper() for name in Settings.model_fields} - INTERNAL


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, bool]:
    """The packages of requirements.txt, and whether each stands there for its own sake."""
    found: dict[str, bool] = {}
    own = True
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        own = own and not line.startswith("# What these need")
        if line and not line.startswith("#"):
            assert "==" in line, f"not pinned: {line}"
            found[normal(line.split("==")[0])] = own
    return found


def imported() -> set[str]:
    files = [*(ROOT / "webapp").rglob("*.py"), *(ROOT / "migrations").rglob("*.py")]
    names: set[str] = set()
    for file in [*files, ROOT / "gunicorn.conf.py", ROOT / "wsgi.py"]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0])
    return {normal(name) for name in names - sys.stdlib_module_names - {"webapp", ""}}


def test_the_example_environment_names_every_setting_and_no_other() -> None:
    named = re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert set(named) == settings()


def test_the_example_environment_shows_the_defaults() -> None:
    shown = dict(
        re.findall(r"^# ([A-Z_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    )
    examples = {"DATABASE_URL", "REDIS_URL", "STORAGE_URL"}

    for name, value in shown.items():
        if name not in examples:
            default = Settings.model_fields[name.lower()].default
            assert value == (str(default).lower() if isinstance(default, bool) else str(default))


def test_every_package_that_is_installed_for_its_own_sake_is_used() -> None:
    used = imported()

    unused = {
        name
        for name, own in pinned().items()
        if own and name not in PLUGINS and normal(MODULES.get(name, name)) not in used
    }

    assert not unused


def test_every_import_has_its_pin() -> None:
    providers = importlib.metadata.packages_distributions()
    by_module = {normal(module): names for module, names in providers.items()}

    for module in imported():
        assert {normal(name) for name in by_module[module]} & {
            name for name, own in pinned().items() if own
        }, f"{module} is imported but not in requirements.txt for its own sake"


def test_what_is_installed_is_what_is_pinned() -> None:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if "==" in line and ";" not in line:
            name, version = line.split("==")
            assert importlib.metadata.version(name) == version


@pytest.mark.parametrize(
    "directive",
    [
        "proxy_request_buffering off;",
        "proxy_buffering off;",
        "proxy_max_temp_file_size 0;",
        "client_body_timeout 30s;",
        "client_header_timeout 10s;",
    ],
)
def test_the_proxy_lays_no_body_on_disk_and_waits_for_nobody(directive: str) -> None:
    assert directive in (ROOT / "deploy" / "nginx.conf").read_text()


def test_the_proxy_lets_the_largest_batch_through() -> None:
    configuration = (ROOT / "deploy" / "nginx.conf").read_text()
    gigabytes = int(re.findall(r"client_max_body_size (\d+)g;", configuration)[0])

    # base64 makes four bytes of three.
    assert gigabytes * 1024 >= Settings.model_fields["max_batch_mb"].default * 4 / 3


def test_compose_starts_every_part_and_keeps_the_queue_on_disk() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]

    assert services.keys() == {"setup", "web", "worker", "postgres", "redis", "proxy"}
    assert "--appendonly yes" in services["redis"]["command"]
    assert services["proxy"]["profiles"] == ["proxy"]


def test_the_image_is_built_in_stages_and_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    assert sum(line.startswith("FROM ") for line in lines) == 2
    assert "USER service" in lines
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
