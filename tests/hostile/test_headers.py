"""Data sets of nothing but elements: what is walked and held stays bounded."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import pytest

from tests.pipeline.deidentifying import done
from tests.pipeline.encoding import EXPLICIT_LITTLE, ct
from tests.samples import ct as real_ct
from webapp.pipeline.deidentify import deidentify, parse_profile, survey, walker
from webapp.pipeline.errors import DicomDamaged
from webapp.pipeline.pseudonyms import Pseudonyms
from webapp.pipeline.source import BytesSource
from webapp.pipeline.verify import verify

write = EXPLICIT_LITTLE.element
MOST = 2000

MANY = {
    "private elements": b"".join(write(0x00190000 | n, "LO") for n in range(0x1000, 0x3000)),
    "elements": b"".join(write(0x00189000 + n, "LO", b"x") for n in range(3000)),
    "empty items": EXPLICIT_LITTLE.sequence(0x00081115, *[b""] * 3000),
    "items": EXPLICIT_LITTLE.sequence(0x00081115, *[write(0x00080100, "SH", b"x")] * 3000),
    "names": EXPLICIT_LITTLE.sequence(0x00081115, write(0x00081070, "PN", b"A^B") * 3000),
    "elements of one tag": write(0x00080104, "LO", b"x") * 3000,
    "items of no defined length": write(
        0x00081115, "SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff\xfe\xff\x0d\xe0\0\0\0\0" * 3000
        + b"\xfe\xff\xdd\xe0\0\0\0\0", 0xFFFFFFFF,
    ),
}  # fmt: skip


@pytest.mark.parametrize("many", MANY.values(), ids=MANY)
def test_more_elements_than_any_file_has_are_refused(
    many: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walker, "MOST_ELEMENTS", MOST)
    monkeypatch.setattr(survey, "MOST_ELEMENTS", MOST)
    file = ct()
    file.elements[0x00081115] = many

    with pytest.raises(DicomDamaged):
        done(file)


def test_the_bound_is_one_that_no_honest_file_meets_and_a_minute_suffices_for() -> None:
    """Half a million elements describe ten thousand frames; a name costs ten microseconds."""
    assert 500_000 * 4 <= walker.MOST_ELEMENTS <= 60 * 1_000_000 // 25


def test_more_names_than_can_be_searched_for_are_held_and_fill_no_memory() -> None:
    names = [write(0x00081070, "PN", b"Zz%07d^Qq%07d" % (n, n)) for n in range(120_000)]
    file = ct()
    file.elements[0x00081115] = EXPLICIT_LITTLE.sequence(0x00081115, *names)
    content = file.encode()
    del names, file

    tracemalloc.start()
    finished = deidentify(BytesSource(content), parse_profile("basic"), Pseudonyms(b"s" * 32))
    survivors = verify(finished)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert survivors == ("too-many-identifiers",)
    assert most < 100 << 20


def test_a_file_is_let_go_of_as_soon_as_nobody_wants_it() -> None:
    """Not when the collector comes by: with 32 MB each, that would be gigabytes later."""

    class Watched(BytesSource):
        pass

    source = Watched(real_ct())
    watch = weakref.ref(source)
    gc.collect()
    gc.disable()
    try:
        finished = deidentify(source, parse_profile("basic"), Pseudonyms(b"s" * 32))
        verify(finished)
        del finished, source

        assert watch() is None
    finally:
        gc.enable()
