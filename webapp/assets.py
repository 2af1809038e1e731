"""The style sheet and scripts, bundled under names that change with their content.

rcssmin and rjsmin are the filters that leave today's CSS and JavaScript whole;
what is vendored comes minified and is only joined on. Bundles are built once
(``build_assets``, or ``flask assets build``); until then each source file is
served by itself, so that no page ever depends on the build.
"""

from __future__ import annotations

import json
from pathlib import Path

from flask import Flask
from flask_assets import Bundle

from webapp.extensions import assets

MANIFEST = "dist/manifest.json"
STYLES = (
    "fonts",
    "tokens",
    "base",
    "layout",
    "controls",
    "film",
    "gallery",
    "viewer",
    "upload",
    "batch",
    "admin",
)
VENDORED = ("vendor/htmx-2.0.11.min.js", "vendor/idiomorph-ext-0.7.4.min.js")
VIEWER = ("tones", "frames", "pictures", "stage", "gestures", "cine", "panel", "controls", "start")
GALLERY = ("choice", "hands", "sheets", "bar")
UPLOAD = ("words", "speed", "sniff", "walk", "transfer", "server", "queue", "view", "start")


def init_assets(app: Flask) -> None:
    """Declare the bundles for ``app``."""
    folder = Path(app.static_folder or "")
    manifest = folder / MANIFEST
    app.config.setdefault("ASSETS_MANIFEST", f"json:{manifest}")
    app.config.setdefault("ASSETS_AUTO_BUILD", False)
    app.config.setdefault("ASSETS_CACHE", False)
    app.config.setdefault("ASSETS_URL_EXPIRE", False)
    app.config.setdefault("ASSETS_DEBUG", not _built(manifest))
    assets.init_app(app)
    if "css" in assets:
        return
    own = Bundle("js/page.js", filters="rjsmin")
    styles = [f"css/{name}.css" for name in STYLES]
    assets.register("css", Bundle(*styles, filters="rcssmin", output="dist/app.%(version)s.css"))
    assets.register("js", Bundle(*VENDORED, own, output="dist/app.%(version)s.js"))
    for name, parts in (("upload", UPLOAD), ("viewer", VIEWER), ("gallery", GALLERY)):
        sources = [f"js/{name}/{part}.js" for part in parts]
        output = f"dist/{name}.%(version)s.js"
        assets.register(name, Bundle(*sources, filters="rjsmin", output=output))


def build_assets(app: Flask) -> None:
    """Build every bundle anew; repeatable, and the same content gives the same names."""
    with app.app_context():
        (Path(app.static_folder or "") / MANIFEST).parent.mkdir(parents=True, exist_ok=True)
        for bundle in assets:
            bundle.build(force=True, disable_cache=True)
    app.config["ASSETS_DEBUG"] = False


def _built(manifest: Path) -> bool:
    try:
        names = json.loads(manifest.read_text())
    except (OSError, ValueError):
        return False  # not built yet, or half written: the sources are served instead
    return bool(names)
