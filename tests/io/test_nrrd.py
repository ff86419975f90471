"""NRRD files, made and checked by pynrrd itself, and by ITK as a second reader."""

import time

import nrrd
import numpy as np
import pytest
import SimpleITK

from dinr_studio.errors import FileFormatError, OutputError
from dinr_studio.io import open_volume
from dinr_studio.io.writing import VolumeHeader, compressions, lost_by

NAMES = {"RAS": "right-anterior-superior", "LPS": "left-posterior-superior"}


def itk_position(image, index):
    """Where ITK has a voxel, as x, y, z in LPS."""
    return np.array(image.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("compression", ["", "none"])
def test_a_written_volume_is_what_pynrrd_reads(tmp_path, placed, dtype, compression):
    grid, values = placed.grid(), placed.ramp((3, 4, 5, 1), dtype)
    header = VolumeHeader(grid, 1, np.dtype(dtype), (), "HU", ("a note",), compression)
    path = placed.write(tmp_path / "a.nrrd", values, header)
    found, fields = nrrd.read(str(path))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values[..., 0].T)
    assert (fields["space"], fields["space units"]) == (NAMES["RAS"], ["mm"] * 3)
    assert fields["encoding"] == ("raw" if compression else "gzip")
    assert fields["sample units"] == "HU"
    for z, y, x in placed.indices:
        there = fields["space origin"] + np.array([x, y, z]) @ fields["space directions"]
        np.testing.assert_allclose(there, placed.position(grid, (z, y, x)), atol=1e-12)
    assert b"# a note\n" in path.read_bytes()


@pytest.mark.parametrize("space", ["RAS", "LPS"])
@pytest.mark.parametrize("channels", [1, 3])
def test_itk_finds_each_voxel_in_its_place(tmp_path, placed, space, channels):
    grid, values = placed.grid(space=space), placed.ramp((3, 4, 5, channels))
    path = placed.write(tmp_path / "a.nrrd", values, VolumeHeader(grid, channels, np.dtype("f4")))
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image).reshape(values.shape), values)
    for index in placed.indices:
        there = itk_position(image, index) * ((-1, -1, 1) if space == "RAS" else 1)
        np.testing.assert_allclose(there, placed.position(grid, index), atol=1e-9)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("space", ["", "RAS", "LPS"])
def test_what_was_written_is_read_back_in_its_place(tmp_path, placed, shape, channels, space):
    grid, values = placed.grid(shape, space, unit="um"), placed.ramp((*shape, channels))
    path = placed.write(tmp_path / "a.nrrd", values, VolumeHeader(grid, channels, np.dtype("f4"), (), "K"))
    volume = open_volume(path)
    np.testing.assert_array_equal(volume.values, values)
    assert (volume.grid.axes, volume.grid.units, volume.value_unit) == (grid.axes, grid.units, "K")
    assert volume.grid.voxel_size == pytest.approx(grid.voxel_size, rel=1e-12)
    assert volume.grid.origin == pytest.approx(grid.origin, abs=1e-12)
    assert volume.grid.orientation.space == space
    np.testing.assert_allclose(volume.grid.orientation.directions, placed.directions, atol=1e-12)


@pytest.mark.parametrize("shape", [(6,), (4, 5), (3, 4, 5), (2, 4, 5), (2, 3, 4, 5)])
def test_grids_of_no_patient_come_back(tmp_path, make_grid, placed, shape):
    axes = ("t", "y", "x") if shape == (2, 4, 5) else None
    grid, values = make_grid(shape, axes=axes), placed.ramp((*shape, 2))
    volume = open_volume(placed.write(tmp_path / "a.nrrd", values, VolumeHeader(grid, 2, np.dtype("f4"))))
    np.testing.assert_array_equal(volume.values, values)
    assert volume.grid == grid


def test_what_nrrd_cannot_carry_is_said_or_refused(tmp_path, make_grid):
    path, grid = tmp_path / "a.nrrd", make_grid((3, 4, 5))
    assert lost_by(VolumeHeader(grid, 1, np.dtype("f4"), (), "K"), path) == ()
    assert "names of the channels" in lost_by(VolumeHeader(grid, 2, np.dtype("f4"), ("a", "b")), path)[0]
    with pytest.raises(OutputError, match="NRRD cannot hold float16"):
        lost_by(VolumeHeader(grid, 1, np.dtype("f2")), path)
    assert compressions(path) == ("gzip", "none")


