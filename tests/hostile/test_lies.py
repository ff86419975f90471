"""Files that lie: each ends in a volume or in one sentence, within limits of memory, and does nothing else."""

import math
import sys

import driver
import pytest
from lies import LIES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux tells it")


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_lies_ends_in_a_value_or_in_words(name, one, tmp_path):
    answer = one.ask("volume", LIES[name](tmp_path))
    assert driver.fault_in(answer, math.inf) == ""
