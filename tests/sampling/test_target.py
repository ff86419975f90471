"""Target grids: by factor, size, shape and box, or refused in words."""

import numpy as np
import pytest

from dinr_studio.errors import ConfigError
from dinr_studio.sampling.target import target_grid


def test_a_factor_of_two_halves_the_voxels_and_keeps_the_box(make_grid):
    grid = target_grid(make_grid((4, 5, 6)), factor=(2,))
    assert grid.shape == (8, 10, 12)
    assert grid.voxel_size == (1.0, 0.75, 0.5)
    np.testing.assert_allclose(grid.origin, (-7.5, 3.625, 0.0))


def test_one_number_leaves_time_alone_and_one_for_each_axis_does_not(make_grid):
    grid = make_grid((2, 4, 5, 6))
    assert target_grid(grid, factor=(2,)).shape == (2, 8, 10, 12)
    assert target_grid(grid, factor=(3, 1, 1, 1)).shape == (6, 4, 5, 6)
    assert target_grid(grid, voxel_size=(0.5,)).voxel_size == (0.5, 0.5, 0.5, 0.5)


def test_a_shape_and_a_voxel_size_are_met_exactly(make_grid):
    grid = make_grid((4, 5, 6))
    assert target_grid(grid, shape=(7, 8, 9)).shape == (7, 8, 9)
    assert target_grid(grid, voxel_size=(1.0,)).voxel_size == (1.0, 1.0, 1.0)


def test_a_box_in_world_units_keeps_voxels_where_they_are(make_grid):
    grid = make_grid((4, 5, 6))  # faces at z -8, y 3.25, x -0.25
    part = target_grid(grid, box=((-6, -2), (3.25, 20), (-100, 2.75)))
    assert part.shape == (2, 5, 3)
    np.testing.assert_allclose(part.origin, (-5.0, 4.0, 0.25))
    assert target_grid(grid, box=((-6, -2), (3.25, 20), (-100, 2.75)), factor=(2,)).shape == (4, 10, 6)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"factor": (2,), "shape": (1, 2, 3)}, "only one"),
        ({"factor": (0,)}, "positive"),
        ({"factor": (2, 2)}, "2 numbers"),
        ({"shape": (4,)}, "give one for each"),
        ({"voxel_size": (-1,)}, "positive"),
        ({"box": ((0, 1), (0, 1))}, "2 ranges"),
        ({"box": ((500, 600), (0, 10), (0, 10))}, "holds no voxel"),
    ],
)
def test_what_is_not_possible_is_refused_in_words(make_grid, options, word):
    with pytest.raises(ConfigError, match=word):
        target_grid(make_grid((4, 5, 6)), **options)


@pytest.mark.parametrize("options", [{"factor": (1e30,)}, {"factor": (1e308,)}, {"voxel_size": (1e-320,)}])
def test_a_grid_beyond_all_bounds_is_refused_briefly(make_grid, options):
    with pytest.raises(ConfigError, match="choose a smaller factor or larger voxels") as caught:
        target_grid(make_grid((4, 5, 6)), **options)
    assert len(str(caught.value)) < 200
