"""MetaImage files, made and checked by ITK, and by VTK as a second reader."""

import time

import numpy as np
import pytest
import SimpleITK
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOImage import vtkMetaImageReader

from dinr_studio.errors import FileFormatError, OutputError
from dinr_studio.io import open_volume
from dinr_studio.io.writing import VolumeHeader, compressions, lost_by

DTYPES = ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32"]


def itk_position(image, index):
    """Where ITK has a voxel of index z, y, x, as x, y, z in LPS."""
    return np.array(image.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]]))


def save(path, placed, shape=(3, 4, 5), dtype=np.float32, compressed=False):
    image = SimpleITK.GetImageFromArray(placed.ramp(shape, dtype))
    image.SetSpacing((0.5, 1.5, 2.5))
    image.SetOrigin((1.0, -2.0, 3.0))
    image.SetDirection(placed.turn.ravel().tolist())
    SimpleITK.WriteImage(image, str(path), compressed)
    return image


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compression", ["", "gzip"])
def test_a_written_volume_is_what_itk_reads(tmp_path, placed, dtype, compression):
    grid, values = placed.grid(space="LPS"), placed.ramp((3, 4, 5, 1), dtype)
    header = VolumeHeader(grid, 1, np.dtype(dtype), (), "", ("a note",), compression)
    path = placed.write(tmp_path / "a.mha", values, header)
    image = SimpleITK.ReadImage(str(path))
    found = SimpleITK.GetArrayFromImage(image)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values[..., 0])
    for index in placed.indices:
        np.testing.assert_allclose(itk_position(image, index), placed.position(grid, index), atol=1e-9)
    assert (b"CompressedData = True" in path.read_bytes()) == bool(compression)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_vtk_reads_the_same_values(tmp_path, placed, make_grid, compression):
    values = placed.ramp((3, 4, 5, 3), np.int16)
    header = VolumeHeader(make_grid((3, 4, 5), unit="mm"), 3, np.dtype("i2"), compression=compression)
    reader = vtkMetaImageReader()
    reader.SetFileName(str(placed.write(tmp_path / "a.mha", values, header)))
    reader.Update()
    image = reader.GetOutput()
    np.testing.assert_array_equal(vtk_to_numpy(image.GetPointData().GetScalars()).reshape(3, 4, 5, 3), values)
    assert image.GetSpacing() == (1.0, 1.5, 2.0)
    assert image.GetOrigin() == (0.25, 4.0, -7.0)


def test_a_patient_s_volume_is_written_in_itk_s_space(tmp_path, placed):
    grid = placed.grid(space="RAS", unit="cm")
    header = VolumeHeader(grid, 1, np.dtype("f4"))
    path = placed.write(tmp_path / "a.mha", placed.ramp((3, 4, 5, 1)), header)
    there = itk_position(SimpleITK.ReadImage(str(path)), (2, 3, 4))
    np.testing.assert_allclose(there, placed.position(grid, (2, 3, 4)) * (-10, -10, 10), atol=1e-9)
    assert lost_by(header, path) == ("MetaImage measures in mm; positions in cm were converted.",)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("space", ["", "LPS"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_what_was_written_is_read_back_in_its_place(tmp_path, placed, shape, channels, space, compression):
    grid, values = placed.grid(shape, space), placed.ramp((*shape, channels))
    header = VolumeHeader(grid, channels, np.dtype("f4"), compression=compression)
    volume = open_volume(placed.write(tmp_path / "a.mha", values, header))
    np.testing.assert_array_equal(volume.values, values)
    assert volume.grid.axes == grid.axes
    assert volume.grid.units[-3:] == ("mm",) * 3
    assert volume.grid.voxel_size == pytest.approx(grid.voxel_size, rel=1e-12)
    assert volume.grid.origin == pytest.approx(grid.origin, abs=1e-12)
    assert volume.grid.orientation.space == space
    np.testing.assert_allclose(volume.grid.orientation.directions, placed.directions, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (2, 4, 5), (2, 3, 4, 5)])
def test_grids_of_no_patient_come_back(tmp_path, make_grid, placed, shape):
    axes = ("t", "y", "x") if shape == (2, 4, 5) else None
    grid, values = make_grid(shape, axes=axes, unit="mm"), placed.ramp((*shape, 2))
    volume = open_volume(placed.write(tmp_path / "a.mha", values, VolumeHeader(grid, 2, np.dtype("f4"))))
    np.testing.assert_array_equal(volume.values, values)
    assert (volume.grid.axes, volume.grid.voxel_size) == (grid.axes, grid.voxel_size)
    assert (volume.grid.origin, volume.grid.orientation) == (grid.origin, None)


def test_what_metaimage_cannot_carry_is_said_or_refused(tmp_path, make_grid):
    path = tmp_path / "a.mha"
    lost = " ".join(
        lost_by(VolumeHeader(make_grid((2, 3, 4, 5), unit="degrees"), 1, np.dtype("f4"), ("a",), "K"), path)
    )
    for word in ("degrees were written as plain numbers", "unit of time (s)", "(K)", "names of the channels"):
        assert word in lost
    with pytest.raises(OutputError, match="MetaImage cannot hold float16"):
        lost_by(VolumeHeader(make_grid((3, 4, 5)), 1, np.dtype("f2")), path)
    with pytest.raises(OutputError, match="not lines"):
        lost_by(VolumeHeader(make_grid((6,)), 1, np.dtype("f4")), path)
    assert compressions(path) == ("none", "gzip")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
def test_itk_s_files_are_read_in_place(tmp_path, placed, compressed, name):
    image = save(tmp_path / name, placed, compressed=compressed)
    volume = open_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.values[..., 0], placed.ramp((3, 4, 5)))
    assert volume.grid.orientation.space == "LPS"
    assert volume.grid.units == ("mm",) * 3
    assert volume.grid.voxel_size == pytest.approx((2.5, 1.5, 0.5))
    for index in placed.indices:
        np.testing.assert_allclose(placed.position(volume.grid, index), itk_position(image, index), atol=1e-9)


