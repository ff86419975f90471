"""Evaluating a field: the same values by index, by position, slab by slab, and on many grids at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from dinr_studio.config import FieldConfig
from dinr_studio.coordinates import CoordinateMap
from dinr_studio.fields.build import build_field
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_grids, evaluate_slabs, values_at, values_at_indices
from dinr_studio.sampling.latent import at_latent_time


@pytest.mark.parametrize("shape", [(30,), (9, 11), (5, 6, 7), (3, 4, 5, 6)])
def test_positions_indices_and_slabs_agree_with_the_truth(make_grid, exact_field, truth, shape, monkeypatch):
    monkeypatch.setattr("dinr_studio.sampling.evaluate.TILE", 17)
    monkeypatch.setattr("dinr_studio.sampling.evaluate.SLAB_VALUES", 50)
    grid = make_grid(shape)
    field = exact_field(grid)
    index = np.stack(np.unravel_index(np.arange(grid.size), shape), axis=-1)
    expected = truth(grid.world(index))
    np.testing.assert_allclose(values_at(field, grid.world(index))[:, 0], expected, atol=1e-4)
    np.testing.assert_allclose(values_at_indices(field, np.arange(grid.size))[:, 0], expected, atol=1e-4)
    slabs = list(evaluate_slabs(field, grid))
    assert len(slabs) > 1 or shape == (30,)
    np.testing.assert_allclose(np.concatenate(slabs).ravel(), expected, atol=1e-4)


@pytest.fixture
def network_field(make_grid):
    """A dynamical field of two channels with fresh weights, on a small grid."""
    grid = make_grid((6, 7, 8))
    config = FieldConfig(
        family="dinr-ffnet", embedding="fourier", features=16, width=16, bandwidth=1.0, steps=4, zero_start=False
    )
    module = build_field(config, 3, 2, seed=2).eval().requires_grad_(False)
    return FieldOnGrid(module, CoordinateMap.of(grid), Normalisation((2.0, 30.0), (-1.0, 5.0)), grid, 2)


def by_the_module(field, module):
    """Values (*shape, channels) on the field's own grid, in the data's unit, by a module itself."""
    grid = field.grid
    index = np.stack(np.unravel_index(np.arange(grid.size), grid.shape), axis=-1)
    x = torch.from_numpy(field.coordinates.network(grid.world(index)).astype(np.float32))
    with torch.no_grad():
        return field.normalisation.to_values(module(x).numpy()).reshape(*grid.shape, -1)


def test_the_frozen_form_computes_what_the_module_does(network_field):
    found = np.concatenate(list(evaluate_slabs(network_field, network_field.grid)))
    expected = by_the_module(network_field, network_field.module)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))
    assert network_field.frozen is not network_field.module
    assert network_field.frozen is network_field.frozen  # made once
    assert replace(network_field).frozen is not network_field.frozen


@pytest.mark.parametrize("time", [0.0, 0.4, 1.0])
def test_an_earlier_latent_time_is_evaluated_by_its_frozen_form_too(network_field, time):
    early = at_latent_time(network_field, time)
    found = np.concatenate(list(evaluate_slabs(early, early.grid)))
    expected = by_the_module(early, early.module)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))
    assert early.frozen is not early.module
    last = np.concatenate(list(evaluate_slabs(network_field, network_field.grid)))
    assert (np.abs(found - last).max() < 1e-3 * np.ptp(last)) == (time == 1.0)


def test_many_grids_at_once_are_as_if_one_by_one(network_field):
    grid = network_field.grid
    grids = [grid, grid.cropped((1, 2, 3), (4, 3, 8)), grid.upsampled((1.0, 0.5, 2.0))]
    together = evaluate_grids(network_field, grids)
    assert [values.shape for values in together] == [(*one.shape, 2) for one in grids]
    for one, values in zip(grids, together, strict=True):
        assert values.dtype == np.float32
        expected = np.concatenate(list(evaluate_slabs(network_field, one)))
        np.testing.assert_allclose(values, expected, atol=1e-5 * np.ptp(expected))
    assert evaluate_grids(network_field, []) == []


def test_several_threads_may_evaluate_one_field(network_field):
    grids = [network_field.grid.upsampled((1.0, 1.0, 1.0 + k / 4)) for k in range(6)]

    def evaluate(grid):
        return np.concatenate(list(evaluate_slabs(network_field, grid)))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(evaluate, grids * 3))
    for grid, values in zip(grids * 3, found, strict=True):
        np.testing.assert_allclose(values, evaluate(grid), atol=1e-5 * np.ptp(values))


def test_threads_that_share_a_tile_compute_what_one_does(network_field):
    target = network_field.grid.with_shape((9, 16, 25))
    alone = np.concatenate(list(evaluate_slabs(network_field, target)))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        shared = np.concatenate(list(evaluate_slabs(network_field, target)))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(shared, alone, rtol=1e-5, atol=1e-5)
