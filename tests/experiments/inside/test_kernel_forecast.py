"""The forecast of training from the kernel at its start."""

import numpy as np
import pytest

from dinr_studio.analysis.kernel_spectrum import kernel_modes
from dinr_studio.experiments.inside.kernel_forecast import forecast


@pytest.fixture
def linear():
    """A linear model trained by a gradient flow for a time: what the forecast is exact for."""
    rng = np.random.default_rng(0)
    places = np.arange(16) * 0.5
    waves = [np.cos(2 * np.pi * k * places / 8) / (1 + k) for k in range(9)]
    waves += [np.sin(2 * np.pi * k * places / 8) / (1 + k) for k in range(1, 8)]
    features = np.stack(waves, axis=1)
    kernel, before = features @ features.T, rng.normal(size=(16, 2))
    spectrum, modes = kernel_modes(kernel)
    after = modes.T @ (np.exp(-0.7 * spectrum.eigenvalues)[:, None] * (modes @ before))
    return spectrum, modes, before, after


def test_training_that_is_a_gradient_flow_is_forecast_exactly(linear):
    *given, before, after = linear
    loss = float(np.square(after).mean())
    found = forecast(*given, before, after, loss, shape=(16,), spacing=(0.5,), unit="nm")
    assert found.kernel_time == pytest.approx(0.7)
    for bands in (found.directions, found.frequencies):
        for band in bands:
            assert band.forecast == pytest.approx(band.measured)
        assert sum(band.measured for band in bands) == pytest.approx(loss)
        assert sum(band.before for band in bands) == pytest.approx(np.square(before).mean())
    assert found.frequencies[-1].high == pytest.approx(1.0)


def test_what_training_did_otherwise_is_seen_in_its_band(linear):
    *given, before, after = linear
    wave = np.cos(2 * np.pi * 0.9 * np.arange(16) * 0.5)[:, None] * 3
    loss = float(np.square(after).mean())
    found = forecast(*given, before, after + wave, loss, shape=(16,), spacing=(0.5,), unit="nm")
    off = [band.measured - band.forecast for band in found.frequencies]
    assert int(np.argmax(off)) == 5


def test_a_loss_that_the_start_has_already_takes_no_time(linear):
    *given, before, after = linear
    assert forecast(*given, before, after, 100.0).kernel_time == 0.0