def test_vectors_of_itk_are_channels(tmp_path, placed):
    values = placed.ramp((3, 4, 5, 3), np.uint8)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values, isVector=True), str(tmp_path / "a.mha"))
    np.testing.assert_array_equal(open_volume(tmp_path / "a.mha").values, values)


def test_frames_of_itk_are_times(tmp_path, placed):
    frames = [SimpleITK.GetImageFromArray(placed.ramp((3, 4, 5)) + i) for i in range(2)]
    series = SimpleITK.JoinSeries(frames, 7.0, 0.25)
    SimpleITK.WriteImage(series, str(tmp_path / "a.mha"))
    grid = open_volume(tmp_path / "a.mha").grid
    assert (grid.axes, grid.shape) == (("t", "z", "y", "x"), (2, 3, 4, 5))
    assert (grid.voxel_size[0], grid.origin[0], grid.units[0]) == (0.25, 7.0, "")


@pytest.mark.parametrize("before", [0, 10])
@pytest.mark.parametrize("stated", [-1, None])
def test_bytes_before_the_values_are_passed_over_as_itk_does(tmp_path, before, stated):
    values = np.arange(60, dtype="<i2")
    (tmp_path / "a.raw").write_bytes(b"z" * before + values.tobytes())
    path = file_of(tmp_path / "a.mhd", {"HeaderSize": before if stated is None else stated}, "a.raw")
    found = open_volume(path).values[..., 0]
    np.testing.assert_array_equal(found.ravel(), values)
    np.testing.assert_array_equal(found, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))))


def test_big_endian_values_are_read(tmp_path):
    path = file_of(tmp_path / "a.mha", {"BinaryDataByteOrderMSB": "True"})
    found = open_volume(path).values[..., 0]
    np.testing.assert_array_equal(found, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))))
    np.testing.assert_array_equal(found.ravel(), np.arange(60) * 256)


def test_values_beside_the_header_count_for_its_hash(tmp_path, placed):
    save(tmp_path / "a.mhd", placed)
    first = open_volume(tmp_path / "a.mhd").provenance.sha256
    (tmp_path / "a.raw").write_bytes(placed.ramp((3, 4, 5))[::-1].tobytes())
    assert open_volume(tmp_path / "a.mhd").provenance.sha256 != first


GOOD = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "DimSize": "5 4 3",
    "ElementType": "MET_SHORT",
}


def file_of(path, changed, data="LOCAL", first=""):
    lines = [f"{name} = {value}" for name, value in {**GOOD, **changed}.items()]
    content = "\n".join([*([first] if first else []), *lines, f"ElementDataFile = {data}", ""])
    path.write_bytes(content.encode() + np.arange(60, dtype="<i2").tobytes())
    return path


