"""Batches: every training voxel once an epoch, in an order that depends on seed and epoch alone."""

import numpy as np
import pytest

from dinr_studio.training.batches import Batches


@pytest.mark.parametrize(("voxels", "batch"), [(1000, 128), (100, 100), (7, 100), (1001, 10)])
def test_an_epoch_holds_every_training_voxel_once(voxels, batch):
    chosen = np.arange(voxels) * 3 + 1
    batches = Batches(chosen, batch, seed=1)
    for epoch in (0, 2):
        steps = [batches.voxels(epoch * batches.per_epoch + i) for i in range(batches.per_epoch)]
        assert max(map(len, steps)) <= batch
        assert max(map(len, steps)) - min(map(len, steps)) <= 1
        np.testing.assert_array_equal(np.sort(np.concatenate(steps)), chosen)
