"""Folders and patterns of numbered files: which are one volume, in which order, and what is said about them."""

import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image

from dinr_studio.errors import FileFormatError
from dinr_studio.io import open_volume
from dinr_studio.io.folders import folder_format
from dinr_studio.io.reading import list_datasets


def spread(shape, dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def tiffs(folder, values, name="slice_{}.tif", numbers=None):
    folder.mkdir(exist_ok=True)
    for number, plane in zip(numbers or range(1, len(values) + 1), values, strict=True):
        tifffile.imwrite(folder / name.format(number), plane)
    return folder


def maps(folder, frames):
    folder.mkdir()
    for i, frame in enumerate(frames):
        with mrcfile.new(folder / f"frame_{i:03d}.mrc") as file:
            file.set_data(frame)
            file.voxel_size = 1.5
    return folder


def test_numbered_slices_become_a_volume_in_the_order_of_their_numbers(tmp_path):
    values = spread((12, 5, 6))
    volume = open_volume(tiffs(tmp_path / "slices", values))  # slice_10 comes after slice_9
    assert volume.grid.axes == ("z", "y", "x")
    np.testing.assert_array_equal(volume.values[..., 0], values)
    assert volume.values.dtype == np.uint16
    assert volume.provenance.reader == "series"
    assert volume.provenance.dataset == "slice_*.tif"
    assert volume.provenance.notes == ()


def test_pictures_with_colours_become_a_volume_with_channels(tmp_path):
    values = spread((3, 5, 6, 3), np.uint8)
    for i, picture in enumerate(values):
        Image.fromarray(picture).save(tmp_path / f"p{i}.png")
    volume = open_volume(tmp_path)
    assert volume.grid.shape == (3, 5, 6)
    assert volume.channel_names == ("red", "green", "blue")
    np.testing.assert_array_equal(volume.values, values)


def test_numbered_volumes_become_frames_with_their_place_and_size(tmp_path):
    frames = spread((4, 3, 5, 6), np.float32)
    volume = open_volume(maps(tmp_path / "frames", frames))
    assert volume.grid.axes == ("t", "z", "y", "x")
    assert volume.grid.voxel_size == (1.0, 1.5, 1.5, 1.5)
    assert volume.grid.units == ("", "angstrom", "angstrom", "angstrom")
    np.testing.assert_array_equal(volume.values[..., 0], frames)


def test_slices_are_taken_as_thick_as_a_pixel_where_only_that_is_known(tmp_path):
    for i, plane in enumerate(spread((3, 5, 6))):
        tifffile.imwrite(
            tmp_path / f"s{i}.tif", plane, imagej=True, resolution=(4, 2), metadata={"unit": "um", "axes": "YX"}
        )
    volume = open_volume(tmp_path)
    assert volume.grid.voxel_size == (0.25, 0.5, 0.25)
    assert volume.grid.units == ("um",) * 3
    assert "distance of slices is not known" in volume.provenance.notes[0]
    assert open_volume(tmp_path, voxel_size=[2.0, 0.5, 0.25]).grid.voxel_size == (2.0, 0.5, 0.25)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([1, 2, 3, 4], None),
        ([0, 10, 20, 30], None),
        ([1, 2, 4, 5], "gaps (3)"),
        ([1, 2, 3, 7], "gaps (4 to 6)"),
        ([10, 20, 40, 50], "gaps (30)"),
    ],
)
def test_gaps_in_the_numbering_are_noted(tmp_path, numbers, said):
    notes = open_volume(tiffs(tmp_path / "s", spread((4, 5, 6)), numbers=numbers)).provenance.notes
    assert [said in note for note in notes] == ([] if said is None else [True])


def test_the_odd_file_of_a_series_is_named(tmp_path):
    folder = tiffs(tmp_path / "s", spread((5, 5, 6)))
    tifffile.imwrite(folder / "slice_1.tif", spread((5, 7)))
    with pytest.raises(
        FileFormatError, match=r"slice_1\.tif is \(5, 7\) uint16 where the other files of slice_\*\.tif"
    ):
        open_volume(folder)
    tifffile.imwrite(folder / "slice_1.tif", spread((5, 6), np.uint8))
    with pytest.raises(FileFormatError, match=r"slice_1\.tif is \(5, 6\) uint8"):
        open_volume(folder)
    (folder / "slice_1.tif").write_bytes(b"nothing")
    with pytest.raises(FileFormatError, match=r"slice_1\.tif cannot be read"):
        open_volume(folder)


