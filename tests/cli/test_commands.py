"""The shell as its users run it: exit status, one sentence for each mistake, one JSON object."""

import json
import os
import signal
import subprocess
import sys
import time

import h5py
import mrcfile
import numpy as np
import pytest
from PIL import Image

from dinr_studio.__main__ import main
from dinr_studio.io import open_volume
from dinr_studio.samples import SAMPLES
from dinr_studio.training import presets
from dinr_studio.training.run_file import read_run

SMALL = ["--preset", "quick", "--width", "16", "--set", "blocks=1"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with a fitted run of a small part of a sample, its data file, and what `fit --json` printed."""
    folder = tmp_path_factory.mktemp("fitted")
    volume = open_volume("sample:emd-3001")
    with mrcfile.new(folder / "part.mrc", volume.values[8:24, 2:22, 10:40, 0].copy()) as file:
        file.voxel_size = (0.4, 0.5, 0.6)
        file.header.origin = (1.0, 2.0, 3.0)
    command = [
        sys.executable,
        "-m",
        "dinr_studio",
        "fit",
        "part.mrc",
        "-o",
        "part.dinr",
        *SMALL,
        "--epochs",
        "60",
        "--learning-rate",
        "0.02",
        "--json",
    ]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", cwd=folder)
    return folder, json.loads(done.stdout), done.stderr


def test_fit_prints_one_json_object_and_progress_elsewhere(fitted):
    folder, result, progress = fitted
    assert result["held_out"]["psnr"] > 15
    assert set(result["held_out"]["interpolation"]) == {"nearest", "linear", "cubic"}
    assert all(scores["psnr"] > 0 for scores in result["held_out"]["interpolation"].values())
    assert result["train"]["psnr"] > 15
    assert result["parameters"] == sum([3 * 16 + 16, 2 * (17 * 17 + 17), 17 * 16 + 16, 16 + 1])
    assert result["coordinates_per_second"] > 100
    assert result["seconds"] > 0
    assert result["peak_memory_bytes"] > 50 << 20
    assert (folder / result["run_file"]).exists()
    assert "Plan: at most" in progress
    assert "%" in progress


def test_info_says_shape_spacing_and_unit_in_the_order_of_the_axes(fitted, shell):
    status, out, err = shell("info", fitted[0] / "part.mrc", "--json")
    described = json.loads(out)
    assert status == 0
    assert err == ""
    assert described["shape"] == [16, 20, 30]
    assert described["axes"] == ["z", "y", "x"]
    assert described["voxel_size"] == pytest.approx([0.6, 0.5, 0.4])
    assert described["origin"] == pytest.approx([3, 2, 1])
    assert described["unit"] == ["angstrom"] * 3
    assert described["dtype"] == "float32"
    assert described["missing_share"] == 0
    assert described["datasets"] == ["density"]
    assert described["value_range"][0] < described["value_range"][1]
    assert "0.6 angstrom x 0.5 angstrom x 0.4 angstrom" in shell("info", fitted[0] / "part.mrc")[1]


def test_info_says_how_a_volume_lies_in_space(tmp_path, shell, fitted):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.arange(24.0).reshape(2, 3, 4)
        directions = [[1, 0, 0], [0, 0.8, 0.6], [0, -0.6, 0.8]]
        file["a"].attrs.update({"directions": directions, "space": "LPS"})
    described = json.loads(shell("info", tmp_path / "a.h5", "--json")[1])
    assert described["orientation"] == {"directions": directions, "space": "LPS"}
    said = shell("info", tmp_path / "a.h5")[1]
    assert "x along (0.8, -0.6, 0), y along (0.6, 0.8, 0), z along (0, 0, 1) in LPS" in said
    assert json.loads(shell("info", fitted[0] / "part.mrc", "--json")[1])["orientation"] is None
    assert "orientation" not in shell("info", fitted[0] / "part.mrc")[1]


def test_info_lists_the_datasets_of_a_file_that_has_several(tmp_path, shell):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"], file["v"] = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3)
    status, out, _ = shell("info", tmp_path / "a.h5", "--json")
    assert status == 0
    assert json.loads(out)["datasets"] == ["u", "v"]
    assert "--dataset" in shell("info", tmp_path / "a.h5")[1]


def test_export_writes_the_field_where_it_was_in_the_world(fitted, shell, tmp_path):
    status, out, _ = shell("export", fitted[0] / "part.dinr", "-o", tmp_path / "fine.mrc", "--factor", "2", "--json")
    described = json.loads(out)
    assert status == 0
    assert described["shape"] == [32, 40, 60]
    assert described["voxel_size"] == pytest.approx([0.3, 0.25, 0.2])
    assert described["origin"] == pytest.approx([2.85, 1.875, 0.9])
    assert described["seconds"] > 0
    assert described["peak_memory_bytes"] > 50 << 20
    assert mrcfile.validate(tmp_path / "fine.mrc")
    with mrcfile.open(tmp_path / "fine.mrc") as fine, mrcfile.open(fitted[0] / "part.mrc") as data:
        coarse = fine.data.reshape(16, 2, 20, 2, 30, 2).mean(axis=(1, 3, 5))
        assert np.corrcoef(coarse.ravel(), data.data.ravel())[0, 1] > 0.8


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        (["--shape", "4,5,6"], (4, 5, 6)),
        (["--voxel-size", "1.2,1,0.8"], (8, 10, 15)),
        (["--box", "3:6,2:7,1:5", "--factor", "2"], (12, 22, 22)),
        ([], (16, 20, 30)),
    ],
)
def test_export_takes_shapes_sizes_and_boxes(fitted, shell, tmp_path, options, shape):
    assert shell("export", fitted[0] / "part.dinr", "-o", tmp_path / "a.npy", *options)[0] == 0
    assert np.load(tmp_path / "a.npy").shape == shape


def test_score_prints_the_table_and_the_verdict(fitted, shell):
    status, out, _ = shell("score", fitted[0] / "part.dinr")
    assert status == 0
    for word in ("field", "nearest interpolation", "linear interpolation", "cubic interpolation", "PSNR (dB)", "SSIM"):
        assert word in out
    assert fitted[1]["held_out"]["verdict"] in out
    as_json = json.loads(shell("score", fitted[0] / "part.dinr", "--json")[1])
    assert as_json["held_out"] == fitted[1]["held_out"]


def test_score_anew_from_the_data_gives_the_stored_scores(fitted, shell):
    folder, result, _ = fitted
    status, out, _ = shell("score", folder / "part.dinr", "--data", folder / "part.mrc", "--json")
    assert status == 0
    assert json.loads(out)["held_out"]["psnr"] == pytest.approx(result["held_out"]["psnr"], abs=1e-3)


def test_slice_draws_a_picture(fitted, shell, tmp_path):
    status, out, _ = shell("slice", fitted[0] / "part.dinr", "-o", tmp_path / "a.png", "--axis", "y", "--index", "3")
    assert status == 0
    assert "wrote" in out
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 1000


def test_the_data_is_found_where_it_was_beside_the_run_or_not_at_all(fitted, shell, tmp_path):
    folder = tmp_path / "moved"
    folder.mkdir()
    (folder / "part.dinr").write_bytes((fitted[0] / "part.dinr").read_bytes())
    assert shell("slice", folder / "part.dinr", "-o", tmp_path / "a.png")[0] == 0
    data = (fitted[0] / "part.mrc").rename(folder / "part.mrc")
    try:
        assert shell("slice", folder / "part.dinr", "-o", tmp_path / "b.png")[0] == 0
        status, _, err = shell("slice", fitted[0] / "part.dinr", "-o", tmp_path / "c.png")
        assert status == 2
        assert "--data FILE" in err
        status, _, err = shell("slice", folder / "part.dinr", "-o", tmp_path / "d.png", "--data", "sample:clouds")
        assert status == 2
        assert "not the file" in err
    finally:
        data.rename(fitted[0] / "part.mrc")


def test_samples_are_listed_and_written(shell, tmp_path):
    status, out, _ = shell("sample")
    assert status == 0
    assert all(name in out and sample.licence in out for name, sample in SAMPLES.items())
    assert shell("sample", "clouds", "-o", tmp_path / "c.h5")[0] == 0
    assert open_volume(tmp_path / "c.h5").missing_share > 0
    status, _, err = shell("sample", "clouds", "-o", tmp_path / "c.h5")
    assert status == 2
    assert "--force" in err


def test_a_resumed_fit_goes_on_and_keeps_its_settings(fitted, shell, tmp_path):
    folder, first, _ = fitted
    path = tmp_path / "b.dinr"
    path.write_bytes((folder / "part.dinr").read_bytes())
    status, out, _ = shell("fit", folder / "part.mrc", "-o", path, "--resume", "--epochs", "72", "--json")
    assert status == 0
    assert json.loads(out)["steps_trained"] == pytest.approx(first["steps_trained"] * 1.2)
    status, _, err = shell("fit", folder / "part.mrc", "-o", path, "--resume", "--width", "32")
    assert status == 2
    assert "width cannot be changed" in err
    status, _, err = shell("fit", folder / "part.mrc", "-o", path, "--resume", "--preset", "paper")
    assert status == 2
    assert "those of preset quick" in err
    status, _, err = shell("fit", "sample:emd-3001", "-o", path, "--resume")
    assert status == 2
    assert "not the file" in err


MISTAKES = [
    (["info", "missing.mrc"], "does not exist"),
    (["fit", "missing.mrc", "-o", "a.dinr"], "does not exist"),
    (["fit", "part.mrc", "-o", "a.mrc"], "end it in .dinr"),
    (["fit", "part.mrc", "-o", "none/a.dinr"], "none does not exist; make it first"),
    (["fit", "part.mrc", "-o", "part.dinr"], "--resume goes on"),
    (["fit", "part.mrc", "-o", "a.dinr", "--preset", "best"], "no preset best"),
    (["fit", "part.mrc", "-o", "a.dinr", "--family", "mlp"], "no family mlp"),
    (["fit", "part.mrc", "-o", "a.dinr", "--time-limit", "soon"], "60s"),
    (["fit", "part.mrc", "-o", "a.dinr", "--set", "colour=red"], "no setting colour"),
    (["fit", "part.mrc", "-o", "a.dinr", "--steps", "0"], "steps is 0"),
    (["fit", "part.mrc", "-o", "a.dinr", "--device", "cuda:7"], "not available"),
    (["fit", "part.mrc", "-o", "a.dinr", "--holdout", "0.00001"], "less than one voxel"),
    (["fit", "part.mrc"], "--output"),
    (["fit", "part.mrc", "-o", "a.dinr", "--epochs", "many"], "--epochs"),
    (["fly"], "fly"),
    (["export", "part.mrc", "-o", "a.mrc"], "not a run file"),
    (["export", "part.dinr", "-o", "a.xyz"], "end the name in"),
    (["export", "part.dinr", "-o", "part.mrc"], "never replaced"),
    (["export", "part.dinr", "-o", "a.mrc", "--factor", "2", "--shape", "4,4,4"], "only one"),
    (["export", "part.dinr", "-o", "a.mrc", "--factor", "two"], "--factor"),
    (["export", "part.dinr", "-o", "a.mrc", "--dtype", "complex64"], "complex64 is not known"),
    (["score", "missing.dinr"], "does not exist"),
    (["slice", "part.dinr", "-o", "a.bmp"], "end it in"),
    (["slice", "part.dinr", "-o", "a.png", "--axis", "q"], "no axis q"),
    (["sample", "nothing"], "no sample nothing"),
]


@pytest.mark.parametrize(("arguments", "word"), MISTAKES, ids=[" ".join(a[:1] + a[2:]) for a, _ in MISTAKES])
def test_a_mistake_gets_one_sentence_and_status_two(fitted, shell, monkeypatch, arguments, word):
    monkeypatch.chdir(fitted[0])
    before = sorted(path.name for path in fitted[0].iterdir())
    status, out, err = shell(*arguments)
    assert status == 2
    assert out == ""
    assert word in err
    assert err.startswith("dinr-studio: ")
    assert err.count("\n") == 1
    assert sorted(path.name for path in fitted[0].iterdir()) == before


def start(folder, *arguments):
    """A command of the shell in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dinr_studio", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )


def test_fit_without_a_family_tries_some_unless_settings_are_given_by_hand(fitted, shell, tmp_path, monkeypatch):
    tried = []

    def probe(volume, configs):
        tried.append(list(configs))
        return dict(zip(configs, (10.0, 20.0, 20.0), strict=True))

    monkeypatch.setattr(presets, "probe", probe)
    monkeypatch.setattr(presets, "_epochs", lambda volume, voxels: 1)
    file, run = fitted[0] / "part.mrc", tmp_path / "a.dinr"
    status, out, _ = shell("fit", file, "-o", run, "--json")
    assert status == 0
    assert json.loads(out)["family"] == "siren"
    assert tried == [["dinr-siren", "siren", "siren with a hash grid"]]
    for by_hand in (["--width", "8"], ["--family", "dinr-siren"], ["--preset", "quick", "--width", "8"]):
        status, out, _ = shell("fit", file, "-o", run, "--json", "--force", "--epochs", "1", *by_hand)
        assert json.loads(out)["family"] == "dinr-siren"
    assert len(tried) == 1


def test_the_rate_counts_the_voxels_that_were_trained_on(fitted, shell, tmp_path):
    command = ["fit", fitted[0] / "part.mrc", "-o", tmp_path / "a.dinr", *SMALL, "--epochs", "2", "--json"]
    _, out, _ = shell(*command, "--holdout-scheme", "planes")
    result = json.loads(out)
    trained = 16 * 20 * 30 - result["held_out"]["held_out_voxels"]
    assert result["coordinates_per_second"] * result["seconds"] == pytest.approx(2 * trained)


def test_what_was_set_by_hand_stands_beside_the_reasons(fitted):
    _, result, err = fitted
    assert result["reasons"][-1] == "set by hand: max_epochs=60, width=16, learning_rate=0.02, blocks=1"
    assert "set by hand: max_epochs=60" in err


def test_a_fit_without_held_out_voxels_needs_no_more_than_saying_so(shell, tmp_path):
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).random((8, 8, 8)))
    status, out, _ = shell("fit", tmp_path / "noise.npy", "-o", tmp_path / "a.dinr", "--holdout", "0", "--epochs", "1")
    assert status == 0
    assert "No voxels were held out" in out


