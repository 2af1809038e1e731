"""The instance page's viewer, in a real browser before the whole running program."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from pydicom.data import get_testdata_file

from tests.pages.browsing import Tab, write
from tests.running import Program
from tests.samples import ct

Samples = npt.NDArray[Any]

COUNT_DRAWINGS = """() => {
  window.drawn = {shaded: 0, placed: 0, screen: 0};
  const count = (name, as) => {
    const whole = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...given) {
      window.drawn[as] += 1;
      return whole.apply(this, given);
    };
  };
  count("putImageData", "shaded");
  count("drawImage", "placed");
}"""
DRAG = """async (steps) => {
  const stage = document.getElementById("stage");
  const box = stage.getBoundingClientRect();
  const point = (type, x, y) => stage.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, button: 0, bubbles: true, clientX: box.x + x, clientY: box.y + y}));
  stage.setPointerCapture = () => {};
  window.drawn.shaded = 0;
  point("pointerdown", 100, 100);
  for (let step = 1; step <= steps; step += 1) {
    point("pointermove", 100 + step, 100 + step / 4);
    point("pointermove", 100 + step, 100 + step / 2);
    await new Promise(requestAnimationFrame);
  }
  point("pointerup", 100 + steps, 100);
  return window.drawn.shaded;
}"""
CANVAS = """() => {
  const canvas = document.getElementById("canvas");
  return canvas.toDataURL("image/png").split(",")[1];
}"""


def sample(name: str) -> bytes:
    return Path(str(get_testdata_file(name))).read_bytes()


def large_ct(size: int = 512, frames: int = 1) -> bytes:
    """A signed CT of 16 bits, every frame another."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    whole = np.kron(dataset.pixel_array, np.ones((size // 128, size // 128))).astype(np.int16)
    dataset.Rows = dataset.Columns = size
    if frames > 1:
        dataset.NumberOfFrames = frames
    dataset.PixelData = b"".join(np.roll(whole, 9 * n, axis=1).tobytes() for n in range(frames))
    content = io.BytesIO()
    dataset.save_as(content)
    return content.getvalue()


def begun(tab: Tab) -> Page:
    """Wait until a picture is on the stage, and nothing comes any more."""
    expect(tab.page.locator("#stage.is-live[aria-busy=false]")).to_be_visible()
    tab.page.wait_for_load_state("networkidle")
    return tab.page


def opened(tab: Tab, folder: Path, content: bytes, query: str = "") -> Page:
    """The page of one file that was uploaded."""
    tab.choose(*write(folder, a__dcm=content))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    path = tab.page.get_by_role("link", name="a.dcm").get_attribute("href")
    tab.open(f"{path}{query}")
    return begun(tab)


def on_canvas(page: Page, rows: int, columns: int) -> Samples:
    """The middle of the stage, at most rows by columns of it."""
    image = Image.open(io.BytesIO(base64.b64decode(page.evaluate(CANVAS)))).convert("RGB")
    return middle_of(np.asarray(image), rows, columns)


