"""Grids and coordinate maps: voxels stay where they are in the world, whatever is done to the grid."""

import numpy as np
import pytest

from dinr_studio.coordinates import CoordinateMap, flat_to_index, reversed_axes
from dinr_studio.errors import ConfigError


def faces(grid):
    start = np.array(grid.origin) - np.array(grid.voxel_size) / 2
    return start, start + np.array(grid.extent)


@pytest.mark.parametrize("factor", [(1, 1, 1), (2, 2, 2), (3, 1, 2), (0.5, 1.5, 4)])
def test_an_upsampled_grid_fills_the_same_physical_box(make_grid, factor):
    grid = make_grid((4, 6, 8))
    fine = grid.upsampled(factor)
    assert fine.shape == tuple(round(n * f) for n, f in zip(grid.shape, factor, strict=True))
    np.testing.assert_allclose(faces(fine), faces(grid), rtol=1e-12)
    np.testing.assert_allclose(np.array(fine.voxel_size) * fine.shape, grid.extent, rtol=1e-12)


def test_every_third_voxel_of_a_grid_upsampled_by_three_lies_on_an_old_one(make_grid):
    grid = make_grid((4, 5, 6))
    fine = grid.upsampled((3, 3, 3))
    for axis in range(3):
        np.testing.assert_allclose(fine.axis_positions(axis)[1::3], grid.axis_positions(axis), rtol=1e-12)


def test_a_grid_of_a_given_voxel_size_has_exactly_that_size_and_covers_the_box(make_grid):
    grid = make_grid((4, 5, 6))
    other = grid.with_voxel_size((0.7, 0.5, 1.1))
    assert other.voxel_size == (0.7, 0.5, 1.1)
    low, high = faces(other)
    np.testing.assert_allclose(low, faces(grid)[0], rtol=1e-12)
    beyond = high - faces(grid)[1]
    assert (beyond > -1e-5).all()
    assert (beyond < other.voxel_size).all()


def test_a_cropped_grid_keeps_the_positions_of_its_voxels(make_grid):
    grid = make_grid((4, 5, 6))
    part = grid.cropped((1, 0, 2), (3, 5, 6))
    assert part.shape == (2, 5, 4)
    for axis, start in enumerate((1, 0, 2)):
        np.testing.assert_allclose(
            part.axis_positions(axis), grid.axis_positions(axis)[start : start + part.shape[axis]]
        )


def test_world_and_index_undo_each_other(make_grid):
    grid = make_grid((3, 4, 5, 6))
    index = np.random.default_rng(0).uniform(-2, 8, (50, 4))
    np.testing.assert_allclose(grid.index(grid.world(index)), index, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(grid.world(np.zeros(4)), grid.origin)


def test_the_outer_faces_of_the_longest_edge_lie_at_minus_one_and_one_and_the_aspect_is_physical(make_grid):
    grid = make_grid((4, 6, 30), voxel_size=(2.0, 1.5, 1.0))
    seen = CoordinateMap.of(grid).network(np.stack(faces(grid)))
    np.testing.assert_allclose(seen, np.array([[-8, -9, -30], [8, 9, 30]]) / 30, atol=1e-12)


def test_scaling_per_axis_stretches_every_axis_to_the_whole_interval(make_grid):
    grid = make_grid((4, 6, 30))
    seen = CoordinateMap.of(grid, "per-axis").network(np.stack(faces(grid)))
    np.testing.assert_allclose(seen, [[-1] * 3, [1] * 3], atol=1e-12)


def test_time_runs_from_zero_to_one_and_does_not_set_the_scale_of_space(make_grid):
    grid = make_grid((100, 4, 6, 10), voxel_size=(10.0, 1.0, 1.0, 1.0))
    seen = CoordinateMap.of(grid).network(np.stack(faces(grid)))
    np.testing.assert_allclose(seen, [[0, -0.4, -0.6, -1], [1, 0.4, 0.6, 1]], atol=1e-12)


def test_network_and_world_undo_each_other_and_agree_with_the_affine_map_of_indices(make_grid):
    grid = make_grid((3, 4, 5, 6))
    coordinates = CoordinateMap.of(grid)
    index = np.random.default_rng(1).uniform(0, 6, (40, 4))
    world = grid.world(index)
    np.testing.assert_allclose(coordinates.world(coordinates.network(world)), world, rtol=1e-10)
    slope, intercept = coordinates.index_affine(grid)
    np.testing.assert_allclose(index * slope + intercept, coordinates.network(world), atol=1e-12)


def test_the_same_world_position_has_the_same_network_coordinates_on_a_finer_grid(make_grid):
    grid = make_grid((4, 5, 6))
    coordinates, fine = CoordinateMap.of(grid), grid.upsampled((3, 3, 3))
    slope, intercept = coordinates.index_affine(fine)
    old = coordinates.network(grid.world(np.array([2, 3, 4])))
    np.testing.assert_allclose(np.array([7, 10, 13]) * slope + intercept, old, atol=1e-12)


def test_flat_positions_become_indices_in_row_major_order():
    np.testing.assert_array_equal(flat_to_index(np.array([0, 5, 59]), (3, 4, 5)), [[0, 0, 0], [0, 1, 0], [2, 3, 4]])


def test_the_only_swap_of_axes_undoes_itself():
    assert reversed_axes(("z", "y", "x")) == ("x", "y", "z")
    assert reversed_axes(reversed_axes((1, 2, 3))) == (1, 2, 3)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"voxel_size": (0.0, 1.0, 1.0)}, "positive"),
        ({"voxel_size": (float("nan"), 1.0, 1.0)}, "positive"),
        ({"origin": (float("inf"), 1.0, 1.0)}, "finite"),
        ({"axes": ("y", "y", "x")}, "once"),
        ({"voxel_size": (1.0, 1.0)}, "needs 3"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused_in_words(make_grid, options, word):
    with pytest.raises(ConfigError, match=word):
        make_grid((2, 3, 4), **options)


def test_five_axes_and_boxes_outside_the_grid_are_refused(make_grid):
    with pytest.raises(ConfigError, match="5 axes"):
        make_grid((2,) * 5, voxel_size=(1,) * 5, origin=(0,) * 5, axes=("t", "z", "y", "x", "w"))
    with pytest.raises(ConfigError, match="within"):
        make_grid((4, 5)).cropped((0, 0), (4, 6))
