"""NetCDF files, made and checked by xarray and h5netcdf themselves."""

import h5py
import numpy as np
import pytest
import xarray as xr

from dinr_studio.errors import FileFormatError, OutputError
from dinr_studio.io import open_volume
from dinr_studio.io.reading import list_datasets
from dinr_studio.io.writing import VolumeHeader, lost_by, types_for

KINDS = {"netCDF-4": {"engine": "h5netcdf"}, "netCDF-3": {"engine": "scipy", "format": "NETCDF3_64BIT"}}


def ramp(shape, dtype=np.float32):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def weather():
    """Temperature over (time, level, latitude, longitude), as a weather service would give it, one value missing."""
    values = 250 + 0.5 * ramp((3, 2, 4, 5))
    values[1, 0, 2, 3] = np.nan
    return xr.Dataset(
        {"t2m": (("time", "level", "latitude", "longitude"), values, {"units": "K", "long_name": "Temperature"})},
        coords={
            "time": np.array(["2020-01-01T00", "2020-01-01T06", "2020-01-01T12"], dtype="M8[ns]"),
            "level": ("level", [500.0, 1000.0], {"units": "hPa"}),
            "latitude": ("latitude", [60, 59.75, 59.5, 59.25], {"units": "degrees_north"}),
            "longitude": ("longitude", 0.5 * np.arange(5), {"units": "degrees_east"}),
        },
    )


def save(dataset, path, kind="netCDF-4", **options):
    dataset.to_netcdf(path, **KINDS[kind], **options)
    return path


PACKED = {"t2m": {"dtype": "i2", "scale_factor": 0.5, "add_offset": 270.0, "_FillValue": np.int16(-32768)}}


@pytest.mark.parametrize("encoding", [{}, PACKED], ids=["plain", "packed"])
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_positions_are_those_that_xarray_decodes(tmp_path, kind, encoding):
    path = save(weather(), tmp_path / "a.nc", kind, encoding=encoding)
    volume = open_volume(path)
    with xr.open_dataset(path, engine=KINDS[kind]["engine"]) as decoded:
        truth = decoded["t2m"].sortby("latitude")
        assert truth.dims == ("time", "level", "latitude", "longitude")
        np.testing.assert_array_equal(volume.missing, np.isnan(truth))
        np.testing.assert_array_equal(volume.values[..., 0][~volume.missing], truth.values[~volume.missing])
        hours = (truth["time"] - truth["time"][0]) / np.timedelta64(1, "h")
        for i, positions in enumerate((hours, truth["level"], truth["latitude"], truth["longitude"])):
            np.testing.assert_allclose(volume.grid.axis_positions(i), positions)
    assert volume.grid.axes == ("t", "z", "y", "x")
    assert volume.grid.units == ("h", "hPa", "degrees_north", "degrees_east")
    assert (volume.value_unit, volume.provenance.reader) == ("K", "NetCDF")
    assert any("since 2020-01-01" in note for note in volume.provenance.notes)
    assert any("along y fall" in note for note in volume.provenance.notes)


def test_coordinates_and_bounds_are_not_listed_and_several_variables_ask(tmp_path):
    data = weather().assign(
        latitude_bounds=(("latitude", "edge"), ramp((4, 2))), v10=(("latitude", "longitude"), ramp((4, 5)))
    )
    data["latitude"].attrs["bounds"] = "latitude_bounds"
    path = save(data, tmp_path / "a.nc")
    entries = list_datasets(path)
    assert {entry.name for entry in entries} == {"t2m", "v10"}
    assert next(entry.about for entry in entries if entry.name == "t2m") == "Temperature [K]"
    with pytest.raises(FileFormatError, match="--dataset: "):
        open_volume(path)
    assert open_volume(path, dataset="v10").grid.shape == (4, 5)
    with pytest.raises(FileFormatError, match="no dataset w"):
        open_volume(path, dataset="w")


def test_variables_in_groups_find_the_coordinates_above_them(tmp_path):
    path = save(weather()[["latitude", "longitude"]], tmp_path / "a.nc")
    inner = xr.Dataset({"v": (("latitude", "longitude"), ramp((4, 5)))})
    inner.to_netcdf(path, mode="a", group="one/two", engine="h5netcdf")
    volume = open_volume(path)
    assert volume.provenance.dataset == "one/two/v"
    assert volume.grid.units == ("degrees_north", "degrees_east")
    assert volume.grid.voxel_size == (0.25, 0.5)


