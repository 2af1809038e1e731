"""A tab of Debian's Chromium, and what a person does in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, Response, expect

from tests.pages.visitor import PASSWORD

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
]
AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = "Everything is accounted for"
PATIENCE = 60_000


class Tab:
    """One tab, whose person it is, and what it asked for and complained of."""

    def __init__(self, page: Page, origin: str, email: str = "") -> None:
        self.page = page
        self.origin = origin
        self.email = email
        self.complaints: list[str] = []
        self.answers: list[Response] = []
        self._sums = page.locator("#tally > div:visible")
        self._line: CDPSession | None = None
        page.on("console", lambda said: self._complain(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", lambda answer: self.answers.append(answer))

    def open(self, path: str) -> Page:
        """Go to a page and wait until it has settled."""
        self.page.goto(f"{self.origin}{path}")
        return self.page

    def log_in(self) -> None:
        page = self.open("/login?next=/uploads/new")
        page.get_by_label("E-mail").fill(self.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/uploads/new")

    def choose(self, *files: Path) -> None:
        """Choose files with the file button."""
        self.page.get_by_label("Choose files").set_input_files(list(files))

    def drop(self, *paths: Path) -> None:
        """Drop files and folders from the desktop."""
        session = self.page.context.new_cdp_session(self.page)
        dragged = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": 400, "y": 300, "data": dragged}
            session.send("Input.dispatchDragEvent", event)

    def slow_down(self, bytes_a_second: int) -> None:
        """Throttle what is sent; none at all is a line that is cut."""
        self._line = self._line or self.page.context.new_cdp_session(self.page)
        self._line.send("Network.enable")
        limits = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
        conditions = {"offline": not bytes_a_second, **limits}
        self._line.send("Network.emulateNetworkConditions", conditions)

    def wait_until_sent(self) -> None:
        expect(self.page.get_by_role("heading", name=EVERYTHING)).to_be_visible(timeout=PATIENCE)

    def tally(self) -> dict[str, int]:
        """The account of what was dropped, as the page shows it."""
        lines = [text.split("\n") for text in self._sums.all_inner_texts()]
        flat = [line.strip() for text in lines for line in text if line.strip()]
        return dict(zip(flat[0::2], map(int, flat[1::2]), strict=True))

    def open_batch(self) -> None:
        """Go to the batch and wait until all of it is done."""
        self.page.get_by_role("link", name="Open the batch").click()
        self.wait_until_done()

    def wait_until_done(self) -> None:
        expect(self.page.get_by_role("progressbar")).to_have_attribute(
            "value", "100", timeout=PATIENCE
        )

    def violations(self) -> list[str]:
        """What axe finds wrong with the page as it is now."""
        self.page.evaluate(AXE)
        found: dict[str, Any] = self.page.evaluate(f"axe.run({{runOnly: {json.dumps(RULES)}}})")
        return [
            f"{each['id']}: {node['html'][:120]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    def asked(self, part: str) -> list[Response]:
        """The answers so far to requests whose address contains ``part``."""
        return [answer for answer in self.answers if part in answer.url]

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)


def write(folder: Path, **files: bytes) -> Sequence[Path]:
    """Files in ``folder``; ``__`` in a name stands for a dot."""
    made = []
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content)
        made.append(path)
    return made
