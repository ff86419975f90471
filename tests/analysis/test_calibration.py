"""Calibration of deviations whose truth is known: right, too small, and of no use."""

import numpy as np
import pytest

from dinr_studio.analysis.calibration import CURVE, LEVELS, calibrate, verdict
from dinr_studio.errors import DataError


def drawn(true, count=20_000, seed=0):
    """Deviations (N, 1) that vary by a factor of ten, and normal errors of `true` times them."""
    random = np.random.default_rng(seed)
    spread = np.exp(random.uniform(-1.15, 1.15, (count, 1)))
    return true * spread * random.standard_normal((count, 1)), spread


def test_true_deviations_hold_what_they_promise():
    found = calibrate(*drawn(1.0))
    assert found.factor == pytest.approx(1, rel=0.03)
    np.testing.assert_allclose(found.raw, LEVELS, atol=0.015)
    np.testing.assert_allclose(found.raw_curve, CURVE, atol=0.02)
    assert "well calibrated" in verdict(found)
    assert found.count == 10_000


def test_deviations_that_are_too_small_are_over_confident_and_one_factor_mends_them():
    found = calibrate(*drawn(5.0))
    assert found.factor == pytest.approx(5, rel=0.03)
    assert found.raw[LEVELS.index(0.9)] == pytest.approx(0.258, abs=0.02)  # |z| below 1.645 / 5
    np.testing.assert_allclose(found.scaled, LEVELS, atol=0.03)
    assert "over-confident" in verdict(found)
    assert "under-confident" in verdict(calibrate(*drawn(0.3)))


def test_deviations_that_know_where_errors_are_beat_a_constant_and_others_do_not():
    errors, spread = drawn(2.0)
    known = calibrate(errors, spread)
    assert known.gain > 0.1
    assert known.rank_correlation > 0.3
    assert "more than one deviation for all" in verdict(known)
    shuffled = calibrate(errors, np.random.default_rng(1).permutation(spread))
    assert shuffled.gain < 0
    assert abs(shuffled.rank_correlation) < 0.05
    assert "as much or more" in verdict(shuffled)


def test_the_factor_is_judged_on_values_it_was_not_fitted_to():
    """One half of the errors would not do: whichever voxels are chosen, twenty values leave the coverage uncertain."""
    errors, spread = drawn(1.0, count=40)
    found = calibrate(errors, spread, seed=3)
    assert found.count == 20
    assert found.scaled[1] != pytest.approx(0.6827, abs=0.001)


def test_deviations_of_zero_and_exact_errors_give_numbers():
    found = calibrate(np.zeros((100, 2)), np.zeros((100, 2)))
    assert np.isfinite([found.factor, found.gain, found.rank_correlation, *found.scaled]).all()


def test_too_few_held_out_values_are_refused():
    with pytest.raises(DataError, match="hold out more"):
        calibrate(np.ones((5, 1)), np.ones((5, 1)))
