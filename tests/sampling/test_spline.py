"""The spline through all voxels: against SciPy along a line, and in the right places on unlike grids."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from dinr_studio.sampling.spline import bases, needed_box, spline_slab, to_coefficients
from dinr_studio.sampling.stacked import stacked_slabs

SHAPES = [(9,), (1, 9), (7, 8), (4, 3, 6), (2, 5, 6, 7)]


def places(grid):
    """World positions (*shape, axes) of a grid's voxel centres."""
    return np.stack(np.meshgrid(*(grid.axis_positions(i) for i in range(len(grid.shape))), indexing="ij"), axis=-1)


def splined(values, grid, target, thickness=2):
    """A spline's values on a grid, slab by slab."""
    coefficients = values.astype(np.float32)
    to_coefficients(coefficients)
    matrices = bases(grid, target)
    stops = range(0, target.shape[0], thickness)
    return np.concatenate([spline_slab(coefficients, matrices, i, min(i + thickness, target.shape[0])) for i in stops])


@pytest.mark.parametrize("n", [4, 5, 6, 7, 30])
def test_along_a_line_it_is_scipy_s_not_a_knot_spline(make_grid, n):
    grid = make_grid((n,), voxel_size=(0.7,))
    values = np.random.default_rng(n).standard_normal((n, 2))
    target = grid.upsampled((7,))
    at = target.axis_positions(0)
    inside = (at >= grid.origin[0]) & (at <= grid.axis_positions(0)[-1])
    expected = CubicSpline(grid.axis_positions(0), values)(at)
    np.testing.assert_allclose(splined(values, grid, target)[inside], expected[inside], atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_at_voxel_centres_it_is_the_data(make_grid, shape):
    grid = make_grid(shape)
    values = np.random.default_rng(0).standard_normal((*shape, 3)).astype(np.float32)
    np.testing.assert_allclose(splined(values, grid, grid), values, atol=2e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [2, 3, 0.5])
def test_a_ramp_is_exact_everywhere_in_the_box(make_grid, shape, factor):
    grid = make_grid(shape)
    target = grid.upsampled([factor if n > 1 else 1 for n in shape])
    slope = np.array([0.11, -0.2, 0.05, 0.07])[: len(shape)]
    np.testing.assert_allclose(
        splined((places(grid) @ slope)[..., np.newaxis], grid, target)[..., 0], places(target) @ slope, atol=2e-5
    )


@pytest.mark.parametrize("shape", [(40,), (30, 24), (16, 18, 20)])
def test_a_smooth_function_is_met_between_the_voxels(make_grid, truth, shape):
    grid = make_grid(shape)
    target = grid.upsampled([3] * len(shape))
    error = splined(truth(places(grid))[..., np.newaxis], grid, target)[..., 0] - truth(places(target))
    inner = tuple(slice(2, -2) for _ in shape)  # the outermost half voxel is extrapolated
    assert np.abs(error[inner]).max() < 5e-3
    assert np.abs(error).max() < 0.1


def test_beyond_the_box_it_keeps_the_face_s_value(make_grid):
    grid = make_grid((6,), voxel_size=(1.0,), origin=(0.0,))
    target = make_grid((3,), voxel_size=(1.0,), origin=(5.5,))
    np.testing.assert_allclose(splined(np.arange(6.0)[:, None], grid, target)[:, 0], 5.5, atol=1e-5)


def test_a_part_of_the_data_is_enough_for_a_part_of_the_box(make_grid):
    grid = make_grid((60, 70))
    values = np.random.default_rng(0).standard_normal((60, 70, 1))
    target = grid.cropped((25, 3), (30, 9)).upsampled((3, 3))
    start, stop = needed_box(grid, target)
    assert (stop[0] - start[0]) < 45
    part = values[start[0] : stop[0], start[1] : stop[1]]
    np.testing.assert_allclose(
        splined(part, grid.cropped(start, stop), target), splined(values, grid, target), atol=1e-5
    )


def test_the_mean_is_in_the_data_s_unit_by_channel(make_grid, exact_field, truth):
    from dataclasses import replace

    from dinr_studio.normalisation import Normalisation

    grid = make_grid((12, 14))
    scaled = Normalisation((20.0,), (-300.0,))
    field = replace(exact_field(grid), normalisation=scaled)
    samples = scaled.to_network(np.full((12, 14, 1), 7.0))
    target = grid.upsampled((2, 2))
    found = np.concatenate(list(stacked_slabs(field, (0.25,), samples, grid, target)))
    expected = 0.25 * (truth(places(target)) * 20 - 300) + 0.75 * 7
    np.testing.assert_allclose(found[..., 0], expected, atol=2e-4)


MEMORY = """
import json, sys
import numpy as np
import torch
torch.set_num_threads(1)
from dinr_studio.coordinates import CoordinateMap, Grid
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.stacked import stacked_slabs
from dinr_studio.training.device import peak_bytes
n = int(sys.argv[1])
small = Grid((64,) * 3, (1.0,) * 3, (0.0,) * 3, ("nm",) * 3, ("z", "y", "x"))
field = FieldOnGrid(torch.nn.Linear(3, 1), CoordinateMap.of(small), Normalisation((1.0,), (0.0,)), small, 1)
for _ in stacked_slabs(field, (0.5,), np.zeros((64, 64, 64, 1), np.float32), small, small.with_shape((n,) * 3)):
    pass
print(json.dumps(peak_bytes()))
"""


def test_memory_stays_flat_as_the_output_grows():
    peaks = [
        json.loads(subprocess.run([sys.executable, "-c", MEMORY, n], check=True, capture_output=True).stdout)
        for n in ("96", "192")
    ]
    assert peaks[1] - peaks[0] < 24 << 20
