"""What the shell says of a work before it begins: a line, or with --dry-run the plan alone."""

import json
from collections import namedtuple

import numpy as np
import pytest

from dinr_studio.training import preflight
from dinr_studio.training.run_file import read_run

SMALL = ["--preset", "quick", "--width", "8", "--set", "blocks=1"]


@pytest.fixture(autouse=True)
def in_a_new_folder(tmp_path, monkeypatch):
    """Commands run in a folder of their own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def volume(tmp_path):
    """A file with a small volume."""
    z, y, x = np.mgrid[:12, :13, :14]
    np.save(tmp_path / "v.npy", np.sin(0.3 * z + 0.4 * y - 0.2 * x).astype(np.float32))
    return tmp_path / "v.npy"


def test_a_fit_is_planned_without_being_begun(shell, volume, tmp_path):
    status, out, err = shell("fit", "v.npy", "-o", "a.dinr", *SMALL, "--dry-run", "--json")
    plan = json.loads(out)
    assert (status, err) == (0, "")
    assert plan["fits"]
    assert plan["parameters"] == sum([3 * 8 + 8, 2 * (9 * 9 + 9), 9 * 8 + 8, 8 + 1])
    assert plan["memory_bytes"] > 100 << 20
    assert plan["seconds"] > 0
    assert not plan["family_by_trial"]
    assert [file.name for file in tmp_path.iterdir()] == ["v.npy"]
    status, out, _ = shell("fit", "v.npy", "-o", "a.dinr", "--dry-run", "--json")
    assert json.loads(out)["family_by_trial"]


def test_a_fit_that_does_not_fit_is_planned_with_one_that_does(shell, volume, tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "available_bytes", lambda: 125 << 20)
    command = ["fit", "v.npy", "-o", "a.dinr", "--preset", "quick", "--set", "micro_batch=8192", "--epochs", "1"]
    status, out, err = shell(*command, "--dry-run")
    assert status == 1
    assert "of memory" in out
    assert "--set micro_batch=" in err or "a crop of" in err
    status, out, err = shell(*command)
    assert (status, out) == (2, "")
    assert "The fit takes about" in err
    assert [file.name for file in tmp_path.iterdir()] == ["v.npy"]
    monkeypatch.setattr(preflight, "available_bytes", lambda: 50 << 20)
    assert "a crop of" in shell(*command, "--dry-run")[2]


def test_an_export_is_planned_and_announced(shell, volume, tmp_path, monkeypatch):
    assert shell("fit", "v.npy", "-o", "a.dinr", *SMALL, "--epochs", "1")[0] == 0
    assert read_run(tmp_path / "a.dinr").finished
    status, out, err = shell("export", "a.dinr", "-o", "a.mrc", "--factor", "2", "--dry-run", "--json")
    plan = json.loads(out)
    assert (status, err) == (0, "")
    assert plan["shape"] == [24, 26, 28]
    assert plan["disk_bytes"] == 4 * 24 * 26 * 28
    assert not (tmp_path / "a.mrc").exists()
    (tmp_path / "mine.npy").touch()
    assert "exists already" in shell("export", "a.dinr", "-o", "mine.npy", "--dry-run")[2]
    monkeypatch.setattr("dinr_studio.cli.exporting.LONG", 0.0)
    monkeypatch.setattr("dinr_studio.cli.meshing.LONG", 0.0)
    status, out, err = shell("export", "a.dinr", "-o", "a.mrc", "--json")
    assert json.loads(out)["shape"] == [12, 13, 14]
    assert "Plan: about" in err
    level = float(np.load(volume).mean())
    assert "Plan: about" in shell("mesh", "a.dinr", "-o", "a.ply", "--level", level, "--json")[2]
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1 << 50, 0, (16 << 20) + 5000))
    status, out, err = shell("export", "a.dinr", "-o", "b.npy", "--factor", "2", "--dry-run")
    assert status == 1
    assert "a factor of" in err
    assert shell("export", "a.dinr", "-o", "b.npy", "--factor", "2")[0] == 2
    assert not (tmp_path / "b.npy").exists()
