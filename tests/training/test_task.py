"""What a run works on: outliers and held-out voxels set aside, values taken straight from the volume."""

import numpy as np
import pytest

from dinr_studio.errors import DataError
from dinr_studio.training.task import prepare
from dinr_studio.volume import make_volume


@pytest.fixture
def spoiled(make_smooth_volume):
    """A smooth volume with one hot pixel at flat index 500 and one missing voxel at 600."""
    volume = make_smooth_volume((12, 12, 12))
    values = volume.values[..., 0].copy()
    values.ravel()[500], values.ravel()[600] = 1e5, np.nan
    return make_volume(values, volume.grid)


def test_voxels_are_trained_on_held_out_or_missing_and_never_two_of_these(spoiled, make_config):
    task = prepare(spoiled, make_config(held_out_share=0.1).training)
    held_out = np.flatnonzero(task.held_out)
    assert not set(held_out) & set(task.training)
    assert set(held_out) | set(task.training) == set(range(12**3)) - {500, 600}
    assert set(task.watched) <= set(held_out)


def test_a_hot_pixel_is_left_out_and_spoils_neither_range_nor_normalisation(spoiled, make_config, make_smooth_volume):
    task = prepare(spoiled, make_config().training)
    clean = make_smooth_volume((12, 12, 12))
    assert task.outliers == 1
    assert task.data_range == pytest.approx(clean.value_range[1] - clean.value_range[0], rel=0.01)
    assert task.normalisation.scale[0] == pytest.approx((clean.value_range[1] - clean.value_range[0]) / 2, rel=0.1)


def test_a_hot_pixel_can_be_clipped_or_kept(spoiled, make_config):
    clipped = prepare(spoiled, make_config(outliers="clip", held_out_share=0).training)
    assert 500 in clipped.training
    assert clipped.source.values(np.array([500]))[0, 0] == pytest.approx(clipped.volume.value_range[1])
    kept = prepare(spoiled, make_config(outliers="keep", held_out_share=0).training)
    assert kept.outliers == 0
    assert kept.source.values(np.array([500]))[0, 0] == 1e5


def test_samples_are_the_network_coordinates_and_normalised_values_of_voxels(make_smooth_volume, make_config):
    volume = make_smooth_volume((5, 6, 7), dtype=np.int16)
    task = prepare(volume, make_config().training)
    flat = np.array([0, 41, 209])
    samples = task.source.samples(flat)
    index = np.stack(np.unravel_index(flat, volume.grid.shape), axis=-1)
    np.testing.assert_allclose(samples.coordinates, task.coordinates.network(volume.grid.world(index)), atol=1e-6)
    expected = task.normalisation.to_network(volume.values.reshape(-1, 1)[flat])
    np.testing.assert_allclose(samples.values, expected, atol=1e-6)
    assert task.source._values.base is not None  # a view: no copy of the volume in another type


def test_a_fit_that_memory_does_not_hold_is_refused_before_it_begins(make_smooth_volume, make_config, monkeypatch):
    volume = make_smooth_volume((8, 9, 10))
    monkeypatch.setattr("dinr_studio.training.task.available_bytes", lambda: 20 * 720)
    with pytest.raises(DataError, match=r"720 voxels takes about .* GB of memory"):
        prepare(volume, make_config().training)
