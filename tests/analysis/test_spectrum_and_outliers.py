"""Spectra of known waves; hot pixels found, peaks of the data left alone."""

import numpy as np
import pytest

from dinr_studio.analysis.outliers import isolated_outliers
from dinr_studio.analysis.spectrum import radial_spectrum
from dinr_studio.coordinates import CoordinateMap
from dinr_studio.volume import make_volume


def spectrum_of(values, grid):
    volume = make_volume(values, grid)
    return radial_spectrum(volume, CoordinateMap.of(volume.grid))


@pytest.mark.parametrize("cycles", [3, 9])
def test_a_wave_has_its_own_frequency_in_cycles_per_network_unit(make_grid, cycles):
    grid = make_grid((64, 64), voxel_size=(2.0, 1.0))  # 128 by 64 units long, so 2 and 1 network units
    y = np.arange(64) / 64
    spectrum = spectrum_of(np.sin(2 * np.pi * cycles * y)[:, None] * np.ones(64), grid)
    assert spectrum.frequency[np.argmax(spectrum.power * spectrum.modes)] == pytest.approx(cycles / 2, abs=0.51)
    assert spectrum.rms_frequency == pytest.approx(cycles / 2, rel=0.25)


def test_white_noise_is_recognised_and_a_smooth_field_has_none(make_grid, make_smooth_volume):
    noise = np.random.default_rng(0).normal(size=(32, 32, 32))
    grid = make_grid(noise.shape, voxel_size=(1.0, 1.0, 1.0))
    assert spectrum_of(noise, grid).noise_share > 0.8
    assert radial_spectrum(make_smooth_volume((32, 32, 32)), CoordinateMap.of(grid)).noise_share < 0.01


def test_the_power_of_white_noise_is_its_variance(make_grid):
    noise = np.random.default_rng(0).normal(0, 3, (48, 48))
    assert np.median(spectrum_of(noise, make_grid((48, 48), voxel_size=(1.0, 1.0))).power[3:]) == pytest.approx(
        9, rel=0.2
    )


def test_eight_hot_pixels_are_found_and_nothing_else(make_smooth_volume):
    volume = make_smooth_volume((24, 24, 24), noise=0.1)
    values = volume.values[..., 0].copy()
    places = np.random.default_rng(0).choice(values.size, 8, replace=False)
    values.ravel()[places[:4]], values.ravel()[places[4:]] = 1e4, -1e4
    found = isolated_outliers(make_volume(values, volume.grid))
    assert set(np.flatnonzero(found)) == set(places)
    assert isolated_outliers(volume) is None


def test_a_bright_particle_of_several_voxels_is_no_outlier(make_smooth_volume):
    volume = make_smooth_volume((24, 24, 24))
    values = volume.values[..., 0].copy()
    values[10:13, 10:13, 10:13] = 500
    assert isolated_outliers(make_volume(values, volume.grid)) is None


def test_a_hot_pixel_at_the_border_beside_missing_voxels_is_found(make_smooth_volume):
    volume = make_smooth_volume((24, 24, 24))
    values = volume.values[..., 0].copy()
    values[0, 0, 0], values[0, 0, 1] = 1e5, np.nan
    found = isolated_outliers(make_volume(values, volume.grid))
    assert np.argwhere(found).tolist() == [[0, 0, 0]]
