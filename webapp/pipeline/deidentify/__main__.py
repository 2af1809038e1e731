"""``python -m webapp.pipeline.deidentify IN OUT``: the engine from a shell, without an app."""

from __future__ import annotations

import sys

from webapp.pipeline.deidentify.cli import main

sys.exit(main(sys.argv[1:]))
