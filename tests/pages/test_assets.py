"""The bundles: whole, small, under names of their content, and there without a build."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from webapp.assets import STYLES, VENDORED, build_assets, init_assets
from webapp.extensions import assets
from webapp.security import secure

STATIC = Path(__file__).parents[2] / "static"
BUDGET = 120_000


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Path]:
    """A folder of static files with its bundles built."""
    folder = tmp_path / "static"
    shutil.copytree(STATIC, folder, ignore=shutil.ignore_patterns("dist", ".webassets-cache"))
    before = dict(assets._named_bundles)
    assets._named_bundles.clear()
    app = Flask("webapp", static_folder=str(folder))
    init_assets(app)
    build_assets(app)
    yield folder
    assets._named_bundles.clear()
    assets._named_bundles.update(before)


def bundle(folder: Path, pattern: str) -> str:
    (found,) = (folder / "dist").glob(pattern)
    return found.read_text()


def test_minifying_loses_no_rule_of_the_style_sheet(built: Path) -> None:
    sources = "".join((STATIC / "css" / f"{name}.css").read_text() for name in STYLES)

    assert bundle(built, "app.*.css").count("{") == sources.count("{")
    assert bundle(built, "app.*.css").count("clamp(") == sources.count("clamp(")


def test_minifying_leaves_template_literals_whole(built: Path) -> None:
    sources = "".join(file.read_text() for file in (STATIC / "js" / "upload").glob("*.js"))

    literals = set(re.findall(r"`[^`]*`", sources))

    assert literals
    assert not [each for each in literals if each not in bundle(built, "upload.*.js")]


def test_everything_a_first_visit_loads_is_within_the_budget(built: Path) -> None:
    loaded = [*(built / "dist").glob("*.js"), *(built / "dist").glob("*.css")]

    assert sum(len(gzip.compress(file.read_bytes())) for file in loaded) < BUDGET


def test_names_change_with_the_content_and_only_then(built: Path) -> None:
    names = set(json.loads((built / "dist" / "manifest.json").read_text()).items())

    assert {name for name, _ in names} == {
        "dist/app.%(version)s.css",
        "dist/app.%(version)s.js",
        "dist/upload.%(version)s.js",
        "dist/viewer.%(version)s.js",
        "dist/gallery.%(version)s.js",
    }
    assert all(len(version) >= 8 for _, version in names)


@pytest.mark.parametrize("name", VENDORED)
def test_what_is_vendored_is_pinned_and_has_its_licence(name: str) -> None:
    file = STATIC / name
    package = re.sub(r"(-ext)?-[0-9.]+\.min\.js$", "", file.name)

    assert re.search(r"-\d+\.\d+\.\d+\.min\.js$", file.name)
    assert (file.parent / f"{package}.LICENSE.txt").read_text()


def test_no_script_or_style_fetches_from_outside() -> None:
    own = [*STATIC.glob("css/*.css"), *STATIC.glob("js/**/*.js")]

    assert not [file.name for file in own if re.search(r"(https?:)?//[\w-]+\.\w", file.read_text())]


def test_bundles_are_kept_by_browsers_for_good(built: Path) -> None:
    app = Flask("webapp", static_folder=str(built), static_url_path="/static")
    secure(app)
    (sheet,) = (built / "dist").glob("app.*.css")

    answer = app.test_client().get(f"/static/dist/{sheet.name}")

    assert "immutable" in answer.headers["Cache-Control"]
