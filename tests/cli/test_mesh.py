"""The mesh command as its users run it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import trimesh

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.training.fit import fit


@pytest.fixture(scope="module")
def run_file(tmp_path_factory, make_smooth_volume):
    """A run of a few steps of a small volume (values about 2 to 8), with voxels of 2 x 1.5 x 1 nm."""
    path = tmp_path_factory.mktemp("run") / "small.dinr"
    field = FieldConfig(family="dinr-siren", width=16, blocks=1, steps=2, omega_0=10.0)
    training = TrainingConfig(max_epochs=4, batch=128, micro_batch=64, held_out_share=0.05, device="cpu", seed=7)
    config = FitConfig(preset="test", field=field, training=training)
    list(fit(make_smooth_volume((10, 9, 12)), config, path=path))
    return path


def test_mesh_writes_a_surface_in_the_box_s_world(run_file, shell, tmp_path):
    out = tmp_path / "a.ply"
    status, text, err = shell("mesh", run_file, "-o", out, "--level", "5", "--factor", "2", "--json")
    described = json.loads(text)
    assert status == 0
    assert described["shape"] == [20, 18, 24]
    assert described["unit"] == "nm"
    assert described["level"] == 5
    assert "100 %" in err
    found = trimesh.load_mesh(out)
    assert len(found.faces) == described["triangles"]
    for axis, (low, high) in enumerate(((-0.25, 11.75), (3.25, 16.75), (-8.0, 12.0))):  # faces of the box, x, y, z
        assert low <= found.vertices[:, axis].min()
        assert found.vertices[:, axis].max() <= high


def test_mesh_takes_boxes_and_tells_what_was_lost(run_file, shell, tmp_path):
    box = "-8:4,4:16,0:8"
    status, out, err = shell("mesh", run_file, "-o", tmp_path / "a.stl", "--level", "5", "--box", box)
    assert status == 0
    assert "triangles" in out
    assert "STL carries no unit" in err
    assert trimesh.load_mesh(tmp_path / "a.stl").vertices[:, 2].max() <= 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--level", "900"], "choose a level within it"),
        (["--level", "5", "--channel", "3"], "Channel 3 does not exist"),
        (["--level", "5", "--frame", "1"], "Frame 1 does not exist"),
        (["--level", "5", "--factor", "2", "--shape", "4,4,4"], "only one of"),
        (["--level", "5", "--factor", "4000"], "B are free; end other programs, or take less"),
        ([], "--level"),
    ],
)
def test_mesh_refuses_in_one_sentence(run_file, shell, tmp_path, options, words):
    status, out, err = shell("mesh", run_file, "-o", tmp_path / "a.ply", *options)
    assert status == 2
    assert out == ""
    assert words in err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_an_existing_mesh_is_replaced_with_force_only(run_file, shell, tmp_path):
    (tmp_path / "a.obj").write_text("mine")
    assert shell("mesh", run_file, "-o", tmp_path / "a.obj", "--level", "5")[0] == 2
    assert (tmp_path / "a.obj").read_text(encoding="utf-8") == "mine"
    assert shell("mesh", run_file, "-o", tmp_path / "a.obj", "--level", "5", "--force")[0] == 0
    assert len(trimesh.load_mesh(tmp_path / "a.obj").faces) > 10


def test_an_interrupted_mesh_ends_with_130_and_leaves_nothing(run_file, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "dinr_studio",
            "mesh",
            run_file,
            "-o",
            "a.ply",
            "--level",
            "5",
            "--shape",
            "250,250,250",
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    while not list(tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all processes of the command
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