@pytest.mark.parametrize(
    ("name", "attributes", "axis"),
    [
        ("a", {"axis": "Z"}, "z"),
        ("a", {"standard_name": "projection_y_coordinate"}, "y"),
        ("a", {"units": "degrees_east"}, "x"),
        ("a", {"units": "days since 1970-01-01"}, "t"),
        ("a", {"units": "Pa"}, "z"),
        ("a", {"units": "m", "positive": "down"}, "z"),
        ("northing", {}, "y"),
        ("lon", {}, "x"),
    ],
)
def test_axes_are_told_by_what_their_coordinates_say(tmp_path, name, attributes, axis):
    other = "y" if axis == "x" else "x"
    data = xr.Dataset({"v": ((name, other), ramp((3, 4)))}, coords={name: (name, 2.0 * np.arange(3), attributes)})
    volume = open_volume(save(data, tmp_path / "a.nc"))
    assert set(volume.grid.axes) == {axis, other}
    assert volume.grid.voxel_size[volume.grid.axes.index(axis)] == 2.0


def test_dimensions_of_length_one_are_left_out_where_there_are_too_many(tmp_path):
    data = weather().expand_dims(number=[7]).expand_dims("tile")
    volume = open_volume(save(data, tmp_path / "a.nc"))
    assert volume.grid.shape == (3, 2, 4, 5)
    assert sum("one place only" in note for note in volume.provenance.notes) == 2


def test_members_of_an_ensemble_become_channels(tmp_path):
    one = weather()["t2m"]
    data = xr.concat([one, one + 1], dim="member").to_dataset()
    volume = open_volume(save(data, tmp_path / "a.nc"))
    assert (volume.channels, volume.grid.shape) == (2, (3, 2, 4, 5))
    assert "The dimension member is taken as c." in volume.provenance.notes


def test_six_long_dimensions_are_refused_in_words(tmp_path):
    data = xr.Dataset({"v": (tuple("abcdef"), ramp((2,) * 6))})
    with pytest.raises(FileFormatError, match="a, b, c, d, e, f; up to 5"):
        open_volume(save(data, tmp_path / "a.nc"))


def test_values_out_of_the_valid_range_and_all_fills_are_missing(tmp_path):
    stored = np.array([[1, 2, -9, -8, 200, 6, 7, 8]], dtype=np.int16).repeat(2, axis=0)
    attributes = {"missing_value": np.array([-9, -8], np.int16), "valid_max": np.int16(100), "scale_factor": 0.5}
    data = xr.Dataset({"v": (("y", "x"), stored, attributes)})
    volume = open_volume(save(data, tmp_path / "a.nc"))
    np.testing.assert_array_equal(volume.missing[0], [False, False, True, True, True, False, False, False])
    assert volume.value_range == (0.5, 4.0)


def test_integers_with_a_fill_stay_integers(tmp_path):
    data = xr.Dataset({"v": (("y", "x"), ramp((3, 4), np.int32), {"_FillValue": np.int32(5)})})
    volume = open_volume(save(data, tmp_path / "a.nc"))
    assert (volume.values.dtype, volume.missing.sum()) == (np.int32, 1)


def test_floats_that_were_never_written_are_missing(tmp_path):
    values = ramp((3, 4))
    values[1, 1] = 9.969209968386869e36
    data = xr.Dataset({"v": (("y", "x"), values)})
    path = save(data, tmp_path / "a.nc", encoding={"v": {"_FillValue": None}})
    assert np.argwhere(open_volume(path).missing).tolist() == [[1, 1]]


def test_uneven_levels_and_bent_grids_are_noted(tmp_path):
    data = weather().isel(time=0).drop_vars("time").reindex(level=[100.0, 200.0, 500.0], fill_value=1.0)
    notes = open_volume(save(data, tmp_path / "a.nc")).provenance.notes
    assert any("along z are unevenly spaced" in note for note in notes)
    bent = xr.Dataset({"v": (("j", "i"), ramp((3, 4)))}, coords={"lat2": (("j", "i"), ramp((3, 4)))})
    notes = open_volume(save(bent, tmp_path / "b.nc")).provenance.notes
    assert any("grid is bent (lat2" in note for note in notes)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u1"])
