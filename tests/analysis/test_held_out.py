"""Held-out voxels: how many, where, and never a missing one."""

from dataclasses import replace

import numpy as np
import pytest

from dinr_studio.analysis.held_out import HELD_OUT_SCHEMES, expected_share, held_out_mask
from dinr_studio.analysis.interpolation import interpolate
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


@pytest.mark.parametrize("scheme", [scheme for scheme in HELD_OUT_SCHEMES if scheme != "frames"])
@pytest.mark.parametrize("length", [8, 9, 32])
def test_the_expected_share_is_about_what_is_held_out(make_smooth_volume, scheme, length):
    volume = make_smooth_volume((length, 16, 20))
    held_out = held_out_mask(volume, scheme, 0.1, seed=0)
    assert expected_share(volume.grid, scheme, 0.1) == pytest.approx(held_out.mean(), abs=0.02)
    assert expected_share(volume.grid, scheme, 0) == 0


@pytest.fixture
def film(make_smooth_volume):
    """Ten frames of 6 x 7 pixels."""
    volume = make_smooth_volume((10, 6, 7))
    return replace(volume, grid=replace(volume.grid, axes=("t", "y", "x"), orientation=None))


@pytest.mark.parametrize("share", [0.02, 0.2, 0.9])
def test_frames_are_held_out_whole_and_each_has_neighbours_that_are_not(film, share):
    for seed in range(10):
        mask = held_out_mask(film, "frames", share, seed=seed)
        frames = mask.all(axis=(1, 2))
        assert np.array_equal(frames, mask.any(axis=(1, 2)))
        assert not frames[[0, -1]].any()
        assert not (frames[1:] & frames[:-1]).any()
        assert 1 <= frames.sum() <= max(1, round(share * 10))
    assert expected_share(film.grid, "frames", 0.2) == 0.2


def test_frames_without_values_are_never_chosen(film):
    absent = np.zeros(film.grid.shape, bool)
    absent[[2, 3, 7]] = True
    for seed in range(10):
        mask = held_out_mask(film.without(absent), "frames", 0.3, seed=seed)
        assert mask[[0, 2, 3, 7, 9]].sum() == 0
        assert mask.any()


def test_frames_cannot_be_held_out_of_what_has_none(make_smooth_volume, film):
    with pytest.raises(DataError, match="with a time axis"):
        held_out_mask(make_smooth_volume((8, 9, 10)), "frames", 0.1, seed=0)
    with pytest.raises(DataError, match="4 are needed"):
        held_out_mask(film.cropped((0, 0, 0), (3, 6, 7)), "frames", 0.1, seed=0)


@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_frames_are_judged_by_interpolation_in_time_beside_land_that_has_no_values(film, method):
    t, y, x = np.indices(film.grid.shape)
    values = (2.0 * t * (1 + x) + y)[..., np.newaxis]
    land = np.zeros(film.grid.shape, bool)
    land[:, :2, :3] = True
    volume = replace(film, values=values).without(land)
    mask = held_out_mask(volume, "frames", 0.2, seed=1)
    voxels = np.flatnonzero(mask)
    found = interpolate(method, volume, mask, voxels)
    np.testing.assert_allclose(found[:, 0], values.ravel()[voxels], atol=1e-9)
