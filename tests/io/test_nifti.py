"""NIfTI files, made and checked by nibabel itself."""

import gzip
import time

import nibabel as nib
import numpy as np
import pytest

from dinr_studio.errors import DataError, FileFormatError, OutputError
from dinr_studio.io import open_volume
from dinr_studio.io.writing import VolumeHeader, compressions, lost_by

AFFINE = np.array([[-0.36, 0.96, -2.4, 10], [0.8, 1.2, 0, -20], [-0.48, 1.28, 1.8, 30.5], [0, 0, 0, 1]])


def save(path, values, affine=AFFINE, kind=nib.Nifti1Image, **fields):
    image = kind(values, affine)
    image.header.set_xyzt_units("mm", "sec")
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def header_with(path, start, dtype, *numbers):
    """Overwrites part of a file's header."""
    raw = bytearray(path.read_bytes())
    new = np.array(numbers, dtype).tobytes()
    raw[start : start + len(new)] = new
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_written_volume_is_what_nibabel_reads(tmp_path, placed, dtype, suffix):
    grid, values = placed.grid(), placed.ramp((3, 4, 5, 1), dtype)
    path = placed.write(tmp_path / f"a{suffix}", values, VolumeHeader(grid, 1, np.dtype(dtype), notes=("a note",)))
    image = nib.load(path)
    assert image.get_data_dtype() == dtype
    np.testing.assert_array_equal(np.asarray(image.dataobj), values[..., 0].T)
    for affine in (image.affine, image.header.get_qform()):
        for z, y, x in placed.indices:
            np.testing.assert_allclose((affine @ [x, y, z, 1])[:3], placed.position(grid, (z, y, x)), atol=1e-5)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert bytes(image.header["descrip"]).rstrip(b"\0") == b"a note"
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == (suffix == ".nii.gz")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(5, 3, 4, 5), (3, 4, 5)])
def test_frames_and_channels_lie_in_their_dimensions(tmp_path, placed, suffix, shape):
    grid, values = placed.grid(shape), placed.ramp((*shape, 3), np.int16)
    path = placed.write(tmp_path / f"a{suffix}", values, VolumeHeader(grid, 3, np.dtype("i2")))
    image = nib.load(path)
    assert image.shape == ((5, 4, 3, 5, 3) if len(shape) == 4 else (5, 4, 3, 1, 3))
    found = np.asarray(image.dataobj)
    np.testing.assert_array_equal(found.transpose(3, 2, 1, 0, 4).reshape(values.shape), values)
    if len(shape) == 4:
        assert image.header["pixdim"][4] == 0.5
        assert image.header["toffset"] == 3.0
        assert image.header.get_xyzt_units() == ("mm", "sec")
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5)])
def test_what_was_written_is_read_back_in_its_place(tmp_path, placed, suffix, channels, shape):
    grid, values = placed.grid(shape), placed.ramp((*shape, channels))
    path = placed.write(tmp_path / f"a{suffix}", values, VolumeHeader(grid, channels, np.dtype("f4")))
    volume = open_volume(path)
    np.testing.assert_array_equal(volume.values, values)
    assert (volume.grid.axes, volume.grid.units) == (grid.axes, grid.units)
    assert volume.grid.voxel_size == pytest.approx(grid.voxel_size, rel=1e-6)
    assert volume.grid.origin == pytest.approx(grid.origin, abs=1e-5)
    assert volume.grid.orientation.space == "RAS"
    np.testing.assert_allclose(volume.grid.orientation.directions, placed.directions, atol=1e-6)


def test_a_grid_of_the_other_space_is_turned_round(tmp_path, placed):
    grid = placed.grid(space="LPS")
    path = placed.write(tmp_path / "a.nii", placed.ramp((3, 4, 5, 1)), VolumeHeader(grid, 1, np.dtype("f4")))
    found = (nib.load(path).affine @ [4, 3, 2, 1])[:3]
    np.testing.assert_allclose(found, placed.position(grid, (2, 3, 4)) * (-1, -1, 1), atol=1e-5)
    assert lost_by(VolumeHeader(grid, 1, np.dtype("f4")), path) == ()


