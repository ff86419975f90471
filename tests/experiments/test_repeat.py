"""The command that repeats what was done: given to the real shell, it asks for the very same thing."""

import shlex

import numpy as np
import pytest

import dinr_studio as ds
from dinr_studio.cli import belief_fits, exporting, fitting, meshing
from dinr_studio.cli.app import run as run_shell
from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig, changed, with_changes
from dinr_studio.experiments import repeat
from dinr_studio.io import open_volume
from dinr_studio.partition import Partition
from dinr_studio.training.presets import preset_config


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "it's $mine; -x.npy"
    np.save(path, np.random.default_rng(0).standard_normal((6, 8, 10)).cumsum(axis=2).astype(np.float32))
    return str(path)


@pytest.fixture
def asked(monkeypatch):
    """What the shell was asked for by a command: the request of a fit, kept instead of being carried out."""
    requests = []

    def keep(request, **how):
        requests.append((request, how))
        raise SystemExit(0)

    monkeypatch.setattr(fitting, "new_fit", keep)
    monkeypatch.setattr(fitting, "resume_fit", lambda request: keep(request, resume=True))

    def ask(command):
        words = shlex.split(command)
        assert words[0] == "dinr-studio"
        with pytest.raises(SystemExit):
            run_shell(words[1:])
        return requests.pop()[0]

    return ask


ODD = {
    "time_limit": None,
    "gradient_clip": None,
    "growing_steps": True,
    "learning_rate": 1.2345678901234567e-05,
    "schedule": "constant",
    "device": "cpu",
    "seed": 2**40,
    "integrator": "rk4",
    "hidden_omega": 7.0,
}


@pytest.mark.parametrize(
    ("preset", "family", "changes"),
    [
        ("auto", "dinr-siren", {}),
        ("auto", "dinr-ffnet", ODD),
        ("auto", "siren", {"held_out_share": 0.5, "device": "cpu"}),
        ("quick", "ffnet", {"held_out_share": 0, "time_limit": 2.5}),
        ("quick", "dinr-siren", ODD),
        ("balanced", "siren", {}),
        ("paper", "dinr-ffnet", {"held_out_share": 0.5, "device": "cpu"}),
        ("paper-tuned", "dinr-siren", {}),
        ("quick", "dinr-siren", {"embedding": "hashgrid", "finest_resolution": (5, 6, 7)}),
        ("paper", "ffnet", {"embedding": "wire"}),
    ],
)
def test_the_copied_command_gives_the_same_settings(file, asked, preset, family, changes):
    volume = open_volume(file)
    config = with_changes(preset_config(preset, volume, family), changes)
    for base in (repeat.preset_of(config, volume), None):
        request = asked(repeat.fitting(file, "out.dinr", {}, config, base).shell)
        found = fitting.chosen_config(request, volume)
        assert (found.preset, found.field, found.training) == (preset, config.field, config.training)
        assert request.file == file
        assert str(request.output) == "out.dinr"
    if not changes:
        assert "--set" not in repeat.fitting(file, "out.dinr", {}, config, repeat.preset_of(config, volume)).shell


def test_settings_of_no_preset_are_all_given(file, asked):
    config = FitConfig(
        preset="of a colleague", field=FieldConfig(family="siren", width=7), training=TrainingConfig(seed=5)
    )
    request = asked(repeat.fitting(file, "out.dinr", {}, config).shell)
    found = fitting.chosen_config(request, open_volume(file))
    assert (found.field, found.training) == (config.field, config.training)


OPENED = {
    "dataset": "a b,c",
    "axes": "zyx",
    "voxel_size": [0.1, 2.0, 1e-7],
    "unit": "µm",
    "fill": -9999.5,
    "channel": 0,
    "crop": [[0, 5], [1, 8], [2, 9]],
    "mask": "/data/the mask's.npy",
    "position_columns": "x,y",
    "value_columns": "u",
}


@pytest.mark.parametrize("name", list(OPENED))
def test_the_copied_command_opens_the_file_in_the_same_way(file, asked, name):
    options = {name: OPENED[name]}
    request = asked(repeat.fitting(file, "out.dinr", options, FitConfig()).shell)
    found = dict(request.open_options)
    if name == "crop":
        found["crop"] = found["crop"](open_volume(file).grid)
    assert found == options


def test_a_fit_that_left_its_data_in_the_file_does_so_again(file, asked):
    request = asked(repeat.fitting(file, "out.dinr", {"stored": True, "unit": ""}, FitConfig()).shell)
    assert request.open_options == {"stored": True, "unit": ""}


def test_going_on_with_a_run_is_a_command(asked):
    request = asked(repeat.resuming("-my run.dinr", "data.mrc").shell)
    assert str(request.output) == "-my run.dinr"


