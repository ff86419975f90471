"""Scores against skimage and against values worked out by hand."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dinr_studio.analysis.held_out import held_out_mask
from dinr_studio.analysis.scores import BEST_PSNR, mean_absolute_error, psnr, relative_l2, score, ssim
from dinr_studio.volume import make_volume


def test_psnr_is_skimage_s():
    random = np.random.default_rng(0)
    true, found = random.normal(size=(20, 30)), random.normal(size=(20, 30))
    assert psnr(true, found, 3.7) == pytest.approx(peak_signal_noise_ratio(true, found, data_range=3.7), rel=1e-12)


def test_an_exact_match_has_a_finite_psnr():
    assert psnr(np.ones(3), np.ones(3), 1.0) == BEST_PSNR


def test_errors_worked_out_by_hand():
    true, found = np.array([3.0, 4.0]), np.array([3.0, 1.0])
    assert mean_absolute_error(true, found) == 1.5
    assert relative_l2(true, found) == pytest.approx(3 / 5)
    assert relative_l2(np.zeros(2), np.zeros(2)) == 0


def test_ssim_of_whole_planes_is_skimage_s_over_those_planes(make_smooth_volume):
    volume = make_smooth_volume((9, 16, 18))
    held_out = held_out_mask(volume, "planes", 0.5, seed=0)
    voxels = np.flatnonzero(held_out)
    predicted = volume.values.reshape(-1, 1)[voxels] + np.random.default_rng(1).normal(0, 0.3, (len(voxels), 1))
    span = volume.value_range[1] - volume.value_range[0]
    expected = [
        structural_similarity(
            volume.values[z, ..., 0].astype(float),
            predicted.reshape(-1, 16, 18)[i],
            data_range=span,
            win_size=7,
            full=True,
        )[1].mean()
        for i, z in enumerate(range(1, 8, 2))
    ]
    assert ssim(volume, voxels, predicted, data_range=span) == pytest.approx(np.mean(expected), abs=1e-9)


def test_ssim_falls_with_the_error_and_is_one_without(make_smooth_volume):
    volume = make_smooth_volume((4, 16, 18))
    voxels = np.flatnonzero(held_out_mask(volume, "random", 0.1, seed=0))
    true = volume.values.reshape(-1, 1)[voxels].astype(float)
    scores = [
        ssim(volume, voxels, true + size * (-1) ** np.arange(len(true))[:, None], data_range=6) for size in (0, 0.3, 1)
    ]
    assert scores[0] == pytest.approx(1)
    assert scores[0] > scores[1] > scores[2]


def test_ssim_does_not_depend_on_what_stands_where_values_are_missing(make_smooth_volume):
    volume = make_smooth_volume((16, 18))
    absent = np.zeros((16, 18), bool)
    absent[:5, :5] = True
    scores = []
    for fill in (0.0, -1e9, np.nan):
        values = np.where(absent, fill, volume.values[..., 0])
        holed = make_volume(values, volume.grid).without(absent)
        voxels = np.flatnonzero(held_out_mask(holed, "random", 0.2, seed=0))
        predicted = holed.values.reshape(-1, 1)[voxels] + 0.3
        scores.append(ssim(holed, voxels, predicted, data_range=6))
    assert scores[0] == pytest.approx(scores[1], abs=1e-12)
    assert scores[0] == pytest.approx(scores[2], abs=1e-12)
    assert 0 < scores[0] < 1


def test_ssim_is_left_out_where_planes_are_narrower_than_its_window(make_smooth_volume):
    volume = make_smooth_volume((20, 5, 20))
    assert score(volume, np.array([3]), np.array([[1.0]]), data_range=1).ssim is None


def test_psnr_bears_values_whose_squares_leave_double_precision():
    true = np.array([0.0, 1.0])
    assert psnr(true * 1e-200, (true + 0.1) * 1e-200, 1e-200) == pytest.approx(20)
    assert psnr(true * 1e200, (true + 0.1) * 1e200, 1e200) == pytest.approx(20)
