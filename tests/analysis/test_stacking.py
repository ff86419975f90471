"""Stacking: the weight that was mixed in is found again, and its score promises nothing that is not there."""

import numpy as np
import pytest

from dinr_studio.analysis.held_out import held_out_mask
from dinr_studio.analysis.judge import judge, rival_values
from dinr_studio.analysis.stacking import best_weights, cells_of, cross_fitted, gain_over, in_words, stack


def mixture(count, errors, seed=0, channels=1):
    """True values, and predictions with independent errors of these sizes."""
    random = np.random.default_rng(seed)
    true = random.standard_normal((count, channels))
    return true, *(true + size * random.standard_normal(true.shape) for size in errors)


@pytest.mark.parametrize("errors", [(1.0, 1.0), (1.0, 3.0), (0.5, 0.25)])
def test_independent_errors_are_weighted_by_their_variances(errors):
    true, field, spline = mixture(200_000, errors)
    (weight,) = best_weights(true, field, spline)
    assert weight == pytest.approx(errors[1] ** 2 / (errors[0] ** 2 + errors[1] ** 2), abs=0.01)


def test_a_weight_that_was_mixed_in_is_found_again():
    _, field, spline = mixture(500, (1.0, 1.0))
    assert best_weights(0.3 * field + 0.7 * spline, field, spline) == pytest.approx((0.3,))
    assert best_weights(2 * field - spline, field, spline) == (1.0,)
    assert best_weights(2 * spline - field, field, spline) == (0.0,)
    assert best_weights(field, spline, spline) == (1.0,)


def test_each_channel_has_a_weight_of_its_own():
    true, field, spline = mixture(100_000, (1.0, 1.0), channels=2)
    spline[:, 1] = true[:, 1]
    assert best_weights(true, field, spline) == pytest.approx((0.5, 0.0), abs=0.02)
    assert in_words((0.5, 0.0)) == "0.50 / 0.00 field, 0.50 / 1.00 cubic spline"


def test_neighbouring_voxels_fall_into_the_same_half():
    shape = (32, 32)
    blocks = np.kron(np.random.default_rng(0).random((8, 8)) < 0.4, np.ones((4, 4))).astype(bool)
    cells = np.full(shape, -1)
    cells.ravel()[np.flatnonzero(blocks)] = cells_of(np.flatnonzero(blocks), shape)
    for i in range(0, 32, 4):
        for j in range(0, 32, 4):
            assert len(np.unique(cells[i : i + 4, j : j + 4])) == 1


def test_too_few_cells_are_not_judged():
    assert cells_of(np.arange(28), (1000,)) is None
    assert len(np.unique(cells_of(np.arange(30), (1000,)))) == 8
    assert len(np.unique(cells_of(np.arange(64), (1000,)))) == 8


def test_what_judges_a_half_was_fitted_on_the_other_one():
    true, field, spline = mixture(64, (1.0, 1.0))
    predicted = cross_fitted(true, field, spline, np.arange(64), seed=3)
    share = ((predicted - spline) / (field - spline))[:, 0]
    first = np.isclose(share, share[0])
    assert np.count_nonzero(first) == 32
    for judged in (first, ~first):
        (weight,) = best_weights(true[~judged], field[~judged], spline[~judged])
        np.testing.assert_allclose(share[judged], weight)


def test_on_pure_noise_the_cross_fitted_gain_is_never_called_worthwhile(make_smooth_volume):
    """Two predictions with the same error: a fitted weight seems to gain, a cross-fitted one does not, on average."""
    volume = make_smooth_volume((32, 32))
    voxels, gains, calls = np.arange(1024), [], 0
    true = volume.values.reshape(-1, 1).astype(float)
    for seed in range(60):
        random = np.random.default_rng(seed)
        shared = true + random.standard_normal(true.shape)
        field = shared + 0.05 * random.standard_normal(true.shape)
        found = stack(volume, voxels, field, {"cubic": shared}, data_range=10.0, seed=seed)
        gains.append(found.gain)
        calls += found.worthwhile
    assert np.mean(gains) < 0.01
    assert calls == 0


def test_the_noise_of_the_gain_is_what_repetition_shows():
    gains, noises = [], []
    for seed in range(200):
        true, field, spline = mixture(1600, (1.0, 1.2), seed)
        found = gain_over(((spline - true) ** 2).ravel(), ((field - true) ** 2).ravel(), np.arange(1600) // 16)
        gains.append(found[0])
        noises.append(found[1])
    assert np.mean(gains) == pytest.approx(20 * np.log10(1.2), abs=0.05)
    assert np.mean(noises) == pytest.approx(np.std(gains), rel=0.15)


def test_errors_that_a_cell_shares_count_once():
    random = np.random.default_rng(0)
    before, after = np.repeat(random.chisquare(1, (2, 50)), 16, axis=1)
    cells = np.repeat(np.arange(50), 16)
    assert gain_over(before, after, cells)[1] > 3 * gain_over(before, after, np.arange(800))[1]


@pytest.mark.parametrize("scheme", ["random", "blocks", "planes"])
def test_a_field_that_errs_unlike_the_spline_is_better_together_with_it(make_smooth_volume, scheme):
    volume = make_smooth_volume((24, 24, 24))
    held_out = held_out_mask(volume, scheme, 0.2, seed=0)

    def predict(voxels):
        true = volume.values.reshape(-1, 1)[voxels].astype(float)
        error = rival_values(volume, held_out, voxels)["cubic"] - true
        return true - 0.9 * error + 0.1 * error.std() * np.random.default_rng(1).standard_normal(true.shape)

    report = judge(volume, held_out, predict, seed=0)
    assert report.stacked.worthwhile
    best = max(report.field.psnr, *(scores.psnr for scores in report.interpolation.values()))
    assert report.stacked.gain == pytest.approx(report.stacked.scores.psnr - best)
    assert f"{report.stacked.gain:.2f} dB better than the best by itself" in report.verdict
    content = report.as_dict()["stacked"]
    assert content["worthwhile"] is True
    assert content["weights"] == list(report.stacked.weights)


def test_where_the_spline_knows_all_the_verdict_says_that_nothing_is_gained(make_smooth_volume):
    volume = make_smooth_volume((16, 16, 16))
    held_out = held_out_mask(volume, "random", 0.1, seed=0)
    random = np.random.default_rng(0)
    report = judge(volume, held_out, lambda voxels: 5 + random.standard_normal((len(voxels), 1)), seed=0)
    assert not report.stacked.worthwhile
    assert report.stacked.weights[0] < 0.05
    assert report.verdict.endswith("A weighted mean of field and cubic spline gains nothing.")


def test_where_voxels_are_few_nothing_is_said_of_it(make_smooth_volume):
    volume = make_smooth_volume((16, 16))
    held_out = held_out_mask(volume, "random", 0.02, seed=0)
    report = judge(volume, held_out, lambda voxels: np.zeros((len(voxels), 1)), seed=0)
    assert report.stacked is None
    assert report.as_dict()["stacked"] is None
    assert "mean of field" not in report.verdict
