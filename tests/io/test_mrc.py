"""MRC files, made and checked by mrcfile itself."""

import bz2
import gzip
import itertools

import mrcfile
import numpy as np
import pytest

from dinr_studio.errors import FileFormatError, OutputError
from dinr_studio.io import open_volume
from dinr_studio.io.writing import VolumeHeader, lost_by, open_writer

MODES = [np.int8, np.int16, np.float32, np.uint16, np.float16]


def ramp(shape, dtype=np.float32):
    return (np.arange(np.prod(shape)) % 120).reshape(shape).astype(dtype)


def save(path, values, *, voxel_size=(1.0, 1.5, 2.0), compression=None, **header):
    """voxel_size and header fields in x, y, z order, as mrcfile has them."""
    with mrcfile.new(path, values, compression=compression) as file:
        file.voxel_size = voxel_size
        for name, value in header.items():
            file.header[name] = value
    return path


@pytest.mark.parametrize("dtype", MODES)
def test_every_mode_is_read_in_its_own_type(tmp_path, dtype):
    values = ramp((3, 4, 5), dtype)
    volume = open_volume(save(tmp_path / "a.mrc", values))
    assert volume.values.dtype == dtype
    np.testing.assert_array_equal(volume.values[..., 0], values)
    assert volume.grid.axes == ("z", "y", "x")
    np.testing.assert_allclose(volume.grid.voxel_size, (2.0, 1.5, 1.0))
    assert volume.grid.units == ("angstrom",) * 3


@pytest.mark.parametrize("mode", [3, 101])
def test_a_mode_that_numpy_has_no_type_for_is_refused_by_name(tmp_path, mode):
    path = save(tmp_path / "a.mrc", ramp((3, 4, 5)))
    data = bytearray(path.read_bytes())
    data[12:16] = np.array([mode], "<i4").tobytes()
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=f"mode {mode}; modes 0, 1, 2, 6 and 12"):
        open_volume(path)


def test_a_complex_map_is_refused_in_words(tmp_path):
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.ones((2, 3, 4), dtype=np.complex64) * 1j)
    with pytest.raises(Exception, match=r"complex.*amplitude"):
        open_volume(path)


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_axes_stored_in_any_order_are_put_right(tmp_path, order):
    """MAPC, MAPR, MAPS say which of x, y, z columns, rows and sections are."""
    right = ramp((3, 4, 5))  # z, y, x
    names = {1: "x", 2: "y", 3: "z"}
    stored = np.transpose(right, ["zyx".index(names[axis]) for axis in reversed(order)])
    path = tmp_path / "a.mrc"
    with mrcfile.new(path, np.ascontiguousarray(stored)) as file:
        file.header.mapc, file.header.mapr, file.header.maps = order
        file.header.mx, file.header.my, file.header.mz = 5, 4, 3
        file.header.cella = (5.0, 6.0, 6.0)
        starts = dict(zip([names[axis] for axis in order], ("nxstart", "nystart", "nzstart"), strict=True))
        for axis, start in (("x", 10), ("y", -20), ("z", 30)):
            file.header[starts[axis]] = start
    volume = open_volume(path)
    np.testing.assert_array_equal(volume.values[..., 0], right)
    np.testing.assert_allclose(volume.grid.voxel_size, (2.0, 1.5, 1.0))
    np.testing.assert_allclose(volume.grid.origin, (60.0, -30.0, 10.0))


def test_the_header_s_origin_goes_before_its_start_indices(tmp_path):
    path = save(tmp_path / "a.mrc", ramp((3, 4, 5)), nxstart=7)
    with mrcfile.open(path, "r+") as file:
        file.header.origin = (1.0, 2.0, -3.5)
    assert open_volume(path).grid.origin == (-3.5, 2.0, 1.0)


@pytest.mark.parametrize(("suffix", "opener"), [(".mrc.gz", gzip.open), (".map.bz2", bz2.open)])
def test_compressed_files_are_read(tmp_path, suffix, opener):
    plain = save(tmp_path / "a.mrc", ramp((3, 4, 5)))
    path = tmp_path / f"b{suffix}"
    with opener(path, "wb") as file:
        file.write(plain.read_bytes())
    np.testing.assert_array_equal(open_volume(path).values[..., 0], ramp((3, 4, 5)))


