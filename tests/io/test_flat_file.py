"""Values left in their files: any part is the one of an array, and a file that changes ends in a sentence."""

import gc
import os

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dinr_studio.errors import FileFormatError
from dinr_studio.io import flat_file, open_volume
from dinr_studio.io.flat_file import FlatFile

VALUES = np.random.default_rng(0).normal(size=(12, 10, 8)).astype(np.float32)


def one_slice(length):
    """Any slice with a positive step along an axis of a length, empty ones too."""
    ends = st.integers(0, length)
    return st.builds(lambda a, b, step: slice(min(a, b), max(a, b), step), ends, ends, st.integers(1, 4))


@pytest.mark.parametrize("read_over", [0, 40, 1 << 14])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_part_is_that_of_an_array(tmp_path, read_over, data):
    shape = tuple(data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=4)))
    dtype = np.dtype(data.draw(st.sampled_from(["u1", ">i2", "<f4", ">f8"])))
    order = data.draw(st.sampled_from("CF"))
    values = np.arange(np.prod(shape)).astype(dtype).reshape(shape)
    offset = data.draw(st.integers(0, 9))
    (tmp_path / "a.bin").write_bytes(bytes(offset) + values.tobytes(order))
    index = tuple(data.draw(one_slice(n)) for n in shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat_file, "READ_OVER", read_over)
        patch.setattr(flat_file, "PIECE", 16)
        stored = FlatFile(tmp_path / "a.bin", offset, shape, dtype, fortran_order=order == "F")
        found = stored[index]
    np.testing.assert_array_equal(found, values[index])
    assert found.dtype == dtype
    longer = [axis for axis in range(len(shape)) if shape[axis] > 1]
    strides = np.asarray(values, order=order).strides
    assert [stored.strides[axis] for axis in longer] == [strides[axis] for axis in longer]


@pytest.mark.parametrize("order", ["C", "F"])
def test_scattered_values_are_gathered_by_another_process(tmp_path, monkeypatch, order):
    monkeypatch.setattr(flat_file, "SCATTERED", 0)
    (tmp_path / "a.bin").write_bytes(b"head" + VALUES.tobytes(order))
    stored = FlatFile(tmp_path / "a.bin", 4, VALUES.shape, VALUES.dtype, fortran_order=order == "F")
    (tmp_path / "a.bin").unlink()
    for index in ((slice(0, 12, 5), slice(0, 10), slice(3, 4)), (slice(1, 2), slice(9, 10), slice(0, 8, 7))):
        np.testing.assert_array_equal(stored[index], VALUES[index])
    process = stored._mapped._process
    assert process is not None
    del stored
    gc.collect()
    assert process.returncode == -9


def test_a_file_cut_short_under_the_process_that_maps_it_ends_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(flat_file, "SCATTERED", 0)
    monkeypatch.setattr(flat_file.Unchanged, "check", lambda self: None)  # as where it shrinks just after
    values = np.arange(1 << 16, dtype=np.float32).reshape(64, 1024)
    values.tofile(tmp_path / "a.bin")
    stored = FlatFile(tmp_path / "a.bin", 0, values.shape, values.dtype)
    np.testing.assert_array_equal(stored[:, 5:6], values[:, 5:6])
    os.truncate(tmp_path / "a.bin", 4096)
    for _ in range(2):
        with pytest.raises(FileFormatError, match="has changed since it was opened"):
            stored[:, 5:6]
    assert stored._mapped._process.wait(10) == -7  # SIGBUS
    with pytest.raises(FileFormatError, match="has changed"):
        stored[50:, :]


def write(path):
    if path.suffix == ".mrc":
        with mrcfile.new(path, VALUES):
            pass
    elif path.suffix == ".npy":
        np.save(path, VALUES)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, VALUES, photometric="minisblack", metadata={"axes": "ZYX"}, byteorder=">")
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("v", data=VALUES, chunks=(4, 10, 4), compression="gzip")
    return path


def shrink(path):
    os.truncate(path, path.stat().st_size // 2)


def alter(path):
    with open(path, "r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"other values")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # even within one tick of the clock


def grow(path):
    with open(path, "ab") as file:
        file.write(bytes(1000))


@pytest.mark.parametrize("name", ["a.mrc", "a.npy", "a.tif", "a.h5"])
@pytest.mark.parametrize("change", [shrink, alter, grow])
def test_a_file_that_changes_while_in_use_ends_in_a_sentence(tmp_path, name, change):
    volume = open_volume(write(tmp_path / name), stored=True)
    np.testing.assert_array_equal(volume.values[3, :, :, 0], VALUES[3])
    change(tmp_path / name)
    for _ in range(2):
        with pytest.raises(FileFormatError, match="has changed since it was opened; open it again"):
            volume.values[11]
        with pytest.raises(FileFormatError, match="has changed"):
            volume.loaded()


@pytest.mark.skipif(os.name != "posix", reason="other systems do not let a file go that is in use")
@pytest.mark.parametrize("name", ["a.mrc", "a.npy", "a.tif", "a.h5"])
def test_a_file_that_vanishes_or_is_replaced_while_in_use_is_read_as_it_was(tmp_path, name):
    volume = open_volume(write(tmp_path / name), stored=True)
    (tmp_path / name).unlink()
    np.testing.assert_array_equal(volume.values[3, :, :, 0], VALUES[3])
    (tmp_path / name).write_bytes(b"another")
    np.testing.assert_array_equal(volume.loaded().values[..., 0], VALUES)


@pytest.mark.parametrize("name", ["a.mrc", "a.npy", "a.tif", "a.h5"])
def test_a_part_that_cannot_be_read_for_other_reasons_is_told_too(tmp_path, name):
    path = write(tmp_path / name)
    shrink(path)
    with pytest.raises(FileFormatError, match=f"{name}") as caught:
        open_volume(path, stored=True)
    assert "\n" not in str(caught.value)
