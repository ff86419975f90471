"""Batches: every training voxel once an epoch, in an order that depends on seed and epoch alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinr_studio.training.batches import Batches, permuted


@given(size=st.integers(1, 3000), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10**6))
def test_the_order_is_a_permutation_of_any_size(size, seed, epoch):
    order = permuted(np.arange(size), size, (seed, epoch))
    assert np.array_equal(np.sort(order), np.arange(size))


def test_a_part_of_the_order_is_that_part_of_the_whole():
    whole = permuted(np.arange(1000), 1000, (3, 5))
    np.testing.assert_array_equal(permuted(np.arange(300, 400), 1000, (3, 5)), whole[300:400])


def test_the_order_looks_random():
    """Neighbours, epochs and seeds are uncorrelated to within four standard deviations."""
    size = 20_000
    one, two, other = (permuted(np.arange(size), size, key) for key in ((0, 0), (0, 1), (1, 0)))
    limit = 4 / np.sqrt(size)
    for a, b in ((one[:-1], one[1:]), (one, np.arange(size)), (one, two), (one, other)):
        assert abs(np.corrcoef(a, b)[0, 1]) < limit


@pytest.mark.parametrize(("voxels", "batch"), [(1000, 128), (100, 100), (7, 100), (1001, 10)])
def test_an_epoch_holds_every_training_voxel_once(voxels, batch):
    chosen = np.arange(voxels) * 3 + 1
    batches = Batches(chosen, batch, seed=1)
    for epoch in (0, 2):
        steps = [batches.voxels(epoch * batches.per_epoch + i) for i in range(batches.per_epoch)]
        assert max(map(len, steps)) <= batch
        assert max(map(len, steps)) - min(map(len, steps)) <= 1
        np.testing.assert_array_equal(np.sort(np.concatenate(steps)), chosen)
