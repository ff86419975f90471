"""Compressing a run: what is reported is what the file gives back, and wishes are kept."""

import math

import numpy as np
import pytest
import torch

from dinr_studio.analysis.scores import psnr
from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.errors import ConfigError, RunFileError
from dinr_studio.experiments.compression.compression import Wish, check_decoded, compress
from dinr_studio.experiments.compression.quantising import Quantiser
from dinr_studio.experiments.compression.representation import representation_config, width_for, with_width
from dinr_studio.experiments.compression.yardstick import raw_bytes, stored_bytes, yardstick
from dinr_studio.fields.build import parameter_count
from dinr_studio.partition import Partition
from dinr_studio.sampling.evaluate import evaluate_slabs
from dinr_studio.training.blocks_fit import begin_blocks, fit_blocks
from dinr_studio.training.fit import field_of, fit
from dinr_studio.training.run_file import read_run
from dinr_studio.volume import make_volume

FIELD = FieldConfig(family="dinr-siren", width=16, blocks=1, steps=2, omega_0=10.0)
TRAINING = TrainingConfig(max_epochs=30, batch=128, micro_batch=128, held_out_share=0.0, device="cpu", seed=7)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def volume(make_smooth_volume):
    return make_smooth_volume((10, 11, 12), noise=0.02)


@pytest.fixture(scope="module")
def run(volume):
    return list(fit(volume, FitConfig(preset="test", field=FIELD, training=TRAINING)))[-1].run


def compressed(run, path, wish, volume):
    steps = compress(run, path, wish, volume, force=True)
    shares = []
    while True:
        try:
            shares.append(next(steps).share)
        except StopIteration as end:
            assert shares == sorted(shares)
            return end.value


def values_of(run):
    return np.concatenate(list(evaluate_slabs(field_of(run, CPU), run.grid)))


def test_the_report_is_of_what_the_file_gives_back(run, volume, tmp_path):
    path = tmp_path / "a.dinr"
    report = compressed(run, path, Wish(bits=4), volume)
    assert report.bytes == path.stat().st_size == report.description_bytes + report.weight_bytes
    assert report.raw_bytes == 10 * 11 * 12 * 4
    assert report.ratio == pytest.approx(report.raw_bytes / path.stat().st_size)
    assert report.bits_per_weight == pytest.approx(8 * report.weight_bytes / report.weights)
    assert report.weights == parameter_count(FIELD, 3, 1)
    assert (report.voxels, report.whole) == (volume.grid.size, True)
    low, high = volume.value_range
    assert report.psnr == pytest.approx(psnr(volume.in_memory, values_of(read_run(path)), high - low), abs=1e-3)
    assert report.psnr_before == pytest.approx(psnr(volume.in_memory, values_of(run), high - low), abs=1e-3)
    assert read_run(path).packing.psnr == round(report.psnr, 4) < report.psnr_before


def test_a_field_in_32_bits_has_the_run_s_very_values(run, volume, tmp_path):
    report = compressed(run, tmp_path / "a.dinr", Wish(bits=32), volume)
    np.testing.assert_array_equal(values_of(read_run(tmp_path / "a.dinr")), values_of(run))
    assert report.psnr == report.psnr_before


def test_by_default_no_more_than_a_tenth_of_a_decibel_is_lost_and_little_less(run, volume, tmp_path):
    report = compressed(run, tmp_path / "a.dinr", Wish(), volume)
    assert 0.03 < report.psnr_before - report.psnr <= 0.1 + 1e-6
    assert report.bytes < compressed(run, tmp_path / "b.dinr", Wish(bits=16), volume).bytes


def test_a_psnr_asked_for_is_kept(run, volume, tmp_path):
    least = compressed(run, tmp_path / "a.dinr", Wish(bits=32), volume).psnr - 3
    report = compressed(run, tmp_path / "a.dinr", Wish(target_psnr=least), volume)
    assert least <= report.psnr < least + 1.5
    with pytest.raises(ConfigError, match="fit for longer"):
        compressed(run, tmp_path / "b.dinr", Wish(target_psnr=least + 10), volume)
    assert not (tmp_path / "b.dinr").exists()


def test_a_ratio_asked_for_is_kept(run, volume, tmp_path):
    report = compressed(run, tmp_path / "a.dinr", Wish(ratio=4.5), volume)
    assert 4.5 <= report.ratio < 4.6
    with pytest.raises(ConfigError, match="ask for less"):
        compressed(run, tmp_path / "b.dinr", Wish(ratio=1000), volume)


def test_without_the_data_the_field_itself_is_what_is_compared_with(run, volume, tmp_path):
    report = compressed(run, tmp_path / "a.dinr", Wish(), None)
    assert (report.psnr, report.psnr_before, report.voxels, report.stored_bytes) == (None, None, 0, None)
    with_data = compressed(run, tmp_path / "b.dinr", Wish(), volume)
    assert report.bytes == pytest.approx(with_data.bytes, rel=0.05)
    with pytest.raises(ConfigError, match="--data FILE"):
        compressed(run, tmp_path / "a.dinr", Wish(target_psnr=20), None)
    with pytest.raises(ConfigError, match="--bits 8"):
        compressed(run.updated(scores={}), tmp_path / "a.dinr", Wish(), None)


