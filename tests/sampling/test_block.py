"""Blocks for the 3D view: means of the data, and slabs of a field, at their places in the world."""

import numpy as np
import pytest

from dinr_studio.sampling.block import block_grid, data_block, field_slab, slabs_of, spatial_grid
from dinr_studio.sampling.evaluate import values_at
from dinr_studio.volume import make_volume


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_small_volume_is_its_own_block(make_smooth_volume):
    volume = make_smooth_volume((6, 7, 8))
    block = data_block(volume, 0, 0, edge=8)
    np.testing.assert_array_equal(block.values, volume.values[..., 0])
    assert block.grid == volume.grid
    assert not block.values.flags.writeable


def test_a_block_holds_the_means_over_cubes_also_where_they_are_cut_off(make_grid):
    values = numbers((10, 7, 12)).astype(np.float32)
    block = data_block(make_volume(values, make_grid((10, 7, 12))), 0, 0, edge=4)  # cubes of 3 x 3 x 3
    assert block.values.shape == (4, 3, 4)
    for i, j, k in np.ndindex(4, 3, 4):
        cube = values[3 * i : 3 * i + 3, 3 * j : 3 * j + 3, 3 * k : 3 * k + 3]
        assert block.values[i, j, k] == pytest.approx(cube.astype(np.float64).mean(), abs=1e-6)


def test_missing_values_are_left_out_and_a_cube_without_any_is_missing(make_grid):
    values = numbers((4, 4, 4)).astype(np.float32)
    values[0, 0, 0] = np.nan
    values[2:, 2:, 2:] = np.nan
    block = data_block(make_volume(values, make_grid((4, 4, 4))), 0, 0, edge=2)
    assert block.values[0, 0, 0] == pytest.approx(np.nanmean(values[:2, :2, :2].astype(np.float64)), abs=1e-6)
    assert np.isnan(block.values[1, 1, 1])
    assert np.isfinite(block.values).sum() == 7
    whole = data_block(make_volume(values, make_grid((4, 4, 4))), 0, 0, edge=4)
    np.testing.assert_array_equal(np.isnan(whole.values), np.isnan(values))


def test_a_blocks_grid_starts_at_the_volumes_own_faces(make_smooth_volume):
    volume = make_smooth_volume((12, 8, 8))
    block = data_block(volume, 0, 0, edge=4)
    grid, fine = block.grid, volume.grid
    assert grid.voxel_size == tuple(3 * v for v in fine.voxel_size)
    for axis in range(3):
        face = fine.origin[axis] - fine.voxel_size[axis] / 2
        assert grid.origin[axis] - grid.voxel_size[axis] / 2 == pytest.approx(face)


def test_a_block_is_of_one_moment_and_one_channel(make_grid):
    values = numbers((3, 4, 5, 6, 2)).astype(np.float32)
    block = data_block(make_volume(values, make_grid((3, 4, 5, 6))), 2, 1, edge=8)
    np.testing.assert_array_equal(block.values, values[2, ..., 1])
    assert block.grid.axes == ("z", "y", "x")
    assert block.grid == spatial_grid(make_grid((3, 4, 5, 6)))


def test_whole_numbers_are_averaged_without_rounding(make_grid):
    values = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
    block = data_block(make_volume(values, make_grid((4, 4, 4))), 0, 0, edge=2)
    assert block.values[0, 0, 0] == values[:2, :2, :2].mean() == 10.5


@pytest.mark.parametrize(("shape", "frame"), [((9, 20, 30), 0.0), ((3, 9, 20, 30), 1.5)])
def test_slabs_together_are_the_field_on_the_blocks_grid(make_grid, exact_field, shape, frame):
    grid = make_grid(shape)
    field = exact_field(grid)
    coarse = block_grid(grid, frame, edge=10)
    slabs = slabs_of(coarse, most=2 * 10 * 7)
    assert len(slabs) > 1
    assert [stop for _, stop in slabs[:-1]] == [start for start, _ in slabs[1:]]
    block = np.concatenate([field_slab(field, coarse, planes, 0) for planes in slabs])
    space = spatial_grid(coarse)
    assert block.shape == space.shape == (3, 7, 10)
    axes = [space.axis_positions(axis) for axis in range(3)]
    world = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    if len(shape) == 4:
        time = grid.origin[0] + frame * grid.voxel_size[0]
        world = np.concatenate([np.full((len(world), 1), time), world], axis=1)
    expected = values_at(field, world)[:, 0].reshape(space.shape)
    np.testing.assert_allclose(block, expected, atol=1e-5)


def test_a_field_is_never_asked_for_more_finely_than_the_edge_and_fills_the_volumes_box(make_grid):
    grid = make_grid((100, 40, 60))
    coarse = block_grid(grid, 0.0, edge=25)
    assert coarse.shape == (25, 10, 15)
    assert coarse.extent == pytest.approx(grid.extent)
    assert block_grid(grid, 0.0, edge=500) == grid


def test_a_slab_has_at_least_one_plane(make_grid):
    grid = make_grid((4, 50, 50))
    assert slabs_of(grid, most=10) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert slabs_of(grid, most=10**6) == [(0, 4)]
