"""Interpolation: exact where theory says so, and from training voxels only."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from dinr_studio.analysis.held_out import held_out_mask
from dinr_studio.analysis.interpolation import INTERPOLATORS, interpolate
from dinr_studio.analysis.scores import psnr
from dinr_studio.volume import make_volume


def plane(make_grid, shape=(12, 10, 14)):
    grid = make_grid(shape)
    world = np.stack(np.meshgrid(*(grid.axis_positions(i) for i in range(len(shape))), indexing="ij"), axis=-1)
    return make_volume(world @ np.array([0.3, -0.2, 0.7]) + 2, grid)


@pytest.mark.parametrize("scheme", ["random", "planes"])
def test_cubic_interpolation_is_exact_for_a_linear_field(make_grid, scheme):
    volume = plane(make_grid)
    held_out = held_out_mask(volume, scheme, 0.1, seed=0)
    voxels = np.flatnonzero(held_out)
    found = interpolate("cubic", volume, held_out, voxels)
    np.testing.assert_allclose(found, volume.values.reshape(-1, 1)[voxels], atol=1e-6)


def test_between_planes_linear_and_nearest_are_the_textbook_ones(make_smooth_volume):
    volume = make_smooth_volume((9, 4, 5), dtype=np.float64)
    held_out = held_out_mask(volume, "planes", 0.5, seed=0)
    voxels = np.flatnonzero(held_out)
    values = volume.values[..., 0]
    means = (values[0:7:2] + values[2:9:2]) / 2
    np.testing.assert_allclose(interpolate("linear", volume, held_out, voxels).reshape(4, 4, 5), means[:4])
    nearest = interpolate("nearest", volume, held_out, voxels).reshape(4, 4, 5)
    assert all(((nearest[i] == values[2 * i]) | (nearest[i] == values[2 * i + 2])).all() for i in range(4))


def test_between_planes_cubic_is_scipy_s_spline(make_smooth_volume):
    volume = make_smooth_volume((11, 4, 5), dtype=np.float64)
    held_out = held_out_mask(volume, "planes", 0.5, seed=0)
    voxels = np.flatnonzero(held_out)
    kept = np.flatnonzero(~held_out[:, 0, 0])
    positions = volume.grid.axis_positions(0)
    spline = CubicSpline(positions[kept], volume.values[kept, ..., 0])
    np.testing.assert_allclose(
        interpolate("cubic", volume, held_out, voxels).ravel(), spline(positions[1:10:2])[: len(voxels) // 20].ravel()
    )


def test_on_a_line_of_scattered_voxels_linear_is_linear_interpolation(make_grid):
    values = np.random.default_rng(0).normal(size=60)
    volume = make_volume(values, make_grid((60,)))
    held_out = np.zeros(60, bool)
    held_out[[5, 17, 18, 40]] = True
    kept = np.flatnonzero(~held_out)
    found = interpolate("linear", volume, held_out, np.flatnonzero(held_out))
    np.testing.assert_allclose(found.ravel(), np.interp([5, 17, 18, 40], kept, values[kept]), atol=1e-9)


@pytest.mark.parametrize("method", list(INTERPOLATORS))
@pytest.mark.parametrize("scheme", ["random", "blocks", "planes"])
def test_what_is_held_out_or_missing_has_no_influence(make_smooth_volume, method, scheme):
    volume = make_smooth_volume((12, 12, 12))
    absent = np.zeros(volume.grid.shape, bool)
    absent[0, 0, :3] = True
    held_out = held_out_mask(volume.without(absent), scheme, 0.1, seed=2)
    voxels = np.flatnonzero(held_out)[:50]
    altered = np.where(held_out | absent, 1e6, volume.values[..., 0])
    one = interpolate(method, volume.without(absent), held_out, voxels)
    two = interpolate(method, make_volume(altered, volume.grid).without(absent), held_out, voxels)
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_on_a_smooth_field_cubic_beats_linear_and_linear_beats_nearest(make_smooth_volume):
    volume = make_smooth_volume((16, 16, 16))
    held_out = held_out_mask(volume, "random", 0.1, seed=3)
    voxels = np.flatnonzero(held_out)
    true = volume.values.reshape(-1, 1)[voxels]
    scores = [psnr(true, interpolate(name, volume, held_out, voxels), 6) for name in ("nearest", "linear", "cubic")]
    assert scores[0] + 3 < scores[1]
    assert scores[1] + 3 < scores[2]


def test_a_volume_searched_in_slabs_gives_what_one_search_gives(make_smooth_volume, monkeypatch):
    volume = make_smooth_volume((40, 6, 7))
    held_out = held_out_mask(volume, "random", 0.05, seed=3)
    voxels = np.flatnonzero(held_out)
    whole = interpolate("linear", volume, held_out, voxels)
    monkeypatch.setattr("dinr_studio.analysis.interpolation.SLAB_VOXELS", 300)
    in_slabs = interpolate("linear", volume, held_out, voxels)
    np.testing.assert_allclose(in_slabs, whole, atol=0.02)  # of equally far neighbours, others may be taken
    assert np.median(np.abs(in_slabs - whole)) < 1e-9


def test_a_slab_one_voxel_thick_is_interpolated_in_its_plane(make_smooth_volume):
    volume = make_smooth_volume((1, 20, 22))
    held_out = held_out_mask(volume, "random", 0.1, seed=3)
    voxels = np.flatnonzero(held_out)
    found = interpolate("cubic", volume, held_out, voxels)
    assert psnr(volume.values.reshape(-1, 1)[voxels], found, 6) > 30


def test_several_channels_are_interpolated_each_on_its_own(make_smooth_volume):
    one = make_smooth_volume((10, 11, 12))
    both = make_volume(np.concatenate([one.values, -3 * one.values], axis=-1), one.grid)
    held_out = held_out_mask(one, "random", 0.1, seed=3)
    voxels = np.flatnonzero(held_out)
    found = interpolate("cubic", both, held_out, voxels)
    np.testing.assert_allclose(found[:, 1], -3 * found[:, 0], atol=1e-5)


@pytest.mark.parametrize("method", INTERPOLATORS)
def test_a_single_training_voxel_is_all_there_is_to_go_by(make_grid, method):
    volume = make_volume(np.array([3.0, 8.0]), make_grid((2,)))
    assert interpolate(method, volume, np.array([False, True]), np.array([1])).tolist() == [[3.0]]
