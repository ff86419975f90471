"""The program from Python: what its document says works, and what the shell does is what it does."""

import re
import subprocess
import sys

import mrcfile
import numpy as np
import pytest

import dinr_studio as ds
from dinr_studio.errors import ConfigError, DataNotFound, DinrError, OutputError
from dinr_studio.training.run_file import read_run

SMALL = {"family": "dinr-siren", "width": 16, "blocks": 1, "steps": 2, "max_epochs": 30, "batch": 256, "device": "cpu"}


@pytest.fixture(scope="module")
def waves(make_smooth_volume):
    grid = make_smooth_volume((10, 14, 12)).grid
    values = make_smooth_volume((10, 14, 12)).values
    return ds.from_array(values[..., 0], voxel_size=grid.voxel_size, origin=grid.origin, unit="nm", value_unit="mV")


@pytest.fixture(scope="module")
def field(waves, tmp_path_factory):
    return ds.fit(waves, "quick", path=tmp_path_factory.mktemp("runs") / "waves.dinr", **SMALL)


def test_importing_the_package_loads_neither_torch_nor_numpy():
    code = "import sys, dinr_studio; dinr_studio.__version__; print({'torch', 'numpy', 'h5py'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout.strip() == b"set()"


def test_opening_a_file_loads_no_torch():
    code = "import sys, dinr_studio as d; d.open_volume('sample:turbulence-2d'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout.strip() == b"False"


def test_a_name_that_the_package_has_not_is_told():
    with pytest.raises(AttributeError, match="no attribute 'fits'"):
        _ = ds.fits