def middle_of(whole: Samples, rows: int, columns: int) -> Samples:
    top, left = max(0, (whole.shape[0] - rows) // 2), max(0, (whole.shape[1] - columns) // 2)
    return whole[top : top + rows, left : left + columns]


def rendered(page: Page, query: str) -> Samples:
    """What the server makes of the same."""
    upload_id = re.sub(r"\?.*", "", page.url).rpartition("/")[2]
    origin = page.url.partition("/uploads/")[0]
    answer = page.request.get(f"{origin}/upload/{upload_id}/rendered.png?{query}")
    return np.asarray(Image.open(io.BytesIO(answer.body())).convert("RGB"))


def pixel_for_pixel(page: Page) -> None:
    page.get_by_role("button", name="1:1").click()
    expect(page.locator("#zoom-shown")).to_have_text("100 %")


def every_kind() -> dict[str, tuple[bytes, str]]:
    """Files by name, and what is asked of them."""
    inverted = ct(PhotometricInterpretation="MONOCHROME1")
    sigmoid = ct(WindowCenter=90, WindowWidth=300, VOILUTFunction="SIGMOID")
    return {
        "signed": (sample("CT_small.dcm"), ""),
        "windowed": (sample("eCT_Supplemental.dcm"), "center=40&width=400"),
        "fractions": (sample("MR_small.dcm"), "center=612.5&width=333.25"),
        "monochrome1": (inverted, ""),
        "sigmoid": (sigmoid, ""),
        "compressed": (sample("MR_small_jp2klossless.dcm"), ""),
        "colour": (sample("examples_rgb_color.dcm"), ""),
        "palette": (sample("examples_palette.dcm"), "center=90&width=120"),
        "frames": (sample("emri_small.dcm"), "frame=4"),
        "voi": (sample("vlut_04.dcm"), ""),
        "modality": (sample("mlut_18.dcm"), ""),
    }


def test_the_canvas_shows_what_the_server_would(tab: Tab, folder: Path) -> None:
    kinds = every_kind()
    tab.page.set_viewport_size({"width": 1280, "height": 1400})
    tab.choose(*write(folder, **{f"{name}__dcm": content for name, (content, _) in kinds.items()}))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    links = tab.page.locator(".batch-rows a.name").all()
    paths = {link.inner_text().strip()[:-4]: link.get_attribute("href") for link in links}
    differ = []

    for name, (_, query) in kinds.items():
        tab.open(f"{paths[name]}?{query}")
        pixel_for_pixel(begun(tab))
        asked = dict(part.split("=") for part in query.split("&") if part)
        window = f"&window={asked['center']},{asked['width']}" if "center" in asked else ""
        expected = rendered(tab.page, f"frame={asked.get('frame', 1)}{window}")
        shown = on_canvas(tab.page, *expected.shape[:2])
        if not (shown == middle_of(expected, *shown.shape[:2])).all():
            differ.append(name)

    assert not differ
    assert not tab.complaints


def test_pixels_that_are_not_square_are_shown_in_their_shape(tab: Tab, folder: Path) -> None:
    page = opened(tab, folder, ct(PixelAspectRatio=[1, 2], PixelSpacing=[1, 2]))

    pixel_for_pixel(page)

    outside = on_canvas(page, 132, 260)
    assert not outside[:2].any()
    assert not outside[:, :2].any()
    assert on_canvas(page, 128, 256)[:, [1, -2]].any(axis=(0, 2)).all()


def test_every_frame_of_the_screen_shows_its_own_window_while_a_ct_is_dragged(
    tab: Tab, folder: Path
) -> None:
    page = opened(tab, folder, large_ct())
    page.evaluate(COUNT_DRAWINGS)

    shaded = page.evaluate(DRAG, 60)

    assert shaded >= 60
    assert not [answer for answer in tab.answers if "rendered.png" in answer.url]
    page.wait_for_url(re.compile(r"\?center=-?\d+&width=\d+$"))


def test_dragging_to_the_side_widens_and_upwards_brightens(tab: Tab, folder: Path) -> None:
    page = opened(tab, folder, large_ct(), "?center=40&width=400")

    page.locator("#stage").hover()
    page.mouse.down()
    page.mouse.move(700, 300, steps=4)
    page.mouse.up()
    page.locator("#stage").hover()
    before = float(page.get_by_label("Window width", exact=True).input_value())
    page.mouse.down()
    box = page.locator("#stage").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2 + 50, box["y"] + box["height"] / 2 - 30, steps=5)
    page.mouse.up()

    assert float(page.get_by_label("Window width", exact=True).input_value()) > before
    page.wait_for_url("**width=*")


def test_windows_come_from_presets_sliders_and_fields(tab: Tab, folder: Path) -> None:
    page = opened(tab, folder, large_ct())
    center = page.get_by_label("Window centre", exact=True)

    page.get_by_role("link", name="Lung").click()
    page.wait_for_url("**?center=-600&width=1500")
    expect(page.get_by_role("link", name="Lung")).to_have_attribute("aria-current", "true")
    page.get_by_label("Window centre, slider").press("ArrowRight")
    page.wait_for_url("**?center=-599&width=1500")
    center.fill("55,5")
    center.press("Enter")
    page.wait_for_url("**?center=55.5&width=1500")
    page.reload()
    begun(tab)
    expect(center).to_have_value("55.5")
    page.get_by_role("link", name="As stored").click()

    page.wait_for_url(re.compile(r"/uploads/[0-9a-f-]+$"))
    expect(page.get_by_role("link", name="As stored")).to_have_attribute("aria-current", "true")


