"""Names and attributes that are markup, in the browser that would run them."""

from __future__ import annotations

from urllib.parse import quote

from playwright.sync_api import expect

from tests.pages.browsing import Tab
from tests.samples import ct, picture

RUN = "window.stolen = document.cookie || 1"
MARKUP = f"<img src=x onerror='{RUN}'>\"'><svg/onload='{RUN}'><script>{RUN}</script>{{{{7*7}}}}"
HOSTILE_DICOM = {
    "Modality": "<B>CT</B>",
    "ImageComments": MARKUP,
    "StudyDescription": MARKUP,
    "SeriesDescription": MARKUP,
    "ProtocolName": MARKUP,
    "BodyPartExamined": "<svg/onload=a>",
    "ReceiveCoilName": "<i>&quot;",
    "ImageType": ["<script>", "javascript:alert(1)"],
    "SOPInstanceUID": "1.2.3.10",
}
SEND = """
async ([name, bytes]) => {
  const token = (await (await fetch("/session")).json()).csrf_token
  const headers = {"X-CSRFToken": token, "X-File-Name": name, "Accept": "application/json"}
  const batch = await (await fetch("/batches", {method: "POST", headers})).json()
  const body = new Uint8Array(bytes)
  await fetch(`${batch.location}/files`, {method: "POST", headers, body})
  await fetch(`${batch.location}/close`, {method: "POST", headers})
  return batch.location
}
"""


def test_nothing_stored_is_ever_run(tab: Tab) -> None:
    said: list[str] = []
    tab.page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    locations = [
        tab.page.evaluate(SEND, [quote(f"{MARKUP}{end}"), list(content)])
        for end, content in ((".dcm", ct(**HOSTILE_DICOM)), (".jpg", picture()), (".txt", b"no"))
    ]
    seen = ["/batches", "/gallery", *locations]
    tab.open(locations[0])
    tab.wait_until_done()
    link = tab.page.locator("main a[href^='/uploads/']:not([href$='/new'])").first
    instance = link.get_attribute("href")
    seen += [f"{instance}{rest}" for rest in ("", "/attributes", "/delete", "/deleted")]
    seen += [f"/gallery?modality={quote(MARKUP)}", f"/login?next={quote(MARKUP)}"]

    for path in seen:
        page = tab.open(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.stolen") is None, path
        assert page.locator("img[src='x'], svg[onload], main script:not([src])").count() == 0, path
    tab.open(str(instance))
    expect(tab.page.get_by_text("<img src=x").first).to_be_visible()
    assert not said