def test_the_lines_of_python_open_and_fit_the_same(file, tmp_path):
    options = {"crop": [[0, 6], [0, 8], [1, 9]], "voxel_size": [2.0], "unit": "nm"}
    volume = ds.open_volume(file, **options)
    small = {"width": 8, "blocks": 1, "steps": 1, "max_epochs": 1, "gradient_clip": None, "device": "cpu"}
    config = with_changes(preset_config("quick", volume), small)
    lines = repeat.fitting(file, str(tmp_path / "a.dinr"), options, config, repeat.preset_of(config, volume)).python
    names = {}
    exec(compile(lines, "lines", "exec"), names)
    field = names["field"]
    assert (field.config.field, field.config.training) == (config.field, config.training)
    assert field.run.open_options == options
    assert field.path.exists()
    again = repeat.fitting_of(field.run, "b.dinr", volume)
    assert "--set gradient_clip=none" in again.shell
    assert "--crop=0:6,0:8,1:9" in again.shell
    blocks = field.run.updated(partition=Partition((6, 8, 8), (1, 2, 2), (0, 2, 2)))
    limited = changed(config.training, time_limit=3.0)
    words = repeat.fitting_of(blocks.updated(config=changed(config, training=limited)), "b.dinr").shell
    assert words.endswith("--blocks 1,2,2 --overlap 2")
    assert "--time-limit 12.0s" in words
    array = field.run.updated(provenance=ds.from_array(volume.in_memory).provenance)
    assert repeat.fitting_of(array, "b.dinr").shell == ""
    assert "from_array" in repeat.fitting_of(array, "b.dinr").python


def kept(monkeypatch, module, name):
    calls = []

    def keep(*given, **named):
        calls.append((given, named))
        raise SystemExit(0)

    monkeypatch.setattr(module, name, keep)
    return calls


def test_the_copied_export_asks_for_the_same_grid(monkeypatch):
    calls = kept(monkeypatch, exporting, "field_alone")
    target = {
        "voxel_size": (0.5, 0.25, 1e-3),
        "box": ((0.0, 1.5), (-2.0, 1e-9), (0.0, 1.0)),
        "times": "2x",
        "shape": None,
    }
    command = repeat.exporting("run.dinr", "out file.mrc", target, {"dtype": "int16", "compression": "none"})
    with pytest.raises(SystemExit):
        run_shell(shlex.split(command.shell)[1:])
    (run, found, options, *_), _ = calls[0]
    assert str(run) == "run.dinr"
    assert found == {**target, "factor": None}
    assert (options["dtype"], options["compression"], options["force"]) == ("int16", "none", False)
    assert "dtype='int16'" in command.python


def test_the_copied_mesh_asks_for_the_same_surface(monkeypatch):
    calls = kept(monkeypatch, meshing, "mesh_run")
    command = repeat.meshing("run.dinr", "out.ply", {"factor": (2.0,)}, level=-1e-05, channel=1, frame=3)
    with pytest.raises(SystemExit):
        run_shell(shlex.split(command.shell)[1:])
    (_, _, target), named = calls[0]
    assert target["factor"] == (2.0,)
    assert (named["level"], named["channel"], named["frame"]) == (-1e-05, 1, 3)


def test_several_commands_are_one_script():
    shell, python = repeat.together([repeat.opening("a.mrc", {"fill": float("nan")}), repeat.opening_run("b.dinr")])
    assert shell.splitlines() == ["dinr-studio info a.mrc --fill=nan", "dinr-studio score b.dinr"]
    assert python.splitlines() == [
        "import dinr_studio as ds",
        "volume = ds.open_volume('a.mrc', fill=float('nan'))",
        "field = ds.load('b.dinr')",
    ]


@pytest.mark.parametrize(
    "changes", [{}, ODD, {"embedding": "hashgrid", "finest_resolution": (5, 6, 7)}, {"held_out_share": 0.5}]
)
def test_the_copied_commands_of_several_fits_give_the_same_settings(file, monkeypatch, changes):
    volume = open_volume(file)
    config = with_changes(preset_config("quick", volume, "dinr-siren"), changes)
    requests = []

    def keep(*given):
        requests.append(given)
        raise SystemExit(0)

    monkeypatch.setattr(belief_fits, "ensemble", keep)
    monkeypatch.setattr(belief_fits, "twin_fit", keep)
    opening = {"crop": [[0, 6], [1, 8], [0, 10]], "voxel_size": (1.0, 2.0, 3.0), "unit": "nm"}
    for base in (repeat.preset_of(config, volume), None):
        several = (
            repeat.ensembling(file, "members", 3, opening, config, base),
            repeat.twinning((file, "other.npy"), "twins", "sphere", opening, config, base),
            repeat.twinning((file, None), "twins", "none", opening, config, base),
        )
        for one in several:
            with pytest.raises(SystemExit):
                run_shell(shlex.split(one.shell)[1:])
        ensemble, twins, split = requests[-3:]
        assert (ensemble[0], str(ensemble[1]), ensemble[2]) == (file, "members", 3)
        assert (twins[0], twins[4], split[0]) == ((file, "other.npy"), "sphere", (file, None))
        for asked, options in ((ensemble[3], ensemble[4]), (twins[2], twins[5]), (split[2], split[5])):
            found = asked.config_for(volume, None)
            assert (found.field, found.training) == (config.field, config.training)
            assert options["unit"] == "nm"
            assert tuple(options["voxel_size"]) == (1.0, 2.0, 3.0)