def test_the_windows_of_the_data_set_are_offered_as_text(tab: Tab, folder: Path) -> None:
    names = ["<img src=x>", "LUNG"]
    content = ct(
        WindowCenter=[50, -600], WindowWidth=[350, 1500], WindowCenterWidthExplanation=names
    )
    page = opened(tab, folder, content)

    page.get_by_role("button", name="<img src=x>").click()

    page.wait_for_url("**?center=50&width=350")
    expect(page.get_by_role("link", name="Lung")).to_have_count(0)
    expect(page.get_by_role("button", name="LUNG")).to_be_visible()


def test_everything_can_be_done_with_the_keyboard(tab: Tab, folder: Path) -> None:
    page = opened(tab, folder, large_ct(128, frames=30), "?center=40&width=400")
    frame = page.get_by_role("slider", name="Frame")
    page.locator("#stage").focus()

    def pressed(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    pressed("ArrowDown", "ArrowRight", "ArrowUp", "PageDown")
    expect(frame).to_have_value("12")
    pressed("Home", "End")
    expect(frame).to_have_value("30")
    pressed("PageUp", "b", "w")
    expect(frame).to_have_value("20")
    page.wait_for_url(re.compile(r"center=-?\d+&width=4\d\d&frame=20|frame=20"))
    expect(page.get_by_label("Window width", exact=True)).not_to_have_value("400")
    fit = page.locator("#zoom-shown").inner_text()
    pressed("+", "+")
    expect(page.locator("#zoom-shown")).not_to_have_text(fit)
    before = page.evaluate(CANVAS)
    pressed("Shift+ArrowRight", "i")
    expect(page.get_by_role("button", name="Invert")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(CANVAS) != before
    pressed("0")
    expect(page.locator("#zoom-shown")).to_have_text(fit)
    pressed("r")
    page.wait_for_url("**?frame=20")
    expect(page.locator("#live")).to_have_text("Frame 20 of 30.")
    assert not tab.complaints


def test_the_wheel_goes_through_the_frames_and_zooms_with_ctrl(tab: Tab, folder: Path) -> None:
    page = opened(tab, folder, sample("emri_small.dcm"))
    frame = page.get_by_role("slider", name="Frame")
    zoomed = page.locator("#zoom-shown")
    fit = zoomed.inner_text()
    page.locator("#stage").hover()

    page.mouse.wheel(0, 100)
    expect(frame).to_have_value("2")
    page.mouse.wheel(0, 100)
    expect(frame).to_have_value("3")
    page.mouse.wheel(0, -100)
    expect(frame).to_have_value("2")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")

    expect(zoomed).not_to_have_text(fit)
    expect(frame).to_have_value("2")


def test_a_page_with_one_frame_scrolls_over_the_picture(
    program: Program, tab: Tab, folder: Path
) -> None:
    page = opened(tab, folder, large_ct())
    page.locator("#stage").hover()

    page.mouse.wheel(0, 200)

    program.wait_for(lambda: bool(page.evaluate("scrollY > 100")))
    expect(page.locator("#zoom-shown")).to_have_text(page.locator("#said-zoom").inner_text())


def test_the_picture_is_zoomed_and_moved_without_dragging(
    program: Program, tab: Tab, folder: Path
) -> None:
    page = opened(tab, folder, large_ct())
    expect(page.get_by_role("button", name="See more above")).to_be_hidden()
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    up = page.get_by_role("button", name="See more above")

    before = page.evaluate(CANVAS)
    up.click()
    program.wait_for(lambda: page.evaluate(CANVAS) != before)
    for _ in range(12):
        up.press("Enter")

    expect(up).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Fit").click()
    expect(up).to_be_hidden()


@pytest.mark.parametrize("tool", ["Move", "Zoom"])
def test_a_tool_says_what_dragging_does(
    program: Program, tab: Tab, folder: Path, tool: str
) -> None:
    page = opened(tab, folder, large_ct())
    page.get_by_role("button", name=tool, exact=True).click()
    before = page.evaluate(CANVAS)

    page.locator("#stage").hover()
    page.mouse.down()
    page.mouse.move(300, 500, steps=3)
    page.mouse.up()

    program.wait_for(lambda: page.evaluate(CANVAS) != before)
    assert "center" not in page.url


def test_the_next_frames_are_fetched_ahead_and_kept(tab: Tab, folder: Path) -> None:
    page = opened(tab, folder, large_ct(128, frames=30))
    ahead = len(tab.asked("/frames/"))
    page.locator("#stage").focus()

    for _ in range(5):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_role("slider", name="Frame")).to_have_value("6")
    page.wait_for_load_state("networkidle")

    asked = [answer.url for answer in tab.asked("/frames/")]
    assert ahead >= 6
    assert len(asked) == len(set(asked))


def test_cine_plays_round_and_round_until_it_is_stopped(tab: Tab, folder: Path) -> None:
    page = opened(tab, folder, sample("emri_small.dcm"), "?frame=9")
    frame = page.get_by_role("slider", name="Frame")
    page.get_by_label("Per second").fill("30")

    page.get_by_role("button", name="Play").click()
    expect(frame).to_have_value(re.compile("^[1-8]$"))
    page.get_by_role("button", name="Play").click()

    expect(page.get_by_role("button", name="Play")).to_have_attribute("aria-pressed", "false")
    page.wait_for_url(re.compile(r"\?frame=\d+|/uploads/[^?]+$"))
    stopped = frame.input_value()
    page.wait_for_load_state("networkidle")
    expect(frame).to_have_value(stopped)


def test_how_fast_it_plays_comes_from_the_data_set(tab: Tab, folder: Path) -> None:
    page = opened(tab, folder, sample("examples_ybr_color.dcm"))

    expect(page.get_by_label("Per second")).to_have_value("30")


@pytest.fixture
def phone(program: Program, browser: Browser, account: Callable[..., str]) -> Iterator[Tab]:
    """A new person with a telephone."""
    size = {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, has_touch=True, device_scale_factor=2)  # type: ignore[arg-type]
    made = Tab(context.new_page(), f"http://127.0.0.1:{program.port}", account())
    made.log_in()
    yield made
    context.close()


def touch(page: Page, *moments: list[tuple[float, float]]) -> None:
    """Fingers on the screen, from moment to moment; then they are lifted."""
    line = page.context.new_cdp_session(page)
    for index, fingers in enumerate(moments):
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(fingers)]
        kind = "touchMove" if index else "touchStart"
        line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    line.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def middle(page: Page) -> tuple[float, float]:
    page.locator("#stage").scroll_into_view_if_needed()
    box = page.locator("#stage").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_one_finger_drags_the_window_and_two_zoom(phone: Tab, folder: Path) -> None:
    page = opened(phone, folder, large_ct(), "?center=40&width=400")
    width = page.get_by_label("Window width", exact=True)
    fit = page.locator("#zoom-shown").inner_text()
    x, y = middle(page)

    touch(page, [(x, y)], [(x + 30, y)], [(x + 60, y)])
    expect(width).not_to_have_value("400")
    dragged = width.input_value()
    touch(page, [(x - 20, y), (x + 20, y)], [(x - 50, y), (x + 50, y)], [(x - 60, y), (x + 60, y)])

    expect(page.locator("#zoom-shown")).not_to_have_text(fit)
    expect(width).to_have_value(dragged)


