"""Damaged files of every format: each ends in a volume or in one sentence, within limits, and does nothing else.

HOSTILE_EXAMPLES sets how many damages each seed is done; above the usual few, the processor's time counts too.
"""

import math
import os
import sys

import driver
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import SEEDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux tells it")
USUAL = 3
EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", USUAL))
MOST_SECONDS = driver.MOST_SECONDS if EXAMPLES > USUAL else math.inf


@pytest.mark.parametrize("name", SEEDS)
def test_a_whole_file_of_every_format_is_opened_and_no_more_than_that(name, one, seeds):
    answer = one.ask(driver.whats_of(name)[0], seeds[name])
    assert (answer["end"], answer["deeds"]) == ("value", [])


@pytest.mark.parametrize("name", SEEDS)
def test_a_damaged_file_ends_in_a_value_or_in_words(name, one, seeds, tmp_path):
    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
    @given(st.integers(0, 2**40))
    def check(number):
        path = driver.damage_copy(seeds[name], tmp_path, number)
        for what in driver.whats_of(name)[: 1 + (number % 4 == 0)]:
            assert driver.fault_in(one.ask(what, path), MOST_SECONDS) == ""

    check()


@pytest.mark.parametrize("name", ["NPY", "NIfTI gz", "Zarr", "VTI text"])
def test_a_damaged_mask_ends_in_a_value_or_in_words(name, one, seeds, tmp_path):
    (tmp_path / "whole.npy").write_bytes(seeds["NPY"].read_bytes())
    for number in range(USUAL):
        path = driver.damage_copy(seeds[name], tmp_path, number)
        assert driver.fault_in(one.ask("mask", path), MOST_SECONDS) == ""