@pytest.mark.parametrize(
    ("unit", "code", "factor"),
    [("um", "micron", 1), ("m", "meter", 1), ("angstrom", "micron", 1e-4), ("cm", "mm", 10), ("mm", "mm", 1)],
)
def test_positions_are_written_in_a_unit_that_nifti_has(tmp_path, make_grid, placed, unit, code, factor):
    grid = make_grid((3, 4, 5), unit=unit)
    header = VolumeHeader(grid, 1, np.dtype("f4"))
    path = placed.write(tmp_path / "a.nii", placed.ramp((3, 4, 5, 1)), header)
    image = nib.load(path)
    assert image.header.get_xyzt_units()[0] == code
    np.testing.assert_allclose(image.header.get_zooms(), np.array((1.0, 1.5, 2.0)) * factor, rtol=1e-6)
    np.testing.assert_allclose(image.affine[:3, 3], np.array((0.25, 4.0, -7.0)) * factor, rtol=1e-6)
    lost = " ".join(lost_by(header, path))
    assert ("converted" in lost) == (factor != 1)
    assert "in a patient" in lost


def test_degrees_stay_plain_numbers_and_it_is_said(tmp_path, make_grid, placed):
    header = VolumeHeader(make_grid((3, 4, 5), unit="degrees"), 1, np.dtype("f4"), ("a",), "K")
    path = placed.write(tmp_path / "a.nii", placed.ramp((3, 4, 5, 1)), header)
    assert nib.load(path).header.get_xyzt_units()[0] == "unknown"
    lost = " ".join(lost_by(header, path))
    assert "degrees were written as plain numbers" in lost
    assert "(K)" in lost
    assert "names of the channels" in lost


@pytest.mark.parametrize("shape", [(6,), (4, 5), (3, 4, 5)])
def test_lines_and_images_come_back(tmp_path, make_grid, placed, shape):
    grid, values = make_grid(shape, unit="mm"), placed.ramp((*shape, 2))
    volume = open_volume(placed.write(tmp_path / "a.nii.gz", values, VolumeHeader(grid, 2, np.dtype("f4"))))
    np.testing.assert_array_equal(volume.values, values)
    assert volume.grid.axes == grid.axes
    assert volume.grid.voxel_size == grid.voxel_size
    assert volume.grid.origin == grid.origin


def test_half_floats_are_refused_and_gz_is_always_compressed(tmp_path, placed):
    with pytest.raises(OutputError, match=r"NIfTI cannot hold float16; choose one of float32"):
        lost_by(VolumeHeader(placed.grid(), 1, np.dtype("f2")), tmp_path / "a.nii.gz")
    assert compressions(tmp_path / "a.nii.gz") == ("gzip",)
    assert compressions(tmp_path / "a.nii") == ("none",)


def test_a_long_axis_makes_a_nifti_2_file(tmp_path, make_grid, placed):
    grid, values = make_grid((2, 40000), unit="mm"), placed.ramp((2, 40000, 1))
    path = placed.write(tmp_path / "a.nii", values, VolumeHeader(grid, 1, np.dtype("f4")))
    assert isinstance(nib.load(path), nib.Nifti2Image)
    np.testing.assert_array_equal(open_volume(path).values, values)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nibabel_s_files_are_read_in_place(tmp_path, kind, suffix):
    values = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    volume = open_volume(save(tmp_path / f"a{suffix}", values, kind=kind))
    np.testing.assert_array_equal(volume.values[..., 0], values.T)
    assert volume.values.dtype == np.int16
    grid = volume.grid
    assert grid.units == ("mm",) * 3
    assert grid.voxel_size == pytest.approx((3.0, 2.0, 1.0))
    directions = np.array(grid.orientation.directions)[:, ::-1]
    index = np.array((2, 1, 3))
    found = ((np.array(grid.origin) + index * grid.voxel_size)[:, None] * directions).sum(axis=0)
    np.testing.assert_allclose(found, (AFFINE @ [3, 1, 2, 1])[:3], atol=1e-4)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_the_first_bytes_tell_a_nifti_file(tmp_path, kind):
    path = save(tmp_path / "a.nii", np.arange(60, dtype=np.int16).reshape(5, 4, 3), kind=kind)
    assert open_volume(path.rename(tmp_path / "a.data")).provenance.reader == "NIfTI"


