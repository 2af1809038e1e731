"""The upload page when things do not go as they should: nothing is ever lost or counted twice."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.pages.browsing import Tab, write
from tests.samples import ct, picture

FILES = "/files"


def big(number: int) -> bytes:
    """A file that takes a while on a slow line, no two alike."""
    return b"\0" * 128 + b"DICM" + number.to_bytes(2, "big") + secrets.token_bytes(150_000)


def many(folder: Path, count: int) -> list[Path]:
    return list(write(folder, **{f"n{number}__dcm": big(number) for number in range(count)}))


def test_a_dropped_folder_is_walked_to_its_end_and_junk_is_named(tab: Tab, folder: Path) -> None:
    inner = folder / "study" / "series"
    inner.mkdir(parents=True)
    write(inner, **{f"n{n}__dcm": ct(InstanceNumber=n) for n in range(120)})
    write(folder, __DS_Store=b"x", Thumbs__db=b"x", DICOMDIR=ct(), empty__jpg=b"", a__txt=b"words")

    tab.drop(folder)
    tab.wait_until_sent()

    skipped = tab.page.locator("#skipped")
    assert tab.tally() == {"dropped": 125, "sent": 120, "duplicate": 0, "skipped": 5, "failed": 0}
    expect(skipped).to_contain_text("Left behind by the computer's file manager (2)")
    expect(skipped).to_contain_text("Empty: not one byte in it (1)")
    expect(skipped).to_contain_text("DICOMDIR")
    assert len(tab.asked(FILES)) == 120


def test_what_was_dropped_already_is_not_sent_again(tab: Tab, folder: Path) -> None:
    files = write(folder, a__dcm=ct(), b__jpg=picture(), c__txt=b"words")
    tab.choose(*files)
    tab.wait_until_sent()
    sent = len(tab.asked(FILES))

    tab.choose(*files)
    expect(tab.page.locator('[data-count="dropped"]')).to_have_text("6")
    tab.wait_until_sent()

    assert tab.tally() == {"dropped": 6, "sent": 2, "duplicate": 2, "skipped": 2, "failed": 0}
    assert len(tab.asked(FILES)) == sent


def test_the_service_notices_what_an_earlier_visit_sent(tab: Tab, folder: Path) -> None:
    files = write(folder, a__dcm=ct(), b__jpg=picture())
    tab.choose(*files)
    tab.page.wait_for_url("**/batches/*")
    tab.open("/uploads/new")

    tab.choose(*files)
    tab.wait_until_sent()

    assert tab.tally()["duplicate"] == 2


def test_what_was_skipped_can_be_sent_anyway(tab: Tab, folder: Path) -> None:
    tab.choose(*write(folder, a__dcm=ct(), b__txt=b"words"))
    tab.wait_until_sent()

    tab.page.get_by_role("button", name="Send anyway").click()

    expect(tab.page.locator('[data-count="sent"]')).to_have_text("2")
    assert tab.tally() == {"dropped": 2, "sent": 2, "duplicate": 0, "skipped": 0, "failed": 0}


def test_more_can_be_dropped_while_it_runs(tab: Tab, folder: Path) -> None:
    first, second = many(folder, 12), folder / "more"
    second.mkdir()
    write(second, a__dcm=ct(), b__txt=b"words")
    tab.slow_down(900_000)
    tab.choose(*first)
    expect(tab.page.locator("#active li").first).to_be_visible()

    tab.drop(second)
    tab.wait_until_sent()

    assert tab.tally() == {"dropped": 14, "sent": 13, "duplicate": 0, "skipped": 1, "failed": 0}
    assert len(tab.asked("/close")) == 1


def test_no_more_than_four_files_are_on_their_way_at_once(tab: Tab, folder: Path) -> None:
    tab.slow_down(900_000)

    tab.choose(*many(folder, 12))

    expect(tab.page.locator("#active li")).to_have_count(4)
    expect(tab.page.get_by_role("progressbar", name="Sent")).to_be_visible()
    expect(tab.page.locator("#active").get_by_role("progressbar").first).to_have_attribute(
        "aria-label", "n0.dcm"
    )


def test_a_pause_starts_nothing_new(tab: Tab, folder: Path) -> None:
    tab.slow_down(900_000)
    tab.choose(*many(folder, 12))
    expect(tab.page.locator("#active li")).to_have_count(4)

    tab.page.get_by_role("button", name="Pause").click()
    expect(tab.page.get_by_role("heading", name="Paused", exact=True)).to_be_visible()
    tally = tab.tally()
    tab.page.get_by_role("button", name="Go on").click()
    tab.page.wait_for_url("**/batches/*")

    assert tally["sent"] == 4
    assert tally["still to go"] == 8


def test_what_is_cancelled_is_counted_as_skipped(tab: Tab, folder: Path) -> None:
    tab.slow_down(300_000)
    tab.choose(*many(folder, 12))
    expect(tab.page.locator("#active li")).to_have_count(4)

    tab.page.get_by_role("button", name="Cancel the rest").click()
    tab.wait_until_sent()

    tally = tab.tally()
    assert tally["dropped"] == 12 == tally["sent"] + tally["duplicate"] + tally["skipped"]
    expect(tab.page.locator("#skipped")).to_contain_text("Cancelled by you")


def test_a_lost_connection_loses_no_file(tab: Tab, folder: Path) -> None:
    tab.slow_down(900_000)
    tab.choose(*many(folder, 8))
    expect(tab.page.locator("#active li")).to_have_count(4)

    tab.slow_down(0)
    expect(tab.page.get_by_role("alert")).to_contain_text("The connection is lost")
    tab.slow_down(900_000)
    tab.page.wait_for_url("**/batches/*", timeout=30_000)

    expect(tab.page.locator("#batch .tally")).to_contain_text("8")


def test_an_ended_session_loses_no_file(tab: Tab, folder: Path) -> None:
    context = tab.page.context
    tab.slow_down(900_000)
    tab.choose(*many(folder, 8))
    expect(tab.page.locator("#active li")).to_have_count(4)

    context.clear_cookies()
    expect(tab.page.get_by_role("alert")).to_contain_text("You have been logged out")
    with context.expect_page() as opened:
        tab.page.get_by_role("link", name="Log in in a new tab").click()
    second = Tab(opened.value, tab.origin, tab.email)
    second.page.get_by_label("E-mail").wait_for()
    second.page.get_by_label("E-mail").fill(tab.email)
    second.page.get_by_label("Password").fill("a password of the tests")
    second.page.get_by_role("button", name="Log in").click()
    expect(second.page.get_by_role("heading", name="You are logged in again")).to_be_visible()

    tab.page.wait_for_url("**/batches/*", timeout=30_000)
    expect(tab.page.locator("#batch .tally")).to_contain_text("8")


@pytest.mark.parametrize("status", [500, 200])
def test_a_file_counts_as_sent_only_when_the_service_confirms_it(
    tab: Tab, folder: Path, status: int
) -> None:
    tab.page.route("**/files", lambda route: route.fulfill(status=status, body="<html>"))
    tab.choose(*write(folder, a__dcm=ct()))
    expect(tab.page.get_by_role("heading", name="Not sent")).to_be_visible(timeout=30_000)
    failed = tab.tally()
    tab.page.unroute("**/files")

    tab.page.get_by_role("button", name="Retry it").click()
    tab.page.wait_for_url("**/batches/*")

    assert failed == {"dropped": 1, "sent": 0, "duplicate": 0, "skipped": 0, "failed": 1}


def test_a_full_batch_is_followed_by_another(tab: Tab, folder: Path) -> None:
    answer = {"status": 413, "json": {"code": "batch-too-many-files", "title": "Too many files"}}
    tab.page.route("**/files", lambda route: route.fulfill(**answer), times=1)

    tab.choose(*many(folder, 3))
    tab.wait_until_sent()

    assert tab.tally() == {"dropped": 3, "sent": 3, "duplicate": 0, "skipped": 0, "failed": 0}
    assert len([each for each in tab.answers if each.url.endswith("/batches")]) == 2


def test_leaving_while_it_runs_warns(tab: Tab, folder: Path) -> None:
    tab.slow_down(300_000)
    tab.choose(*many(folder, 8))
    expect(tab.page.locator("#active li")).to_have_count(4)

    with tab.page.expect_event("dialog") as warned:
        tab.page.close(run_before_unload=True)

    assert warned.value.type == "beforeunload"
    warned.value.dismiss()


def test_nothing_of_the_files_stays_in_the_browser(tab: Tab, folder: Path) -> None:
    tab.choose(*write(folder, Lindqvist_Anna__jpg=picture()))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()

    kept = tab.page.evaluate("JSON.stringify([localStorage, sessionStorage])")

    assert "Lindqvist" not in kept
