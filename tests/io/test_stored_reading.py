import h5py
import mrcfile
import numpy as np
import pytest
import tifffile

from dinr_studio import volume as volumes
from dinr_studio.errors import DataError, FileFormatError
from dinr_studio.io import open_volume, reading

VALUES = np.random.default_rng(0).normal(size=(12, 10, 8)).astype(np.float32)


def write(path, values=VALUES):
    if path.suffix == ".mrc":
        with mrcfile.new(path, values) as file:
            file.voxel_size = (1.5, 2.0, 3.0)
    elif path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, values, photometric="minisblack", metadata={"axes": "ZYX"}, imagej=True)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("v", data=values, chunks=(4, 10, 4), compression="gzip")
            file["v"].attrs["voxel_size"] = (3.0, 2.0, 1.5)
    return path


@pytest.mark.parametrize("name", ["a.mrc", "a.npy", "a.tif", "a.h5"])
def test_values_left_in_the_file_are_those_that_are_read(tmp_path, name):
    path = write(tmp_path / name)
    read, stored = open_volume(path), open_volume(path, stored=True)
    assert stored.is_stored
    assert stored.grid == read.grid
    np.testing.assert_array_equal(stored.values[...], read.values)
    np.testing.assert_array_equal(stored.cropped((1, 2, 3), (5, 9, 7)).loaded().values, read.values[1:5, 2:9, 3:7])
    assert stored.value_range == pytest.approx(read.value_range)  # so small that the sample is everything


def test_what_fills_memory_stays_in_the_file_by_itself(tmp_path, monkeypatch):
    path = write(tmp_path / "a.npy")
    monkeypatch.setattr(reading, "SMALL", 0)
    monkeypatch.setattr(reading, "available_bytes", lambda: VALUES.nbytes)
    assert open_volume(path).is_stored
    monkeypatch.setattr(reading, "available_bytes", lambda: 3 * VALUES.nbytes)
    assert not open_volume(path).is_stored


def test_packed_values_with_a_fill_stay_packed_in_the_file(tmp_path):
    path = tmp_path / "packed.h5"
    counts = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    with h5py.File(path, "w") as file:
        file["v"] = counts
        file["v"].attrs.update({"scale_factor": 0.5, "add_offset": 2.0, "_FillValue": np.int16(7)})
    read, stored = open_volume(path), open_volume(path, stored=True)
    np.testing.assert_allclose(stored.values[...], read.values)
    assert stored.missing_share == pytest.approx(1 / 60)
    assert stored.loaded().missing[0, 1, 2]


def test_the_channel_and_the_part_asked_for_stay_in_the_file_too(tmp_path):
    path = tmp_path / "a.npy"
    values = np.random.default_rng(1).normal(size=(4, 5, 6, 3))
    np.save(path, values)
    options = {"axes": "zyxc", "channel": 1, "crop": [[1, 3], [0, 5], [2, 6]]}
    stored = open_volume(path, stored=True, **options)
    np.testing.assert_array_equal(stored.values[...], values[1:3, :, 2:6, 1:2])
    assert stored.grid == open_volume(path, **options).grid


def test_a_format_that_has_to_be_read_whole_says_so(tmp_path):
    np.savez(tmp_path / "a.npz", v=VALUES)
    with pytest.raises(FileFormatError, match="as a whole"):
        open_volume(tmp_path / "a.npz", stored=True)
    tifffile.imwrite(tmp_path / "a.tif", VALUES, compression="zlib", photometric="minisblack")
    with pytest.raises(FileFormatError, match="compressed"):
        open_volume(tmp_path / "a.tif", stored=True)


def test_what_needs_all_values_at_once_says_so(tmp_path):
    volume = open_volume(write(tmp_path / "a.npy"), stored=True)
    with pytest.raises(DataError, match="larger than memory"):
        volume.in_memory  # noqa: B018


def test_a_volume_left_in_its_file_is_taken_into_memory_only_where_it_fits(tmp_path, monkeypatch):
    volume = open_volume(write(tmp_path / "a.npy"), stored=True)
    np.testing.assert_array_equal(volume.loaded().in_memory[..., 0], VALUES)
    monkeypatch.setattr(volumes, "LOADED_SHARE", 0.0)
    with pytest.raises(DataError, match=r"GB of memory.*crop"):
        volume.loaded()


def test_a_constant_is_refused_wherever_it_lies(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 5, 6)))
    with pytest.raises(DataError, match="equal 1"):
        open_volume(tmp_path / "a.npy", stored=True)
