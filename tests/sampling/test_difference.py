"""Two fields beside each other: where both are, and how much one has more than the other."""

from dataclasses import replace

import numpy as np
import pytest

from dinr_studio.coordinates import Orientation
from dinr_studio.errors import ConfigError
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.difference import coarse, differences, shared_grid


def finished(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_the_same_voxels_are_all_compared(make_grid):
    grid = make_grid((5, 6, 7))
    moved = replace(grid, origin=tuple(o + 1e-9 for o in grid.origin))
    assert shared_grid(grid, moved) == (grid, "")


def test_different_boxes_are_compared_where_they_overlap_on_the_first_one_s_voxels(make_grid):
    grid = make_grid((8, 8), voxel_size=(1.0, 2.0), origin=(0.5, 1.0))
    other = make_grid((20, 8), voxel_size=(0.5, 2.0), origin=(4.25, 5.0))
    shared, where = shared_grid(grid, other)
    assert shared.shape == (4, 6)
    assert shared.origin == (4.5, 5.0)
    assert shared.voxel_size == grid.voxel_size
    assert where == "where both are, on the first one's voxels: y 4 to 8 nm, x 4 to 16 nm"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"origin": (100.0, 0.0, 0.0)}, "no place in common: along z one goes from"),
        ({"units": ("mm", "mm", "mm")}, "lengths are in nm, nm, nm and the other's in mm, mm, mm"),
        ({"axes": ("t", "y", "x")}, "the axes z, y, x and the other t, y, x"),
        ({"orientation": Orientation(space="RAS")}, "turned in different ways"),
    ],
)
def test_fields_without_places_in_common_are_refused_in_a_sentence(make_grid, change, sentence):
    grid = make_grid((4, 5, 6))
    with pytest.raises(ConfigError, match=sentence):
        shared_grid(grid, replace(grid, **change))


def test_a_field_that_is_higher_everywhere_differs_by_just_that(exact_field, make_grid):
    first = exact_field(make_grid((6, 7, 8)))
    second = replace(first, normalisation=Normalisation((1.0,), (0.25,)))
    found = finished(differences(first, second, data_range=5.0))
    assert found.rms == pytest.approx(0.25, rel=1e-5)
    assert found.bias == pytest.approx(0.25, rel=1e-5)
    assert found.largest == pytest.approx(0.25, rel=1e-5)
    assert found.psnr == pytest.approx(20 * np.log10(5 / 0.25), abs=1e-3)
    assert found.as_dict()["shape"] == [6, 7, 8]


def test_the_largest_difference_is_found_where_it_is(exact_field, make_grid, truth):
    grid = make_grid((6, 7, 8))
    first = exact_field(grid)
    second = replace(first, normalisation=Normalisation((2.0,), (0.0,)))  # so that the difference is the value itself
    found = finished(differences(first, second, data_range=1.0))
    places = np.stack(np.meshgrid(*(grid.axis_positions(i) for i in range(3)), indexing="ij"), axis=-1)
    highest = np.unravel_index(np.abs(truth(places)).argmax(), grid.shape)
    assert found.at == pytest.approx(tuple(places[highest]))
    assert found.largest == pytest.approx(np.abs(truth(places)).max(), rel=1e-6)
    assert found.rms == pytest.approx(np.sqrt(np.mean(truth(places) ** 2)), rel=1e-6)


def test_fields_of_unlike_values_are_refused(exact_field, make_grid):
    first = replace(exact_field(make_grid((4, 4))), value_unit="K")
    with pytest.raises(ConfigError, match="values are in K and the other's in Pa"):
        finished(differences(first, replace(first, value_unit="Pa"), 1.0))
    with pytest.raises(ConfigError, match="has 1 channels and the other 2"):
        finished(differences(first, replace(first, channels=2), 1.0))


def test_a_large_grid_is_looked_at_coarsely_in_the_same_box(make_grid):
    grid = make_grid((100, 200, 300))
    small = coarse(grid, 1000)
    assert small.extent == pytest.approx(grid.extent)
    assert small.size <= 1400
