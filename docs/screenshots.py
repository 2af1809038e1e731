"""Makes ``docs/screenshots/``: every page of the running program, narrow and wide, light and dark.

    python docs/screenshots.py

Needs the packages of requirements-dev.txt and Debian's chromium. The program is started in a
folder of its own with pydicom's test files in it, and stopped again.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from pydicom.data import get_testdata_file

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests import running  # noqa: E402
from tests.pages.browsing import ARGUMENTS, CHROMIUM, Tab  # noqa: E402
from tests.pages.visitor import PASSWORD  # noqa: E402
from tests.samples import ct  # noqa: E402
from tests.servers import free_port  # noqa: E402

TARGET = ROOT / "docs" / "screenshots"
ADMIN = "anna.lindqvist@hospital.example"
LOOKS: tuple[tuple[str, int, Literal["light", "dark"]], ...] = (
    ("wide", 1280, "light"),
    ("wide-dark", 1280, "dark"),
    ("narrow", 360, "light"),
    ("narrow-dark", 360, "dark"),
)
TALLEST = 1800
SAMPLES = (
    "MR_small.dcm",
    "JPEG2000.dcm",
    "693_J2KI.dcm",
    "examples_rgb_color.dcm",
    "examples_ybr_color.dcm",
    "examples_palette.dcm",
    "examples_jpeg2k.dcm",
    "JPEG-lossy.dcm",
    "emri_small.dcm",
    "rtplan.dcm",
    "MR_truncated.dcm",
)


def main() -> None:
    """Start the program, fill it, and take every picture."""
    TARGET.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        _program(Path(folder)) as origin,
        _browser() as chromium,
    ):
        files = _files(Path(folder) / "files")
        paths = _empty_pages(chromium, origin)
        paths |= _fill(chromium, origin, files)
        for look, width, scheme in LOOKS:
            tab = _tab(chromium, origin, width, scheme)
            for name, path in paths.items():
                tab.open(path)
                tab.page.wait_for_load_state("networkidle")
                _save(tab.page, f"{name}-{look}")
            tab.page.context.close()


@contextmanager
def _program(folder: Path) -> Iterator[str]:
    copy = running.copy_of_the_program(folder / "program")
    settings = {
        "EMBEDDED": 1,
        "PORT": free_port(),
        "RATE_LIMITS": "off",
        "ADMIN_EMAIL": ADMIN,
        "ADMIN_PASSWORD": PASSWORD,
    }
    command = [str(running.PYTHON), "-m", "webapp.supervisor"]
    with running.program(command, copy, **settings) as started:
        started.wait_for(lambda: started.said("Serving on"))
        yield f"http://127.0.0.1:{started.port}"


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


def _tab(
    chromium: Browser, origin: str, width: int, scheme: Literal["light", "dark"] = "light"
) -> Tab:
    """A tab with the administrator logged in."""
    height = 900 if width > 600 else 740
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    tab = Tab(context.new_page(), origin, ADMIN)
    tab.open("/login")
    if width > 600 and scheme == "light":
        _save(tab.page, "log-in-wide")
    tab.log_in()
    return tab


def _files(folder: Path) -> Path:
    """A folder as somebody drops one: studies, a photograph, junk."""
    (folder / "CT").mkdir(parents=True)
    for number in range(1, 15):
        (folder / "CT" / f"IM{number:05}.dcm").write_bytes(
            ct(InstanceNumber=number, SOPInstanceUID=f"1.2.826.0.1.{number}")
        )
    for name in SAMPLES:
        found = get_testdata_file(name)
        if found:
            (folder / name).write_bytes(Path(found).read_bytes())
    _photograph(folder / "Forearm, lateral.jpg")
    (folder / ".DS_Store").write_bytes(b"left behind")
    (folder / "letter.txt").write_text("Dear colleague")
    (folder / "IM00003 copy.dcm").write_bytes((folder / "CT" / "IM00003.dcm").read_bytes())
    return folder


def _photograph(path: Path) -> None:
    """A picture that could be one of skin: a gradient, drawn here."""
    gradient = Image.linear_gradient("L").resize((640, 480))
    bands = [gradient.point(lambda value, low=low: low + value // 4) for low in (150, 105, 85)]
    Image.merge("RGB", bands).save(path, "JPEG", quality=88)


def _empty_pages(chromium: Browser, origin: str) -> dict[str, str]:
    for width, look in ((1280, "wide"), (360, "narrow")):
        tab = _tab(chromium, origin, width)
        for name in ("gallery", "batches", "review"):
            tab.open(f"/{name}")
            _save(tab.page, f"{name}-empty-{look}")
        tab.page.context.close()
    return {"upload": "/uploads/new", "account": "/account", "not-found": "/nowhere"}


def _fill(chromium: Browser, origin: str, files: Path) -> dict[str, str]:
    """Send the files, taking pictures on the way; the pages that are full then."""
    tab = _tab(chromium, origin, 1280)
    tab.slow_down(400_000)
    tab.drop(files)
    tab.page.locator("#active li").nth(3).wait_for()
    tab.page.wait_for_timeout(1500)
    _save(tab.page, "upload-running-wide")
    tab.slow_down(-1)
    tab.wait_until_sent()
    tab.page.get_by_text("failed", exact=True).first.wait_for()
    tab.page.wait_for_timeout(3000)
    _save(tab.page, "upload-done-wide")
    tab.page.set_viewport_size({"width": 360, "height": 740})
    _save(tab.page, "upload-done-narrow")
    tab.page.set_viewport_size({"width": 1280, "height": 900})
    tab.open_batch()
    batch = tab.page.url.removeprefix(origin)
    instance = str(tab.page.get_by_role("link", name="IM00001.dcm").get_attribute("href"))
    failed = str(tab.page.get_by_role("link", name="MR_truncated").get_attribute("href"))
    tab.page.context.close()
    return {
        "batch": batch,
        "batches": "/batches",
        "gallery": "/gallery",
        "instance": instance,
        "instance-failed": failed,
        "attributes": f"{instance}/attributes",
        "review": "/review",
        "admin": "/admin",
    }


def _save(page: Page, name: str) -> None:
    """The page from its top, as far down as makes sense, in few bytes."""
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, TALLEST)))
    picture.quantize(128).save(TARGET / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
