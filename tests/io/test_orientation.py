"""How a volume lies in space, in formats that keep it by attributes, and in those that cannot."""

import h5py
import numpy as np
import pytest

from dinr_studio.io import open_volume
from dinr_studio.io.writing import VolumeHeader, lost_by


@pytest.mark.parametrize("space", ["", "RAS", "LPS"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5)])
def test_hdf5_keeps_how_a_volume_lies(tmp_path, placed, space, shape):
    grid, values = placed.grid(shape, space), placed.ramp((*shape, 1))
    header = VolumeHeader(grid, 1, np.dtype("f4"))
    assert lost_by(header, tmp_path / "a.h5") == ()
    volume = open_volume(placed.write(tmp_path / "a.h5", values, header))
    assert volume.grid == grid
    np.testing.assert_array_equal(volume.values, values)


@pytest.mark.parametrize("directions", [np.ones((3, 3)), np.eye(2), ["a", "b", "c"], np.full((3, 3), np.nan)])
def test_attributes_that_mean_something_else_do_not_count(tmp_path, directions):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.arange(60.0).reshape(3, 4, 5)
        file["a"].attrs["directions"] = directions
    assert open_volume(tmp_path / "a.h5").grid.orientation is None


@pytest.mark.parametrize("suffix", [".mrc", ".tif", ".npy", ".vtk"])
def test_formats_without_directions_say_that_the_rotation_is_lost(tmp_path, placed, make_grid, suffix):
    path = tmp_path / f"a{suffix}"
    turned = lost_by(VolumeHeader(placed.grid(), 1, np.dtype("f4")), path)
    straight = lost_by(VolumeHeader(placed.grid(directions=np.eye(3).tolist()), 1, np.dtype("f4")), path)
    plain = lost_by(VolumeHeader(make_grid((3, 4, 5)), 1, np.dtype("f4")), path)
    assert any("rotation in space" in sentence for sentence in turned)
    assert any("patient's space (RAS)" in sentence for sentence in straight)
    assert not any("space" in sentence for sentence in plain)
