"""VTK image files, made and checked by VTK itself; legacy ones by ITK too."""

import time

import numpy as np
import pytest
import SimpleITK
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkIOLegacy import vtkDataSetWriter, vtkStructuredPointsReader
from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLImageDataWriter

from dinr_studio.errors import FileFormatError, OutputError
from dinr_studio.io import open_volume
from dinr_studio.io.reading import list_datasets
from dinr_studio.io.vtk_writing import BLOCK_BYTES
from dinr_studio.io.writing import VolumeHeader, compressions, lost_by

DTYPES = ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32"]


def read(path):
    """What VTK reads: the image, and its values (z, y, x, channels)."""
    reader = vtkXMLImageDataReader() if path.suffix == ".vti" else vtkStructuredPointsReader()
    reader.SetFileName(str(path))
    reader.Update()
    image = reader.GetOutput()
    data = image.GetPointData()
    array = data.GetArray("values")
    assert array is not None
    return image, vtk_to_numpy(array).reshape(*image.GetDimensions()[::-1], array.GetNumberOfComponents())


def vtk_position(image, index):
    """Where VTK has a point of index z, y, x, as x, y, z."""
    found = [0.0, 0.0, 0.0]
    image.TransformContinuousIndexToPhysicalPoint(*(float(i) for i in index[::-1]), found)
    return found


def image_of(placed, arrays, cells=(), turned=True, extent=(0, 4, 0, 3, 0, 2)):
    image = vtkImageData()
    image.SetExtent(*extent)
    image.SetSpacing(0.5, 1.5, 2.5)
    image.SetOrigin(1.0, -2.0, 3.0)
    if turned:
        image.SetDirectionMatrix(*placed.turn.ravel().tolist())
    for data, named in ((image.GetPointData(), arrays), (image.GetCellData(), cells)):
        for name, values in dict(named).items():
            array = numpy_to_vtk(values.reshape(-1, values.shape[-1]), deep=True)
            array.SetName(name)
            data.AddArray(array)
    return image


def save(path, image, text=False, **options):
    writer = vtkXMLImageDataWriter() if path.suffix == ".vti" else vtkDataSetWriter()
    writer.SetInputData(image)
    writer.SetFileName(str(path))
    if path.suffix == ".vtk":
        (writer.SetFileTypeToASCII if text else writer.SetFileTypeToBinary)()
    for name, value in options.items():
        getattr(writer, name)(*value)
    writer.Write()
    return path


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compression", ["", "none"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_written_vti_is_what_vtk_reads(tmp_path, placed, dtype, compression, channels):
    grid, values = placed.grid(space="", unit="um"), placed.ramp((3, 4, 5, channels), dtype)
    header = VolumeHeader(
        grid, channels, np.dtype(dtype), notes=("a note -- with <signs> & more",), compression=compression
    )
    image, found = read(placed.write(tmp_path / "a.vti", values, header))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)
    for index in placed.indices:
        np.testing.assert_allclose(vtk_position(image, index), placed.position(grid, index), atol=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 33])
@pytest.mark.parametrize("shape", [(33, 128, 128), (32, 128, 128)])
def test_values_of_several_blocks_are_packed_in_order(tmp_path, make_grid, placed, rows, shape):
    values = np.random.default_rng(0).standard_normal((*shape, 1)).astype(np.float32).round(1)
    assert values.nbytes >= 2 * BLOCK_BYTES
    path = placed.write(tmp_path / "a.vti", values, VolumeHeader(make_grid(shape), 1, np.dtype("f4")), rows)
    assert path.stat().st_size < values.nbytes / 2
    np.testing.assert_array_equal(read(path)[1], values)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_a_written_legacy_file_is_what_vtk_reads(tmp_path, make_grid, placed, dtype, channels):
    grid, values = make_grid((3, 4, 5)), placed.ramp((3, 4, 5, channels), dtype)
    image, found = read(placed.write(tmp_path / "a.vtk", values, VolumeHeader(grid, channels, np.dtype(dtype))))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)
    assert (image.GetSpacing(), image.GetOrigin()) == (grid.voxel_size[::-1], grid.origin[::-1])


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_itk_reads_a_written_legacy_file(tmp_path, make_grid, placed, dtype):
    grid, values = make_grid((3, 4, 5)), placed.ramp((3, 4, 5, 1), dtype)
    path = placed.write(tmp_path / "a.vtk", values, VolumeHeader(grid, 1, np.dtype(dtype)))
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), values[..., 0])
    assert (image.GetSpacing(), image.GetOrigin()) == (grid.voxel_size[::-1], grid.origin[::-1])


