"""Imaris and NeXus files, made by h5py as their makers' descriptions have them."""

import h5py
import numpy as np
import pytest

from dinr_studio.errors import FileFormatError
from dinr_studio.io import imaris, nexus, open_volume
from dinr_studio.io.reading import list_datasets


def ramp(shape, dtype=np.uint16):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def chars(text):
    return np.array([letter.encode() for letter in text], dtype="S1")


def make_imaris(path, values, *, levels=1, lacking=(), times=True):
    """Values (t, c, z, y, x), padded to whole chunks of 8, in a box from -1, 2, 4 (x, y, z) with unlike voxels."""
    frames, channels, *size = values.shape
    with h5py.File(path, "w") as file:
        info = file.create_group("DataSetInfo/Image")
        for i, (low, n, voxel) in enumerate(zip((-1.0, 2.0, 4.0), reversed(size), (0.25, 0.5, 2.0), strict=True)):
            info.attrs[f"ExtMin{i}"], info.attrs[f"ExtMax{i}"] = chars(f"{low}"), chars(f"{low + n * voxel}")
        info.attrs["Unit"] = chars("um")
        clock = file.create_group("DataSetInfo/TimeInfo")
        for t in range(frames if times else 0):
            clock.attrs[f"TimePoint{t + 1}"] = chars(f"2020-05-01 10:00:{15 * t:02d}.000")
        for c in range(channels):
            file.create_group(f"DataSetInfo/Channel {c}").attrs["Name"] = chars(f"dye {c}")
        for level in range(levels):
            part = values[(..., *[slice(None, None, 2**level)] * 3)]
            for t in range(frames):
                for c in range(channels):
                    if (t, c) not in lacking:
                        add_channel(file, f"ResolutionLevel {level}/TimePoint {t}/Channel {c}", part[t, c])
    return path


def add_channel(file, name, image):
    padded = np.pad(image, [(0, -n % 8) for n in image.shape], constant_values=9)
    group = file.create_group(f"DataSet/{name}")
    group.create_dataset("Data", data=padded, chunks=(8, 8, 8), compression="gzip")
    for axis, n in zip("ZYX", image.shape, strict=True):
        group.attrs[f"ImageSize{axis}"] = chars(str(n))


def test_an_imaris_file_is_cropped_to_the_image_and_placed_by_its_box(tmp_path):
    values = ramp((1, 1, 5, 6, 7))
    volume = open_volume(make_imaris(tmp_path / "a.ims", values))
    assert volume.provenance.reader == "Imaris"
    np.testing.assert_array_equal(volume.values[..., 0], values[0, 0])
    assert volume.grid.axes == ("z", "y", "x")
    assert volume.grid.voxel_size == (2.0, 0.5, 0.25)
    assert volume.grid.origin == (5.0, 2.25, -0.875)  # half a voxel from the box's faces
    assert volume.grid.units == ("um",) * 3
    assert volume.missing is None


def test_channels_and_times_of_an_imaris_file_become_axes(tmp_path):
    values = ramp((3, 2, 4, 5, 6))
    volume = open_volume(make_imaris(tmp_path / "a.ims", values))
    np.testing.assert_array_equal(volume.values, np.moveaxis(values, 1, -1))
    assert volume.grid.axes == ("t", "z", "y", "x")
    assert (volume.grid.voxel_size[0], volume.grid.units[0]) == (15.0, "s")
    assert volume.channel_names == ("dye 0", "dye 1")
    assert any("since 2020-05-01 10:00:00" in note for note in volume.provenance.notes)


def test_coarser_levels_of_an_imaris_file_can_be_chosen_and_fill_the_same_box(tmp_path):
    values = ramp((1, 2, 8, 8, 8))
    path = make_imaris(tmp_path / "a.ims", values, levels=2)
    assert [(e.name, e.shape) for e in list_datasets(path)] == [
        ("ResolutionLevel 0", (2, 8, 8, 8)),
        ("ResolutionLevel 1", (2, 4, 4, 4)),
    ]
    fine, coarse = open_volume(path), open_volume(path, dataset="ResolutionLevel 1")
    assert fine.provenance.dataset == "ResolutionLevel 0"
    assert coarse.grid.extent == fine.grid.extent
    np.testing.assert_array_equal(coarse.values[..., 1], values[0, 1, ::2, ::2, ::2])


def test_a_channel_that_an_imaris_file_lacks_is_missing_not_zero(tmp_path):
    volume = open_volume(make_imaris(tmp_path / "a.ims", ramp((3, 1, 4, 5, 6)), lacking={(1, 0)}, times=False))
    assert volume.missing[1].all()
    assert not volume.missing[[0, 2]].any()
    assert any("1 of the frames" in note for note in volume.provenance.notes)


def test_an_imaris_file_that_lies_or_lacks_its_image_is_refused_in_words(tmp_path):
    path = make_imaris(tmp_path / "a.ims", ramp((1, 1, 4, 5, 6)))
    with h5py.File(path, "r+") as file:
        channel = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"]
        channel.attrs["ImageSizeX"] = chars("1000000000000")
    with pytest.raises(FileFormatError, match=r"1000000000000\) voxels and \(8, 8, 8\) are stored"):
        open_volume(path)
    with h5py.File(path, "r+") as file:
        del channel, file["DataSet"]
    with pytest.raises(FileFormatError, match="no image data"):
        open_volume(path)
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data", (10**4,) * 3, "u1", chunks=(64,) * 3
        )
    with pytest.raises(FileFormatError, match="claims"):
        open_volume(path)


