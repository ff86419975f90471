"""`export --stack` as its users run it."""

import json
import re

import h5py
import numpy as np
import pytest

from dinr_studio.__main__ import main
from dinr_studio.io import open_volume
from dinr_studio.training.run_file import read_run, write_run


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with a run of some steps on a part of a sample, judged to be better with the spline."""
    folder = tmp_path_factory.mktemp("stack")
    np.save(folder / "part.npy", open_volume("sample:turbulence-2d").values[:48, :64, 0])
    small = ["--preset", "quick", "--width", "16", "--set", "blocks=1", "--epochs", "5", "--holdout", "0.1"]
    assert main(["fit", str(folder / "part.npy"), "-o", str(folder / "part.dinr"), *small]) == 0
    run = read_run(folder / "part.dinr")
    held_out = dict(run.scores["held_out"])
    better = {**held_out["stacked"], "weights": [0.25], "gain": 1.5, "worthwhile": True}
    write_run(run.updated(scores={**run.scores, "held_out": {**held_out, "stacked": better}}), folder / "better.dinr")
    return folder


def test_score_has_a_line_for_field_and_spline_together(fitted, shell):
    status, out, _ = shell("score", fitted / "part.dinr")
    assert status == 0
    assert re.search(r"^field with spline +\d+\.\d\d", out, re.MULTILINE)
    assert "mean of field and cubic spline" in out or "Their weighted mean" in out
    stacked = json.loads(shell("score", fitted / "part.dinr", "--json")[1])["held_out"]["stacked"]
    assert {"psnr", "ssim", "mae", "relative_l2", "weights", "gain", "noise", "worthwhile"} == set(stacked)


def test_stacked_values_are_the_weighted_mean_of_field_and_data(fitted, shell, tmp_path):
    status, out, _ = shell("export", fitted / "better.dinr", "-o", tmp_path / "both.npy", "--stack", "--json")
    assert status == 0
    assert json.loads(out)["stacked_weights"] == [0.25]
    status, out, _ = shell("export", fitted / "better.dinr", "-o", tmp_path / "field.npy", "--json")
    assert json.loads(out)["stacked_weights"] is None
    data = np.load(fitted / "part.npy")
    expected = 0.25 * np.load(tmp_path / "field.npy") + 0.75 * data
    np.testing.assert_allclose(np.load(tmp_path / "both.npy"), expected, atol=1e-4 * np.ptp(data))


def test_the_file_and_the_shell_say_what_the_values_are(fitted, shell, tmp_path):
    status, out, _ = shell("export", fitted / "better.dinr", "-o", tmp_path / "a.h5", "--stack", "--factor", "2")
    assert status == 0
    words = "weighted mean of the field and a cubic spline"
    assert f"{words} (0.25 field, 0.75 cubic spline)" in out
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["values"].shape == (96, 128)
        stored = " ".join(str(value) for item in (file, file["values"]) for value in item.attrs.values())
        assert words in stored


def test_it_is_refused_where_it_was_not_better(fitted, shell, tmp_path):
    run = read_run(fitted / "better.dinr")
    held_out = dict(run.scores["held_out"])
    for stacked, words in (({**held_out["stacked"], "worthwhile": False}, "not better"), (None, "too few")):
        write_run(run.updated(scores={**run.scores, "held_out": {**held_out, "stacked": stacked}}), tmp_path / "a.dinr")
        status, _, err = shell("export", tmp_path / "a.dinr", "-o", tmp_path / "a.npy", "--stack")
        assert status == 2
        assert words in err
        assert not (tmp_path / "a.npy").exists()


def test_data_that_is_gone_is_asked_for(fitted, shell, tmp_path):
    (tmp_path / "b.dinr").write_bytes((fitted / "better.dinr").read_bytes())
    moved = (fitted / "part.npy").rename(tmp_path / "moved.npy")
    try:
        status, _, err = shell("export", tmp_path / "b.dinr", "-o", tmp_path / "a.npy", "--stack")
        assert status == 2
        assert "--data" in err
        assert shell("export", tmp_path / "b.dinr", "-o", tmp_path / "a.npy", "--stack", "--data", moved)[0] == 0
    finally:
        moved.rename(fitted / "part.npy")
