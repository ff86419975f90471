"""Dates of time axes, against xarray's own decoding of CF times."""

import numpy as np
import pytest

from dinr_studio.epoch import Epoch

xarray = pytest.importorskip("xarray")


@pytest.mark.parametrize(("unit", "time"), [("d", 59.25), ("h", 6.0), ("min", 90.0), ("s", 3601.0), ("ms", 5e6)])
@pytest.mark.parametrize("reference", ["1979-01-01", "1900-1-1 0:0:0", "2000-02-28T12:30:15Z"])
def test_dates_are_those_of_xarray(unit, time, reference):
    epoch = Epoch(reference)
    coordinate = xarray.Variable("t", np.array([time]), {"units": epoch.since(unit)})
    expected = xarray.conventions.decode_cf_variable("t", coordinate).values[0].astype("datetime64[s]")
    assert np.datetime64(epoch.moment(time, unit).replace(" ", "T"), "s") == expected
    assert epoch.time(str(expected), unit) == pytest.approx(time, abs=1e-6)


@pytest.mark.parametrize(
    "epoch", [Epoch("2000-01-01", "noleap"), Epoch("a while ago"), Epoch("0000-00-00"), Epoch("2000-01-01 25:00")]
)
def test_what_is_not_understood_has_no_date(epoch):
    assert epoch.moment(1.0, "d") == ""
    assert epoch.time("2001-01-01", "d") is None


def test_unknown_units_and_times_without_end_have_no_date():
    assert Epoch("2000-01-01").moment(3.0, "fortnights") == ""
    assert Epoch("2000-01-01").moment(1e12, "d") == ""