@pytest.mark.parametrize("suffix", [".vti", ".vtk"])
@pytest.mark.parametrize("shape", [(6,), (4, 5), (3, 4, 5)])
def test_what_was_written_is_read_back(tmp_path, make_grid, placed, suffix, shape):
    grid, values = make_grid(shape, unit=""), placed.ramp((*shape, 2))
    header = VolumeHeader(grid, 2, np.dtype("f4"), ("speed <1>", "b"))
    volume = open_volume(placed.write(tmp_path / f"a{suffix}", values, header))
    np.testing.assert_array_equal(volume.values, values)
    assert volume.grid == grid
    assert volume.channel_names == (("speed <1>", "b") if suffix == ".vti" else ())


def test_a_turned_vti_is_read_back_in_its_place(tmp_path, placed):
    grid = placed.grid(space="", unit="")
    header = VolumeHeader(grid, 1, np.dtype("f4"))
    found = open_volume(placed.write(tmp_path / "a.vti", placed.ramp((3, 4, 5, 1)), header)).grid
    assert found.origin == pytest.approx(grid.origin, abs=1e-12)
    assert found.voxel_size == pytest.approx(grid.voxel_size, rel=1e-12)
    np.testing.assert_allclose(found.orientation.directions, placed.directions, atol=1e-12)


def test_a_legacy_file_says_that_the_rotation_is_lost(tmp_path, placed):
    grid = placed.grid()
    header = VolumeHeader(grid, 1, np.dtype("f4"))
    path = placed.write(tmp_path / "a.vtk", placed.ramp((3, 4, 5, 1)), header)
    image, _ = read(path)
    assert image.GetOrigin() == pytest.approx(grid.origin[::-1])
    assert any("rotation" in sentence for sentence in lost_by(header, path))
    assert any("patient" in sentence for sentence in lost_by(header, tmp_path / "a.vti"))


@pytest.mark.parametrize("suffix", [".vti", ".vtk"])
def test_what_vtk_cannot_carry_is_said_or_refused(tmp_path, make_grid, suffix):
    path = tmp_path / f"a{suffix}"
    lost = " ".join(lost_by(VolumeHeader(make_grid((3, 4, 5)), 1, np.dtype("f4"), ("a",), "K"), path))
    for word in ("positions in nm", "(K)", "names of the channels"):
        assert word in lost
    with pytest.raises(OutputError, match="one moment"):
        lost_by(VolumeHeader(make_grid((2, 3, 4, 5)), 1, np.dtype("f4")), path)
    with pytest.raises(OutputError, match="cannot hold float16"):
        lost_by(VolumeHeader(make_grid((3, 4, 5)), 1, np.dtype("f2")), path)
    assert compressions(path) == (("gzip", "none") if suffix == ".vti" else ("none",))


MODES = {
    "appended": {},
    "raw": {"SetEncodeAppendedData": (False,)},
    "binary": {"SetDataMode": (1,)},
    "text": {"SetDataMode": (0,)},
    "not packed": {"SetCompressorType": (0,)},
    "LZ4": {"SetCompressorType": (2,)},
    "LZMA": {"SetCompressorType": (3,)},
}


@pytest.mark.parametrize("mode", MODES)
def test_vtk_s_vti_files_are_read_in_place(tmp_path, placed, mode):
    values = placed.ramp((3, 4, 5, 1), np.int16)
    image = image_of(placed, {"heat": values}, extent=(2, 6, -1, 2, 3, 5))
    volume = open_volume(save(tmp_path / "a.vti", image, **MODES[mode]))
    np.testing.assert_array_equal(volume.values, values)
    assert volume.provenance.dataset == "heat"
    assert volume.grid.units == ("", "", "")
    for z, y, x in placed.indices:
        there = vtk_position(image, (z + 3, y - 1, x + 2))
        np.testing.assert_allclose(placed.position(volume.grid, (z, y, x)), there, atol=1e-12)


