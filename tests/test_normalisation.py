"""Normalisation: an exact affine map that a few hot pixels cannot spoil."""

import numpy as np
import pytest

from dinr_studio.normalisation import NORMALISATIONS, min_max_normalisation, percentile_normalisation, present_sample
from dinr_studio.volume import make_volume


@pytest.mark.parametrize("name", list(NORMALISATIONS))
def test_values_come_back_from_the_network_s_range(make_smooth_volume, name):
    volume = make_smooth_volume((8, 9, 10))
    normalisation = NORMALISATIONS[name](volume)
    back = normalisation.to_values(normalisation.to_network(volume.values))
    np.testing.assert_allclose(back, volume.values, rtol=1e-6)


def test_the_percentiles_become_minus_one_and_one(make_grid):
    values = np.random.default_rng(0).normal(100, 5, (40, 50))
    normalised = percentile_normalisation(make_volume(values, make_grid((40, 50)))).to_network(values[..., None])
    np.testing.assert_allclose(np.percentile(normalised, (0.1, 99.9)), (-1, 1), atol=1e-5)


def test_least_and_greatest_become_zero_and_one(make_grid):
    values = np.array([[2.0, 4.0], [6.0, 10.0]])
    normalised = min_max_normalisation(make_volume(values, make_grid((2, 2)))).to_network(values[..., None])
    np.testing.assert_allclose(normalised[..., 0], [[0, 0.25], [0.5, 1]])


def test_missing_values_take_no_part(make_grid):
    values = np.array([[2.0, 4.0], [6.0, -1e9]])
    volume = make_volume(values, make_grid((2, 2)), fill=-1e9)
    assert min_max_normalisation(volume).offset == (2.0,)
    assert len(present_sample(volume)) == 3


def test_an_almost_empty_volume_falls_back_on_its_extremes(make_grid):
    values = np.zeros((100, 100))
    values[3, 4] = 5.0
    normalisation = percentile_normalisation(make_volume(values, make_grid((100, 100))))
    np.testing.assert_allclose(normalisation.to_network(np.array([[0.0], [5.0]])), [[-1], [1]])


def test_each_channel_has_its_own_scale(make_grid):
    values = np.stack([np.linspace(0, 1, 100), np.linspace(-500, 500, 100)], axis=-1).reshape(10, 10, 2)
    normalised = min_max_normalisation(make_volume(values, make_grid((10, 10)))).to_network(values)
    np.testing.assert_allclose(normalised[..., 0], normalised[..., 1], atol=1e-6)


def test_a_thinned_sample_sees_every_row_of_a_large_volume(make_grid):
    values = np.repeat(np.arange(64), 64).reshape(64, 64)
    sample = present_sample(make_volume(values, make_grid((64, 64))), most=1000)
    assert len(sample) <= 1400
    assert set(sample.ravel()) == set(range(64))
