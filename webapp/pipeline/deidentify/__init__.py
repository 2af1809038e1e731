"""De-identification of DICOM instances: PS3.15 Basic Profile 2026d and its options.

:func:`deidentify` is the whole of it. Read :mod:`rules` for what is done to
which attribute, :mod:`values` and :mod:`sequences` for how, :mod:`walker` for
the loop over the encoded data set.
"""

from __future__ import annotations

from webapp.pipeline.deidentify.engine import Deidentified, deidentify
from webapp.pipeline.deidentify.profile import DeidentificationProfile, Option, parse_profile
from webapp.pipeline.deidentify.report import Report

__all__ = [
    "Deidentified",
    "DeidentificationProfile",
    "Option",
    "Report",
    "deidentify",
    "parse_profile",
]
