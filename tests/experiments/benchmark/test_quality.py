"""Quality for time on small volumes: who is measured, on which voxels, and within which budget."""

from dataclasses import replace

import numpy as np
import pytest

from dinr_studio.config import FAMILIES
from dinr_studio.experiments.benchmark import quality
from dinr_studio.experiments.benchmark.effort import QUICK, Budget
from dinr_studio.experiments.benchmark.tasks import Measured, every_second, noisy, sample

GOAL_KEYS = {"ours", "baseline", "bound", "ratio", "kind"} | {
    f"{who}_{what}" for who in ("ours", "baseline") for what in ("trained", "best")
}


def finished(part):
    """What a part returns, and what it said on the way."""
    said = []
    while True:
        try:
            said.append(next(part))
        except StopIteration as end:
            return end.value, said


@pytest.fixture
def small(make_smooth_volume):
    volume = make_smooth_volume((24, 24))
    return Measured(volume, volume)


def test_equal_seconds_measures_every_family_auto_and_the_spline(small, monkeypatch):
    monkeypatch.setattr(quality, "six_fields", lambda: {"small": small})
    result, said = finished(quality.equal_seconds(QUICK, Budget(1.0)))
    row = result["small"]
    for name in (*FAMILIES, "auto", "cubic", "stacked"):
        assert np.isfinite(row[name])
    assert row["stacked"] >= min(row["auto"], row["cubic"])
    assert row["auto"] in [row[family] for family in FAMILIES]  # what auto chose was not fitted twice
    assert row["seconds"] == quality.LEAST_SECONDS
    assert set(row["time_to_spline"]) == GOAL_KEYS
    assert sum("0.5 s" in sentence for sentence in said) == len(FAMILIES) + 1


def test_judged_voxels_are_neither_trained_on_nor_watched(make_smooth_volume):
    volume = make_smooth_volume((128, 128))
    judgement = quality._Judgement(Measured(volume, volume), 50)
    assert len(judgement.voxels) == 50
    assert not np.isin(judgement.voxels, judgement.task.watched).any()
    assert judgement.task.held_out.reshape(-1)[judgement.voxels].all()
    assert np.mean(judgement.task.held_out) == pytest.approx(0.75, abs=0.01)


def test_time_to_db_runs_ours_then_the_baseline_no_longer_than_its_factor(small, monkeypatch):
    monkeypatch.setattr(quality, "sample", lambda name: small)
    monkeypatch.setattr(quality, "GOALS", (1.0, 200.0))
    result, said = finished(quality.time_to_db(replace(QUICK, raced=("small", "other")), Budget(3.0)))
    assert set(result) == {"small", "other"}
    reached, missed = result["small"]["1"], result["small"]["200"]
    assert reached["ours"] is not None
    assert set(reached) == GOAL_KEYS
    assert missed["bound"]
    assert missed["ratio"] is None
    assert ["plain" in sentence for sentence in said] == [False, False, True, True]


def test_a_family_that_learns_nothing_in_time_counts_as_the_mean(small, monkeypatch):
    monkeypatch.setattr(quality, "fit", lambda volume, config: iter(()))
    judgement = quality._Judgement(small, 50)
    predicted, reached = judgement.trained(quality._equal_config(small.volume, "siren", 1.0))
    assert reached is None
    assert np.ptp(predicted) == 0


def test_noise_is_fixed_and_of_the_share_asked_for(small):
    one, other = noisy(small.volume, 0.2), noisy(small.volume, 0.2)
    np.testing.assert_array_equal(one.values, other.values)
    difference = one.values - small.volume.values
    assert np.std(difference) / np.std(small.volume.values) == pytest.approx(0.2, rel=0.1)


def test_every_second_voxel_keeps_its_place_in_the_world(small):
    thinned = every_second(small.volume)
    np.testing.assert_allclose(thinned.grid.world(np.array([3, 5])), small.volume.grid.world(np.array([6, 10])))
    np.testing.assert_array_equal(thinned.values[3, 5], small.volume.values[6, 10])


def test_the_range_of_true_values_leaves_out_missing_ones():
    clouds = sample("clouds")
    assert clouds.volume.missing is not None
    assert clouds.data_range < 500  # kelvin
