"""Killed at any moment, a work leaves each file old or new and whole, and the next one clears up after it.

`--kills N` sets how often each kind of work is killed; `-s` shows where the kills landed.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import trimesh
from PIL import Image

from dinr_studio.io import open_volume
from dinr_studio.training.run_file import read_run

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as POSIX systems do"),
    pytest.mark.timeout(7200),
]

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}-\d+-\w+\.part", re.DOTALL)
SETTINGS = ["--preset", "quick", "--width", "8", "--set", "blocks=1", "--epochs", "8", "--device", "cpu"]
SUFFIXES = [".h5", ".mrc", ".zarr", ".tif", ".npy", ".nc", ".nii", ".nii.gz", ".nrrd", ".mha", ".vti", ".vtk"]


class Killer:
    """Has works done by the worker, whole or killed at moments spread over the time that they take."""

    def __init__(self, process):
        self._process = process
        self._rng = np.random.default_rng(int(os.environ.get("KILL_SEED", "20261126")))
        self.landed = Counter()

    def do(self, work, *arguments, seconds=None):
        """Exit status and time of a work."""
        line = json.dumps([work, [str(argument) for argument in arguments], seconds])
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def whole(self, work, *arguments):
        """Has a work done to its end; how long it took."""
        status, seconds = self.do(work, *arguments)
        assert status == 0
        return seconds

    def kill(self, span, folder, work, *arguments):
        """Kills a work at a moment of its span; notes where that landed by what it left. The exit status."""
        before = set(os.listdir(folder))
        status, _ = self.do(work, *arguments, seconds=float(self._rng.uniform(0, 1.05 * span)))
        assert status in (0, -9)
        left = [name for name in os.listdir(folder) if name not in before and TEMPORARY.fullmatch(name)]
        self.landed["after the end" if status == 0 else "amid a file" if left else "elsewhere"] += 1
        return status


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    """The worker, with a profile of its own for what the window keeps."""
    profile = tmp_path_factory.mktemp("profile")
    environment = {**os.environ, "XDG_DATA_HOME": str(profile), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("worker.py"))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, encoding="utf-8") as process:
        process.profile = profile
        yield process
        process.stdin.close()


@pytest.fixture
def killer(worker, request):
    """Kills; says at the end where they landed."""
    made = Killer(worker)
    yield made
    print(f"\n{request.node.name}: {sum(made.landed.values())} kills, {dict(made.landed)}")


@pytest.fixture(scope="module")
def data(tmp_path_factory, make_smooth_volume):
    """A small map."""
    path = tmp_path_factory.mktemp("data") / "small.mrc"
    with mrcfile.new(path, make_smooth_volume((10, 12, 14)).values[..., 0]):
        return path


@pytest.fixture(scope="module")
def run(worker, data, tmp_path_factory):
    """A finished run of it."""
    path = tmp_path_factory.mktemp("run") / "small.dinr"
    Killer(worker).whole("shell", "fit", data, "-o", path, *SETTINGS)
    return path


def cleared(folder):
    """Whether nothing is left half written in a folder."""
    return not [name for name in os.listdir(folder) if ".part" in name]


def test_a_fit_killed_at_any_moment_leaves_a_run_that_resumes_and_ends(killer, data, tmp_path, kills):
    path = tmp_path / "a.dinr"
    span = killer.whole("shell", "fit", data, "-o", path, *SETTINGS)
    for i in range(kills):
        if i % 3 == 0:  # from the beginning; then on and on from where it was killed
            path.unlink(missing_ok=True)
        going_on = ["--resume"] if path.exists() else SETTINGS
        killer.kill(span, tmp_path, "shell", "fit", data, "-o", path, *going_on)
        step = read_run(path).state.step if path.exists() else 0
        if i % 3 == 2 or i == kills - 1:
            killer.whole("shell", "fit", data, "-o", path, *(["--resume"] if path.exists() else SETTINGS))
            run = read_run(path)
            assert run.finished
            assert run.state.step >= step
            assert cleared(tmp_path)


@pytest.mark.parametrize("number", range(len(SUFFIXES)))
def test_an_export_killed_at_any_moment_leaves_the_old_volume_or_the_new_one(killer, run, tmp_path, kills, number):
    if number >= kills // 2:
        pytest.skip("only some formats are tried unless --kills asks for more")
    path = tmp_path / f"a{SUFFIXES[number]}"
    export = ["shell", "export", run, "-o", path, "--device", "cpu"]
    killer.whole(*export, "--factor", 1)
    old = open_volume(path).values
    span = killer.whole(*export, "--factor", 7, "--force")
    new = open_volume(path).values
    for i in range(-(-kills // 6)):
        killer.kill(span, tmp_path, *export, "--force", "--factor", 7 - 6 * (i % 2))
        found = open_volume(path).values
        assert np.array_equal(found, old) or np.array_equal(found, new)
    killer.whole(*export, "--force", "--factor", 7)
    np.testing.assert_array_equal(open_volume(path).values, new)
    assert cleared(tmp_path), os.listdir(tmp_path)


def test_a_zarr_export_killed_again_and_again_is_gone_on_with(killer, run, tmp_path, kills):
    path = tmp_path / "a.zarr"
    export = ["shell", "export", run, "-o", path, "--device", "cpu", "--factor", 5]
    span = killer.whole(*export)
    new = open_volume(path).values
    for _ in range(-(-kills // 6)):
        killer.whole(*export[:-1], 1, "--force")
        old = open_volume(path).values
        for begun in ([], ["--resume"], ["--resume"]):
            status = killer.kill(span, tmp_path, *export, "--force", *begun)
            found = open_volume(path).values
            assert np.array_equal(found, new) or (status and np.array_equal(found, old))
        killer.whole(*export, "--force", "--resume")
        np.testing.assert_array_equal(open_volume(path).values, new)
        assert cleared(tmp_path)


def test_a_mesh_killed_at_any_moment_leaves_the_old_surface_or_the_new_one(killer, run, tmp_path, kills):
    path = tmp_path / "a.ply"
    low, high = open_volume(read_run(run).provenance.file).value_range
    make = ["shell", "mesh", run, "-o", path, "--device", "cpu", "--level", (low + high) / 2, "--force"]
    span, sizes = 0.0, []
    for factor in (1, 3):
        span = max(span, killer.whole(*make, "--factor", factor))
        sizes.append(len(trimesh.load(path).faces))
    for i in range(-(-kills // 3)):
        killer.kill(span, tmp_path, *make, "--factor", 1 + 2 * (i % 2))
        assert len(trimesh.load(path).faces) in sizes
    killer.whole(*make, "--factor", 1)
    assert len(trimesh.load(path).faces) == sizes[0]
    assert cleared(tmp_path), os.listdir(tmp_path)


def test_the_window_killed_at_any_moment_loses_no_run_and_no_movie(killer, worker, data, tmp_path, kills):
    movie = tmp_path / "turn.gif"
    span = killer.whole("window", data, movie, 40)
    (folder,) = worker.profile.rglob("runs")
    for i in range(-(-kills // 2)):
        killer.kill(span, folder, "window", data, movie, 40 + i % 2)
        with Image.open(movie) as picture:
            assert picture.n_frames in (40, 41)
        unfinished = [path for path in folder.glob("*.dinr") if not read_run(path).finished]
        for path in unfinished:
            killer.whole("shell", "fit", data, "-o", path, "--resume")
            assert read_run(path).finished
    killer.whole("window", data, movie, 40)
    assert cleared(folder)
    assert cleared(tmp_path), os.listdir(tmp_path)
