"""The shell amid faults: odd names, places that refuse, and outputs that would cost the input."""

import os
import shutil
import subprocess
import sys

import mrcfile
import numpy as np
import pytest

from dinr_studio.__main__ import main
from dinr_studio.errors import DinrError
from dinr_studio.io import open_volume

SMALL = ["--preset", "quick", "--width", "8", "--set", "blocks=1", "--epochs", "2", "--device", "cpu"]
ODD = [" two  spaces ", "語 μ é", 'it\'s "quoted" $(id);&|', "line\nbreak", "tab\tand\x1b[31mred"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, make_smooth_volume):
    """A folder with a small map and its run."""
    folder = tmp_path_factory.mktemp("fitted")
    with mrcfile.new(folder / "a.mrc", make_smooth_volume((8, 9, 10)).values[..., 0]):
        pass
    assert main(["fit", str(folder / "a.mrc"), "-o", str(folder / "a.dinr"), *SMALL]) == 0
    return folder


@pytest.mark.parametrize("stem", ODD)
def test_files_of_odd_names_are_fitted_and_exported(fitted, shell, tmp_path, stem):
    folder = tmp_path / stem
    folder.mkdir()
    data, run, out = (folder / f"{stem}{suffix}" for suffix in (".mrc", ".dinr", ".h5"))
    shutil.copy(fitted / "a.mrc", data)
    assert shell("fit", data, "-o", run, *SMALL)[0] == 0
    assert shell("export", run, "-o", out)[0] == 0
    assert open_volume(out).grid.shape == (8, 9, 10)
    status, _, err = shell("export", run, "-o", out)
    assert status == 2
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert sorted(os.listdir(folder)) == sorted(path.name for path in (data, run, out))