VALUES = np.arange(60, dtype=np.int16).reshape(5, 4, 3)  # x, y, z
PLACED = {
    "space": NAMES["LPS"],
    "space directions": np.array([[0.0, 2.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 0.0, 4.0]]),
    "space origin": np.array([10.0, -20.0, 30.0]),
    "space units": ["mm", "mm", "mm"],
    "kinds": ["domain"] * 3,
}


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr"])
def test_pynrrd_s_files_are_read_in_place(tmp_path, encoding, name):
    nrrd.write(str(tmp_path / name), VALUES, {**PLACED, "encoding": encoding})
    volume = open_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.values[..., 0], VALUES.T)
    grid = volume.grid
    assert (grid.voxel_size, grid.units, grid.orientation.space) == ((4.0, 3.0, 2.0), ("mm",) * 3, "LPS")
    assert grid.orientation.directions == ((1, 0, 0), (0, 0, -1), (0, 1, 0))
    assert grid.origin == (30.0, -10.0, -20.0)


def test_the_first_bytes_tell_an_nrrd_file(tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), VALUES, PLACED)
    (tmp_path / "a.nrrd").rename(tmp_path / "a.data")
    assert open_volume(tmp_path / "a.data").provenance.reader == "NRRD"


def test_itk_s_files_are_read_in_place(tmp_path, placed):
    image = SimpleITK.GetImageFromArray(np.arange(60, dtype=np.float32).reshape(3, 4, 5))
    image.SetSpacing((0.5, 1.5, 2.5))
    image.SetOrigin((1.0, -2.0, 3.0))
    image.SetDirection(placed.turn.ravel().tolist())
    SimpleITK.WriteImage(image, str(tmp_path / "a.nrrd"))
    grid = open_volume(tmp_path / "a.nrrd").grid
    assert grid.orientation.space == "LPS"
    for index in placed.indices:
        np.testing.assert_allclose(placed.position(grid, index), itk_position(image, index), atol=1e-9)


def test_the_space_with_left_for_right_is_turned_round(tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), VALUES, {**PLACED, "space": "left-anterior-superior"})
    grid = open_volume(tmp_path / "a.nrrd").grid
    assert grid.orientation.space == "RAS"
    assert grid.orientation.directions[1] == (0, 0, 1)


@pytest.mark.parametrize("kind", ["vector", "list", "RGB-color"])
def test_a_list_without_direction_is_channels(tmp_path, kind):
    values = np.arange(120, dtype=np.uint8).reshape(2, 5, 4, 3)
    directions = np.vstack([np.full(3, np.nan), PLACED["space directions"]])
    nrrd.write(
        str(tmp_path / "a.nrrd"), values, {**PLACED, "kinds": [kind] + ["domain"] * 3, "space directions": directions}
    )
    volume = open_volume(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(volume.values, values.transpose(3, 2, 1, 0))
    assert volume.grid.voxel_size == (4.0, 3.0, 2.0)


def test_spacings_and_cell_centres_place_a_volume_without_directions(tmp_path):
    fields = {"spacings": [0.5, 1.5, 2.5], "axis mins": [10.0, 20.0, 30.0], "units": ["um", "um", "um"]}
    nrrd.write(str(tmp_path / "a.nrrd"), VALUES, {**fields, "centerings": ["cell", "node", "node"]})
    grid = open_volume(tmp_path / "a.nrrd").grid
    assert grid.voxel_size == (2.5, 1.5, 0.5)
    assert grid.origin == (30.0, 20.0, 10.25)
    assert grid.units == ("um",) * 3
    assert grid.orientation is None


def test_a_header_without_places_is_told(tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), VALUES)
    volume = open_volume(tmp_path / "a.nrrd")
    assert volume.grid.voxel_size == (1.0, 1.0, 1.0)
    assert any("no voxel size" in note for note in volume.provenance.notes)
    assert any("no unit of length" in note for note in volume.provenance.notes)


def detached(folder, name, data=VALUES.tobytes(order="F")):
    lines = ["NRRD0005", "type: int16", "dimension: 3", "sizes: 5 4 3", "encoding: raw", "endian: little"]
    (folder / "a.nhdr").write_text("\n".join([*lines, f"data file: {name}", ""]))
    return folder / "a.nhdr"


