"""New frames of a field with time: more between the recorded ones, or given instants, as numbers or dates."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import LARGEST_AXIS, TIME_AXIS, Grid
from dinr_studio.errors import ConfigError

TIMES_AS_MANY = re.compile(r"\s*(\d{1,6})\s*[x×]\s*")
EVEN = 1e-6  # of a step: what instants may be off by and still count as equally far apart
EDGE = 1e-6  # of a recorded step: what an instant may lie beyond the ends by
FORMS = (
    "write 2x for twice as many frames, START:STOP:STEP or instants such as 0.5,1,1.5; dates as "
    "2001-01-31T06:00, with / in place of : between them"
)


def with_times(grid: Grid, times: str) -> Grid:
    """The grid with other moments along its time axis.

    times: `2x` (so many times as many frames, the recorded ones among them), START:STOP:STEP with both ends, or
    instants separated by commas, all in the time axis's unit, or as dates where it is known what they count from.
    Raises ConfigError where that is not understood, is uneven, or lies outside the recorded span.
    """
    if TIME_AXIS not in grid.axes:
        raise ConfigError(f"The field has no time axis (its axes are {', '.join(grid.axes)}); leave --times out.")
    at = grid.axes.index(TIME_AXIS)
    factor = TIMES_AS_MANY.fullmatch(times)
    if factor is not None:
        return with_instants(grid, _between_frames(grid, at, int(factor[1]), times))
    parts = times.split("/") if "/" in times else times.split(":") if times.count(":") == 2 else []
    if len(parts) == 3:
        return with_instants(grid, _stepped(grid, parts, times))
    return with_instants(grid, np.array([_instant(grid, part, times) for part in times.split(",")]))


def with_instants(grid: Grid, instants: Sequence[float] | NDArray[np.float64]) -> Grid:
    """The grid with frames at these times, in the time axis's unit; ConfigError where they are uneven or outside."""
    at = grid.axes.index(TIME_AXIS)
    moments, recorded, unit = np.asarray(instants, dtype=np.float64), grid.voxel_size[at], grid.units[at]
    step = recorded if len(moments) < 2 else float(moments[-1] - moments[0]) / (len(moments) - 1)
    if step <= 0 or np.abs(np.diff(moments) - step).max(initial=0.0) > EVEN * step:
        raise ConfigError(
            "The instants have to rise by equal steps, for one file has one step of time; export the others apart."
        )
    first = grid.origin[at] - recorded / 2
    last = first + grid.extent[at]
    if moments[0] < first - EDGE * recorded or moments[-1] > last + EDGE * recorded:
        raise ConfigError(
            f"The field knows the times {first:g} to {last:g} {unit}".rstrip()
            + f"; {moments[0]:g} to {moments[-1]:g} lie outside, where it would only make something up."
        )
    return _on_axis(grid, at, len(moments), step, float(moments[0]))


def _on_axis(grid: Grid, at: int, count: int, step: float, first: float) -> Grid:
    """A grid with another count, step and start along one axis."""

    def put(old: tuple[float, ...], new: float) -> tuple[float, ...]:
        return (*old[:at], new, *old[at + 1 :])

    shape = (*grid.shape[:at], count, *grid.shape[at + 1 :])
    return replace(grid, shape=shape, voxel_size=put(grid.voxel_size, step), origin=put(grid.origin, first))


def _between_frames(grid: Grid, at: int, factor: int, times: str) -> NDArray[np.float64]:
    count = (grid.shape[at] - 1) * factor + 1
    if factor < 1 or count > LARGEST_AXIS:
        raise ConfigError(f"--times is {times!r}; {FORMS}.")
    return np.asarray(grid.origin[at] + np.arange(count) * (grid.voxel_size[at] / factor), dtype=np.float64)


def _stepped(grid: Grid, parts: Sequence[str], times: str) -> NDArray[np.float64]:
    """Instants from a first to a last one, both included where the step allows it."""
    start, stop = (_instant(grid, part, times) for part in parts[:2])
    step = _number(parts[2], times)
    count = math.floor((stop - start) / step + EVEN) + 1 if step > 0 else 0
    if not 1 <= count <= LARGEST_AXIS:
        raise ConfigError(f"--times is {times!r}, which holds no frames; the step has to be positive, the end later.")
    return np.asarray(start + step * np.arange(count), dtype=np.float64)


def _instant(grid: Grid, text: str, times: str) -> float:
    """A number or a date as a time in the axis's unit."""
    at = grid.axes.index(TIME_AXIS)
    if grid.epoch is not None and "-" in text.strip()[1:] and "e" not in text.lower():
        found = grid.epoch.time(text, grid.units[at])
        if found is not None:
            return found
        raise ConfigError(f"{text.strip()!r} is no date of {grid.epoch.since(grid.units[at])}; {FORMS}.")
    return _number(text, times)


def _number(text: str, times: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"--times is {times!r}; {FORMS}.")
    return number