@pytest.mark.parametrize("name", ["-o.h5", "--force.h5"])
def test_an_output_may_begin_with_a_dash(fitted, shell, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert shell("export", fitted / "a.dinr", f"--output={name}")[0] == 0
    assert shell("info", "--", name)[0] == 0
    assert os.listdir() == [name]


def test_names_as_long_as_they_may_be_and_longer(fitted, shell, tmp_path):
    assert shell("export", fitted / "a.dinr", "-o", tmp_path / ("é" * 125 + "a.npy"))[0] == 0
    status, _, err = shell("export", fitted / "a.dinr", "-o", tmp_path / ("é" * 126 + ".npy"))
    assert status == 2
    assert "too long" in err
    deep = tmp_path.joinpath(*["folder" * 20] * 40)
    for command in (["export", fitted / "a.dinr"], ["fit", fitted / "a.mrc", *SMALL]):
        status, _, err = shell(*command, "-o", deep / ("a.npy" if command[0] == "export" else "a.dinr"))
        assert status == 2
        assert err.count("\n") == 1
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_unicode_is_refused_where_a_run_had_to_remember_it(fitted, tmp_path):
    data, out = (os.path.join(os.fsencode(tmp_path), b"\xff" + suffix) for suffix in (b".mrc", b".npy"))
    shutil.copy(os.fsencode(fitted / "a.mrc"), data)
    command = [sys.executable, "-m", "dinr_studio"]
    done = subprocess.run([*command, "info", data], check=False, capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert "no Unicode text" in done.stderr
    assert done.stderr.count("\n") == 1
    done = subprocess.run([*command, "export", fitted / "a.dinr", "-o", out], check=False, capture_output=True)
    assert (done.returncode, os.path.exists(out)) == (0, True)


@pytest.mark.parametrize("how", ["the file itself", "a link", "another spelling"])
def test_measured_data_is_never_replaced_by_an_export(fitted, shell, tmp_path, how):
    data = fitted / "a.mrc"
    before = data.read_bytes()
    out = {
        "the file itself": data,
        "a link": tmp_path / "b.mrc",
        "another spelling": fitted / ".." / fitted.name / "a.mrc",
    }
    if how == "a link":
        out[how].symlink_to(data)
    status, _, err = shell("export", fitted / "a.dinr", "-o", out[how], "--force")
    assert status == 2
    assert "never replaced" in err
    assert data.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_no_folder_device_or_pipe_becomes_a_file(fitted, shell, tmp_path):
    os.mkfifo(tmp_path / "pipe.mrc")
    (tmp_path / "null.mrc").symlink_to("/dev/null")
    (tmp_path / "folder.mrc").mkdir()
    (tmp_path / "store.zarr").mkdir()
    (tmp_path / "store.zarr" / "letter").touch()
    for name in ("pipe.mrc", "null.mrc", "folder.mrc", "store.zarr"):
        status, _, err = shell("export", fitted / "a.dinr", "-o", tmp_path / name, "--force")
        assert status == 2
        assert err.count("\n") == 1
    assert len(list(tmp_path.rglob("*"))) == 5
    assert os.path.exists("/dev/null")
    assert not os.path.isfile("/dev/null")


COMMANDS = """
import sys
from dinr_studio.__main__ import main
for command in eval(sys.argv[1]):
    print(main(command), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="changes folders' permissions as POSIX systems do")
def test_without_permission_everything_ends_in_one_sentence(fitted, tmp_path):
    python = [sys.executable]
    if os.geteuid() == 0:  # whom permissions do not stop
        if shutil.which("setpriv") is None:
            pytest.skip("there is no setpriv, and permissions do not stop root")
        python = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *python]
    for name, source, mode in (
        ("a.mrc", "a.mrc", 0o444), ("a.dinr", "a.dinr", 0o444), ("b.mrc", "a.mrc", 0), ("b.dinr", "a.dinr", 0),
    ):  # fmt: skip
        shutil.copy(fitted / source, tmp_path / name)
        os.chmod(tmp_path / name, mode)
    os.chmod(tmp_path, 0o555)
    commands = [
        ["info", "b.mrc"],
        ["score", "b.dinr"],
        ["fit", "a.mrc", "-o", "c.dinr", *SMALL],
        ["export", "a.dinr", "-o", "c.mrc"],
        ["export", "a.dinr", "-o", "c.zarr"],
        ["mesh", "a.dinr", "-o", "c.ply", "--level", "5"],
        ["slice", "a.dinr", "-o", "c.png", "--data", "a.mrc"],
    ]
    command = [*python, "-c", COMMANDS, repr(commands)]
    done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", cwd=tmp_path)
    os.chmod(tmp_path, 0o755)
    assert done.stdout.split() == ["2"] * len(commands), done.stderr
    sentences = done.stderr.splitlines()
    assert len(sentences) == len(commands), done.stderr
    assert all(line.startswith("dinr-studio: ") for line in sentences), done.stderr
    assert all("permission" in line or "not readable" in line for line in sentences), done.stderr
    assert sorted(os.listdir(tmp_path)) == ["a.dinr", "a.mrc", "b.dinr", "b.mrc"]


def test_every_sentence_for_the_user_is_one_line():
    assert str(DinrError("a\nb\x1b[0m\udcff é 語")) == r"a\nb\x1b[0m\udcff é 語"
    assert str(DinrError()) == ""


def test_values_of_a_fit_do_not_change_with_their_file(shell, tmp_path):
    """The file shrinks, grows and goes while it is fitted: the values were taken first."""
    from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
    from dinr_studio.training.fit import fit

    values = np.random.default_rng(0).random((8, 9, 10)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    volume = open_volume(tmp_path / "a.npy")
    training = TrainingConfig(max_epochs=2, batch=128, micro_batch=128, device="cpu")
    snapshots = fit(volume, FitConfig(preset="t", field=FieldConfig(width=8, blocks=1, steps=1), training=training))
    next(snapshots)
    os.truncate(tmp_path / "a.npy", 200)
    (tmp_path / "a.npy").unlink()
    assert list(snapshots)[-1].run.finished
    np.testing.assert_array_equal(volume.values[..., 0], values)
