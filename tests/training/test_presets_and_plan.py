"""Presets that fit the data, and a plan that keeps its word."""

import json
import subprocess
import sys

import numpy as np
import pytest

from dinr_studio.config import FAMILIES
from dinr_studio.errors import ConfigError, MemoryShort
from dinr_studio.io import open_volume
from dinr_studio.training import plan
from dinr_studio.training.plan import make_plan
from dinr_studio.training.presets import PRESETS, preset_config
from dinr_studio.volume import make_volume


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("family", FAMILIES)
def test_every_preset_gives_settings_for_every_family(make_smooth_volume, preset, family):
    config = preset_config(preset, make_smooth_volume((12, 14, 16)), family)
    assert config.preset == preset
    assert config.field.family == family
    assert config.field.embedding == ("siren" if family.endswith("siren") else "fourier")


def test_the_paper_s_settings_are_the_paper_s(make_smooth_volume):
    config = preset_config("paper", make_smooth_volume((12, 14, 16)))
    field, training = config.field, config.training
    assert (field.family, field.features, field.bandwidth, field.width) == ("dinr-ffnet", 256, 10.0, 256)
    assert (field.blocks, field.steps, field.horizon, field.integrator) == (3, 12, 1.0, "euler")
    assert (training.learning_rate, training.weight_decay, training.batch) == (1e-3, 1e-5, 65_536)
    assert (training.max_epochs, training.schedule, training.kinetic_weight) == (300, "plateau", 0.1)
    assert (training.normalisation, training.seed, training.scaling) == ("min-max", 3407, "per-axis")


def wave(make_grid, cycles):
    grid = make_grid((48, 48), voxel_size=(1.0, 1.0))
    phase = 2 * np.pi * cycles * np.arange(48) / 48
    return make_volume(np.sin(phase)[:, None] * np.cos(phase)[None], grid)


def test_auto_takes_a_higher_frequency_for_finer_data_and_says_why(make_grid):
    coarse, fine = (preset_config("auto", wave(make_grid, cycles)) for cycles in (3, 8))
    assert fine.field.omega_0 > 1.5 * coarse.field.omega_0
    assert "root mean square frequency" in " ".join(fine.reasons)
    assert any(f"{fine.training.max_epochs} epochs" in reason for reason in fine.reasons)


def test_fewer_trained_voxels_call_for_lower_frequencies_as_their_distance_grows(make_grid):
    volume = wave(make_grid, 8)
    dense, sparse = (preset_config("auto", volume, held_out_share=share) for share in (None, 0.75))
    assert sparse.field.omega_0 == pytest.approx(dense.field.omega_0 / 2, abs=0.1)
    assert sparse.field.bandwidth == pytest.approx(dense.field.bandwidth / 2, abs=0.01)
    assert "few voxels" in " ".join(sparse.reasons)
    assert "few voxels" not in " ".join(dense.reasons)
    for share in ("many", 1.5):
        with pytest.raises(ConfigError, match="held_out_share"):
            preset_config("auto", volume, held_out_share=share)


def test_a_plan_knows_that_growing_steps_cost_less(make_smooth_volume, make_config, monkeypatch):
    monkeypatch.setattr(plan, "_coordinates_per_second", lambda field, *_: 1e6 / field.steps)
    volume = make_smooth_volume((10, 11, 12))
    rates = {
        growing: make_plan(volume, make_config(steps=12, blocks=2, growing_steps=growing)).coordinates_per_second
        for growing in (False, True)
    }
    assert rates[True] > 1.05 * rates[False]


def test_both_embeddings_follow_the_data_so_that_either_may_be_chosen(make_grid):
    coarse, fine = (preset_config("auto", wave(make_grid, cycles)).field for cycles in (3, 8))
    assert fine.bandwidth > 1.5 * coarse.bandwidth
    assert preset_config("auto", wave(make_grid, 8), "ffnet").field.omega_0 == fine.omega_0


def test_a_plan_counts_the_planes_that_are_held_out(make_smooth_volume, make_config):
    volume = make_smooth_volume((9, 10, 12))
    plan = make_plan(volume, make_config(held_out_scheme="planes"))
    assert plan.seconds_per_epoch * plan.coordinates_per_second == pytest.approx(volume.grid.size * 5 / 9)


def test_auto_guards_against_noise_where_there_is_noise(make_smooth_volume):
    clean, noisy = (preset_config("auto", make_smooth_volume((24, 24, 24), noise=noise)) for noise in (0, 1.0))
    assert noisy.training.held_out_share > clean.training.held_out_share
    assert noisy.training.patience > 0
    assert noisy.field.omega_0 < 30
    assert "white noise" in " ".join(noisy.reasons)


def test_an_unknown_preset_or_family_is_refused_with_the_choices(make_smooth_volume):
    volume = make_smooth_volume((6, 6, 6))
    with pytest.raises(ConfigError, match="quick"):
        preset_config("fast", volume)
    with pytest.raises(ConfigError, match="dinr-siren"):
        preset_config("auto", volume, "mlp")


def test_a_plan_states_time_memory_and_parameters(make_smooth_volume, make_config):
    volume = make_smooth_volume((10, 11, 12))
    plan = make_plan(volume, make_config(max_epochs=10))
    assert plan.parameters == sum([3 * 16 + 16, 2 * (17 * 17 + 17), 17 * 16 + 16, 16 + 1])
    assert plan.seconds == pytest.approx(10 * plan.seconds_per_epoch)
    assert make_plan(volume, make_config(time_limit=1e-6)).seconds == 1e-6
    assert plan.peak_memory_bytes > 50 << 20


def test_a_plan_that_memory_cannot_hold_is_refused_with_one_that_it_can(make_smooth_volume, make_config, monkeypatch):
    monkeypatch.setattr("dinr_studio.training.plan.available_bytes", lambda: 10_000)
    with pytest.raises(MemoryShort, match=r"set micro_batch to \d+ or less"):
        make_plan(make_smooth_volume((10, 11, 12)), make_config())


@pytest.mark.parametrize(
    "settings", [["--width", "32"], ["--width", "128", "--set", "micro_batch=2048", "--steps", "6"]]
)
def test_peak_memory_stays_within_the_plan(tmp_path, settings):
    command = [
        *(sys.executable, "-m", "dinr_studio", "fit", "sample:turbulence-2d", "-o", str(tmp_path / "a.dinr")),
        *("--json", "--time-limit", "2s", "--preset", "quick", *settings),
    ]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout)
    planned = result["plan"]["peak_memory_bytes"]
    assert result["peak_memory_bytes"] <= 1.3 * planned
    assert planned <= 2 * result["peak_memory_bytes"]


@pytest.mark.parametrize("name", ["emd-3001", "turbulence-2d", "turbulence-3d", "clouds"])
def test_auto_has_an_answer_for_every_sample(name):
    config = preset_config("auto", open_volume(f"sample:{name}"))
    assert 5 <= config.field.omega_0 <= 60
    assert config.training.max_epochs >= 10
