"""What all tests share: one torch thread, and small grids, volumes and fields that are known exactly."""

import math
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from dinr_studio.coordinates import CoordinateMap, Grid
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.volume import make_volume

ROOT = Path(__file__).parent.parent

torch.set_num_threads(1)


def pytest_addoption(parser):
    """How long the tests of endurance last; by default they are short."""
    parser.addoption("--kills", type=int, default=2, help="how often tests kill a fit; other works by their share")
    parser.addoption("--fits", type=int, default=40, help="how many fits the tests for leaks make")


def pytest_configure(config):
    """Gives each worker of pytest-xdist an X screen of its own: windows of two at once would fight for the keyboard."""
    worker, display = "PYTEST_XDIST_WORKER" in os.environ, "DISPLAY" in os.environ
    if not (worker and display and shutil.which("Xvfb") and shutil.which("setpriv")):
        return
    told, tell = os.pipe()
    os.set_inheritable(tell, True)
    screen = ["Xvfb", "-displayfd", str(tell), "-screen", "0", "1920x1080x24", "-nolisten", "tcp"]
    os.posix_spawnp("setpriv", ["setpriv", "--pdeathsig", "TERM", *screen], os.environ)  # ends with the worker
    os.close(tell)
    with open(told) as answer:
        os.environ["DISPLAY"] = f":{answer.readline().strip()}"


@pytest.fixture(scope="session")
def kills(request):
    """How often a fit is killed."""
    return request.config.getoption("--kills")


@pytest.fixture(scope="session")
def fits(request):
    """How many fits one process makes."""
    return request.config.getoption("--fits")


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def one():
    """A process that opens hostile files within limits, and says how each ended; see hostile/driver.py."""
    import driver

    with driver.opener() as opener:
        yield opener


@pytest.fixture(scope="session")
def make_grid():
    """Makes a grid with unlike voxel sizes, a shifted origin and a unit, unless told otherwise."""

    def make(shape, *, voxel_size=None, origin=None, unit="nm", axes=None):
        axes = axes or ("t", "z", "y", "x")[-len(shape) :]
        spatial = tuple("s" if axis == "t" else unit for axis in axes)
        sizes = voxel_size or (0.5, 2.0, 1.5, 1.0)[-len(shape) :]
        return Grid(tuple(shape), tuple(sizes), tuple(origin or (3.0, -7.0, 4.0, 0.25)[-len(shape) :]), spatial, axes)

    return make


def smooth(world):
    """A smooth function of position, (..., axes) -> (...): what tests use as the truth between voxels."""
    phases = np.asarray(world, dtype=np.float64) * np.array([0.13, 0.21, 0.17, 0.29])[: np.shape(world)[-1]]
    return 5.0 + 2.0 * np.sin(phases.sum(axis=-1)) + np.cos(phases[..., -1] * 1.7)


@pytest.fixture(scope="session")
def truth():
    """The smooth function of position."""
    return smooth


@pytest.fixture(scope="session")
def make_smooth_volume(make_grid):
    """Makes a volume of the smooth function on a grid of some shape."""

    def make(shape, *, noise=0.0, seed=0, dtype=np.float32, **options):
        grid = make_grid(shape, **options)
        positions = np.stack(np.meshgrid(*(grid.axis_positions(i) for i in range(len(shape))), indexing="ij"), axis=-1)
        values = smooth(positions) + noise * np.random.default_rng(seed).standard_normal(shape)
        return make_volume(values.astype(dtype), grid)

    return make


class Exactly(torch.nn.Module):
    """A stand-in for a network that returns the smooth function at the world position of its coordinates."""

    def __init__(self, coordinates):
        super().__init__()
        self.coordinates = coordinates

    def forward(self, x):
        return torch.from_numpy(smooth(self.coordinates.world(x.double().numpy())))[:, None]


@pytest.fixture(scope="session")
def exact_field():
    """Makes a field on a grid that equals the smooth function everywhere."""

    def make(grid):
        coordinates = CoordinateMap.of(grid)
        return FieldOnGrid(Exactly(coordinates), coordinates, Normalisation((1.0,), (0.0,)), grid, 1)

    return make


@pytest.fixture(scope="session")
def decibels():
    """PSNR in dB, written down once more for tests."""
    return lambda true, found, span: 10 * math.log10(span**2 / np.mean((np.asarray(found) - true) ** 2))


class LimitedFiles:
    """A folder in which files can be kept from growing, as a full disk does; any user may do that to his processes."""

    def __init__(self, folder):
        self.folder = folder

    @contextmanager
    def left(self, size):
        """Within the block no file of this process, or of one that it starts, grows beyond so many bytes."""
        import resource

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


class SmallDisk:
    """A folder on a disk of its own, in memory, that can be filled."""

    def __init__(self, mount):
        self.mount, self.folder = mount, mount / "files"
        self.folder.mkdir()

    @contextmanager
    def left(self, size):
        """Within the block the disk has so many bytes left, in whole pages."""
        free = os.statvfs(self.mount).f_bavail * os.statvfs(self.mount).f_frsize
        ballast = self.mount / "ballast"
        ballast.write_bytes(bytes(max(0, free - size)))
        try:
            yield
        finally:
            ballast.unlink()


@pytest.fixture(params=["limited files", "small disk"])
def disk(request, tmp_path):
    """Something that can be full, by either way that there is; the second needs the right to mount."""
    if request.param == "limited files":
        pytest.importorskip("resource")
        (tmp_path / "limited").mkdir()
        yield LimitedFiles(tmp_path / "limited")
        return
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(mount)]
    try:
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a disk is not allowed here")
    try:
        yield SmallDisk(mount)
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)
