"""HDF5 files, made and checked by h5py itself."""

import h5py
import numpy as np
import pytest

from dinr_studio.errors import FileFormatError
from dinr_studio.io import isolation, open_volume
from dinr_studio.io.reading import list_datasets
from dinr_studio.io.writing import VolumeHeader, lost_by, open_writer


def ramp(shape, dtype=np.float32):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def test_the_only_sensible_dataset_is_chosen_and_named(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["group/density"] = ramp((3, 4, 5))
        file["label"] = "text"
        file["scalar"] = 3.0
        file["times"] = np.arange(7.0)
    volume = open_volume(path)
    assert volume.provenance.dataset == "group/density"
    assert {entry.name for entry in list_datasets(path)} == {"group/density", "times"}


def test_several_datasets_are_listed_and_one_can_be_chosen(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["u"], file["v"] = ramp((3, 4, 5)), -ramp((3, 4, 5))
    with pytest.raises(FileFormatError, match=r"--dataset: u \(3, 4, 5\), v \(3, 4, 5\)"):
        open_volume(path)
    assert open_volume(path, dataset="/v").value_range == (-59, 0)
    with pytest.raises(FileFormatError, match="no dataset w; it has: u"):
        open_volume(path, dataset="w")


def test_dimension_scales_give_positions_and_units(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("t2m", data=ramp((4, 6)))
        stored.attrs["units"] = "K"
        for i, (name, positions, unit) in enumerate(
            (("latitude", 50 + 0.5 * np.arange(4), "degrees_north"), ("longitude", -3 + np.arange(6.0), "degrees_east"))
        ):
            file[name] = positions
            file[name].attrs["units"] = unit
            file[name].make_scale(name)
            stored.dims[i].attach_scale(file[name])
    volume = open_volume(path)
    assert volume.grid.axes == ("y", "x")
    assert volume.grid.voxel_size == (0.5, 1.0)
    assert volume.grid.origin == (50.0, -3.0)
    assert volume.grid.units == ("degrees_north", "degrees_east")
    assert volume.value_unit == "K"


def test_positions_that_fall_are_turned_round_with_their_values(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("field", data=ramp((3, 4)))
        file["y"] = np.array([20.0, 10.0, 0.0])
        file["y"].make_scale("y")
        stored.dims[0].attach_scale(file["y"])
        stored.dims[1].label = "x"
    volume = open_volume(path)
    assert volume.grid.origin[0] == 0.0
    assert volume.grid.voxel_size[0] == 10.0
    np.testing.assert_array_equal(volume.values[..., 0], ramp((3, 4))[::-1])
    assert any("turned round" in note for note in volume.provenance.notes)


@pytest.mark.parametrize(
    ("attributes", "sizes", "units"),
    [
        ({"element_size_um": (2.0, 0.5, 0.25)}, (2.0, 0.5, 0.25), ("um",) * 3),
        ({"voxel_size": (3.0, 2.0, 1.0), "unit": "mm"}, (3.0, 2.0, 1.0), ("mm",) * 3),
        ({"spacing": 4.0}, (4.0, 4.0, 4.0), ("",) * 3),
    ],
)
def test_common_attributes_give_spacing_and_unit(tmp_path, attributes, sizes, units):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = ramp((3, 4, 5))
        file["raw"].attrs.update(attributes)
    grid = open_volume(path).grid
    assert grid.voxel_size == sizes
    assert grid.units == units


def test_packed_values_with_a_fill_are_unpacked(tmp_path):
    path = tmp_path / "a.h5"
    stored = ramp((3, 4), np.int16)
    stored[1, 1] = -32768
    with h5py.File(path, "w") as file:
        file["t"] = stored
        file["t"].attrs.update({"scale_factor": 0.5, "add_offset": 100.0, "_FillValue": np.int16(-32768)})
    volume = open_volume(path)
    assert volume.missing.sum() == 1
    assert bool(volume.missing[1, 1])
    assert volume.values[0, 1, 0] == pytest.approx(100.5)


def test_links_to_other_files_are_never_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["d"] = ramp((3, 4))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["linked"] = h5py.ExternalLink("secret.h5", "d")
        file["soft"] = h5py.SoftLink("/nowhere")
        layout = h5py.VirtualLayout((3, 4), "f4")
        layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "d", (3, 4))
        file.create_virtual_dataset("virtual", layout)
    with pytest.raises(FileFormatError, match="points to other files"):
        open_volume(path)


def test_a_dataset_that_claims_to_be_enormous_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("huge", (1 << 20, 1 << 10, 1 << 8), np.float64, chunks=(1, 1024, 256), compression="gzip")
    with pytest.raises(FileFormatError, match="claims"):
        open_volume(path)


def test_a_file_that_crashes_the_library_is_refused_in_words(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["d"] = ramp((3, 4))
    monkeypatch.setattr(isolation, "TRY", "import os; os.abort()")
    with pytest.raises(FileFormatError, match="the library for it"):
        open_volume(path)
    monkeypatch.setattr(isolation, "TRY", "import time; time.sleep(60)")
    monkeypatch.setattr(isolation, "LONGEST", 0.5)
    isolation._harmful.cache_clear()
    with pytest.raises(FileFormatError, match="the library for it"):
        open_volume(path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused_in_words(tmp_path, keep):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["d"] = ramp((30, 40))
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(FileFormatError, match=r"a\.h5"):
        open_volume(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_written_file_tells_h5py_where_its_values_are(tmp_path, make_grid, channels):
    path = tmp_path / "a.h5"
    grid = make_grid((3, 4, 5, 6))
    values = ramp((3, 4, 5, 6, channels))
    header = VolumeHeader(grid, channels, np.dtype("f4"), ("u", "v", "w")[:channels], "m/s", ("note",))
    assert lost_by(header, path) == ()
    with open_writer(path, header, path) as writer:
        writer.write(values[:1])
        writer.write(values[1:])
    with h5py.File(path) as file:
        stored = file["values"]
        assert stored.chunks is not None
        assert stored.compression == "gzip"
        np.testing.assert_array_equal(stored[...].reshape(values.shape), values)
        for i in range(4):
            np.testing.assert_allclose(stored.dims[i][0][...], grid.axis_positions(i))
            assert stored.dims[i][0].attrs["units"] == grid.units[i]
        assert stored.attrs["units"] == "m/s"
    again = open_volume(path)
    assert again.grid == grid
    np.testing.assert_array_equal(again.values, values)
    assert again.channel_names == header.channel_names
