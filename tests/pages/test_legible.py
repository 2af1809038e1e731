"""Every page for everybody: axe, narrow and wide, light and dark, and nothing from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.pages.browsing import Tab, write
from tests.running import Program
from tests.samples import ct, picture
from webapp.storage.models import Role

PATHS = ("/uploads/new", "/batches", "/gallery", "/review", "/admin", "/account", "/nowhere")
LONG = "A very long name of a file that nobody would want to read to its end " * 2
SHIFTS = """() => new Promise((done) => new PerformanceObserver((list) =>
  done(list.getEntries().reduce((sum, each) => sum + each.value, 0)))
  .observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 500))"""


@pytest.fixture
def full(
    program: Program, browser: Browser, account: Callable[..., str], folder: Path
) -> Iterator[Tab]:
    """An administrator with a few files of every fate."""
    context = browser.new_context(reduced_motion="reduce")
    tab = Tab(context.new_page(), f"http://127.0.0.1:{program.port}", account(Role.ADMIN))
    tab.log_in()
    (folder / f"{LONG}.jpg").write_bytes(picture())
    broken = picture(colour=3)[:200]
    tab.choose(*write(folder, a__dcm=ct(), broken__jpg=broken), folder / f"{LONG}.jpg")
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    yield tab
    context.close()


def paths_of(tab: Tab) -> list[str]:
    """Every page there is to see, of this person."""
    batch = tab.page.url.removeprefix(tab.origin)
    instances = [
        str(link.get_attribute("href")) for link in tab.page.locator(".batch-rows a.name").all()
    ]
    return [*PATHS, batch, *instances, *(f"{instances[0]}/{x}" for x in ("attributes", "delete"))]


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_overflows(
    full: Tab, scheme: Literal["light", "dark"], width: int
) -> None:
    full.page.set_viewport_size({"width": width, "height": 900})
    full.page.emulate_media(color_scheme=scheme)
    faults = []

    for path in paths_of(full):
        full.open(path)
        faults += [f"{path}: {fault}" for fault in full.violations()]
        if full.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{path} is wider than {width} pixels")

    assert not faults


def test_the_upload_page_stays_clean_when_it_is_full(full: Tab, folder: Path) -> None:
    full.open("/uploads/new")
    full.page.set_viewport_size({"width": 320, "height": 900})
    full.choose(*write(folder, b__dcm=ct(InstanceNumber=9), c__txt=b"words", d__jpg=b""))
    full.wait_until_sent()

    assert full.violations() == []
    assert not full.page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_the_log_in_page_is_clean(program: Program, browser: Browser) -> None:
    context = browser.new_context()
    tab = Tab(context.new_page(), f"http://127.0.0.1:{program.port}")

    tab.open("/login")

    assert tab.violations() == []
    context.close()


def test_no_page_asks_anybody_else_for_anything(full: Tab) -> None:
    for path in paths_of(full):
        full.open(path)
        full.page.wait_for_load_state("networkidle")

    assert {answer.url.startswith((full.origin, "blob:", "data:")) for answer in full.answers} == {
        True
    }
    assert [text for text in full.complaints if "Content Security Policy" in text] == []


def test_the_gallery_does_not_move_while_it_loads(full: Tab) -> None:
    page = full.open("/gallery")
    expect(page.locator(".tile img").first).to_be_visible()
    page.wait_for_load_state("networkidle")

    assert page.evaluate(SHIFTS) < 0.02