def test_training_on_with_rounded_weights_gains_at_few_bits_and_keeps_the_ratio(run, volume, tmp_path):
    plain = compressed(run, tmp_path / "a.dinr", Wish(ratio=5.2), volume)
    trained = compressed(run, tmp_path / "b.dinr", Wish(ratio=5.2, finetune=1.5), volume)
    assert trained.ratio >= 5.2
    assert trained.psnr > plain.psnr + 0.3
    rows = [compressed(run, tmp_path / "c.dinr", Wish(bits=4, finetune=seconds), volume) for seconds in (0, 0.7)]
    assert rows[1].psnr > rows[0].psnr + 0.3
    with pytest.raises(ConfigError, match="--data"):
        compressed(run, tmp_path / "d.dinr", Wish(bits=4, finetune=1.0), None)


def test_steps_by_sensitivity_take_fewer_bytes_for_an_error_than_equal_bits(run, volume, tmp_path):
    rows = compressed(run, tmp_path / "a.dinr", Wish(bits=5), volume)
    steps = compressed(run, tmp_path / "b.dinr", Wish(target_psnr=rows.psnr), volume)
    assert steps.psnr >= rows.psnr
    assert steps.weight_bytes < 0.97 * rows.weight_bytes


def test_the_noise_that_theory_gives_costs_about_what_was_allowed(run, volume):
    stick = yardstick(volume, run.config.training, {})
    before = stick.psnr(field_of(run, CPU))
    low, high = volume.value_range
    error = 10 ** (-before / 10) * ((high - low) / run.normalisation.scale[0]) ** 2
    quantiser = Quantiser(run)
    noises = quantiser.noise_for(1.0, error) * np.linspace(0.8, 1.2, 15)
    lost = [before - stick.psnr(field_of(quantiser.at_noise(noise).run, CPU)) for noise in noises]
    assert 0.5 < np.median(lost) < 2


def test_a_run_of_blocks_becomes_a_small_file_too(volume, tmp_path):
    partition = Partition((10, 11, 12), (2, 1, 1), (2, 0, 0))
    config = FitConfig(preset="test", field=FIELD, training=TRAINING.model_copy(update={"max_epochs": 2}))
    start = begin_blocks(volume, partition, config, tmp_path / "a.dinr", {})
    run = list(fit_blocks(volume, start, tmp_path / "a.dinr"))[-1].run
    report = compressed(run, tmp_path / "b.dinr", Wish(bits=32), volume)
    np.testing.assert_array_equal(values_of(read_run(tmp_path / "b.dinr")), values_of(run))
    assert report.psnr == report.psnr_before
    assert compressed(run, tmp_path / "c.dinr", Wish(), volume).psnr > report.psnr - 0.1 - 1e-6


def test_a_file_that_does_not_give_back_what_was_judged_is_told(run, volume, tmp_path):
    compressed(run, tmp_path / "a.dinr", Wish(bits=8), volume)
    with pytest.raises(RunFileError, match="does not give back"):
        check_decoded(tmp_path / "a.dinr", Quantiser(run).in_bits(7))


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"bits": 8, "ratio": 10}, "contradict"),
        ({"ratio": 0.5}, "at least 1"),
        ({"bits": 16, "finetune": 1.0}, "nothing to finetune"),
        ({"ratio": math.nan}, "at least 1"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(wish, words):
    with pytest.raises(ConfigError, match=words):
        Wish(**wish)


def test_missing_voxels_count_in_no_psnr(run, volume):
    values = np.array(volume.in_memory[..., 0])
    values[0] = np.nan
    stick = yardstick(make_volume(values, volume.grid), run.config.training, {})
    assert len(stick.numbers) == 9 * 11 * 12
    assert stick.whole
    assert stick.psnr_of(np.nan_to_num(values, nan=1e9)[..., None]) == 300


def test_some_voxels_stand_for_many(run, volume):
    stick = yardstick(volume, run.config.training, {}, most=100)
    assert (len(stick.numbers), stick.whole) == (100, False)


def test_bytes_of_the_data_are_those_of_its_values_and_of_its_file(volume, tmp_path):
    from dinr_studio.io import open_volume

    np.save(tmp_path / "v.npy", volume.in_memory[..., 0].astype("f2"))
    opened = open_volume(str(tmp_path / "v.npy"))
    assert raw_bytes(opened) == 2 * 10 * 11 * 12
    assert stored_bytes(opened, {}) == (tmp_path / "v.npy").stat().st_size
    assert stored_bytes(opened, {"crop": [[0, 5], [0, 5], [0, 5]]}) is None


@pytest.mark.parametrize("family", ["dinr-siren", "dinr-ffnet", "siren", "ffnet"])
def test_the_width_is_the_greatest_that_fits(family, volume):
    config = representation_config(volume, 8, 5.0, family)
    width = width_for(config, 3, 1, 6000)
    assert (config.training.held_out_share, config.training.outliers, config.training.time_limit) == (0, "keep", 5)
    sizes = [5.5 / 8 * parameter_count(with_width(config, w).field, 3, 1) + 400 for w in (width, width + 1)]
    assert sizes[0] <= 6000 < sizes[1]
    with pytest.raises(ConfigError, match="smaller ratio"):
        width_for(config, 3, 1, 410)
