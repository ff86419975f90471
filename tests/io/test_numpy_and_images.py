"""NPY, NPZ and plain images."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from PIL import Image

from dinr_studio.errors import DataError, FileFormatError
from dinr_studio.io import open_volume
from dinr_studio.io.writing import VolumeHeader, lost_by, open_writer


def ramp(shape, dtype=np.float32):
    return (np.arange(np.prod(shape)) % 251).reshape(shape).astype(dtype)


@pytest.mark.parametrize(("shape", "axes"), [((7,), "x"), ((4, 5), "yx"), ((3, 4, 5), "zyx"), ((2, 3, 4, 5), "tzyx")])
def test_an_npy_file_is_read_with_the_usual_axes(tmp_path, shape, axes):
    np.save(tmp_path / "a.npy", ramp(shape, np.int32))
    volume = open_volume(tmp_path / "a.npy")
    assert "".join(volume.grid.axes) == axes
    assert volume.values.dtype == np.int32


def test_axes_can_be_stated_and_channels_chosen(tmp_path):
    np.save(tmp_path / "a.npy", ramp((3, 4, 5, 6)))
    volume = open_volume(tmp_path / "a.npy", axes="czxy", channel=1, voxel_size=[2.0, 1.0, 0.5], unit="mm")
    assert volume.grid.axes == ("z", "y", "x")
    assert volume.grid.shape == (4, 6, 5)
    assert volume.grid.voxel_size == (2.0, 1.0, 0.5)
    np.testing.assert_array_equal(volume.values[..., 0], ramp((3, 4, 5, 6))[1].transpose(0, 2, 1))


def test_arrays_of_an_npz_file_are_chosen_by_name(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=ramp((3, 4)), b=-ramp((3, 4)))
    with pytest.raises(FileFormatError, match="--dataset: a"):
        open_volume(tmp_path / "a.npz")
    assert open_volume(tmp_path / "a.npz", dataset="b").value_range == (-11, 0)


def test_python_objects_are_never_loaded(tmp_path):
    class Evil:
        def __reduce__(self):
            return exit, (3,)

    np.save(tmp_path / "a.npy", np.array([Evil(), Evil()], dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Evil()))
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("d.npy", (tmp_path / "a.npy").read_bytes())
    for name in ("a.npy", "b.npy", "c.npz"):
        with pytest.raises(FileFormatError, match=name):
            open_volume(tmp_path / name)


def test_an_npy_header_that_lies_about_its_size_takes_no_memory(tmp_path):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 4)})
    (tmp_path / "a.npy").write_bytes(buffer.getvalue() + bytes(64))
    with pytest.raises(FileFormatError, match="claims"):
        open_volume(tmp_path / "a.npy")


def test_complex_and_empty_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 3), complex) * np.arange(3))
    with pytest.raises(DataError, match="complex"):
        open_volume(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.empty((0, 3)))
    with pytest.raises(FileFormatError, match="empty"):
        open_volume(tmp_path / "b.npy")


def test_an_npy_file_is_written_and_says_what_it_loses(tmp_path, make_grid):
    path = tmp_path / "a.npy"
    header = VolumeHeader(make_grid((3, 4, 5)), 2, np.dtype("i2"))
    with open_writer(path, header, path) as writer:
        writer.write(ramp((3, 4, 5, 2), np.int16))
    np.testing.assert_array_equal(np.load(path), ramp((3, 4, 5, 2)))
    assert "voxel size" in lost_by(header, path)[0]


@pytest.mark.parametrize(
    ("mode", "shape", "channels"),
    [("L", (4, 5), 1), ("RGB", (4, 5, 3), 3), ("RGBA", (4, 5, 4), 3), ("I;16", (4, 5), 1)],
)
def test_images_are_read_as_y_x_and_colours(tmp_path, mode, shape, channels):
    values = ramp(shape, np.uint16 if mode == "I;16" else np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    volume = open_volume(tmp_path / "a.png")
    assert volume.grid.axes == ("y", "x")
    assert volume.channels == channels
    np.testing.assert_array_equal(volume.values, values.reshape(4, 5, -1)[..., :channels])
    assert ("transparency" in " ".join(volume.provenance.notes)) == (mode == "RGBA")
