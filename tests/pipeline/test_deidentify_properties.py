"""Random data sets: whatever they hold, nobody comes out, and what comes out is whole."""

from __future__ import annotations

import io
import warnings

import pydicom
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from tests.pipeline.deidentifying import PSEUDONYMS, done, output, written
from tests.pipeline.encoding import Encoding, ct
from webapp.errors import Rejected
from webapp.pipeline.deidentify import deidentify, parse_profile
from webapp.pipeline.deidentify.elements import Window
from webapp.pipeline.deidentify.profile import SWITCHES
from webapp.pipeline.source import BytesSource, chunks
from webapp.pipeline.verify import verify

warnings.simplefilter("ignore")

NAME = "Zebulon^Pike"
SEQUENCES = (0x00081115, 0x00081199, 0x0040A168, 0x0040A730, 0x00081140, 0x00091010, 0x00400275)
PLAIN = {
    0x00080080: "LO", 0x00081030: "LO", 0x00100010: "PN", 0x00100020: "LO", 0x00100030: "DA",
    0x00181250: "SH", 0x00189004: "CS", 0x0020000D: "UI", 0x00204000: "LT", 0x0040A123: "PN",
    0x0040A160: "UT", 0x00091011: "LO", 0x00080104: "LO", 0x00281053: "DS", 0x60003000: "OW",
}  # fmt: skip

encodings = st.builds(
    Encoding,
    explicit=st.booleans(),
    order=st.just("<"),
    delimited=st.booleans(),
)
values = st.one_of(st.just(NAME.encode()), st.binary(max_size=20), st.just(b""))
leaves = st.dictionaries(st.sampled_from(sorted(PLAIN)), values, max_size=6)
trees = st.recursive(
    st.tuples(leaves, st.just({})),
    lambda inner: st.tuples(
        leaves, st.dictionaries(st.sampled_from(SEQUENCES), st.lists(inner, max_size=3), max_size=3)
    ),
    max_leaves=12,
)
profiles = st.sets(st.sampled_from(sorted(set(SWITCHES) - {"retain-modified-dates"}))).map(
    lambda switches: "+".join(["basic", *sorted(switches)])
)


def encoded(tree: tuple[dict, dict], encoding: Encoding) -> dict[int, bytes]:
    plain, nested = tree
    elements = {tag: encoding.element(tag, PLAIN[tag], value) for tag, value in plain.items()}
    for tag, items in nested.items():
        contents = [
            b"".join(c for _, c in sorted(encoded(item, encoding).items())) for item in items
        ]
        elements[tag] = encoding.sequence(tag, *contents)
    return elements


@settings(max_examples=150, deadline=None)
@given(tree=trees, encoding=encodings, profile=profiles)
def test_no_name_comes_out_of_any_tree(tree: tuple, encoding: Encoding, profile: str) -> None:
    file = ct(encoding)
    file.elements.update(encoded(tree, encoding))
    file.elements[0x00100010] = encoding.element(0x00100010, "PN", NAME)
    file.elements.pop(0x0020000D, None)

    result = done(file, profile)
    content = written(result)

    instance = pydicom.dcmread(io.BytesIO(content))
    instance.walk(lambda *_: None)
    assert len(instance.PixelData) == 32
    assert b"zebulon" not in content.replace(b"\0", b"").lower()
    assert verify(result) == ()


@settings(max_examples=60, deadline=None)
@given(tree=trees, encoding=encodings)
def test_a_second_time_changes_no_structure(tree: tuple, encoding: Encoding) -> None:
    file = ct(encoding)
    file.elements.update(encoded(tree, encoding))

    once = output(file)
    twice = output(once)

    tags = [e.tag for e in pydicom.dcmread(io.BytesIO(once)).iterall()]
    assert tags == [e.tag for e in pydicom.dcmread(io.BytesIO(twice)).iterall()]


class Slow:
    """A source that gives as little as it may, so that every border is met."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]


@settings(max_examples=80, deadline=None)
@given(tree=trees, encoding=encodings, step=st.integers(min_value=16, max_value=200))
def test_a_small_window_gives_the_same_bytes(tree: tuple, encoding: Encoding, step: int) -> None:
    file = ct(encoding)
    file.elements.update(encoded(tree, encoding))
    content, whole = file.encode(), output(file)

    original, Window.STEP = Window.STEP, step
    try:
        result = deidentify(Slow(content), parse_profile("basic"), PSEUDONYMS)
        windowed = b"".join(chunks(result.output))
    finally:
        Window.STEP = original

    assert windowed == whole


def seed(name: str) -> bytes:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    return open(path, "rb").read()


SEEDS = [seed(name) for name in ("MR_small_RLE.dcm", "test-SR.dcm", "JPEG2000.dcm", "priv_SQ.dcm")]
OPTIONS = "basic+retain-safe-private+clean-descriptors+clean-structured-content"


@settings(max_examples=300, deadline=None)
@given(
    content=st.sampled_from(SEEDS),
    places=st.lists(
        st.tuples(st.integers(min_value=0, max_value=1 << 20), st.integers(0, 255)), max_size=8
    ),
    cut=st.integers(min_value=0, max_value=1 << 20),
    profile=st.sampled_from(["basic", OPTIONS]),
)
def test_a_mangled_file_is_refused_or_comes_out_readable(
    content: bytes, places: list[tuple[int, int]], cut: int, profile: str
) -> None:
    mangled = bytearray(content)
    for place, value in places:
        mangled[place % len(mangled)] = value
    if cut % 3 == 0:
        del mangled[len(mangled) - cut % 64 :]

    try:
        result = deidentify(BytesSource(bytes(mangled)), parse_profile(profile), PSEUDONYMS)
    except Rejected:
        return

    verify(result)
    written(result)
