"""What people do, in a real browser before the whole running program."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pydicom
from playwright.sync_api import Browser, expect
from pydicom.data import get_testdata_file

from tests.pages.browsing import Tab, write
from tests.running import Program
from tests.samples import ct, picture


def pictures(count: int) -> dict[str, bytes]:
    """So many pictures, no two alike."""
    return {f"n{n}__png": picture("PNG", size=(40 + n, 32)) for n in range(count)}


def test_from_a_log_in_to_a_de_identified_file(tab: Tab, folder: Path) -> None:
    content = ct(PatientName="Lindqvist^Anna", SOPInstanceUID="1.2.3.9")
    tab.choose(*write(folder, scan__dcm=content, wound__jpg=picture(), notes__txt=b"no picture"))
    tab.wait_until_sent()
    tally = tab.tally()
    tab.open_batch()
    page = tab.open("/gallery?modality=CT")

    page.get_by_role("link", name="scan.dcm").click()
    expect(page.get_by_text("not for diagnostic use", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download DICOM").click()

    dataset = pydicom.dcmread(io.BytesIO(download.value.path().read_bytes()))
    assert tally == {"dropped": 3, "sent": 2, "duplicate": 0, "skipped": 1, "failed": 0}
    assert str(dataset.PatientName) != "Lindqvist^Anna"
    assert dataset.PatientIdentityRemoved == "YES"
    assert not tab.complaints


def test_when_everything_was_sent_the_page_goes_to_its_batch(tab: Tab, folder: Path) -> None:
    tab.choose(*write(folder, a__jpg=picture(colour=1), b__jpg=picture(colour=2)))

    tab.page.wait_for_url("**/batches/*")

    tab.wait_until_done()
    expect(tab.page.get_by_role("row", name="Completed")).to_have_count(2)


def test_a_batch_page_survives_a_reload_and_stops_asking_when_done(tab: Tab, folder: Path) -> None:
    tab.choose(*write(folder, **pictures(12)))
    tab.page.wait_for_url("**/batches/*")

    tab.page.reload()
    tab.wait_until_done()

    expect(tab.page.locator("#batch")).not_to_have_attribute("hx-trigger", "every 2s")
    expect(tab.page.locator("#live")).to_have_text("Done: 12 files processed.")


def test_the_whole_way_works_with_the_keyboard_alone(tab: Tab, folder: Path) -> None:
    tab.choose(*write(folder, scan__dcm=ct()))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    page = tab.page

    _press_until_focused(tab, "Gallery")
    page.keyboard.press("Enter")
    page.wait_for_url("**/gallery")
    _press_until_focused(tab, "scan.dcm")
    page.keyboard.press("Enter")
    page.wait_for_url("**/uploads/*")
    _press_until_focused(tab, "Download DICOM")
    with page.expect_download() as download:
        page.keyboard.press("Enter")

    assert download.value.suggested_filename.endswith(".dcm")


def _press_until_focused(tab: Tab, name: str) -> None:
    for _ in range(40):
        tab.page.keyboard.press("Tab")
        if name in tab.page.evaluate("document.activeElement.textContent"):
            return
    raise AssertionError(f"{name} cannot be reached with the keyboard")


def test_without_scripts_everything_still_works(
    program: Program, browser: Browser, account: Callable[..., str], folder: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = Tab(context.new_page(), f"http://127.0.0.1:{program.port}", account())
    tab.log_in()

    tab.choose(*write(folder, scan__dcm=ct(), wound__jpg=picture()))
    tab.page.get_by_role("button", name="Upload").click()

    tab.page.wait_for_url("**/batches/*")
    expect(tab.page.get_by_role("link", name="scan.dcm")).to_be_visible()
    context.close()


def test_going_back_restores_filters_and_place(tab: Tab, folder: Path) -> None:
    tab.choose(*write(folder, **pictures(40)))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    tab.page.set_viewport_size({"width": 480, "height": 600})
    page = tab.open("/gallery?status=completed")
    tile = page.get_by_role("link", name="n3.png", exact=False).last
    tile.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")

    tile.click()
    page.wait_for_url("**/uploads/*")
    page.go_back()

    page.wait_for_url("**/gallery?status=completed")
    expect(page.get_by_label("State")).to_have_value("completed")
    assert before > 0
    assert page.evaluate("scrollY") == before


def test_filters_reach_the_address_and_the_back_button(tab: Tab, folder: Path) -> None:
    tab.choose(*write(folder, scan__dcm=ct(), wound__jpg=picture()))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    page = tab.open("/gallery")

    page.get_by_label("Modality").select_option("CT")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url("**/gallery?modality=CT")
    expect(page.locator(".tile")).to_have_count(1)
    page.go_back()

    expect(page.locator(".tile")).to_have_count(2)


def test_a_broken_picture_has_its_own_card_and_stops_nothing(tab: Tab, folder: Path) -> None:
    tab.choose(*write(folder, a__jpg=picture(colour=1), b__jpg=picture(colour=2)))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    first = tab.page.get_by_role("link", name="a.jpg").get_attribute("href")
    broken = f"**/upload/{str(first).rpartition('/')[2]}/thumbnail"
    tab.page.route(broken, lambda route: route.fulfill(status=500))

    page = tab.open("/gallery")

    expect(page.get_by_text("This picture cannot be shown")).to_have_count(1)
    expect(page.locator(".tile img")).to_have_count(1)


OPEN_BATCH = """async () => {
  const token = JSON.parse(document.body.getAttribute("hx-headers"));
  const headers = {...token, Accept: "application/json"};
  const answer = await fetch("/batches", {method: "POST", headers});
  return (await answer.json()).location;
}"""


def test_a_session_that_ends_on_a_page_is_said_and_leads_back_to_it(tab: Tab) -> None:
    batch = tab.page.evaluate(OPEN_BATCH)
    page = tab.open(batch)

    page.context.clear_cookies()

    expect(page.locator("#notices")).to_contain_text("You have been logged out.")
    page.get_by_role("link", name="Log in and come back here").click()
    page.wait_for_url(f"**/login?next=*{batch.rpartition('/')[2]}")
    expect(page.locator("#batch")).to_have_count(0)


def test_frames_are_reached_by_the_slider_and_kept_in_the_address(tab: Tab, folder: Path) -> None:
    many = Path(get_testdata_file("emri_small.dcm")).read_bytes()
    tab.choose(*write(folder, many__dcm=many))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    page = tab.page
    page.get_by_role("link", name="many.dcm").click()

    page.get_by_role("slider", name="Frame").press("ArrowRight")

    page.wait_for_url("**?frame=2")
    expect(page.locator("#stage[aria-busy=false]")).to_be_visible()
    page.reload()
    expect(page.get_by_role("slider", name="Frame")).to_have_value("2")
