"""A disk that fills up while something is written: one sentence, the old file untouched, and nothing else left."""

import numpy as np
import pytest

from dinr_studio.errors import OutputError
from dinr_studio.io import open_volume
from dinr_studio.io.atomic import atomic_output
from dinr_studio.io.meshes import MESH_FORMATS, Mesh, write_mesh
from dinr_studio.io.writing import VolumeHeader, open_writer, output_at, writers

SHAPE = (40, 64, 64)
ALIASES = (".map", ".ccp4", ".hdf5", ".tiff")
ROOM = [0, 100_000, 400_000]  # of about 500 kB to 655 kB
refused = pytest.raises(OutputError, match=r"(disk is full: |larger than a file may be)")


@pytest.fixture(scope="module")
def noise():
    """Slabs that nothing compresses by much."""
    return np.random.default_rng(0).random((4, 10, 64, 64, 1), dtype="f4")


def write(path, slabs, grid, *, force=False):
    header = VolumeHeader(grid, 1, np.dtype("f4"))
    with output_at(path, force=force) as temporary, open_writer(temporary, header, path) as writer:
        for slab in slabs:
            writer.write(slab)


def refusal(disk, room, *arguments):
    """The sentence; nothing holds on to the error, nor to what mrcfile leaves open when its own writing fails."""
    with disk.left(room), refused as caught:
        write(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(folder):
    return [path.name for path in folder.iterdir()]


@pytest.mark.filterwarnings("ignore:unclosed file .*(mrc|map|ccp4):ResourceWarning")
@pytest.mark.parametrize("suffix", [suffix for suffix in writers() if suffix not in ALIASES])
def test_a_volume_for_which_there_is_no_room(disk, make_grid, noise, suffix):
    path, grid = disk.folder / f"a{suffix}", make_grid(SHAPE)
    for room in ROOM:
        assert str(path) in refusal(disk, room, path, noise, grid)
        assert names(disk.folder) == []
    write(path, noise, grid)
    for room in (3000, 400_000):
        with disk.left(room), refused:
            write(path, 2 * noise, grid, force=True)
        assert names(disk.folder) == [path.name]
    np.testing.assert_array_equal(open_volume(path).values, noise.reshape(*SHAPE, 1))


@pytest.mark.parametrize("suffix", list(MESH_FORMATS))
def test_a_mesh_for_which_there_is_no_room(disk, suffix):
    rng = np.random.default_rng(0)
    mesh = Mesh(rng.random((5000, 3)), rng.integers(0, 5000, (10_000, 3)), 0.1)
    path = disk.folder / f"a{suffix}"
    path.write_bytes(b"old")
    for room in (0, 3000, 100_000):
        with disk.left(room), refused, atomic_output(path, force=True) as temporary:
            write_mesh(mesh, temporary, suffix)
        assert names(disk.folder) == [path.name]
        assert path.read_bytes() == b"old"