def test_a_finger_scrolls_through_the_frames(phone: Tab, folder: Path) -> None:
    page = opened(phone, folder, sample("emri_small.dcm"))
    page.get_by_role("button", name="Scroll").click()
    x, y = middle(page)

    touch(page, [(x, y)], [(x, y + 20)], [(x, y + 40)], [(x, y + 62)])

    expect(page.get_by_role("slider", name="Frame")).to_have_value("6")


def test_a_frame_that_cannot_be_decoded_says_so_and_stops_nothing(tab: Tab, folder: Path) -> None:
    problem = {"status": 422, "content_type": "application/problem+json"}
    tab.page.route(
        "**/frames/2", lambda route: route.fulfill(body='{"code": "decode-failed"}', **problem)
    )
    page = opened(tab, folder, sample("emri_small.dcm"))

    page.get_by_role("button", name="Next frame").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be shown")
    page.get_by_role("button", name="Next frame").click()

    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("slider", name="Frame")).to_have_value("3")


def test_a_frame_that_did_not_come_can_be_asked_for_again(tab: Tab, folder: Path) -> None:
    tab.page.route("**/frames/1", lambda route: route.abort(), times=1)
    tab.choose(*write(folder, a__dcm=large_ct()))
    tab.page.wait_for_url("**/batches/*")
    tab.wait_until_done()
    tab.page.get_by_role("link", name="a.dcm").click()

    tab.page.get_by_role("button", name="Try again").click()

    begun(tab)
    expect(tab.page.get_by_role("alert")).to_be_hidden()