@pytest.mark.parametrize("suffix", [".vti", ".vtk"])
@pytest.mark.parametrize("text", [False, True])
def test_one_of_several_arrays_is_chosen(tmp_path, placed, suffix, text):
    values, vectors = placed.ramp((3, 4, 5, 1)), placed.ramp((3, 4, 5, 3), np.float64)
    cells = placed.ramp((2, 3, 4, 1)) + 1
    image = image_of(placed, {"a": values, "b": vectors}, {"c": cells}, turned=False)
    options = {"SetDataMode": (0,)} if text and suffix == ".vti" else {}
    path = save(tmp_path / f"a{suffix}", image, text, **options)
    assert {(e.name, e.shape) for e in list_datasets(path)} == {
        ("a", (3, 4, 5)), ("b", (3, 4, 5, 3)), ("cells/c", (2, 3, 4)),
    }  # fmt: skip
    with pytest.raises(FileFormatError, match=r"several datasets.*a \(3, 4, 5\)"):
        open_volume(path)
    np.testing.assert_array_equal(open_volume(path, dataset="a").values, values)
    np.testing.assert_array_equal(open_volume(path, dataset="b").values, vectors)
    found = open_volume(path, dataset="cells/c")
    np.testing.assert_array_equal(found.values, cells)
    assert found.grid.origin == (3.0 + 1.25, -2.0 + 0.75, 1.0 + 0.25)


def test_the_first_bytes_tell_a_legacy_file(tmp_path, placed):
    path = save(tmp_path / "a.vtk", image_of(placed, {"a": placed.ramp((3, 4, 5, 1))}, turned=False))
    assert open_volume(path.rename(tmp_path / "a.data")).provenance.reader == "VTK"


def pieces_of(path, values, *extents):
    """Writes a .vti file of text in pieces by z, as (first, last)."""
    pieces = [
        f'<Piece Extent="0 4 0 3 {low} {high}"><PointData><DataArray type="Int16" Name="a" format="ascii">'
        f"{' '.join(str(v) for v in values[low : high + 1].ravel())}</DataArray></PointData></Piece>"
        for low, high in extents
    ]
    image = f'<ImageData WholeExtent="0 4 0 3 0 {len(values) - 1}" Origin="0 0 0" Spacing="1 1 1">{"".join(pieces)}'
    path.write_text(f'<VTKFile type="ImageData" byte_order="LittleEndian">{image}</ImageData></VTKFile>')
    return path


@pytest.mark.parametrize("extents", [[(0, 2), (2, 4)], [(2, 4), (0, 2)], [(0, 4), (0, 4)], [(0, 3), (1, 4)]])
def test_a_vti_in_pieces_is_one_volume(tmp_path, placed, extents):
    values = placed.ramp((5, 4, 5), np.int16)
    np.testing.assert_array_equal(open_volume(pieces_of(tmp_path / "a.vti", values, *extents)).values[..., 0], values)


@pytest.mark.parametrize("extents", [[(0, 2), (3, 4)], [(0, 3)], [], [(0, 2), (0, 2)]])
def test_a_vti_whose_pieces_leave_gaps_is_refused(tmp_path, placed, extents):
    with pytest.raises(FileFormatError, match="do not fill its extent"):
        open_volume(pieces_of(tmp_path / "a.vti", placed.ramp((5, 4, 5), np.int16), *extents))


