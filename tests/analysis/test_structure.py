"""Scores of structure of maps whose differences are known, whole, by region and by band."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from skimage.metrics import structural_similarity

from dinr_studio.analysis.structure import structure
from dinr_studio.errors import DataError

SIZE = (2.0, 1.0, 0.5)
AXES = ("z", "y", "x")


@pytest.fixture(scope="module")
def data():
    z, y, x = np.meshgrid(np.arange(16.0), np.arange(18.0), np.arange(20.0), indexing="ij")
    return np.sin(z / 3) + np.cos(y / 4) + 0.5 * np.sin(x / 2 + y / 5)


def test_an_exact_field_has_perfect_scores(data):
    found = structure(data, data, SIZE, axes=AXES)
    assert found.whole.ssim == pytest.approx(1)
    assert found.whole.gradient_error == found.whole.histogram_distance == found.whole.mae == 0
    assert len(found.regions) == 8
    assert sum(one.voxels for one in found.regions.values()) == data.size
    assert all(band.error == 0 and band.correlation == pytest.approx(1) for band in found.bands)
    assert sum(band.share for band in found.bands) == pytest.approx(1)


def test_the_scores_are_those_of_other_libraries(data):
    field = data + 0.2 * np.random.default_rng(0).standard_normal(data.shape)
    found = structure(data, field, SIZE, axes=AXES).whole
    assert found.histogram_distance == pytest.approx(wasserstein_distance(data.ravel(), field.ravel()))
    assert found.ssim == pytest.approx(structural_similarity(data, field, data_range=np.ptp(data)), abs=0.02)


def test_a_shift_of_all_values_changes_histograms_and_no_gradient(data):
    found = structure(data, data + 0.25, SIZE, axes=AXES).whole
    assert found.histogram_distance == pytest.approx(0.25)
    assert found.gradient_error == pytest.approx(0, abs=1e-12)


def test_gradients_are_taken_in_units_of_length():
    """Of z + x on voxels of 2 by 0.5 units, a field that lacks x misses gradient 2 of (0.5, 2)."""
    z, x = np.meshgrid(np.arange(12.0), np.arange(12.0), indexing="ij")
    found = structure(z + x, z, (2.0, 0.5), axes=("z", "x"))
    assert found.whole.gradient_error == pytest.approx(2 / np.hypot(0.5, 2))


def test_an_error_in_one_octant_or_region_shows_there_alone(data):
    field = data.copy()
    field[:4, :4, :4] += 0.5
    found = structure(data, field, SIZE, axes=AXES)
    worst = min(found.regions, key=lambda name: found.regions[name].psnr)
    assert worst == "z low, y low, x low"
    assert found.regions["z high, y high, x high"].ssim == pytest.approx(1)
    labels = np.zeros(data.shape, dtype=int)
    labels[:4, :4, :4], labels[10:, 10:, 10:] = 3, 7
    found = structure(data, field, SIZE, axes=AXES, labels=labels)
    assert list(found.regions) == ["region 3", "region 7"]
    assert found.regions["region 3"].mae == pytest.approx(0.5)
    assert found.regions["region 7"].mae == 0


def test_a_missing_wave_is_an_error_of_its_band_alone():
    at = np.arange(64.0)
    low, high = np.cos(2 * np.pi * 3 / 64 * at), np.cos(2 * np.pi * 20 / 64 * at)
    data = (low[:, None] + high) + np.zeros((64, 64))
    found = structure(data, np.tile(low[:, None], (1, 64)), (0.5, 0.5), axes=("y", "x"))
    errors = {band.low <= 20 / 32 < band.high: band.error for band in found.bands if band.share > 1e-6}
    assert errors[True] == pytest.approx(1)
    assert errors[False] == pytest.approx(0, abs=1e-9)
    assert found.bands[-1].high == pytest.approx(1, rel=0.02)


def test_missing_voxels_do_not_count(data):
    missing = np.zeros(data.shape, dtype=bool)
    missing[:5] = True
    found = structure(data, np.where(missing, 1e6, data), SIZE, axes=AXES, missing=missing)
    assert found.whole.mae == 0
    assert found.whole.voxels == (~missing).sum()


def test_constant_data_and_numbers_that_are_no_labels_are_refused(data):
    with pytest.raises(DataError, match="no structure"):
        structure(np.ones((8, 8)), np.ones((8, 8)), (1.0, 1.0), axes=("y", "x"))
    with pytest.raises(DataError, match="one for each region"):
        structure(data, data, SIZE, axes=AXES, labels=np.arange(data.size).reshape(data.shape))
