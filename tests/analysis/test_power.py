"""Power of known waves in physical units; white noise; power beyond a Nyquist frequency."""

import numpy as np
import pytest

from dinr_studio.analysis.power import axis_power, kept_up_to, radial_power
from dinr_studio.errors import DataError
from dinr_studio.fourier import power_beyond


def test_white_noise_has_its_variance_times_the_voxel_as_density_at_every_frequency():
    values = np.random.default_rng(0).normal(0, 3, (32, 40, 48))
    size = (2.0, 0.5, 1.0)
    curve = radial_power(values, size)
    assert curve.nyquist == 0.25
    assert np.median(curve.density[3:]) == pytest.approx(9 * np.prod(size), rel=0.1)
    for axis in range(3):
        along = axis_power(values, size[axis], axis)
        assert along.nyquist == 0.5 / size[axis]
        assert np.median(along.density[2:-1]) == pytest.approx(2 * 9 * size[axis], rel=0.1)  # of both signs


def test_the_energy_adds_up_to_the_variance():
    random = np.random.default_rng(1)
    smooth = np.fft.ifftn(np.fft.fftn(random.standard_normal((48, 48, 48))) * _low((48,) * 3, 0.3)).real
    curve = radial_power(smooth, (0.5,) * 3)
    width = curve.frequency[1]
    assert curve.energy.sum() * width == pytest.approx(smooth.var(), rel=0.1)
    along = axis_power(smooth, 0.5, 2)
    assert along.density.sum() * along.frequency[1] == pytest.approx(smooth.var(), rel=0.1)


def test_a_wave_shows_at_its_frequency_in_cycles_per_unit():
    y = np.arange(64) * 0.25  # 16 units long
    values = np.sin(2 * np.pi * 0.75 * y)[:, None] * np.ones((64, 32))
    along = axis_power(values, 0.25, 0)
    assert along.frequency[np.argmax(along.density)] == pytest.approx(0.75)
    assert axis_power(values, 0.25, 1).density.max() < 1e-20
    curve = radial_power(values, (0.25, 0.25))
    assert abs(curve.frequency[np.argmax(curve.density)] - 0.75) < curve.frequency[1]


def test_a_finer_grid_does_not_change_the_density():
    def sampled(n):
        x = (np.arange(n) + 0.5) / n * 2 * np.pi
        return np.sin(3 * x)[:, None] * np.cos(4 * x) + 0.1 * np.cos(6 * x)[:, None]

    coarse, fine = radial_power(sampled(40), (0.1, 0.1)), radial_power(sampled(80), (0.05, 0.05))
    np.testing.assert_allclose(fine.frequency[:8], coarse.frequency[:8])
    np.testing.assert_allclose(fine.density[3:8], coarse.density[3:8], rtol=0.02, atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_share_beyond_a_nyquist_frequency_is_that_of_the_waves_there(axis):
    """Waves of amplitudes 1 within and 0.5 beyond: a fifth of the energy is beyond."""
    at = np.arange(64.0)
    low, high = np.cos(2 * np.pi * 6 / 64 * at), 0.5 * np.cos(2 * np.pi * 24 / 64 * at)
    values = np.moveaxis(np.tile(low + high, (64, 1)), 1, axis)
    beyond, total = power_beyond(values, (1.0, 1.0), (0.25, 0.25))
    assert beyond / total == pytest.approx(0.2, abs=1e-3)
    assert total == pytest.approx(0.5 * (1 + 0.25), rel=1e-3)


def test_the_frequency_up_to_which_half_the_power_is_kept():
    values = np.random.default_rng(0).standard_normal((64, 64))
    kept = np.fft.ifftn(np.fft.fftn(values) * _low((64, 64), 0.25)).real
    data, field = radial_power(values, (2.0, 2.0)), radial_power(kept, (2.0, 2.0))
    assert kept_up_to(data, field) == pytest.approx(0.125, rel=0.1)
    assert kept_up_to(data, data) is None


def test_a_map_of_few_voxels_has_no_spectrum():
    with pytest.raises(DataError, match="needs 4 or more along an axis"):
        radial_power(np.eye(3), (1.0, 1.0))


def _low(shape, limit):
    return sum(np.square(f) for f in np.meshgrid(*[np.fft.fftfreq(n) for n in shape], indexing="ij")) < limit**2
