"""Frames at new times: which ones, and where the formats' own libraries find them."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from dinr_studio.epoch import Epoch
from dinr_studio.errors import ConfigError
from dinr_studio.sampling.export import export
from dinr_studio.sampling.target import target_grid


@pytest.fixture
def film(make_grid):
    """Six frames, every two hours from 10 h on."""
    grid = make_grid((6, 4, 5), voxel_size=(2.0, 1.5, 1.0), origin=(10.0, 4.0, 0.25), axes=("t", "y", "x"))
    return replace(grid, units=("h", "um", "um"), epoch=Epoch("2001-01-01"))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ("2x", np.arange(10, 20.5, 1.0)),
        ("10:12:0.5", [10, 10.5, 11, 11.5, 12]),
        ("13", [13]),
        ("11,12.5,14", [11, 12.5, 14]),
        ("9:21:3", [9, 12, 15, 18, 21]),
        ("2001-01-01T12:00/2001-01-01 18:00/1.5", [12, 13.5, 15, 16.5, 18]),
        ("2001-01-01T15:30", [15.5]),
    ],
)
def test_times_are_those_asked_for_and_space_stays(film, times, expected):
    grid = target_grid(film, times=times)
    np.testing.assert_allclose(grid.axis_positions(0), expected)
    assert (grid.shape[1:], grid.voxel_size[1:], grid.origin[1:]) == ((4, 5), (1.5, 1.0), (4.0, 0.25))


def test_times_go_with_a_finer_grid_and_with_a_box(film):
    grid = target_grid(film, factor=(2,), times="3x")
    assert grid.shape == (16, 8, 10)
    part = target_grid(film, box=((0, 100), (0, 100), (0.25, 2.25)), times="11:14:1")
    assert part.shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ("10,11,13", "equal steps"),
        ("12,11", "equal steps"),
        ("8.9", "lie outside"),
        ("10:30:1", "9 to 21 h"),
        ("10:12:0", "holds no frames"),
        ("soon", "write 2x"),
        ("nan", "write 2x"),
        ("0x", "write 2x"),
        ("999999x9", "write 2x"),
        ("2001-13-01", "is no date of hours since 2001-01-01"),
    ],
)
def test_times_that_cannot_be_are_refused_in_words(film, times, said):
    with pytest.raises(ConfigError, match=said):
        target_grid(film, times=times)


def test_a_field_without_time_has_no_frames_to_ask_for(make_grid):
    with pytest.raises(ConfigError, match="no time axis"):
        target_grid(make_grid((4, 5, 6)), times="2x")


def by_xarray(path):
    xarray = pytest.importorskip("xarray")
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert data.t.dt.calendar == "proleptic_gregorian"
        hours = (data.t.values - np.datetime64("2001-01-01")) / np.timedelta64(1, "h")
        return hours, data["values"].values


def by_tifffile(path):
    with tifffile.TiffFile(path) as file:
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        assert pixels["TimeIncrementUnit"] == "h"
        return np.array([plane["DeltaT"] for plane in pixels["Plane"]]), file.asarray()


def by_nibabel(path):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.load(path)
    assert image.header.get_xyzt_units() == ("micron", "sec")
    step, start = image.header["pixdim"][4], image.header["toffset"]
    values = np.asarray(image.dataobj)[:, :, 0].transpose(2, 1, 0)
    return (start + step * np.arange(len(values))) / 3600, values


def by_zarr(path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(path, mode="r")
    image = group.attrs["ome"]["multiscales"][0]
    assert image["axes"][0] == {"name": "t", "type": "time", "unit": "hour"}
    steps, start = image["datasets"][0]["coordinateTransformations"]
    values = group["0"][...]
    return start["translation"][0] + steps["scale"][0] * np.arange(len(values)), values


@pytest.mark.parametrize(
    ("name", "read"),
    [("out.nc", by_xarray), ("out.ome.tif", by_tifffile), ("out.nii.gz", by_nibabel), ("out.zarr", by_zarr)],
)
def test_frames_between_the_recorded_ones_lie_at_their_times_in_every_format(
    tmp_path, film, exact_field, truth, name, read
):
    grid = target_grid(film, times="10.5:19.5:1.5")
    last = list(export(exact_field(film), grid, tmp_path / name))[-1]
    times, values = read(tmp_path / name)
    np.testing.assert_allclose(times, grid.axis_positions(0), rtol=1e-6)
    places = np.stack(np.meshgrid(*(grid.axis_positions(i) for i in range(3)), indexing="ij"), axis=-1)
    np.testing.assert_allclose(values, truth(places), atol=2e-4)
    assert any("no place for dates" in sentence for sentence in last.report.lost) == (name != "out.nc")