def test_big_endian_files_are_read(tmp_path):
    path = tmp_path / "a.mrc"
    save(path, ramp((3, 4, 5)).astype(">f4"))
    assert path.read_bytes()[212] == 0x11
    np.testing.assert_array_equal(open_volume(path).values[..., 0], ramp((3, 4, 5)))


def test_a_volume_stack_has_a_time_axis(tmp_path):
    path = tmp_path / "a.mrc"
    with mrcfile.new(path, ramp((2, 3, 4, 5))) as file:
        file.voxel_size = 2.0
    volume = open_volume(path)
    assert volume.grid.axes == ("t", "z", "y", "x")
    assert volume.grid.voxel_size == (1.0, 2.0, 2.0, 2.0)


def test_an_image_is_read_as_y_and_x(tmp_path):
    volume = open_volume(save(tmp_path / "a.mrc", ramp((4, 5))))
    assert volume.grid.axes == ("y", "x")
    np.testing.assert_allclose(volume.grid.voxel_size, (1.5, 1.0))


def test_a_header_without_a_voxel_size_is_told(tmp_path):
    volume = open_volume(save(tmp_path / "a.mrc", ramp((3, 4, 5)), voxel_size=0.0))
    assert volume.grid.voxel_size == (1.0, 1.0, 1.0)
    assert any("no voxel size" in note for note in volume.provenance.notes)


@pytest.mark.parametrize("length", [10, 1000, 1024, 1100])
def test_a_truncated_file_is_refused_in_words(tmp_path, length):
    path = save(tmp_path / "a.mrc", ramp((3, 4, 5)))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(FileFormatError, match=r"intact copy|damaged"):
        open_volume(path)


def test_a_header_that_lies_about_its_size_takes_no_memory(tmp_path):
    path = save(tmp_path / "a.mrc", ramp((3, 4, 5)))
    data = bytearray(path.read_bytes())
    data[0:12] = np.array([30000, 30000, 30000], "<i4").tobytes()
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="claims 108,000,000,000,000 bytes"):
        open_volume(path)


def write(path, values, header):
    with open_writer(path, header, path) as writer:
        for start in range(0, len(values), 2):
            writer.write(values[start : start + 2])


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16", "uint16", "int8"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5), (2, 3, 4, 5)])
def test_a_written_file_is_valid_and_tells_mrcfile_where_it_is(tmp_path, make_grid, dtype, shape):
    path = tmp_path / "a.mrc"
    values = (ramp((*shape, 1)) % 11).astype(dtype)
    grid = make_grid(shape, unit="nm")
    write(path, values, VolumeHeader(grid, 1, np.dtype(dtype), notes=("a note",)))
    assert mrcfile.validate(path)
    with mrcfile.open(path) as file:
        np.testing.assert_array_equal(file.data, values[..., 0])
        assert file.data.dtype == dtype
        sizes = [float(file.voxel_size[axis]) for axis in "zyx"][-len(grid.spatial) :]
        origins = [float(file.header.origin[axis]) for axis in "zyx"][-len(grid.spatial) :]
        np.testing.assert_allclose(sizes, [10 * grid.voxel_size[i] for i in grid.spatial], rtol=1e-6)
        np.testing.assert_allclose(origins, [10 * grid.origin[i] for i in grid.spatial], rtol=1e-6)
        np.testing.assert_allclose(file.header.dmax, values.max())
        np.testing.assert_allclose(file.header.rms, values.astype(float).std(), rtol=1e-4)
        assert "a note" in str(file.get_labels())


def test_what_mrc_cannot_carry_is_said_or_refused(tmp_path, make_grid):
    path = tmp_path / "a.mrc"
    degrees = VolumeHeader(make_grid((2, 3), unit="degrees"), 1, np.dtype("f4"), value_unit="K")
    lost = " ".join(lost_by(degrees, path))
    assert "angstrom" in lost
    assert "K" in lost
    with pytest.raises(OutputError, match="one value per voxel"):
        lost_by(VolumeHeader(make_grid((2, 3, 4)), 3, np.dtype("f4")), path)
    with pytest.raises(OutputError, match="float64"):
        lost_by(VolumeHeader(make_grid((2, 3, 4)), 1, np.dtype("f8")), path)
    assert lost_by(VolumeHeader(make_grid((2, 3, 4), unit="angstrom"), 1, np.dtype("f4")), path) == ()
