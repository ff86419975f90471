"""Rate-distortion studies: all bytes count, the best points make the curve, losers are told."""

import json

import numpy as np
import pytest
import torch

from dinr_studio.analysis.scores import psnr
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.compression.compression import Wish, compress
from dinr_studio.experiments.compression.rate_distortion import (
    RateDistortion,
    RatePoint,
    RateWish,
    of_run,
    rate_distortion,
)
from dinr_studio.experiments.figures.compression import compression_figure
from dinr_studio.experiments.figures.style import save_figure
from dinr_studio.experiments.steps import told
from dinr_studio.stages import result_of
from dinr_studio.training.fit import field_of
from dinr_studio.volume import make_volume


@pytest.fixture(scope="module")
def volume(make_smooth_volume):
    return make_smooth_volume((12, 13, 14), noise=0.05)


@pytest.fixture(scope="module")
def stages(volume):
    wish = RateWish(seconds=1.0, ratios=(2.5, 5.0), codecs=("sz3", "dct", "blosc"), settings={"device": "cpu"})
    return list(rate_distortion(volume, wish, {}))


def test_a_study_has_fields_and_codecs_and_comes_bit_by_bit(stages, volume):
    shares, found = [stage.share for stage in stages], [stage.result for stage in stages if stage.result is not None]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert [len(one.points) for one in found] == sorted(len(one.points) for one in found)
    study = found[-1]
    fields = [point for point in study.points if point.method.startswith("field")]
    assert len({point.width for point in fields}) == 2
    assert len(fields) == 2 * 8
    assert all(point.ratio == pytest.approx(12 * 13 * 14 * 4 / point.bytes) for point in study.points)
    assert (study.voxels, study.whole, study.raw_bytes) == (12 * 13 * 14, True, 12 * 13 * 14 * 4)
    assert study.seconds == 1.0
    json.dumps(study.as_dict(), allow_nan=False)


def test_the_field_chosen_for_a_ratio_has_about_that_ratio_in_few_bits(stages):
    study = stages[-1].result
    ratios = sorted(point.ratio for point in study.points if point.method == "field, 6 bits")
    assert ratios == pytest.approx([2.5, 5.0], rel=0.25)


def test_a_point_of_a_field_is_what_its_small_file_gives(volume, tmp_path, stages):
    from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
    from dinr_studio.training.fit import fit

    config = FitConfig(
        field=FieldConfig(width=10, blocks=1, steps=1, omega_0=8.0),
        training=TrainingConfig(max_epochs=10, batch=256, held_out_share=0.0, device="cpu"),
    )
    run = list(fit(volume, config))[-1].run
    study = result_of(of_run(run, volume, RateWish(bits=(8,), losses=(), codecs=("zfp",))))
    point = study.points[0]
    report = result_of(told(compress(run, tmp_path / "a.dinr", Wish(bits=8), volume, force=False)))
    assert (point.method, point.bits, point.psnr) == ("field, 8 bits", 8, report.psnr)
    assert point.bytes == report.bytes == (tmp_path / "a.dinr").stat().st_size
    assert study.seconds is None
    assert {p.method for p in study.points} == {"field, 8 bits", "zfp"}
    assert field_of(run, torch.device("cpu")).channels == 1


def test_channels_and_missing_voxels_are_taken_as_they_are(make_grid):
    generator = np.random.default_rng(0)
    values = generator.normal(size=(8, 9, 10, 2)).astype("f4")
    values[0, 0, :, 0] = np.nan
    volume = make_volume(values, make_grid((8, 9, 10)))
    study = result_of(rate_distortion(volume, RateWish(ratios=(), codecs=("blosc", "zfp")), {}))
    assert study.voxels == 8 * 9 * 10 - 10
    assert {point.method: point.psnr for point in study.points}["Blosc, lossless"] == 300
    low, high = volume.value_range
    finest = study.points[-2] if study.points[-1].psnr == 300 else study.points[-1]
    assert finest.psnr > psnr(np.zeros(1), np.full(1, 1e-3 * (high - low)), high - low)


POINTS = (
    RatePoint("field, 8 bits", "width 8", 100, 10.0, 40.0, 1.0, 8, 8),
    RatePoint("field, 8 bits", "width 4", 10, 100.0, 30.0, 1.0, 4, 8),
    RatePoint("field, 8 bits", "width 5", 20, 50.0, 29.0, 1.0, 5, 8),
    RatePoint("SZ3", "tolerance 1", 10, 100.0, 33.0, 0.0),
    RatePoint("SZ3", "tolerance 2", 100, 10.0, 38.0, 0.0),
)


def study_of(points):
    return RateDistortion("a.h5", points, 1000, "float32", None, 1.0, 100, True)


def test_a_curve_leaves_out_what_its_own_method_beats():
    assert [point.ratio for point in study_of(POINTS).curve("field, 8 bits")] == [10.0, 100.0]


def test_between_points_psnr_is_linear_in_the_logarithm_of_the_ratio():
    study = study_of(POINTS)
    assert study.psnr_at("field, 8 bits", 10**1.5) == pytest.approx(35.0)
    assert study.psnr_at("field, 8 bits", 101) is None
    assert study.psnr_at("zfp", 20) is None


def test_the_verdict_says_who_loses():
    verdict = study_of(POINTS).verdict((10, 100, 1000))
    assert verdict == (
        "At 10:1 the field is 2.0 dB ahead of SZ3 (38.0 dB); at 100:1 the field is 3.0 dB behind SZ3 (33.0 dB)."
    )
    beyond = study_of(POINTS).verdict((5000,))
    assert beyond == "At 100:1 the field is 3.0 dB behind SZ3 (33.0 dB)."  # the greatest that a field comes to
    assert study_of(POINTS[:3]).verdict() == "At no ratio is there both a field and a codec."


def test_the_figure_has_every_lossy_method_and_says_what_the_ratio_is(tmp_path):
    lossless = RatePoint("Blosc, lossless", "", 900, 1.1, 300.0, 0.0)
    figure = compression_figure(study_of((*POINTS, lossless)))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["field, 8 bits", "SZ3"]
    assert axes.get_ylabel() == "PSNR (dB)"
    assert "1,000 bytes of float32" in axes.get_xlabel()
    save_figure(figure, tmp_path / "a.svg")


@pytest.mark.parametrize("wish", [{"codecs": ("zip",)}, {"ratios": (0.1,)}, {"seconds": 0.0}])
def test_studies_of_what_there_is_not_are_refused(wish):
    with pytest.raises(ConfigError):
        RateWish(**wish)
