"""Medical images in, de-identified and sealed DICOM instances out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from webapp.config import Settings

VERSION = "0.1.0"


def create_app(settings: Settings | None = None) -> Flask:
    """The service, ready to serve. It makes nothing: ``flask setup`` does.

    Raises:
        SettingsError: a setting is malformed, or production lacks its keys.
    """
    # The pipeline is a library too: importing it must not load a web framework.
    from webapp.factory import build_app

    return build_app(settings)