BOMB = """<?xml version="1.0"?>
<!DOCTYPE VTKFile [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<VTKFile type="ImageData"><ImageData WholeExtent="&c;"/></VTKFile>
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("before", ["", "<!-- <VTKFile> -->"])
def test_a_file_with_entities_is_not_opened(tmp_path, encoding, before):
    (tmp_path / "a.vti").write_bytes(BOMB.replace("<!DOCTYPE", before + "<!DOCTYPE").encode(encoding))
    with pytest.raises(FileFormatError, match="document type"):
        open_volume(tmp_path / "a.vti")


VTI_LIES = {
    "a trillion points": (
        b'Extent="0 4 0 3 0 2"',
        b'Extent="0 9999 0 9999 0 9999"',
        "claims 2,000,000,000,000",
    ),
    "an extent backwards": (b'WholeExtent="0 4 0 3 0 2"', b'WholeExtent="0 4 3 0 0 2"', "no valid extent"),
    "half an extent": (b'WholeExtent="0 4 0 3 0 2"', b'WholeExtent="0 4 0"', "no valid extent"),
    "an extent of no number": (b'WholeExtent="0 4 0 3 0 2"', b'WholeExtent="0 4 0 x 0 2"', "no valid extent"),
    "more than there is": (b'WholeExtent="0 4 0 3 0 2"', b'WholeExtent="0 4 0 3 0 9"', "damaged"),
    "a piece elsewhere": (b'Piece Extent="0 4 0 3 0 2"', b'Piece Extent="0 4 0 3 7 9"', "damaged"),
    "a larger piece": (b'Piece Extent="0 4 0 3 0 2"', b'Piece Extent="0 9999 0 9999 0 9999"', "damaged"),
    "a million components": (b'NumberOfComponents="1"', b'NumberOfComponents="1000000"', "1000000 components"),
    "another type": (b'type="Int16"', b'type="Float64"', "damaged"),
    "another file": (b'VTKFile type="ImageData"', b'VTKFile type="PolyData"', "no VTK file of type ImageData"),
    "an origin of no number": (b'Origin="1', b'Origin="nan', "Origin 'nan"),
    "a spacing of nothing": (b'Spacing="0.5', b'Spacing="0', "does not place|damaged"),
    "flat directions": (b'Direction="1 0 0 0 1 0 0 0 1"', b'Direction="1 0 0 1 0 0 0 0 1"', "does not place|damaged"),
    "an offset far off": (b'offset="0"', b'offset="99999999"', "damaged"),
    "half a tag": (b"<PointData", b"<<PointData", "not valid XML"),
}


@pytest.mark.parametrize("lie", VTI_LIES)
def test_a_vti_that_lies_is_refused_at_once(tmp_path, placed, lie):
    good, bad, word = VTI_LIES[lie]
    image = image_of(placed, {"heat": placed.ramp((3, 4, 5, 1), np.int16)}, turned=False)
    path = save(tmp_path / "a.vti", image, SetCompressorType=(0,), SetEncodeAppendedData=(False,))
    raw = path.read_bytes().replace(b'Name="heat"', b'Name="heat" NumberOfComponents="1"')
    assert good in raw
    path.write_bytes(raw.replace(good, bad))
    began = time.perf_counter()
    with pytest.raises(FileFormatError, match=word) as caught:
        open_volume(path)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - began < 10


VTK_LIES = {
    "a trillion points": (b"DIMENSIONS 5 4 3", b"DIMENSIONS 10000 10000 10000", "claims 1,000,000,000,000"),
    "a negative size": (b"DIMENSIONS 5 4 3", b"DIMENSIONS 5 -4 3", "claims the dimensions"),
    "no size": (b"DIMENSIONS 5 4 3", b"", "claims the dimensions"),
    "another count": (b"POINT_DATA 60", b"POINT_DATA 61", "damaged"),
    "a trillion values": (b"heat 1 60 short", b"heat 1 1000000000000 short", "damaged"),
    "many components": (b"heat 1 60 short", b"heat 900000000 60 short", "damaged"),
    "another type": (b"60 short", b"60 double", "damaged"),
    "another set": (b"STRUCTURED_POINTS", b"UNSTRUCTURED_GRID", "UNSTRUCTURED_GRID of VTK"),
    "spacings of no number": (b"SPACING 0.5", b"SPACING nan", "finite positions|damaged"),
    "no header": (b"BINARY", b"HEX", "no valid header"),
}


@pytest.mark.parametrize("lie", VTK_LIES)
def test_a_legacy_file_that_lies_is_refused_at_once(tmp_path, placed, lie):
    good, bad, word = VTK_LIES[lie]
    path = save(tmp_path / "a.vtk", image_of(placed, {"heat": placed.ramp((3, 4, 5, 1), np.int16)}, turned=False))
    raw = path.read_bytes()
    assert good in raw
    path.write_bytes(raw.replace(good, bad))
    began = time.perf_counter()
    with pytest.raises(FileFormatError, match=word) as caught:
        open_volume(path)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize("suffix", [".vti", ".vtk"])
@pytest.mark.parametrize("keep", [0.01, 0.3, 0.9])
def test_a_truncated_file_is_refused_in_words(tmp_path, placed, suffix, keep):
    values = np.random.default_rng(0).integers(0, 9999, (3, 4, 5, 40)).astype(np.int16)
    raw = save(tmp_path / f"a{suffix}", image_of(placed, {"a": values}, turned=False)).read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(FileFormatError, match=r"damaged|intact copy"):
        open_volume(tmp_path / f"a{suffix}")