def test_an_interrupted_fit_ends_with_130_and_a_run_that_resumes(fitted, tmp_path):
    process = start(tmp_path, "fit", str(fitted[0] / "part.mrc"), "-o", "a.dinr", *SMALL, "--epochs", "100000")
    for line in process.stderr:
        if "epoch" in line and "loss" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopping after this step" in err
    assert "--resume goes on with it" in err
    run = read_run(tmp_path / "a.dinr")
    assert not run.finished
    assert [path.name for path in tmp_path.iterdir()] == ["a.dinr"]
    resumed = main(
        ["fit", str(fitted[0] / "part.mrc"), "-o", str(tmp_path / "a.dinr"), "--resume", "--time-limit", "1s"]
    )
    assert resumed == 0
    assert read_run(tmp_path / "a.dinr").finished


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_ends_with_130_and_leaves_nothing(fitted, tmp_path, number):
    process = start(tmp_path, "export", str(fitted[0] / "part.dinr"), "-o", "big.mrc", "--shape", "800,800,800")
    while not list(tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_without_a_display_it_says_that_the_shell_does_the_job(shell, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for arguments in ((), ("some.mrc",)):
        status, _, err = shell(*arguments)
        assert status == 2
        assert "no display" in err
        assert "--help" in err


def test_a_lone_word_that_is_no_file_is_a_command_misspelt(shell):
    status, _, err = shell("fti")
    assert status == 2
    assert "fti" in err


def test_the_version_is_the_package_s(shell):
    import dinr_studio

    assert shell("--version")[1].strip() == f"DINR Studio {dinr_studio.__version__}"


def test_benchmark_prints_its_table_or_one_json_object(shell, monkeypatch):
    from dinr_studio.cli import benchmarking

    asked = []
    monkeypatch.setattr(
        benchmarking, "measure", lambda effort, *, profile: asked.append((effort, profile)) or {"ratios": {"grid": 2.0}}
    )
    monkeypatch.setattr(benchmarking, "print_result", lambda result: print(f"grid {result['ratios']['grid']}"))
    status, out, _ = shell("benchmark", "--quick", "--json")
    assert status == 0
    assert json.loads(out)["ratios"] == {"grid": 2.0}
    status, out, _ = shell("benchmark", "--profile")
    assert status == 0
    assert out == "grid 2.0\n"
    assert asked == [("quick", False), ("full", True)]


def test_a_table_s_columns_are_chosen_in_the_shell(shell, tmp_path):
    rows = np.random.default_rng(0).uniform(0, 1, (50, 4))
    lines = [",".join(f"{n:.5f}" for n in row) for row in rows]
    (tmp_path / "a.csv").write_text("\n".join(["north,east,u,v", *lines]))
    status, out, _ = shell("info", tmp_path / "a.csv", "--positions", "north,east", "--values", "v", "--json")
    described = json.loads(out)
    assert status == 0
    assert (described["channels"], described["channel_names"], len(described["axes"])) == (1, ["v"], 2)
    status, _, err = shell("info", tmp_path / "a.csv", "--positions", "north,west")
    assert status == 2
    assert "west" in err


def test_info_says_where_values_are_those_of_a_sample(shell, tmp_path, monkeypatch):
    from dinr_studio.io import reading

    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(6, 7, 8)))
    monkeypatch.setattr(reading, "SMALL", 0)
    monkeypatch.setattr(reading, "available_bytes", lambda: 100)
    assert shell("info", tmp_path / "a.npy")[1].count("of a sample") == 2