def test_a_qform_with_a_mirrored_axis_counts_where_there_is_no_sform(tmp_path):
    image = nib.Nifti1Image(np.arange(60, dtype=np.uint8).reshape(5, 4, 3), None)
    image.header.set_qform(np.diag([-2.0, 3.0, 4.0, 1.0]), 1)
    image.header.set_sform(None, 0)
    nib.save(image, tmp_path / "a.nii")
    grid = open_volume(tmp_path / "a.nii").grid
    assert grid.voxel_size == (4.0, 3.0, 2.0)
    assert grid.orientation.directions == ((1, 0, 0), (0, 1, 0), (0, 0, -1))


def test_voxel_sizes_alone_place_a_volume_at_zero(tmp_path):
    image = nib.Nifti1Image(np.arange(60, dtype=np.uint8).reshape(5, 4, 3), None)
    image.header.set_zooms((0.7, 0.8, 0.9))
    image.header.set_qform(None, 0)
    image.header.set_sform(None, 0)
    nib.save(image, tmp_path / "a.nii")
    volume = open_volume(tmp_path / "a.nii")
    assert volume.grid.voxel_size == (0.9, 0.8, 0.7)
    assert volume.grid.origin == (0.0, 0.0, 0.0)
    assert volume.grid.orientation is None
    assert volume.grid.units == ("", "", "")
    assert any("--unit mm" in note for note in volume.provenance.notes)


def test_slope_and_intercept_scale_the_values(tmp_path):
    stored = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    path = save(tmp_path / "a.nii", stored)
    header_with(path, 112, "<f4", 0.25, -3.0)
    volume = open_volume(path)
    assert volume.values.dtype == np.float32
    np.testing.assert_allclose(volume.values[..., 0], nib.load(path).get_fdata().T, rtol=1e-6)
    np.testing.assert_allclose(volume.values[..., 0], stored.T * 0.25 - 3.0)