def test_values_beside_the_header_count_for_its_hash(tmp_path):
    (tmp_path / "a.raw").write_bytes(VALUES.tobytes(order="F"))
    path = detached(tmp_path, "a.raw")
    first = open_volume(path)
    np.testing.assert_array_equal(first.values[..., 0], VALUES.T)
    (tmp_path / "a.raw").write_bytes((VALUES + 1).tobytes(order="F"))
    assert open_volume(path).provenance.sha256 != first.provenance.sha256


@pytest.mark.parametrize("how", ["absolute", "above", "link", "windows", "list", "pattern", "missing"])
def test_a_header_opens_no_files_outside_its_folder(tmp_path, how):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "out.raw").write_bytes(VALUES.tobytes(order="F"))
    (folder / "link.raw").symlink_to(tmp_path / "out.raw")
    names = {
        "absolute": str(tmp_path / "out.raw"), "above": "../out.raw", "link": "link.raw", "windows": r"C:\out.raw",
        "list": "LIST", "pattern": "a%03d.raw 1 3 1", "missing": "none.raw",
    }  # fmt: skip
    word = {"list": "several files", "pattern": "several files", "missing": "not beside it"}.get(how, "outside its own")
    with pytest.raises(FileFormatError, match=word):
        open_volume(detached(folder, names[how]))


GOOD = {"type": "int16", "dimension": "3", "sizes": "5 4 3", "encoding": "raw", "endian": "little"}
LIES = {
    "a trillion voxels": ({"sizes": "10000 10000 10000"}, "claims 2,000,000,000,0"),
    "a trillion zipped voxels": ({"sizes": "10000 10000 10000", "encoding": "gzip"}, "claims 2,000,000,000,000 bytes"),
    "sizes beyond integers": ({"sizes": "99999999999999999999 4 3"}, "claims the sizes|no valid NRRD header"),
    "a negative size": ({"sizes": "5 -4 3"}, "claims the sizes"),
    "another dimension": ({"dimension": "2"}, "claims the sizes"),
    "no size": ({"sizes": ""}, "claims the sizes|no valid NRRD header"),
    "six dimensions": ({"dimension": "6", "sizes": "5 4 3 1 1 1"}, "claims the sizes"),
    "blocks": ({"type": "block"}, "type 'block'"),
    "an unknown encoding": ({"encoding": "hex"}, "encoded as 'hex'"),
    "no byte order": ({"endian": "middle"}, "Invalid endian"),
    "values far away": ({"byte skip": "99999999999"}, "leaves out 0 lines and 99999999999 bytes"),
    "lines before it": ({"line skip": "-3"}, "leaves out -3 lines"),
    "directions that do not fit": (
        {"space dimension": "3", "space directions": "(1,0,0) (0,1,0)"},
        "do not fit its axes",
    ),
    "directions of no number": (
        {"space dimension": "3", "space directions": "(nan,0,0) (0,1,0) (0,0,1)"},
        "no finite positions",
    ),
    "flat directions": ({"space dimension": "3", "space directions": "(1,0,0) (1,0,0) (0,0,1)"}, "flattens the volume"),
    "two lists": ({"kinds": "list vector domain"}, "one for channels can be"),
    "values that are no gzip": ({"encoding": "gzip"}, "damaged"),
    "values that are no bzip2": ({"encoding": "bzip2"}, "damaged"),
    "words for values": ({"encoding": "ascii"}, "damaged"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_at_once(tmp_path, lie):
    changed, word = LIES[lie]
    lines = [f"{name}: {value}" for name, value in {**GOOD, **changed}.items()]
    text = "\n".join(["NRRD0005", *lines, "", ""]).encode()
    (tmp_path / "a.nrrd").write_bytes(text + b"x" * VALUES.nbytes)
    began = time.perf_counter()
    with pytest.raises(FileFormatError, match=word) as caught:
        open_volume(tmp_path / "a.nrrd")
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_file_is_refused_in_words(tmp_path, encoding, keep):
    values = np.random.default_rng(0).integers(0, 9999, (15, 14, 13)).astype(np.int16)
    nrrd.write(str(tmp_path / "a.nrrd"), values, {"encoding": encoding})
    raw = (tmp_path / "a.nrrd").read_bytes()
    (tmp_path / "a.nrrd").write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(FileFormatError, match=r"damaged|intact copy"):
        open_volume(tmp_path / "a.nrrd")
