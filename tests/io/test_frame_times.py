"""Times of frames: regular, with gaps, uneven, and their dates."""

import numpy as np
import pytest

from dinr_studio.errors import FileFormatError
from dinr_studio.io import open_volume

xarray = pytest.importorskip("xarray")


@pytest.fixture
def with_times(tmp_path):
    """Writes one frame for each time, whose values are the time."""

    def write(times, units="days since 2001-01-01", **attributes):
        times = np.asarray(times, dtype=np.float64)
        values = np.zeros((len(times), 4, 5)) + times[:, np.newaxis, np.newaxis] + np.arange(5) / 100
        data = xarray.Dataset({"q": (("time", "y", "x"), values)})
        data = data.assign_coords(time=("time", times, {"units": units, **attributes}))
        data.to_netcdf(tmp_path / "q.nc", engine="h5netcdf")
        return tmp_path / "q.nc"

    return write


def test_a_date_is_known_for_every_time(with_times):
    grid = open_volume(with_times([0, 1, 2, 3])).grid
    assert grid.units[0] == "d"
    assert grid.moment(2.5) == "2001-01-03 12:00"
    assert grid.upsampled((2, 1, 1)).epoch == grid.epoch


@pytest.mark.parametrize("times", [[0, 1, 2, 5, 6], [6, 5, 2, 1, 0]])
def test_gaps_between_equal_steps_are_missing_frames(with_times, times):
    volume = open_volume(with_times(times))
    assert volume.grid.shape == (7, 4, 5)
    assert volume.grid.voxel_size[0] == 1.0
    assert np.flatnonzero(volume.missing.all(axis=(1, 2))).tolist() == [3, 4]
    assert volume.missing.sum() == 2 * 20
    present = ~volume.missing[:, 0, 0]
    np.testing.assert_allclose(volume.in_memory[present, 0, 0, 0], volume.grid.axis_positions(0)[present])
    assert any("2 of 7 frames are not in the file" in note for note in volume.provenance.notes)


def test_months_are_told_how_far_they_are_moved(with_times):
    volume = open_volume(with_times([0, 31, 59, 90, 120, 151]))
    assert volume.grid.shape[0] == 6
    assert any("moves frames by up to 1.4" in note for note in volume.provenance.notes)


def test_times_that_are_too_uneven_or_in_disorder_are_refused_in_words(with_times):
    with pytest.raises(FileFormatError, match="too uneven"):
        open_volume(with_times([0, 1, 10, 11, 30, 90.3]))
    with pytest.raises(FileFormatError, match="sort the frames"):
        open_volume(with_times([0, 2, 1, 3, 4]))
