"""Units of length and time: positions of a grid in the unit that a format measures in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.io.writing import in_metres

SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3,
    "milliseconds": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "usec": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6,
    "ns": 1e-9, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
}  # fmt: skip


def shortest(number: Any) -> float:
    """A number of a numpy type as the shortest decimal that means it: single precision 0.7, not 0.699999988."""
    return float(str(np.float32(number))) if number.dtype.itemsize == 4 else float(number)


def decimal(number: float) -> float:
    """A number without the last digits that sums and products leave behind: 0.3, not 0.30000000000000004."""
    return float(f"{number:.15g}")


def spatial_units(grid: Grid) -> set[str]:
    """The units along the axes that are not time."""
    return {grid.units[i] for i in grid.spatial}


def all_lengths(grid: Grid) -> bool:
    """Whether every spatial axis has a known unit of length."""
    return bool(grid.spatial) and all(in_metres(unit) is not None for unit in spatial_units(grid))


def in_unit(grid: Grid, unit: str) -> Grid:
    """The same grid with positions in one unit of length; as it is where an axis has no known unit of length."""
    metres = in_metres(unit)
    if metres is None or not all_lengths(grid):
        return grid
    factors = [
        1.0 if axis == TIME_AXIS else (in_metres(old) or metres) / metres
        for axis, old in zip(grid.axes, grid.units, strict=True)
    ]
    sizes = tuple(decimal(size * factor) for size, factor in zip(grid.voxel_size, factors, strict=True))
    origin = tuple(decimal(place * factor) for place, factor in zip(grid.origin, factors, strict=True))
    return replace(grid, voxel_size=sizes, origin=origin).with_unit(unit)