@pytest.mark.parametrize("suffix", [".ims", ".nxs"])
@pytest.mark.parametrize("keep", [0.2, 0.7])
def test_truncated_files_are_refused_in_words(tmp_path, suffix, keep):
    path = make_imaris(tmp_path / f"a{suffix}", ramp((1, 1, 9, 9, 9)))
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(FileFormatError, match=rf"a\{suffix}"):
        open_volume(path)


def test_imaris_files_that_point_elsewhere_are_refused(tmp_path):
    path = make_imaris(tmp_path / "a.ims", ramp((1, 1, 4, 5, 6)))
    with h5py.File(path, "r+") as file:
        file["DataSet/ResolutionLevel 1"] = h5py.ExternalLink("other.ims", "/DataSet")
    with pytest.raises(FileFormatError, match="points to other files"):
        open_volume(path)


def make_nexus(path, *, default=True, second=False):
    """An entry of one plot or two: counts (4, 5) over y in mm and x in um, x by the edges of its bins."""
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        for name in ("data", "other")[: 1 + second]:
            group = entry.create_group(name)
            group.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": ["y", "x"]})
            group["counts"] = ramp((4, 5), np.float32) * (1 if name == "data" else -1)
            group["counts"].attrs["units"] = "counts"
            group["y"] = 10 + 2.0 * np.arange(4)
            group["y"].attrs["units"] = "mm"
            group["x"] = 0.5 * np.arange(6)
            group["x"].attrs["units"] = "micrometer"
        if default:
            file.attrs["default"], entry.attrs["default"] = "entry", "data"
    return path


def test_nexus_data_has_the_axes_that_its_group_names(tmp_path):
    volume = open_volume(make_nexus(tmp_path / "a.nxs"))
    assert (volume.provenance.reader, volume.provenance.dataset) == ("NeXus", "entry/data/counts")
    np.testing.assert_array_equal(volume.values[..., 0], ramp((4, 5)))
    assert volume.grid.axes == ("y", "x")
    assert volume.grid.voxel_size == (2.0, 0.5)
    assert volume.grid.origin == (10.0, 0.25)  # of bins the centres
    assert volume.grid.units == ("mm", "um")
    assert volume.value_unit == "counts"


def test_several_nexus_plots_are_chosen_by_the_default_or_by_the_user(tmp_path):
    path = make_nexus(tmp_path / "a.nxs", second=True)
    assert open_volume(path).value_range == (0, 19)
    assert open_volume(path, dataset="entry/other/counts").value_range == (-19, 0)
    make_nexus(path, second=True, default=False)
    with pytest.raises(FileFormatError, match=r"--dataset: entry/data/counts \(4, 5\), entry/other/counts"):
        open_volume(path)


@pytest.mark.parametrize("how", ["axes", "axis"])
def test_older_nexus_files_mark_their_datasets(tmp_path, how):
    path = tmp_path / "a.nxs"
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs["NX_class"] = "NXdata"
        group["image"] = ramp((3, 4), np.float32)
        group["image"].attrs["signal"] = 1
        if how == "axes":
            group["image"].attrs["axes"] = "row:column"
        for i, (name, step) in enumerate((("row", 3.0), ("column", 4.0))):
            group[name] = step * np.arange(3 + i)
            if how == "axis":
                group[name].attrs["axis"] = i + 1
    grid = open_volume(path).grid
    assert (grid.axes, grid.voxel_size) == (("y", "x"), (3.0, 4.0))


def test_nexus_links_are_followed_within_the_file_and_never_out_of_it(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["d"] = ramp((3, 4))
    path = tmp_path / "a.nxs"
    with h5py.File(path, "w") as file:
        file["detector/raw"] = ramp((3, 4))
        for name, link in (("in", h5py.SoftLink("/detector/raw")), ("out", h5py.ExternalLink("secret.h5", "d"))):
            group = file.create_group(name)
            group.attrs.update({"NX_class": "NXdata", "signal": "data"})
            group["data"] = link
        file["loop"] = h5py.SoftLink("/loop")
        layout = h5py.VirtualLayout((3, 4), "u2")
        layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "d", (3, 4))
        file.create_virtual_dataset("detector/virtual", layout)
    assert [entry.name for entry in list_datasets(path)] == ["in/data"]
    assert open_volume(path).value_range == (0, 11)
    with h5py.File(path, "r+") as file:
        del file["in/data"]
        file["in/data"] = h5py.SoftLink("/detector/virtual")
    with pytest.raises(FileFormatError, match="points to other files"):
        open_volume(path)


@pytest.mark.parametrize(("reader", "names"), [(nexus, ["_plots"]), (imaris, ["_levels"])])
def test_the_trial_of_a_file_looks_at_its_groups_though_its_datasets_cannot_be_read(
    reader, names, tmp_path, monkeypatch
):
    """The fuzzer found groups that HDF5 never ends with, behind a dataset at which the trial had stopped."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["d"] = np.arange(8.0)
    looked_at = []

    def fail(path):
        raise OSError("a dataset that cannot be read")

    monkeypatch.setattr(reader, "try_hdf5", fail)
    for name in names:
        monkeypatch.setattr(reader, name, lambda *given, name=name: looked_at.append(name) or [])
    attempt = reader.try_nexus if reader is nexus else reader.try_imaris
    with pytest.raises(OSError, match="cannot be read"):
        attempt(str(tmp_path / "a.h5"))
    assert looked_at == names
