import numpy as np
import pytest

from dinr_studio.coordinates import Grid
from dinr_studio.io import open_volume
from dinr_studio.sampling.evaluate import values_at
from dinr_studio.training.fit import field_of, fit
from dinr_studio.training.presets import preset_config
from dinr_studio.training.run_file import read_run, write_run
from dinr_studio.training.task import prepare


def function(y, x):
    return 15 + 5 * np.sin(x / 8) * np.cos(y / 6)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "stations.csv"
    y, x = np.random.default_rng(0).uniform(0, (40, 50), (600, 2)).T
    rows = [f"{a:.5f},{b:.5f},{function(b, a):.6f}" for a, b in zip(x, y, strict=True)]
    path.write_text("\n".join(["x [km],y [km],temperature", *rows]) + "\n")
    return path


def config_of(volume, **training):
    config = preset_config("quick", volume, "siren", device="cpu")
    changes = config.training.model_dump() | {"time_limit": 3.0, "held_out_share": 0.1} | training
    return config.model_copy(update={"training": type(config.training)(**changes)})


def test_training_uses_the_exact_places_and_holds_rows_out(table):
    volume = open_volume(table)
    task = prepare(volume, config_of(volume).training)
    rows = np.arange(600)
    places = task.coordinates.world(task.source.coordinates(rows).numpy())
    np.testing.assert_allclose(task.source.values(rows)[:, 0], function(*places.T), atol=1e-4)
    held = set(task.held_out_numbers.tolist())
    batches = task.batches(50, 0)
    trained = {int(row) for step in range(batches.per_epoch) for row in batches.voxels(step)}
    assert held
    assert trained == set(range(600)) - held


def test_a_field_of_scattered_samples_beats_the_nearest_one_and_lies_where_they_lay(table, tmp_path):
    volume = open_volume(table)
    *_, last = fit(volume, config_of(volume))
    held = last.run.scores["held_out"]
    assert set(held["interpolation"]) >= {"nearest", "linear", "rbf"}
    assert held["psnr"] > held["interpolation"]["nearest"]["psnr"] + 3
    write_run(last.run, tmp_path / "a.dinr")
    run = read_run(tmp_path / "a.dinr")
    assert isinstance(run.grid, Grid)
    inside = np.random.default_rng(1).uniform((5, 5), (35, 45), (200, 2))
    import torch

    found = values_at(field_of(run, torch.device("cpu")), inside)[:, 0]
    assert np.abs(found - function(*inside.T)).mean() < 0.5
