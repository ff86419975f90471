"""Held-out voxels: how many, where, and never a missing one."""

import numpy as np
import pytest

from dinr_studio.analysis.held_out import HELD_OUT_SCHEMES, expected_share, held_out_mask
from dinr_studio.errors import DataError
from dinr_studio.volume import make_volume


def test_random_voxels_are_exactly_the_share(make_smooth_volume):
    mask = held_out_mask(make_smooth_volume((10, 20, 25)), "random", 0.02, seed=1)
    assert mask.sum() == 100


def test_blocks_are_whole_blocks(make_smooth_volume):
    mask = held_out_mask(make_smooth_volume((16, 16, 16)), "blocks", 0.1, seed=1)
    blocks = mask.reshape(4, 4, 4, 4, 4, 4).sum(axis=(1, 3, 5))
    assert set(np.unique(blocks)) == {0, 64}
    assert (blocks > 0).sum() == round(0.1 * 64)


def test_every_second_plane_is_held_out_and_the_outermost_are_not(make_smooth_volume):
    mask = held_out_mask(make_smooth_volume((8, 5, 6)), "planes", 0.02, seed=1)
    assert mask.all(axis=(1, 2)).tolist() == [False, True, False, True, False, True, False, False]
    assert mask.sum() == 3 * 30


@pytest.mark.parametrize("scheme", ["random", "blocks", "planes"])
def test_missing_voxels_are_never_held_out_and_a_seed_repeats(make_smooth_volume, scheme):
    volume = make_smooth_volume((12, 12, 12))
    absent = np.zeros(volume.grid.shape, bool)
    absent[:, :6] = True
    volume = volume.without(absent)
    mask = held_out_mask(volume, scheme, 0.2, seed=4)
    assert not (mask & absent).any()
    assert mask.any()
    np.testing.assert_array_equal(mask, held_out_mask(volume, scheme, 0.2, seed=4))


def test_holding_out_nothing_or_everything_is_refused_in_words(make_grid):
    tiny = make_volume(np.arange(6.0).reshape(2, 3), make_grid((2, 3)))
    with pytest.raises(DataError, match="less than one voxel"):
        held_out_mask(tiny, "random", 0.02, seed=0)
    with pytest.raises(DataError, match="would be held out"):
        held_out_mask(tiny, "blocks", 0.9, seed=0)
    with pytest.raises(DataError, match="random voxels instead"):
        held_out_mask(tiny, "planes", 0.5, seed=0)


@pytest.mark.parametrize("scheme", HELD_OUT_SCHEMES)
@pytest.mark.parametrize("length", [8, 9, 32])
def test_the_expected_share_is_about_what_is_held_out(make_smooth_volume, scheme, length):
    volume = make_smooth_volume((length, 16, 20))
    held_out = held_out_mask(volume, scheme, 0.1, seed=0)
    assert expected_share(volume.grid, scheme, 0.1) == pytest.approx(held_out.mean(), abs=0.02)
    assert expected_share(volume.grid, scheme, 0) == 0
