"""Why a file did not come through, and what to do about it: one plain sentence each."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from webapp.config import Settings
from webapp.problems import PROBLEMS, detail_of

AGAIN = "Retry it; if it fails again, tell an administrator."
EXPORT = "Export it again from where it came from, then send it again."
SEND_AGAIN = "Send it again."

ADVICE = {
    "empty-file": EXPORT,
    "unrecognised": "Send the picture itself: DICOM, JPEG, PNG, TIFF, BMP, WebP or GIF.",
    "image-damaged": EXPORT,
    "image-too-large": "Save it with fewer pixels, then send it again.",
    "file-too-large": "Split it, or ask an administrator to raise the limit.",
    "unsupported-image": "Save it as PNG or TIFF, then send it again.",
    "dicom-damaged": EXPORT,
    "dicomdir": "Drop the whole folder or disc: the files it lists are taken one by one.",
    "unsupported-transfer-syntax": "Export single frames or an uncompressed series instead.",
    "unsupported-sop-class": "Send the pictures alone, without the report.",
    "archive-encrypted": "Unpack it with its password, then drop the folder.",
    "archive-damaged": "Unpack it where it still opens, then drop the folder.",
    "archive-bomb": "Unpack it yourself, then drop the folder.",
    "cancelled": "Send it again if you need it after all.",
    "identifier-suspected": "A reviewer looks at it before anybody can open it.",
    "original-gone": SEND_AGAIN,
    "decode-failed": EXPORT,
    "processing-error": AGAIN,
    "attempts-exhausted": AGAIN,
}
LIMITS = {
    "file-too-large": "max_upload_mb",
    "image-too-large": "max_image_pixels",
    "batch-too-large": "max_batch_mb",
    "batch-too-many-files": "max_batch_files",
}
WAITING = {
    "queued": "It waits for its turn.",
    "processing": "It is being worked on now.",
    "held": "A reviewer looks at it before anybody can open it.",
    "deleted": "The picture was deleted.",
}


@dataclass(frozen=True)
class Explanation:
    """What happened, and what to do; either may be empty."""

    reason: str = ""
    advice: str = ""


def explain(status: str, code: str | None) -> Explanation:
    """The words for an upload's state and code."""
    if code is None:
        return Explanation(WAITING.get(status, ""))
    if code not in PROBLEMS:
        return Explanation("It could not be processed.", AGAIN)
    return Explanation(detail_of(code, _limit(code)), ADVICE.get(code, ""))


def _limit(code: str) -> dict[str, int | str]:
    """The number that a code's sentence names: the setting in force."""
    settings: Settings = current_app.config["SETTINGS"]
    name = LIMITS.get(code)
    return {"limit": f"{getattr(settings, name):,}"} if name else {}