def test_big_endian_files_are_read(tmp_path):
    values = np.arange(60, dtype=">i2").reshape(5, 4, 3)
    image = nib.Nifti1Image(values, AFFINE, header=nib.Nifti1Header(endianness=">"))
    nib.save(image, tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes()[:4] == b"\0\0\x01\x5c"
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nii").values[..., 0], values.T)


def test_frames_have_their_step_and_unit(tmp_path):
    values = np.arange(120, dtype=np.uint8).reshape(5, 4, 3, 2)
    path = save(tmp_path / "a.nii", values, pixdim=[1, 1, 2, 3, 2.5, 1, 1, 1], toffset=4.0)
    grid = open_volume(path).grid
    assert grid.axes == ("t", "z", "y", "x")
    assert (grid.voxel_size[0], grid.origin[0], grid.units[0]) == (2.5, 4.0, "s")


def test_an_intent_of_vectors_makes_the_fourth_dimension_channels(tmp_path):
    values = np.arange(120, dtype=np.uint8).reshape(5, 4, 3, 2)
    volume = open_volume(save(tmp_path / "a.nii", values, intent_code=1007))
    assert volume.grid.axes == ("z", "y", "x")
    np.testing.assert_array_equal(volume.values, values.transpose(2, 1, 0, 3))


@pytest.mark.parametrize("letters", ["RGB", "RGBA"])
def test_colours_are_channels(tmp_path, letters):
    plain = np.arange(60 * len(letters), dtype=np.uint8).reshape(5, 4, 3, len(letters))
    dtype = np.dtype([(letter, "u1") for letter in letters])
    path = save(tmp_path / "a.nii", plain.view(dtype)[..., 0])
    volume = open_volume(path)
    assert volume.channel_names == ("red", "green", "blue")
    np.testing.assert_array_equal(volume.values, plain.transpose(2, 1, 0, 3)[..., :3])
    assert any("transparency" in note for note in volume.provenance.notes) == (letters == "RGBA")


def test_a_pair_of_header_and_image_is_one_volume(tmp_path):
    values = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    nib.save(nib.Nifti1Pair(values, AFFINE), tmp_path / "a.img")
    first = open_volume(tmp_path / "a.hdr")
    np.testing.assert_array_equal(first.values[..., 0], values.T)
    raw = bytearray((tmp_path / "a.img").read_bytes())
    raw[10] ^= 1
    (tmp_path / "a.img").write_bytes(raw)
    assert open_volume(tmp_path / "a.hdr").provenance.sha256 != first.provenance.sha256
    (tmp_path / "a.img").unlink()
    with pytest.raises(FileFormatError, match="not beside it"):
        open_volume(tmp_path / "a.hdr")


def test_complex_values_are_refused(tmp_path):
    with pytest.raises(DataError, match="complex"):
        open_volume(save(tmp_path / "a.nii", np.ones((3, 4, 5), np.complex64) * 1j))


LIES = {
    "a trillion voxels": (40, "<i2", [3, 10000, 10000, 10000], "claims 2,000,000,000,352 bytes"),
    "a negative size": (40, "<i2", [3, 5, -4, 3], "claims the dimensions"),
    "no dimensions": (40, "<i2", [0], "claims the dimensions"),
    "eight dimensions": (40, "<i2", [8], "claims the dimensions"),
    "seven dimensions": (40, "<i2", [7, 5, 2, 1, 1, 1, 3, 2], "x, y, z, time and one for channels"),
    "an unknown type": (70, "<i2", [777], "NIfTI type 777"),
    "single bits": (70, "<i2", [1], "NIfTI type 1;"),
    "values far away": (108, "<f4", [1e18], "begin at byte 1e\\+18"),
    "values nowhere": (108, "<f4", [np.nan], "begin at byte nan"),
    "an affine of no numbers": (280, "<f4", [np.nan] * 4, "no finite positions"),
    "a flat affine": (280, "<f4", [0.0] * 12, "does not place its voxels"),
    "an intercept of no number": (112, "<f4", [2.0, np.inf], "intercept"),
    "another header": (0, "<i4", [1234], "no NIfTI header"),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_header_that_lies_is_refused_at_once(tmp_path, lie, compressed):
    start, dtype, numbers, word = LIES[lie]
    path = header_with(save(tmp_path / "a.nii", np.arange(60, dtype=np.int16).reshape(5, 4, 3)), start, dtype, *numbers)
    if compressed:
        raw, path = path.read_bytes(), tmp_path / "a.nii.gz"
        path.write_bytes(gzip.compress(raw))
    began = time.perf_counter()
    with pytest.raises(FileFormatError, match=word) as caught:
        open_volume(path)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("length", [10, 347, 351, 400])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_truncated_file_is_refused_in_words(tmp_path, length, suffix):
    path = save(tmp_path / "a.nii", np.random.default_rng(0).integers(0, 99, (5, 4, 3)).astype(np.int16))
    raw = path.read_bytes()[:length]
    path = tmp_path / f"b{suffix}"
    path.write_bytes(gzip.compress(raw) if suffix == ".nii.gz" else raw)
    with pytest.raises(FileFormatError, match=r"damaged|intact copy"):
        open_volume(path)


def test_a_cut_gzip_stream_is_refused_in_words(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 99, (15, 14, 13)).astype(np.int16))
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(FileFormatError, match="damaged"):
        open_volume(path)
