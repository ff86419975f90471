"""The judgement: it knows a good field from a bad one, and says so."""

import json

import numpy as np

from dinr_studio.analysis.held_out import held_out_mask
from dinr_studio.analysis.judge import judge


def judged(volume, error, scheme="random", **options):
    held_out = held_out_mask(volume, scheme, 0.1, seed=0)
    random = np.random.default_rng(0)

    def predict(voxels):
        assert held_out.ravel()[voxels].all()
        return volume.values.reshape(-1, 1)[voxels] + error * random.standard_normal((len(voxels), 1))

    return judge(volume, held_out, predict, seed=0, **options)


def test_an_almost_exact_field_beats_interpolation_of_noisy_data(make_smooth_volume):
    report = judged(make_smooth_volume((12, 14, 16), noise=0.5), 1e-3)
    best = max(scores.psnr for scores in report.interpolation.values())
    assert report.field.psnr > best + 20
    assert f"{report.field.psnr - best:.1f} dB better" in report.verdict


def test_a_bad_field_loses_and_the_verdict_names_the_winner(make_smooth_volume):
    report = judged(make_smooth_volume((12, 14, 16)), 1.0)
    assert report.field.psnr < report.interpolation["cubic"].psnr
    assert report.verdict.startswith("Cubic-spline interpolation wins")


def test_the_report_is_plain_json_with_finite_numbers(make_smooth_volume):
    report = judged(make_smooth_volume((12, 14, 16)), 0.0)
    content = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert set(content["interpolation"]) == {"nearest", "linear", "cubic"}
    assert content["psnr"] == 300
    assert content["voxels"] == content["held_out_voxels"] == round(0.1 * 12 * 14 * 16)


def test_of_very_many_held_out_voxels_some_are_judged(make_smooth_volume):
    report = judged(make_smooth_volume((12, 14, 16)), 0.1, most=50)
    assert report.voxels == 50
    assert report.held_out == round(0.1 * 12 * 14 * 16)


def test_of_very_many_held_out_planes_whole_ones_are_judged(make_smooth_volume):
    report = judged(make_smooth_volume((20, 14, 16)), 0.1, "planes", most=500)
    assert report.voxels == 2 * 14 * 16
