"""What the instance page shows of a picture: frame and window, both in the address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from webapp.services.records import UploadRecord

NUMBER = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,9})?")
LONGEST_SIDE = 1280
PRESETS = {
    "CT": (
        ("Soft tissue", 40, 400),
        ("Lung", -600, 1500),
        ("Bone", 480, 2500),
        ("Brain", 40, 80),
    ),
}


@dataclass(frozen=True)
class View:
    """Frame (from 1) and window as typed; empty where the picture is shown as stored."""

    frame: int = 1
    center: str = ""
    width: str = ""

    def picture(self, upload: UploadRecord) -> str:
        """The address of this view's picture; the kept preview where that shows the same."""
        query: dict[str, str | int] = {}
        if (upload.frames or 1) > 1:
            query["frame"] = self.frame  # the preview is of the middle one
        if self.center and self.width:
            query["window"] = f"{self.center},{self.width}"
        if not query:
            return f"/upload/{upload.upload_id}/preview"
        query["size"] = LONGEST_SIDE
        return f"/upload/{upload.upload_id}/rendered.png?{urlencode(query)}"


def view_of(upload: UploadRecord, asked: MultiDict[str, str]) -> View:
    """The view an address asks for; whatever makes no sense is left out."""
    frame = asked.get("frame", "")
    last = upload.frames or 1
    center, width = asked.get("center", "").strip(), asked.get("width", "").strip()
    whole = bool(NUMBER.fullmatch(center) and NUMBER.fullmatch(width) and float(width) > 0)
    return View(
        frame=min(int(frame), last) if re.fullmatch(r"[1-9][0-9]{0,6}", frame) else 1,
        center=center if whole else "",
        width=width if whole else "",
    )