def test_what_the_document_shows_works_as_it_stands(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(
        r"```python\n(.*?)```", (root / "resources/docs/python.md").read_text(encoding="utf-8"), re.DOTALL
    ):
        exec(compile(block, "python.md", "exec"), names)
    assert re.search(r"step \d+: \d+\.\d dB", capsys.readouterr().out)
    assert names["waves"].grid.extent == (12.0, 5.0, 5.0)
    assert names["fine"].grid.shape == (48, 40, 40)
    assert names["part"].grid.voxel_size == (0.1, 0.1, 0.1)
    with mrcfile.open(tmp_path / "waves-fine.mrc") as file:
        np.testing.assert_allclose(file.data, names["fine"].values[..., 0], atol=1e-5)
    assert read_run(tmp_path / "copy.dinr").run_id == names["field"].run.run_id


def test_the_field_has_the_data_s_values_at_the_data_s_places(waves, field):
    grid = waves.grid
    places = np.stack(np.meshgrid(*(grid.axis_positions(i) for i in range(3)), indexing="ij"), axis=-1)
    found = field(places)
    assert found.shape == grid.shape
    span = np.ptp(waves.values)
    psnr = -10 * np.log10(np.mean((found - waves.values[..., 0]) ** 2) / span**2)
    assert psnr == pytest.approx(field.scores["train"]["psnr"], abs=0.5)
    assert field(places[3, 4, 5]) == pytest.approx(found[3, 4, 5])
    np.testing.assert_allclose(field.on_grid().values[..., 0], found, rtol=1e-4, atol=1e-4)


def test_a_field_of_several_channels_has_a_value_of_each(make_grid):
    ramp = np.arange(8 * 9, dtype=np.float64).reshape(8, 9)
    volume = ds.from_array(np.stack([ramp, -ramp]), axes="cyx", channel_names=("up", "down"))
    assert volume.grid.axes == ("y", "x")
    assert volume.channel_names == ("up", "down")
    fitted = ds.fit(volume, "quick", **SMALL | {"max_epochs": 1})
    assert fitted([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).shape == (3, 2)


def test_the_gradient_is_that_of_finite_differences_in_physical_units(field):
    points = np.array([[4.0, 8.0, 6.0], [7.0, 5.0, 9.0]])
    step = 1e-2
    differences = [(field(points + step * e) - field(points - step * e)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(field.gradient(points), np.stack(differences, axis=-1), rtol=1e-2, atol=1e-3)
    assert field.gradient(points[0]).shape == (3,)
    assert field.derived("laplacian", points).shape == (2, 1)


@pytest.mark.parametrize("points", [[[1.0, 2.0]], 5.0, [[np.nan, 1, 2]], "here"])
def test_positions_that_are_none_are_refused(field, points):
    with pytest.raises(ConfigError, match=r"give finite numbers \(\.\.\., 3\), in the order z, y, x"):
        field(points)


def test_a_saved_field_is_the_same_function_again(field, tmp_path):
    field.save(tmp_path / "kept.dinr")
    again = ds.load(tmp_path / "kept.dinr")
    points = np.random.default_rng(0).uniform(0, 5, (50, 3))
    np.testing.assert_array_equal(again(points), field(points))
    assert "10 x 14 x 12 voxels" in repr(again)
    with pytest.raises(OutputError, match="exists already"):
        field.save(tmp_path / "kept.dinr")
    with pytest.raises(OutputError, match=r"end it in \.dinr"):
        field.save(tmp_path / "kept.mrc")


def test_a_field_judged_anew_has_the_scores_of_its_fit(waves, field):
    assert field.judge(waves)["held_out"]["psnr"] == pytest.approx(field.scores["held_out"]["psnr"])
    with pytest.raises(DataNotFound, match="not what the run was fitted to"):
        field.judge(ds.from_array(np.asarray(waves.values[..., 0]) + 1))
    with pytest.raises(DataNotFound, match="no file holds"):
        field.judge()


def test_a_fit_in_python_is_the_fit_of_the_shell(waves, tmp_path, field):
    from dinr_studio.__main__ import main

    with mrcfile.new(tmp_path / "data.mrc", np.asarray(waves.values[..., 0])) as file:
        file.voxel_size = 2.0
    small = [f"--set={name}={value}" for name, value in SMALL.items() if name != "family"]
    run = tmp_path / "shell.dinr"
    crop = "1:9,:,2:12"
    command = ["fit", tmp_path / "data.mrc", "-o", run, "--preset", "quick", "--family", "dinr-siren", "--crop", crop]
    assert main([str(word) for word in command] + small) == 0
    volume = ds.open_volume(tmp_path / "data.mrc", crop=crop)
    ours = ds.fit(volume, "quick", path=tmp_path / "python.dinr", **SMALL)
    theirs = ds.load(run)
    assert ours.config.field == theirs.config.field
    assert ours.config.training == theirs.config.training
    assert ours.run.open_options == theirs.run.open_options == {"crop": [[1, 9], [0, 14], [2, 12]]}
    for name, weights in theirs.run.best.items():
        np.testing.assert_array_equal(ours.run.best[name], weights)
    assert ours.judge()["held_out"]["psnr"] == pytest.approx(theirs.scores["held_out"]["psnr"])


def test_a_watcher_that_has_seen_enough_ends_the_fit_and_it_is_judged(waves):
    seen = []

    def watch(snapshot):
        seen.append(snapshot.phase)
        return snapshot.step >= 3

    fitted = ds.fit(waves, "quick", on_snapshot=watch, **SMALL | {"max_epochs": 10_000})
    assert seen[0] == "preparing"
    assert seen[-1] == "done"
    assert "ended by the user" in fitted.run.end_reason
    assert fitted.scores["held_out"]["psnr"] > 0


def test_an_interrupted_fit_is_in_its_file_and_is_gone_on_with(waves, tmp_path):
    path = tmp_path / "run.dinr"

    def interrupt(snapshot):
        if snapshot.step > 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ds.fit(waves, "quick", path=path, on_snapshot=interrupt, **SMALL | {"max_epochs": 10_000})
    assert not ds.load(path).run.finished
    with pytest.raises(OutputError, match="exists already"):
        ds.fit(waves, "quick", path=path)
    with pytest.raises(ConfigError, match="width cannot be changed"):
        ds.resume(path, volume=waves, width=8)
    gone_on = ds.resume(path, volume=waves, max_epochs=10)
    assert gone_on.run.finished
    assert gone_on.run.end_reason


def test_a_setting_that_is_none_is_refused_before_anything_is_tried(waves):
    with pytest.raises(ConfigError, match="There is no setting widht; the settings are"):
        ds.fit(waves, widht=8)


def test_a_part_that_no_file_names_is_told_instead_of_being_taken_for_the_whole(tmp_path, waves):
    with mrcfile.new(tmp_path / "data.mrc", np.asarray(waves.values[..., 0])):
        pass
    part = ds.open_volume(tmp_path / "data.mrc").cropped((0, 0, 0), (8, 8, 8))
    fitted = ds.fit(part, "quick", path=tmp_path / "part.dinr", **SMALL | {"max_epochs": 1})
    with pytest.raises(DataNotFound, match=r"shape \(10, 14, 12\)"):
        fitted.judge()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"axes": "zy"}, "give one different letter"),
        ({"origin": (0.0,)}, "The origin has 1 numbers"),
        ({"voxel_size": -1}, "voxel size"),
        ({"missing": np.zeros((2, 2), dtype=bool)}, "mask of missing values"),
        ({"channel_names": ("a", "b")}, "2 channel names"),
    ],
)
def test_arrays_that_are_no_volume_are_refused(options, sentence):
    with pytest.raises(DinrError, match=sentence):
        ds.from_array(np.arange(60.0).reshape(3, 4, 5), **options)


def test_missing_values_of_an_array_are_missing():
    values = np.arange(60.0).reshape(3, 4, 5)
    values[0, 0, 0] = np.nan
    marked = np.zeros(values.shape, dtype=bool)
    marked[1, 1, 1] = True
    volume = ds.from_array(values, missing=marked, fill=7)
    assert set(np.flatnonzero(volume.missing)) == {0, 26, 7}