def test_two_files_of_one_number_are_refused(tmp_path):
    folder = tiffs(tmp_path / "s", spread((3, 5, 6)))
    tifffile.imwrite(folder / "slice_02.tif", spread((5, 6)))
    with pytest.raises(FileFormatError, match="Two files have the number"):
        open_volume(folder)


def test_several_series_in_a_folder_are_listed_and_chosen(tmp_path):
    folder = tiffs(tmp_path / "s", spread((3, 5, 6)))
    other = spread((4, 7, 8), seed=1)
    tiffs(folder, other, "stain2_{:03d}.tif")
    (folder / "readme.txt").write_text("1")
    (folder / "single.npy").write_bytes(b"")
    assert [(entry.name, entry.shape) for entry in list_datasets(folder)] == [
        ("slice_*.tif", (3, 5, 6)),
        ("stain2_*.tif", (4, 7, 8)),
    ]
    with pytest.raises(FileFormatError, match="several datasets"):
        open_volume(folder)
    np.testing.assert_array_equal(open_volume(folder, dataset="stain2_*.tif").values[..., 0], other)


def test_of_two_numbers_that_differ_the_last_one_counts(tmp_path):
    first, second = spread((3, 5, 6)), spread((3, 5, 6), seed=1)
    folder = tiffs(tmp_path / "s", first, "t1_z{:02d}.tif")
    tiffs(folder, second, "t2_z{:02d}.tif")
    assert [entry.name for entry in list_datasets(folder)] == ["t1_z*.tif", "t2_z*.tif"]
    np.testing.assert_array_equal(open_volume(folder, dataset="t2_z*.tif").values[..., 0], second)
    stamped = tmp_path / "stamped"
    for i, plane in enumerate(first):
        tiffs(stamped, [plane], f"{i}_at_{9000 - 7 * i}.tif")
    np.testing.assert_array_equal(open_volume(stamped).values[..., 0], first)


def test_a_pattern_opens_the_files_that_fit_it(tmp_path):
    values = spread((12, 5, 6))
    folder = tiffs(tmp_path / "slices", values)
    tiffs(folder, spread((3, 7, 8)), "other{}.tif")
    volume = open_volume(f"{folder}/slice_*.tif")
    np.testing.assert_array_equal(volume.values[..., 0], values)
    assert volume.provenance.file == f"{folder}/slice_*.tif"
    np.testing.assert_array_equal(open_volume(f"{folder}/slice_1?.tif").values[..., 0], values[9:])
    with pytest.raises(FileFormatError, match="fits less than two files"):
        open_volume(f"{folder}/none_*.tif")


def test_a_name_with_signs_of_a_pattern_is_still_a_name(tmp_path):
    np.save(tmp_path / "a[1]*.npy", spread((3, 5, 6)))
    np.save(tmp_path / "a1.npy", spread((3, 5, 7)))
    assert open_volume(tmp_path / "a[1]*.npy").grid.shape == (3, 5, 6)


def test_a_file_of_a_series_opens_alone(tmp_path):
    values = spread((3, 5, 6))
    folder = tiffs(tmp_path / "slices", values)
    np.testing.assert_array_equal(open_volume(folder / "slice_2.tif").values[..., 0], values[1])


@pytest.mark.parametrize("names", [[], ["a.txt", "b.txt"], ["only_1.tif"], ["left.tif", "right.tif"]])
def test_a_folder_without_a_series_is_refused(tmp_path, names):
    for name in names:
        tifffile.imwrite(tmp_path / name, spread((5, 6)))
    assert folder_format(tmp_path) is None
    with pytest.raises(FileFormatError, match="is a folder without"):
        open_volume(tmp_path)


def test_a_series_is_known_again_by_its_files_alone(tmp_path):
    folder = tiffs(tmp_path / "slices", spread((3, 5, 6)))
    before = open_volume(folder).provenance.sha256
    (folder / "run.dinr").write_bytes(b"more")
    assert open_volume(folder).provenance.sha256 == before
    assert open_volume(f"{folder}/*.tif").provenance.sha256 == before
    tifffile.imwrite(folder / "slice_2.tif", spread((5, 6), seed=3))
    assert open_volume(folder).provenance.sha256 != before


def test_missing_values_of_members_stay_missing(tmp_path):
    frames = spread((3, 4, 5, 6), np.float32)
    frames[1, 2, 3, 4] = np.nan
    for i, frame in enumerate(frames):
        np.save(tmp_path / f"f{i}.npy", frame)
    volume = open_volume(tmp_path)
    np.testing.assert_array_equal(volume.missing, np.isnan(frames))
