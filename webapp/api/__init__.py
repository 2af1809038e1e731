"""The JSON endpoints of the contract."""

from __future__ import annotations

from flask import Blueprint

from webapp.extensions import csrf

blueprint = Blueprint("api", __name__)
csrf.exempt(blueprint)  # the guards check a session's token from its header

# The modules add their routes to the blueprint above.
from webapp.api import batches, export, health, metrics, uploads, users  # noqa: E402

__all__ = ["batches", "blueprint", "export", "health", "metrics", "uploads", "users"]
