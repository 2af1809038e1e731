"""Administration in a real browser: every page legible to everybody, and the ways through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.pages.browsing import Tab, write
from tests.running import Program
from tests.samples import ct, picture
from webapp.storage.models import Role

PATHS = (
    "/admin",
    "/admin?by=week",
    "/admin?by=month",
    "/admin/people",
    "/admin/keys",
    "/admin/audit",
    "/admin/audit?outcome=failed",
    "/admin/audit?id=nothing",
    "/admin/retention",
)
WIDE = "document.documentElement.scrollWidth > innerWidth"


@pytest.fixture
def root(
    program: Program, browser: Browser, account: Callable[..., str], folder: Path
) -> Iterator[Tab]:
    """An administrator with files of every fate, and no script complaining."""
    context = browser.new_context(reduced_motion="reduce")
    tab = Tab(context.new_page(), f"http://127.0.0.1:{program.port}", account(Role.ADMIN))
    tab.log_in()
    broken = picture(colour=5)[:200]
    tab.choose(*write(folder, a__dcm=ct(), broken__jpg=broken, c__jpg=picture(colour=6)))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    yield tab
    context.close()


def people_of(tab: Tab) -> str:
    """The path of somebody's own page."""
    tab.open("/admin/people")
    link = tab.page.locator("table a").first.get_attribute("href")
    assert link
    return link


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_overflows(
    root: Tab, scheme: Literal["light", "dark"], width: int
) -> None:
    root.page.set_viewport_size({"width": width, "height": 900})
    root.page.emulate_media(color_scheme=scheme)
    root.open("/admin/keys")
    revoke = root.page.get_by_role("link", name="Revoke").first.get_attribute("href")
    root.open("/admin/retention")
    preview = f"{root.page.locator('form[method=get]').first.get_attribute('action')}?days=30"
    faults = []

    for path in (*PATHS, people_of(root), str(revoke), preview):
        root.open(path)
        faults += [f"{path}: {fault}" for fault in root.violations()]
        if root.page.evaluate(WIDE):
            faults.append(f"{path} is wider than {width} pixels")

    assert not faults
    # The refused address is a 422, which Chromium itself reports; nothing else may complain.
    assert not [said for said in root.complaints if "422" not in said]


def test_every_chart_has_its_table_and_its_csv(root: Tab) -> None:
    page = root.open("/admin")

    sections = page.locator("section:has(svg.chart)")

    assert sections.count() >= 5
    for section in sections.all():
        expect(section.locator("table")).to_have_count(1)
        with page.expect_download() as download:
            section.get_by_role("link", name="CSV").click()
        assert download.value.suggested_filename.endswith(".csv")


def test_a_person_is_added_promoted_and_kept_out(root: Tab) -> None:
    email = f"{uuid4().hex}@example.org"
    page = root.open("/admin/people")

    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Add the person").click()
    assert len(page.locator("#secret").inner_text()) >= 12
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_role("link", name=email).click()
    page.get_by_label("Role").select_option("reviewer")
    page.get_by_role("button", name="Change the role").click()
    expect(page.get_by_text("The role is changed.")).to_be_visible()
    page.get_by_role("button", name="Deactivate the account").click()
    expect(page.get_by_text("its sessions have ended")).to_be_visible()
    expect(page.get_by_role("button", name="Activate the account")).to_be_visible()
    page.get_by_role("link", name="What they did").click()
    expect(page.get_by_role("rowheader", name="person.deactivate")).to_be_visible()


def test_a_key_is_made_rotated_and_revoked(root: Tab) -> None:
    name = f"ward {uuid4().hex[:6]}"
    page = root.open("/admin/keys")

    page.get_by_label("Frontend").fill(name)
    page.get_by_role("button", name="Make the key").click()
    first = page.locator("#secret").inner_text()
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_role("button", name=f"Rotate {first[:8]}").click()
    second = page.locator("#secret").inner_text()
    page.get_by_role("link", name="I have kept it").click()
    keys = page.get_by_role("table", name=f"Keys of {name}")
    expect(keys.get_by_role("row").filter(has_text=first[:8])).to_contain_text("valid until")
    page.get_by_role("link", name=f"Revoke {first[:8]}").click()
    page.get_by_role("button", name="Revoke the key").click()

    expect(keys.get_by_role("row").filter(has_text=first[:8])).to_contain_text("revoked")
    expect(keys.get_by_role("row").filter(has_text=second[:8])).to_contain_text("valid")


def test_a_rule_is_seen_put_in_force_and_removed(root: Tab) -> None:
    page = root.open("/admin/retention")
    section = page.locator("section").filter(has_text="People who log in")

    section.get_by_label("Days").fill("36500")
    section.get_by_role("button", name="See what it would destroy").click()
    expect(page.get_by_text("Nothing has happened yet.")).to_be_visible()
    page.get_by_role("button", name="Put the rule in force").click()
    expect(section).to_contain_text("36,500 days")
    section.get_by_role("button", name="Remove the rule").click()

    expect(section).to_contain_text("Everything stays for good.")


def test_the_audit_is_narrowed_by_its_form_and_by_its_links(root: Tab) -> None:
    page = root.open("/admin/audit")

    page.get_by_label("What", exact=True).select_option("person.log-in")
    page.get_by_role("button", name="Show").click()
    heads = page.get_by_role("rowheader")
    assert set(heads.all_inner_texts()) == {"person.log-in"}
    page.locator("td a[href*='request=']").first.click()

    assert heads.all_inner_texts() == ["person.log-in"]


def test_the_workers_and_the_sealer_are_at_work(root: Tab) -> None:
    page = root.open("/admin")

    machines = page.locator("section").filter(has_text="Machines")
    expect(machines.get_by_role("cell", name="alive").first).to_be_visible(timeout=15_000)
    expect(page.get_by_text("No worker is alive")).to_have_count(0)
