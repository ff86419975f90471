"""Evaluating a field: the same values by index, by position, and slab by slab."""

import numpy as np
import pytest

from dinr_studio.sampling.evaluate import evaluate_slabs, values_at, values_at_indices


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
