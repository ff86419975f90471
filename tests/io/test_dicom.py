"""DICOM: places checked against ITK, values against what was stored, and nothing of a patient in what is kept."""

import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from dinr_studio.affine import affine_of
from dinr_studio.errors import DinrError, FileFormatError
from dinr_studio.io import open_volume
from dinr_studio.io.reading import list_datasets

SERIES = "1.2.826.0.1.3680043.8.498.11111111111111"
TURNED = (0.8, 0.6, 0.0, -0.36, 0.48, -0.8)  # rows and columns of slices that lie askew in the patient
PATIENT = "Doe^Jane"


def dataset(pixels, kind=CTImageStorage, **more):
    """A DICOM object of pixels (rows, columns) or (frames, rows, columns) or (rows, columns, 3)."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = kind
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID, header.SOPInstanceUID = kind, more.pop("SOPInstanceUID", pydicom.uid.generate_uid())
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.PatientName, header.PatientID = PATIENT, "secret-17"
    header.add_new((0x0009, 0x0010), "LO", "PRIVATE MAKER")
    header.add_new((0x0009, 0x1001), "LO", "private remark")
    header.Modality = "CT" if kind == CTImageStorage else "MR"
    header.SeriesInstanceUID, header.SeriesNumber, header.SeriesDescription = SERIES, 3, "Thorax"
    colours = pixels.ndim == 3 and pixels.shape[-1] == 3 and "NumberOfFrames" not in more
    header.Rows, header.Columns = pixels.shape[:2] if colours else pixels.shape[-2:]
    header.SamplesPerPixel = 3 if colours else 1
    header.PhotometricInterpretation = "RGB" if colours else "MONOCHROME2"
    if colours:
        header.PlanarConfiguration = 0
    header.BitsAllocated = header.BitsStored = 8 * pixels.dtype.itemsize
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in more.items():
        setattr(header, name, value)
    header.PixelData = pixels.tobytes()
    return header


def save(header, path, syntax=None):
    if syntax is not None:
        header.compress(syntax)
    header.save_as(path, enforce_file_format=True)
    return path


def slices(folder, values, *, along=None, names=None, syntax=None, **more):
    """Writes values (z, y, x) as one file for each slice, in an order that is not that of their positions."""
    folder.mkdir(exist_ok=True)
    directions = np.reshape(more.pop("directions", TURNED), (2, 3))
    normal = np.cross(*directions)
    along = 2.5 * np.arange(len(values)) if along is None else along
    order = np.random.default_rng(5).permutation(len(values))
    for number, i in enumerate(order):
        header = dataset(
            values[i],
            ImagePositionPatient=[round(float(v), 6) for v in np.array([-100.0, 40.0, 7.0]) + along[i] * normal],
            ImageOrientationPatient=list(directions.reshape(-1)),
            PixelSpacing=[0.7, 0.9],
            **{"InstanceNumber": number + 1}
            | {name: value[i] if isinstance(value, list) else value for name, value in more.items()},
        )
        save(header, folder / (f"IM{number:04d}.dcm" if names is None else names[number]), syntax)
    return folder


def spread(shape, low=-1000, high=2000, dtype=np.int16, seed=0):
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def itk_image(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def test_every_voxel_of_a_series_lies_where_itk_has_it(tmp_path):
    folder = slices(tmp_path / "ct", spread((6, 5, 7)), RescaleSlope=2, RescaleIntercept=-1024)
    volume, image = open_volume(folder), itk_image(folder)
    np.testing.assert_array_equal(volume.values[..., 0], sitk.GetArrayFromImage(image))
    affine = affine_of(volume.grid, "LPS")
    for index in np.ndindex(7, 5, 6):  # i, j, k
        np.testing.assert_allclose(affine[:3] @ (*index, 1), image.TransformIndexToPhysicalPoint(index), atol=1e-4)
    assert volume.grid.units == ("mm",) * 3
    assert volume.grid.orientation.space == "LPS"
    np.testing.assert_allclose(volume.grid.voxel_size, (2.5, 0.7, 0.9), rtol=1e-6)
    assert volume.value_unit == "HU"
    assert volume.values.dtype == np.int32  # 2 * 32767 - 1024 is more than 16 bits hold
    assert volume.provenance.notes == ()


def test_one_file_opens_the_series_that_it_belongs_to_and_no_other(tmp_path):
    values = spread((4, 5, 6))
    folder = slices(tmp_path / "ct", values)
    slices(folder, spread((3, 5, 6), seed=1), names=[f"b{i}.dcm" for i in range(3)], SeriesInstanceUID=SERIES + ".2")
    (folder / "broken.dcm").write_bytes(b"nothing")
    volume = open_volume(folder / "IM0002.dcm")
    np.testing.assert_array_equal(volume.values[..., 0], values)
    assert volume.provenance.dataset in [entry.name for entry in list_datasets(folder / "IM0001.dcm")]
    assert open_volume(folder / "b1.dcm").grid.shape == (3, 5, 6)


def test_nothing_of_the_patient_is_kept_or_said(tmp_path):
    folder = slices(tmp_path / "ct", spread((4, 5, 6)), along=np.array([0, 2, 4, 8.0]), PatientComments="frail")
    volume, entries = open_volume(folder), list_datasets(folder)
    kept = repr((volume.provenance, volume.value_unit, volume.channel_names, entries))
    assert volume.provenance.notes  # there is something to be said
    for word in ("Doe", "Jane", "secret", "frail", "private", "PRIVATE", SERIES):
        assert word not in kept
    one = next(folder.glob("*.dcm"))
    one.write_bytes(one.read_bytes()[:-20])
    with pytest.raises(FileFormatError) as caught:
        open_volume(folder)
    assert one.name in str(caught.value)
    assert "Doe" not in str(caught.value)


def test_several_series_are_listed_and_chosen_by_name(tmp_path):
    folder = slices(tmp_path / "patient", spread((4, 5, 6)))
    other = spread((3, 8, 9), seed=1)
    slices(
        folder / "SE2", other, SeriesInstanceUID=SERIES + ".77", SeriesNumber=4, SeriesDescription="Abdomen\x07 late"
    )
    first, second = list_datasets(folder)
    assert (first.shape, second.shape) == ((4, 5, 6), (3, 8, 9))
    assert (first.name, second.name) == ("series3-11111111", "series4-11111177")
    assert (first.about, second.about) == ("CT Thorax", "CT Abdomen late")
    with pytest.raises(FileFormatError, match=r"several datasets.*series3-11111111.*series4-11111177"):
        open_volume(folder)
    np.testing.assert_array_equal(open_volume(folder, dataset="series4-11111177").values[..., 0], other)


def test_slices_of_other_directions_are_another_volume(tmp_path):
    folder = slices(tmp_path / "scout", spread((3, 5, 6)))
    slices(folder, spread((2, 5, 6)), names=["x.dcm", "y.dcm"], directions=(0, 1, 0, 0, 0, -1))
    assert [entry.shape for entry in list_datasets(folder)] in ([(3, 5, 6), (2, 5, 6)], [(2, 5, 6), (3, 5, 6)])
    assert len({entry.name for entry in list_datasets(folder)}) == 2


def test_a_missing_slice_is_noted_and_its_voxels_count_as_missing(tmp_path):
    values = spread((5, 5, 6))
    along = np.array([0, 2.5, 7.5, 10, 12.5])
    volume = open_volume(slices(tmp_path / "ct", values, along=along))
    assert volume.grid.shape == (6, 5, 6)
    np.testing.assert_array_equal(volume.missing[2], True)
    assert volume.missing_share == pytest.approx(1 / 6)
    np.testing.assert_array_equal(volume.values[[0, 1, 3, 4, 5], ..., 0], values)
    assert volume.grid.voxel_size[0] == pytest.approx(2.5)
    assert any("A slice seems to be missing between" in note for note in volume.provenance.notes)


def test_slices_that_are_unevenly_apart_are_noted(tmp_path):
    volume = open_volume(slices(tmp_path / "ct", spread((4, 5, 6)), along=np.array([0, 2.0, 5.1, 6.3])))
    assert volume.grid.shape == (4, 5, 6)
    assert volume.grid.voxel_size[0] == pytest.approx(2.1)
    assert any("1.2 to 3.1 mm apart" in note for note in volume.provenance.notes)


def test_a_copy_of_a_slice_is_left_out_and_two_slices_at_one_place_are_refused(tmp_path):
    values = spread((4, 5, 6))
    folder = slices(tmp_path / "ct", values)
    shutil.copy(folder / "IM0001.dcm", folder / "copy.dcm")
    volume = open_volume(folder)
    np.testing.assert_array_equal(volume.values[..., 0], values)
    assert volume.provenance.notes == ("Copies of slices were left out: 1.",)
    again = pydicom.dcmread(folder / "IM0001.dcm")
    again.SOPInstanceUID = pydicom.uid.generate_uid()
    again.save_as(folder / "again.dcm")
    with pytest.raises(FileFormatError, match="up to 2 slices lie at one place"):
        open_volume(folder)


@pytest.mark.parametrize("key", ["TemporalPositionIdentifier", "TriggerTime", "AcquisitionTime"])
def test_several_points_in_time_become_a_time_axis(tmp_path, key):
    values = spread((3, 4, 5, 6), 0, 100)
    marks = {
        "TemporalPositionIdentifier": [1, 2, 3],
        "TriggerTime": [0.0, 40.0, 80.0],
        "AcquisitionTime": ["101010.5", "101012.5", "101014.5"],
    }[key]
    folder = tmp_path / "mr"
    for t, frame in enumerate(values):
        names = [f"t{t}_{z}.dcm" for z in range(4)]
        slices(folder, frame, names=names, kind=MRImageStorage, **{key: marks[t]})
    volume = open_volume(folder)
    np.testing.assert_array_equal(volume.values[..., 0], values)
    assert volume.grid.axes == ("t", "z", "y", "x")
    step, unit = {"TriggerTime": (0.04, "s"), "AcquisitionTime": (2.0, "s")}.get(key, (1.0, ""))
    assert (volume.grid.voxel_size[0], volume.grid.units[0]) == (pytest.approx(step), unit)


def test_images_of_several_kinds_at_the_same_places_are_volumes_of_their_own(tmp_path):
    first, second = spread((4, 5, 6)), spread((4, 5, 6), seed=1)
    folder = slices(tmp_path / "mr", first, kind=MRImageStorage, EchoTime=5.0)
    slices(folder, second, names=[f"e{i}" for i in range(4)], kind=MRImageStorage, EchoTime=30.0)
    names = [entry.name for entry in list_datasets(folder)]
    assert len(set(names)) == 2
    found = [open_volume(folder, dataset=name).values[..., 0] for name in names]
    assert {one.tobytes() for one in found} == {first.tobytes(), second.tobytes()}


def test_slopes_by_slice_give_real_numbers_in_the_stated_unit(tmp_path):
    stored = spread((3, 5, 6), 0, 1000, np.uint16)
    folder = slices(
        tmp_path / "pt", stored, kind=MRImageStorage, RescaleSlope=["0.5", "0.25", "2.75"], RescaleIntercept="0",
        Units="BQML", Modality="PT",
    )  # fmt: skip
    volume = open_volume(folder)
    np.testing.assert_allclose(volume.values[..., 0], stored * np.array([0.5, 0.25, 2.75])[:, None, None], rtol=1e-6)
    assert volume.values.dtype == np.float32
    assert volume.value_unit == "Bq/ml"


def test_padding_counts_as_missing(tmp_path):
    values = spread((3, 5, 6), 0, 100)
    values[:, 0] = -2000
    header = {"PixelPaddingValue": -2000, "RescaleSlope": 1, "RescaleIntercept": -24}
    volume = open_volume(slices(tmp_path / "ct", values, **header))
    np.testing.assert_array_equal(volume.missing, values == -2000)
    assert "Voxels of the padding value count as missing." in volume.provenance.notes


def test_a_negative_is_turned_to_a_positive_only_where_its_values_have_no_unit(tmp_path):
    pixels = spread((5, 6), 0, 4096, np.uint16)
    film = dataset(pixels, SecondaryCaptureImageStorage, PhotometricInterpretation="MONOCHROME1", BitsStored=12)
    film.HighBit, film.PixelSpacing = 11, [0.1, 0.2]
    volume = open_volume(save(film, tmp_path / "film.dcm"))
    np.testing.assert_array_equal(volume.values[..., 0], 4095 - pixels.astype(int))
    assert volume.grid.voxel_size == (0.1, 0.2)
    assert "negatives" in volume.provenance.notes[0]
    folder = slices(
        tmp_path / "ct", spread((3, 5, 6)), PhotometricInterpretation="MONOCHROME1", RescaleSlope=1, RescaleIntercept=0
    )
    np.testing.assert_array_equal(open_volume(folder).values[..., 0], spread((3, 5, 6)))


def test_colours_become_channels(tmp_path):
    pixels = spread((5, 6, 3), 0, 255, np.uint8)
    volume = open_volume(save(dataset(pixels, SecondaryCaptureImageStorage), tmp_path / "photo.dcm"))
    assert volume.grid.axes == ("y", "x")
    assert volume.channel_names == ("red", "green", "blue")
    np.testing.assert_array_equal(volume.values, pixels)


def enhanced(values):
    """An enhanced multi-frame object of values (t, z, y, x), frames shuffled."""
    frames = values.reshape(-1, *values.shape[2:])
    order = np.random.default_rng(2).permutation(len(frames))
    header = dataset(frames[order], EnhancedMRImageStorage, NumberOfFrames=len(frames))
    normal = np.cross(TURNED[:3], TURNED[3:])

    def item(**attributes):
        one = Dataset()
        for name, value in attributes.items():
            setattr(one, name, value)
        return Sequence([one])

    groups = []
    for i in order:
        t, z = divmod(int(i), values.shape[1])
        group = Dataset()
        position = [round(float(v), 6) for v in np.array([1.0, 2.0, 3.0]) + 4.0 * z * normal]
        group.PlanePositionSequence = item(ImagePositionPatient=position)
        group.FrameContentSequence = item(TemporalPositionIndex=t + 1)
        group.PixelValueTransformationSequence = item(RescaleSlope=3, RescaleIntercept=1, RescaleType="US")
        groups.append(group)
    header.PerFrameFunctionalGroupsSequence = Sequence(groups)
    shared = Dataset()
    shared.PixelMeasuresSequence = item(PixelSpacing=[0.5, 0.25], SliceThickness=4)
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=list(TURNED))
    header.SharedFunctionalGroupsSequence = Sequence([shared])
    return header


@pytest.mark.parametrize("times", [1, 3])
def test_an_enhanced_file_of_many_frames_is_a_volume(tmp_path, times):
    values = spread((times, 4, 5, 6), 0, 100, np.uint16)
    volume = open_volume(save(enhanced(values), tmp_path / "enhanced.dcm"))
    assert volume.grid.axes == (("t", "z", "y", "x") if times > 1 else ("z", "y", "x"))
    np.testing.assert_array_equal(volume.values[..., 0], (3 * values + 1).reshape(volume.grid.shape))
    np.testing.assert_allclose(volume.grid.voxel_size[-3:], (4, 0.5, 0.25), rtol=1e-6)
    corner = affine_of(volume.grid, "LPS") @ (5, 4, 3, 1)
    rows, columns = np.reshape(TURNED, (2, 3))
    expected = np.array([1.0, 2.0, 3.0]) + 5 * 0.25 * rows + 4 * 0.5 * columns + 12 * np.cross(rows, columns)
    np.testing.assert_allclose(corner[:3], expected, atol=1e-5)


def test_a_film_of_frames_without_positions_has_time(tmp_path):
    values = spread((4, 5, 6), 0, 255, np.uint8)
    film = dataset(values, SecondaryCaptureImageStorage, NumberOfFrames=4, FrameTime="40")
    volume = open_volume(save(film, tmp_path / "film.dcm"))
    assert volume.grid.axes == ("t", "y", "x")
    assert (volume.grid.voxel_size[0], volume.grid.units[0]) == (0.04, "s")
    np.testing.assert_array_equal(volume.values[..., 0], values)


def test_files_without_positions_lie_in_the_order_of_their_numbers(tmp_path):
    values = spread((12, 5, 6), 0, 255, np.uint8)
    for i, pixels in enumerate(values):
        save(dataset(pixels, SecondaryCaptureImageStorage), tmp_path / f"page{i + 1}.dcm")
    volume = open_volume(tmp_path)
    np.testing.assert_array_equal(volume.values[..., 0], values)  # page2 before page10
    assert any("do not say where the slices lie" in note for note in volume.provenance.notes)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_slices_read_as_the_plain_ones(tmp_path, syntax):
    values = spread((3, 32, 33), 0, 3000, np.uint16)
    volume = open_volume(slices(tmp_path / "ct", values, syntax=syntax))
    np.testing.assert_array_equal(volume.values[..., 0], values)


def test_lossless_jpeg_that_another_program_wrote_is_read(tmp_path):
    values = spread((3, 16, 17), 0, 3000, np.uint16)
    plain = slices(tmp_path / "plain", values)
    (tmp_path / "jpeg").mkdir()
    for file in plain.iterdir():
        image = sitk.ReadImage(str(file))
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(tmp_path / "jpeg" / file.name))
        writer.KeepOriginalImageUIDOn()
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.Execute(image)
    syntax = pydicom.dcmread(next((tmp_path / "jpeg").iterdir())).file_meta.TransferSyntaxUID
    assert "JPEG Lossless" in syntax.name
    jpeg, uncompressed = open_volume(tmp_path / "jpeg"), open_volume(plain)
    np.testing.assert_array_equal(jpeg.values, uncompressed.values)
    np.testing.assert_allclose(affine_of(jpeg.grid, "LPS"), affine_of(uncompressed.grid, "LPS"), atol=1e-5)


def test_a_damaged_compressed_slice_is_named(tmp_path):
    folder = slices(tmp_path / "ct", spread((3, 32, 33), 0, 3000, np.uint16), syntax=JPEG2000Lossless)
    one = folder / "IM0001.dcm"
    raw = bytearray(one.read_bytes())
    raw[-800:] = bytes(800)
    one.write_bytes(raw)
    with pytest.raises(FileFormatError, match=r"IM0001\.dcm"):
        open_volume(folder)


def test_other_files_in_the_folder_are_ignored_and_damaged_ones_named(tmp_path):
    values = spread((4, 5, 6))
    folder = slices(tmp_path / "ct", values)
    (folder / "notes.txt").write_text("hello")
    (folder / "preview.png").write_bytes(b"\x89PNG nothing")
    (folder / ".hidden.dcm").write_bytes(b"resource fork")
    report = dataset(values[0])
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"  # a report has no pixels
    for name in ("Rows", "Columns", "PixelData"):
        delattr(report, name)
    save(report, folder / "report.dcm")
    np.testing.assert_array_equal(open_volume(folder).values[..., 0], values)
    (folder / "cut.dcm").write_bytes((folder / "IM0000.dcm").read_bytes()[:400])
    with pytest.raises(FileFormatError, match=r"cut\.dcm is damaged"):
        open_volume(folder)


@pytest.mark.filterwarnings("ignore:.*value length:UserWarning")
def test_an_index_is_not_followed_out_of_the_folder(tmp_path):
    elsewhere = slices(tmp_path / "elsewhere", spread((4, 5, 6)))
    inside = slices(tmp_path / "inside", spread((3, 5, 6)))
    index = dataset(spread((2, 2)))
    index.DirectoryRecordSequence = Sequence([Dataset()])
    index.DirectoryRecordSequence[0].ReferencedFileID = str(elsewhere / "IM0000.dcm")
    save(index, inside / "DICOMDIR")
    assert open_volume(inside).grid.shape == (3, 5, 6)
    (inside / "link").symlink_to(elsewhere, target_is_directory=True)
    assert open_volume(inside).grid.shape == (3, 5, 6)
    with pytest.raises(FileFormatError, match="index of other files"):
        open_volume(inside / "DICOMDIR")


def test_a_series_is_known_again_by_its_files_whatever_else_lies_beside_them(tmp_path):
    folder = slices(tmp_path / "ct", spread((4, 5, 6)))
    before = open_volume(folder).provenance.sha256
    (folder / "run.dinr").write_bytes(b"more")
    assert open_volume(folder).provenance.sha256 == before
    assert open_volume(folder / "IM0000.dcm").provenance.sha256 == before
    one = pydicom.dcmread(folder / "IM0000.dcm")
    one.PixelData = bytes(len(one.PixelData))
    one.save_as(folder / "IM0000.dcm")
    assert open_volume(folder).provenance.sha256 != before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Rows", 60000), ("BitsStored", 99), ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), ("PixelSpacing", [0, 0]),
        ("NumberOfFrames", 5), ("SamplesPerPixel", 3), ("PhotometricInterpretation", "PALETTE COLOR"),
        ("TriggerTime", 1e300), ("RescaleSlope", "1e30"), ("SeriesNumber", -4), ("InstanceNumber", -2**31),
    ],
)  # fmt: skip
def test_odd_headers_end_in_a_volume_or_a_sentence(tmp_path, name, value):
    header = {name: value} if not isinstance(value, list) else {}
    folder = slices(tmp_path / "ct", spread((2, 5, 6)), **header)
    if isinstance(value, list):
        for file in folder.iterdir():
            one = pydicom.dcmread(file)
            setattr(one, name, value)
            one.save_as(file)
    said = ""
    try:
        open_volume(folder)
    except DinrError as error:
        said = str(error)
    assert "\n" not in said
    assert "Doe" not in said
