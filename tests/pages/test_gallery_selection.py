"""Choosing pictures in a real browser: mouse, keys, no script, narrow and dark."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from tests.pages.browsing import Tab, write
from tests.running import Program
from tests.samples import ct, picture
from webapp.services import accounts
from webapp.services.context import context
from webapp.storage.database import reading
from webapp.storage.models import Blob


@pytest.fixture
def gallery(tab: Tab, folder: Path) -> Tab:
    """Somebody with five slices of one study and a file that failed, before the gallery."""
    slices = {f"IM{n}__dcm": ct(SOPInstanceUID=f"1.2.3.{n}", InstanceNumber=n) for n in range(1, 6)}
    tab.choose(*write(folder, **slices, broken__jpg=picture()[:200]))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    tab.open("/gallery?modality=CT")
    return tab


def chosen(page: Page) -> list[str]:
    script = "boxes => boxes.map(box => box.closest('.tile').querySelector('bdi').textContent)"
    names: list[str] = page.locator(".pick input:checked").evaluate_all(script)
    return names


def names(*numbers: int) -> list[str]:
    return [f"IM{number}.dcm" for number in numbers]


def test_a_shift_click_chooses_the_stretch_between(gallery: Tab) -> None:
    page = gallery.page
    picks = page.locator(".pick")

    picks.nth(1).click()
    picks.nth(3).click(modifiers=["Shift"])

    assert chosen(page) == names(2, 3, 4)
    expect(page.locator("#chosen")).to_contain_text("3 pictures chosen")


def test_a_shift_click_on_a_picture_chooses_and_opens_nothing(gallery: Tab) -> None:
    page = gallery.page
    page.locator(".pick").nth(3).click()

    page.locator(".tile > a").nth(1).click(modifiers=["Shift"])

    assert chosen(page) == names(2, 3, 4)
    assert len(page.context.pages) == 1
    assert "/gallery" in page.url


def test_a_shift_click_after_an_unticked_one_unticks_the_stretch(gallery: Tab) -> None:
    page = gallery.page
    page.get_by_role("checkbox", name="Choose all of").check()
    page.locator(".pick").nth(1).click()

    page.locator(".pick").nth(3).click(modifiers=["Shift"])

    assert chosen(page) == names(1, 5)


def test_the_keyboard_alone_chooses_saves_and_downloads(gallery: Tab) -> None:
    page = gallery.page
    keys = page.keyboard
    page.locator(".pick input").first.focus()
    keys.press("Space")
    keys.press("ArrowRight")
    keys.press("Shift+ArrowRight")

    assert chosen(page) == names(1, 2, 3)
    page.get_by_role("button", name="Save").focus()
    keys.press("Enter")
    expect(page.locator("#chosen")).to_have_text("3 pictures saved.")
    assert page.locator(".kept:visible").count() == 3
    page.get_by_role("button", name="Download ZIP").focus()
    with page.expect_download() as download:
        keys.press("Enter")

    assert download.value.suggested_filename.startswith("dicom-")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 4


def test_keys_choose_all_a_stretch_and_nothing(gallery: Tab) -> None:
    page = gallery.page
    first = page.locator(".pick input").first
    counts = []

    first.focus()
    for key in ("Control+a", "Escape", "Space", "ArrowRight", "ArrowRight", "Shift+Space"):
        page.keyboard.press(key)
        counts.append(len(chosen(page)))

    assert counts == [5, 0, 1, 1, 1, 3]


def test_one_is_downloaded_as_a_dicom_file(gallery: Tab) -> None:
    page = gallery.page
    page.locator(".pick").nth(2).click()

    with page.expect_download() as download:
        page.get_by_role("button", name="Download DICOM").click()

    assert download.value.suggested_filename == "IM3.dcm"


def test_the_bar_says_what_has_no_file_and_the_page_offers_the_rest(gallery: Tab) -> None:
    page = gallery.open("/gallery")
    for all_of_a_sheet in page.locator(".pick input").all():
        all_of_a_sheet.check()

    expect(page.locator("#chosen")).to_contain_text("1 of them without a file")
    page.get_by_role("button", name="Download ZIP").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 picture has no file to download")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the other 5").click()

    assert len(zipfile.ZipFile(download.value.path()).namelist()) == 6


def test_many_are_deleted_and_taken_back_in_the_browser(gallery: Tab) -> None:
    page = gallery.page
    page.get_by_role("checkbox", name="Choose all of").check()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("5 pictures deleted")

    page.get_by_role("button", name="Take them back").click()

    expect(page.get_by_text("5 pictures are back.")).to_be_visible()
    assert page.locator(".tile").count() == 6


def test_without_scripts_the_form_does_the_same(gallery: Tab, browser: Browser) -> None:
    context = browser.new_context(
        java_script_enabled=False, storage_state=gallery.page.context.storage_state()
    )
    page = context.new_page()
    page.goto(f"{gallery.origin}/gallery?modality=CT")
    for name in names(1, 4):
        page.get_by_role("checkbox", name=f"Choose {name}").check()

    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    page.get_by_role("button", name="Save").click()

    assert len(zipfile.ZipFile(download.value.path()).namelist()) == 3
    expect(page.get_by_text("2 pictures saved.")).to_be_visible()
    assert page.url.endswith("/gallery?modality=CT")
    assert page.get_by_role("checkbox", name="Choose all of").count() == 0
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_with_pictures_chosen(
    gallery: Tab, scheme: Literal["light", "dark"], width: int
) -> None:
    page = gallery.page
    page.set_viewport_size({"width": width, "height": 700})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    faults = []

    for path in ("/gallery", "/gallery?saved=yes", "/gallery?q=1.2"):
        gallery.open(path)
        for pick in page.locator(".pick").all()[:3]:
            pick.click()
        faults += [f"{path}: {fault}" for fault in gallery.violations()]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{path} is wider than {width} pixels")
    gallery.open("/gallery")
    page.locator(".pick").first.click()
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete 1 picture?")
    faults += gallery.violations()

    assert not faults


def test_a_sheet_that_goes_on_below_joins_the_one_above(tab: Tab, folder: Path) -> None:
    slices = {f"IM{n}__dcm": ct(SOPInstanceUID=f"1.2.3.{n}") for n in range(1, 65)}
    tab.choose(*write(folder, **slices))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    page = tab.open("/gallery")
    page.locator(".pick").first.click()

    page.get_by_role("link", name="Show older pictures").scroll_into_view_if_needed()

    expect(page.locator(".tile")).to_have_count(64)
    assert page.locator(".study").count() == 1
    assert page.locator(".study-count").inner_text() == "64 pictures"
    assert len(chosen(page)) == 1
    assert [each for each in tab.complaints if "favicon" not in each] == []


@pytest.fixture
def key(same_database: Flask) -> Iterator[str]:
    with same_database.app_context():
        yield accounts.create_key(uuid4().hex, ("read", "write"))


def test_damage_in_mid_download_breaks_the_connection(
    program: Program, same_database: Flask, key: str
) -> None:
    ask = asker(int(program.port), key)
    ids = [
        json.loads(ask("/upload", ct(SOPInstanceUID=f"1.{n}"), "a.dcm")[1])["upload_id"]
        for n in range(40)
    ]
    body = json.dumps({"upload_ids": ids}).encode()
    whole = ask("/export", body)[1]
    damage(same_database, ids[-1])

    status, content = ask("/export", body)

    assert len(zipfile.ZipFile(io.BytesIO(whole)).namelist()) == 41
    assert status == "broken off"
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(content))


def asker(port: int, key: str) -> Callable[..., tuple[object, bytes]]:
    """POST with a key; the status and the body, or what there was until it broke off."""

    def ask(path: str, body: bytes, name: str = "") -> tuple[object, bytes]:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {key}", "X-File-Name": name}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        try:
            return response.status, response.read()
        except IncompleteRead as broken:
            return "broken off", broken.partial
        finally:
            connection.close()

    return ask


def damage(app: Flask, upload_id: str) -> None:
    query = select(Blob).where(Blob.upload_id == UUID(upload_id), Blob.kind == "dicom")
    with app.app_context(), reading(context().engine) as session:
        location = session.scalars(query).one().location
    folder: Path = app.config["SETTINGS"].upload_dir
    file = next(found for found in folder.rglob("*") if found.name in location and found.is_file())
    content = bytearray(file.read_bytes())
    content[500] ^= 1
    file.write_bytes(content)