def test_an_ended_session_is_said_in_the_viewer(tab: Tab, folder: Path) -> None:
    page = opened(tab, folder, large_ct(128, frames=30))
    page.context.clear_cookies()
    page.locator("#stage").focus()

    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")

    expect(page.locator("#notices")).to_contain_text("You have been logged out.")
    expect(page.get_by_role("link", name="Log in and come back here")).to_be_visible()


def test_frames_too_large_come_as_pictures(tab: Tab, folder: Path) -> None:
    problem = {"status": 422, "content_type": "application/problem+json"}
    tab.page.route(
        "**/frames/*", lambda route: route.fulfill(body='{"code": "frame-too-large"}', **problem)
    )
    page = opened_as_pictures(tab, folder)

    page.get_by_role("link", name="Lung").click()
    page.wait_for_url("**?center=-600&width=1500")
    page.locator("#stage").focus()
    page.keyboard.press("ArrowDown")

    page.wait_for_url("**&frame=2")
    page.wait_for_load_state("networkidle")
    pixel_for_pixel(page)
    expected = rendered(page, "frame=2&window=-600,1500")
    assert (on_canvas(page, 128, 128) == expected).all()


def opened_as_pictures(tab: Tab, folder: Path) -> Page:
    return opened(tab, folder, large_ct(128, frames=3))


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_however_it_is_used(
    tab: Tab, folder: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.page.emulate_media(color_scheme=scheme)
    page = opened(tab, folder, large_ct(256, frames=3), "?frame=2")

    still = tab.violations()
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Invert").click()
    page.get_by_text("Keys and gestures").click()

    assert [*still, *tab.violations()] == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not tab.complaints


def test_it_is_not_for_diagnostic_use_in_full_screen_too(tab: Tab, folder: Path) -> None:
    page = opened(tab, folder, large_ct())

    page.get_by_role("button", name="Full screen").click()
    expect(page.locator("#viewer:fullscreen")).to_be_visible()

    expect(page.get_by_text("not for diagnostic use", exact=True)).to_be_in_viewport()
    page.get_by_role("button", name="Full screen").click()
    expect(page.locator("#viewer:fullscreen")).to_have_count(0)


def test_without_scripts_the_form_and_the_links_still_work(
    program: Program, browser: Browser, account: Callable[..., str], folder: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = Tab(context.new_page(), f"http://127.0.0.1:{program.port}", account())
    tab.log_in()
    tab.choose(*write(folder, a__dcm=large_ct(128, frames=3)))
    page = tab.page
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/batches/*")
    done = page.get_by_role("row", name="Completed")
    program.wait_for(lambda: page.reload() is not None and done.count() == 1)
    page.get_by_role("link", name="a.dcm").click()

    page.get_by_role("slider", name="Frame").fill("2")
    page.get_by_label("Window centre", exact=True).fill("40")
    page.get_by_label("Window width", exact=True).fill("400")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**?frame=2&center=40&width=400")
    picture = page.locator("#picture")
    expect(picture).to_have_attribute("src", re.compile(r"\?frame=2&window=40%2C400"))
    assert picture.evaluate("image => image.naturalWidth") == 128
    page.get_by_role("link", name="Lung").click()

    page.wait_for_url("**?frame=2&center=-600&width=1500")
    expect(page.get_by_role("button", name="Play")).to_be_hidden()
    context.close()
