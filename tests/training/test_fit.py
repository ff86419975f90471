"""A fit from beginning to end: snapshots, pause, close, resume, repeatability."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dinr_studio.errors import RunFileError
from dinr_studio.training.fit import fit
from dinr_studio.training.run_file import read_run, write_run


def same(one, two):
    return set(one) == set(two) and all(np.array_equal(one[name], two[name]) for name in one)


@pytest.fixture
def volume(make_smooth_volume):
    return make_smooth_volume((10, 11, 12), noise=0.05)


def test_a_fit_tells_its_progress_in_frozen_snapshots_and_ends_with_its_run(volume, make_config):
    snapshots = list(fit(volume, make_config(max_epochs=100)))
    assert snapshots[0].phase == "preparing"
    assert [s.phase for s in snapshots][-2:] == ["judging", "done"]
    training = [s for s in snapshots if s.phase == "training"]
    assert all(a.step < b.step for a, b in itertools.pairwise(training))
    last = training[-1]
    assert last.step == last.total_steps
    assert last.epoch == 100
    assert last.coordinates_per_second > 0
    assert last.memory_bytes > 1 << 20
    assert last.remaining == 0
    assert last.data_loss < training[0].data_loss
    with pytest.raises(dataclasses.FrozenInstanceError):
        last.step = 0
    with pytest.raises(ValueError, match="read-only"):
        next(iter(last.weights.values()))[...] = 0
    run = snapshots[-1].run
    assert run.finished
    assert run.end_reason == "all 100 epochs done"
    assert run.scores["held_out"]["psnr"] == pytest.approx(last.best_psnr, abs=0.5)
    assert set(run.scores["held_out"]["interpolation"]) == {"nearest", "linear", "cubic"}
    json.dumps(run.scores, allow_nan=False)
    assert len({len(column) for column in run.history.columns.values()}) == 1
    assert run.history.columns["step"][-1] == last.total_steps


def test_two_runs_of_one_seed_are_equal_bit_for_bit_and_of_another_are_not(volume, make_config):
    runs = [list(fit(volume, make_config(seed=seed)))[-1].run for seed in (1, 1, 2)]
    assert same(runs[0].best, runs[1].best)
    assert runs[0].scores == runs[1].scores
    assert not same(runs[0].best, runs[2].best)


@pytest.mark.parametrize("changes", [{"dropout": 0.1}, {"optimiser": "muon", "steps": 4, "growing_steps": True}])
def test_a_closed_fit_leaves_a_run_that_resumes_to_the_same_weights(volume, make_config, tmp_path, changes):
    config = make_config(max_epochs=30, family="dinr-ffnet", embedding="fourier", features=16, bandwidth=0.5, **changes)
    whole = list(fit(volume, config))[-1].run
    path = tmp_path / "a.dinr"
    running = fit(volume, config, path=path)
    while next(running).step < 100:
        pass
    running.close()
    stopped = read_run(path)
    assert not stopped.finished
    assert 100 <= stopped.state.step < whole.state.step
    resumed = list(fit(volume, config, path=path, resume=stopped))[-1].run
    assert same(resumed.state.weights, whole.state.weights)
    assert same(resumed.best, whole.best)
    np.testing.assert_array_equal(resumed.history.columns["held_out_psnr"], whole.history.columns["held_out_psnr"])
    assert read_run(path).scores == whole.scores


def test_a_finished_run_goes_on_with_more_epochs(volume, make_config, tmp_path):
    path = tmp_path / "a.dinr"
    first = list(fit(volume, make_config(max_epochs=5), path=path))[-1].run
    second = list(fit(volume, make_config(max_epochs=9), path=path, resume=read_run(path)))[-1].run
    assert second.state.step == pytest.approx(first.state.step * 9 / 5)
    assert second.end_reason == "all 9 epochs done"


KILLED = """
import sys
import dinr_studio.training.fit as fit
fit.AUTOSAVE_SECONDS = 0.05
from dinr_studio.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_fit_killed_at_any_moment_resumes_to_the_weights_of_one_that_never_was(tmp_path):
    arguments = [
        "--preset",
        "quick",
        "--epochs",
        "2",
        "--set",
        "time_limit=none",
        "--width",
        "16",
        "--set",
        "micro_batch=2048",
        "--crop",
        "0:10,:,:",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def command(path, *more):
        return [sys.executable, "-c", KILLED, "fit", "sample:emd-3001", "-o", str(path), *arguments, *more]

    subprocess.run(command(tmp_path / "whole.dinr"), check=True, env=environment, capture_output=True)
    path = tmp_path / "killed.dinr"
    process = subprocess.Popen(command(path), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not read_run(path).finished
    for leftover in tmp_path.glob(".*.part"):  # what a killed process could not take away
        leftover.unlink()
    resume = [part for part in command(path, "--resume") if part not in arguments]
    subprocess.run(resume, check=True, env=environment, capture_output=True)
    whole, resumed = read_run(tmp_path / "whole.dinr"), read_run(path)
    assert same(resumed.state.weights, whole.state.weights)
    assert same(resumed.best, whole.best)
    assert resumed.scores == whole.scores


def test_a_pause_stops_the_clock_of_the_run(volume, make_config):
    running = fit(volume, make_config(max_epochs=2000, time_limit=60))
    before = next(s for s in running if s.phase == "training")
    time.sleep(0.6)
    after = next(running)
    running.close()
    assert after.step > before.step
    assert after.elapsed - before.elapsed < 0.5


def test_a_time_limit_ends_a_fit_with_the_rate_annealed(volume, make_config):
    last = [s for s in fit(volume, make_config(max_epochs=10**6, time_limit=1.0)) if s.phase == "training"][-1]
    assert 1.0 <= last.elapsed < 3.0
    assert last.learning_rate < 0.1 * make_config().training.learning_rate


LONG_STEP = {"batch": 1 << 12, "micro_batch": 1, "max_epochs": 10}  # seconds for every step of 2,600 voxels


def test_a_time_limit_does_not_wait_for_the_end_of_a_long_step(make_smooth_volume, make_config):
    start = time.perf_counter()
    last = list(fit(make_smooth_volume((12, 14, 16)), make_config(time_limit=0.3, **LONG_STEP)))[-1]
    assert "time limit" in last.run.end_reason
    assert last.elapsed < 0.8
    assert last.step == 0
    assert time.perf_counter() - start < 3


def test_an_early_end_does_not_wait_for_the_end_of_a_long_step(make_smooth_volume, make_config):
    start = time.perf_counter()
    asked = fit(
        make_smooth_volume((12, 14, 16)), make_config(**LONG_STEP), enough=lambda: time.perf_counter() > start + 0.5
    )
    run = list(asked)[-1].run
    assert "ended by the user" in run.end_reason
    assert run.finished
    assert time.perf_counter() - start < 3


def test_a_goal_ends_a_fit_early(volume, make_config):
    run = list(fit(volume, make_config(max_epochs=10**5, goal_psnr=20.0)))[-1].run
    assert run.end_reason == "goal of 20 dB on held-out voxels reached"


def test_early_stopping_ends_a_fit_that_no_longer_gains(make_grid, make_config):
    from dinr_studio.volume import make_volume

    noise = make_volume(np.random.default_rng(0).normal(size=(8, 8, 8)), make_grid((8, 8, 8)))
    run = list(fit(noise, make_config(max_epochs=10**5, patience=3, held_out_share=0.2)))[-1].run
    assert "no better held-out score in 3" in run.end_reason


def test_without_held_out_voxels_a_fit_says_so(volume, make_config):
    run = list(fit(volume, make_config(held_out_share=0)))[-1].run
    assert run.scores["held_out"] is None
    assert run.scores["train"]["psnr"] > 5


def test_a_run_does_not_resume_on_other_voxels(volume, make_config, tmp_path, make_smooth_volume):
    path = tmp_path / "a.dinr"
    run = list(fit(volume, make_config(), path=path))[-1].run
    with pytest.raises(RunFileError, match="held-out values differ"):
        list(fit(make_smooth_volume((10, 11, 13)), make_config(), resume=run))
    write_run(run.updated(state=None), path)
    with pytest.raises(RunFileError, match="no training state"):
        list(fit(volume, make_config(), resume=read_run(path)))


@pytest.mark.parametrize(("shape", "channels"), [((200,), 1), ((20, 22), 3), ((4, 8, 9, 10), 1)])
def test_lines_images_and_volumes_in_time_can_be_fitted(make_grid, make_config, shape, channels):
    from dinr_studio.volume import make_volume

    grid = make_grid(shape)
    index = np.stack(np.meshgrid(*(np.linspace(0, 3, n) for n in shape), indexing="ij"), axis=-1)
    values = np.stack([np.sin(index.sum(axis=-1) + c) for c in range(channels)], axis=-1)
    run = list(fit(make_volume(values, grid), make_config(max_epochs=60)))[-1].run
    assert run.channels == channels
    assert run.scores["train"]["psnr"] > 15