def test_a_written_file_is_what_xarray_reads_value_by_value_and_place_by_place(
    tmp_path, make_grid, placed, channels, dtype
):
    grid, values = make_grid((3, 4, 5, 6)), placed.ramp((3, 4, 5, 6, channels), dtype)
    names = ("u", "v", "w")[:channels] if channels > 1 else ()
    header = VolumeHeader(grid, channels, np.dtype(dtype), names, "m/s", ("first", "second"))
    path = placed.write(tmp_path / "a.nc", values, header)
    with xr.open_dataset(path) as data:
        assert data.attrs["Conventions"] == "CF-1.11"
        assert data.attrs["comment"] == "first\nsecond"
        np.testing.assert_array_equal(data["values"].values.reshape(values.shape), values)
        assert data["values"].attrs["units"] == "m/s"
        for i, axis in enumerate("tzyx"):
            np.testing.assert_allclose(data[axis], grid.axis_positions(i))
            assert (data[axis].attrs["axis"], data[axis].attrs["units"]) == (axis.upper(), grid.units[i])
            faces = data[data[axis].attrs["bounds"]].values
            np.testing.assert_allclose(faces.mean(axis=1), grid.axis_positions(i))
            np.testing.assert_allclose(np.diff(faces), grid.voxel_size[i])
        if channels > 1:
            assert tuple(data["values"].coords["channel_name"].values) == names
    again = open_volume(path)
    assert (again.grid, again.channel_names, again.value_unit) == (grid, names, "m/s")
    np.testing.assert_array_equal(again.values, values)
    assert again.missing is None


def test_nan_is_written_as_the_fill_value_and_a_single_plane_keeps_its_thickness(tmp_path, make_grid, placed):
    grid, values = make_grid((1, 4, 5)), placed.ramp((1, 4, 5, 1))
    values[0, 1, 2] = np.nan
    path = placed.write(tmp_path / "a.nc", values, VolumeHeader(grid, 1, np.dtype("f4")))
    with h5py.File(path) as file:
        assert np.isnan(file["values"].attrs["_FillValue"])
    volume = open_volume(path)
    assert volume.grid == grid
    assert np.argwhere(volume.missing).tolist() == [[0, 1, 2]]


def test_what_netcdf_cannot_hold_is_said(tmp_path, make_grid, placed):
    path = tmp_path / "a.nc"
    header = VolumeHeader(make_grid((3, 4, 5)), 1, np.dtype("f2"))
    assert "float16" not in types_for(header, path)
    with pytest.raises(OutputError, match="cannot hold float16"):
        lost_by(header, path)
    assert any("rotation" in s for s in lost_by(VolumeHeader(placed.grid(), 1, np.dtype("f4")), path))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.97])
def test_a_truncated_file_is_refused_in_words(tmp_path, kind, keep):
    path = save(weather(), tmp_path / "a.nc", kind)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(FileFormatError, match=r"a\.nc"):
        open_volume(path)


def test_a_variable_that_claims_to_be_enormous_is_refused(tmp_path):
    path = tmp_path / "a.nc"
    with h5py.File(path, "w") as file:
        file.create_dataset("huge", (10**4,) * 3, np.float64, chunks=(10, 100, 100), compression="gzip")
    with pytest.raises(FileFormatError, match="claims"):
        open_volume(path)


@pytest.mark.parametrize(
    ("start", "said"), [(b"CDF\x05", "CDF-5"), (b"\xcd\xf3\x00\x01", "space physics"), (b"text", "does not begin")]
)
def test_relatives_of_netcdf_are_told_apart(tmp_path, start, said):
    (tmp_path / "a.cdf").write_bytes(start + bytes(100))
    with pytest.raises(FileFormatError, match=said):
        open_volume(tmp_path / "a.cdf")


def test_links_to_other_files_are_never_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["d"] = ramp((3, 4))
    path = save(weather(), tmp_path / "a.nc")
    with h5py.File(path, "r+") as file:
        file["group/deep"] = h5py.ExternalLink("secret.h5", "d")
    with pytest.raises(FileFormatError, match=r"deep in a\.nc points to other files"):
        open_volume(path)
