import numpy as np
import pytest

from dinr_studio.analysis.held_out import BLOCK_EDGE, held_out_mask, second_planes
from dinr_studio.analysis.held_out_rule import RULES, held_out_rule
from dinr_studio.coordinates import Grid
from dinr_studio.errors import DataError
from dinr_studio.volume import Volume

GRID = Grid((30, 26, 34), (1.0,) * 3, (0.0,) * 3, ("s", "nm", "nm"), ("t", "y", "x"))


def volume_on(grid):
    return Volume(np.random.default_rng(0).normal(size=(*grid.shape, 1)), grid)


@pytest.mark.parametrize("scheme", list(RULES))
def test_a_rule_holds_out_the_share_that_a_mask_would(scheme):
    rule, mask = held_out_rule(GRID, scheme, 0.2, 7), held_out_mask(volume_on(GRID), scheme, 0.2, 7)
    held_out = rule.of(np.arange(GRID.size))
    assert held_out.mean() == pytest.approx(mask.mean(), abs=0.05)
    assert rule.share == pytest.approx(mask.mean(), abs=0.01)


@pytest.mark.parametrize("scheme", list(RULES))
def test_a_box_of_a_rule_is_that_part_of_the_whole(scheme):
    rule = held_out_rule(GRID, scheme, 0.2, 7)
    whole = rule.of(np.arange(GRID.size)).reshape(GRID.shape)
    np.testing.assert_array_equal(rule.within((3, 0, 5), (20, 26, 34)), whole[3:20, :, 5:])


def test_frames_are_whole_and_no_two_in_a_row():
    frames = held_out_rule(GRID, "frames", 0.2, 3).of(np.arange(GRID.size)).reshape(30, -1)
    np.testing.assert_array_equal(frames.any(axis=1), frames.all(axis=1))
    held = frames.all(axis=1)
    assert held.sum() == 6
    assert not (held[1:] & held[:-1]).any()
    assert not held[[0, -1]].any()


def test_planes_are_those_of_the_mask_and_blocks_are_whole():
    planes = held_out_rule(GRID, "planes", 0.1, 0).of(np.arange(GRID.size)).reshape(GRID.shape)
    np.testing.assert_array_equal(planes, second_planes(volume_on(GRID), 0.1, np.random.default_rng(0)))
    blocks = held_out_rule(GRID, "blocks", 0.3, 0).of(np.arange(GRID.size)).reshape(GRID.shape)
    whole = blocks[:28, :24, :32].reshape(7, BLOCK_EDGE, 6, BLOCK_EDGE, 8, BLOCK_EDGE).mean(axis=(1, 3, 5))
    assert set(np.unique(whole)) == {0.0, 1.0}


def test_a_scheme_that_needs_all_voxels_at_once_is_refused():
    with pytest.raises(DataError, match="stay in their file"):
        held_out_rule(GRID, "spiral", 0.1, 0)
    assert not held_out_rule(GRID, "spiral", 0.0, 0).of(np.arange(5)).any()