def test_a_plain_header_is_read(tmp_path):
    volume = open_volume(file_of(tmp_path / "a.mha", {}))
    np.testing.assert_array_equal(volume.values[..., 0].ravel(), np.arange(60))
    assert volume.grid.orientation is None


@pytest.mark.parametrize("how", ["absolute", "above", "link", "list", "pattern", "missing"])
def test_a_header_opens_no_files_outside_its_folder(tmp_path, how):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "out.raw").write_bytes(bytes(120))
    (folder / "link.raw").symlink_to(tmp_path / "out.raw")
    names = {
        "absolute": tmp_path / "out.raw", "above": "../out.raw", "link": "link.raw", "list": "LIST",
        "pattern": "a%03d.raw 1 3 1", "missing": "none.raw",
    }  # fmt: skip
    word = {"list": "several files", "pattern": "several files", "missing": "not beside it"}.get(how, "outside its own")
    with pytest.raises(FileFormatError, match=word):
        open_volume(file_of(folder / "a.mhd", {}, names[how]))


LIES = {
    "a trillion voxels": ({"DimSize": "10000 10000 10000"}, "claims 2,000,000,000,"),
    "a trillion packed voxels": (
        {"DimSize": "10000 10000 10000", "CompressedData": "True"},
        "claims 2,000,000,000,000",
    ),
    "a negative size": ({"DimSize": "5 -4 3"}, "claims the sizes"),
    "another dimension": ({"NDims": "2"}, "claims the sizes"),
    "seven dimensions": ({"NDims": "7", "DimSize": "5 2 2 1 1 3 1"}, "claims the sizes"),
    "sizes of no number": ({"DimSize": "nan 4 3"}, "no valid DimSize"),
    "too many channels": ({"ElementNumberOfChannels": "1000000"}, "claims 1000000 channels"),
    "an unknown type": ({"ElementType": "MET_STRING"}, "type 'STRING'"),
    "text": ({"BinaryData": "False"}, "as text"),
    "spacings of no number": ({"ElementSpacing": "nan 1 1"}, "finite positions|damaged|intact"),
    "flat directions": ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "flattens|damaged"),
    "values that are not packed": ({"CompressedData": "True", "CompressedDataSize": "120"}, "damaged"),
    "a packed size far off": ({"CompressedData": "True", "CompressedDataSize": "99999999999999"}, "damaged|ends after"),
    "values far away": ({"HeaderSize": "99999999999"}, "begin at byte 99999999999"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_at_once(tmp_path, lie):
    changed, word = LIES[lie]
    began = time.perf_counter()
    with pytest.raises(FileFormatError, match=word) as caught:
        open_volume(file_of(tmp_path / "a.mha", changed))
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - began < 10


def test_a_field_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="no valid MetaImage header"):
        open_volume(file_of(tmp_path / "a.mha", {}, first="DimSize = 2 2 2"))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("keep", [0.2, 0.6, 0.98])
def test_a_truncated_file_is_refused_in_words(tmp_path, placed, compressed, keep):
    image = SimpleITK.GetImageFromArray(np.random.default_rng(0).integers(0, 9999, (15, 14, 13)).astype(np.int16))
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"), compressed)
    raw = (tmp_path / "a.mha").read_bytes()
    (tmp_path / "a.mha").write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(FileFormatError, match=r"damaged|intact copy"):
        open_volume(tmp_path / "a.mha")


@pytest.mark.parametrize("cut", [1, 4])
def test_a_packed_stream_without_its_end_is_refused(tmp_path, placed, cut):
    save(tmp_path / "a.mha", placed, compressed=True)
    (tmp_path / "a.mha").write_bytes((tmp_path / "a.mha").read_bytes()[:-cut])
    with pytest.raises(FileFormatError, match="truncated or damaged"):
        open_volume(tmp_path / "a.mha")


def test_a_packed_stream_of_more_values_is_refused(tmp_path, placed):
    save(tmp_path / "a.mha", placed, compressed=True)
    raw = (tmp_path / "a.mha").read_bytes()
    (tmp_path / "a.mha").write_bytes(raw.replace(b"DimSize = 5 4 3", b"DimSize = 5 4 2"))
    with pytest.raises(FileFormatError, match="more values"):
        open_volume(tmp_path / "a.mha")
