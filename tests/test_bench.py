"""What the benchmarks send and draw; what they measure is nobody's promise."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bench.end_to_end.corpus import samples
from bench.end_to_end.plot import bars
from webapp.pipeline.recognise import recognise


@pytest.mark.parametrize("name", ["CT", "CR", "US", "JPEG", "PNG"])
def test_no_two_copies_of_a_sample_are_the_same_file(name: str) -> None:
    sample = samples()[name]

    assert sample.copy(1) != sample.copy(2)


@pytest.mark.parametrize("name", ["CT", "CR", "US", "JPEG", "PNG"])
def test_every_copy_is_still_what_it_was(name: str) -> None:
    sample = samples()[name]

    assert recognise(sample.copy(7)[:4096]) is recognise(sample.content[:4096])


def test_a_plot_is_well_formed_and_names_what_it_shows() -> None:
    drawn = bars("Up & down", [("CT: <ours>", 12.5, True), ("CT: other", 25.0, False)], "files/s")

    assert ElementTree.fromstring(drawn).get("aria-label") == "Up & down"
