"""Scattered samples: where each one was taken and what was found there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.epoch import Epoch
from dinr_studio.errors import ConfigError

SAME = 1e-6  # of a voxel: grids that differ by no more are one


@dataclass(frozen=True)
class SampleTable:
    """Samples numbered by row, all of them finite numbers; read-only once made.

    positions: world positions (N, axes), in the order of `axes`: t, z, y, x as far as there. values: (N, channels), in
    value_unit. units: one for each axis, "" where it is not known. notes: sentences on what was done in reading.
    epoch: the date that time counts from, where it is known.
    """

    positions: NDArray[np.float64]
    values: NDArray[np.float64]
    axes: tuple[str, ...]
    units: tuple[str, ...]
    channel_names: tuple[str, ...] = ()
    value_unit: str = ""
    notes: tuple[str, ...] = ()
    epoch: Epoch | None = None

    def __post_init__(self) -> None:
        if self.positions.shape != (len(self.values), len(self.axes)) or len(self.units) != len(self.axes):
            raise ConfigError(f"Positions of shape {self.positions.shape} do not fit {len(self.values)} samples.")
        for array in (self.positions, self.values):
            array.flags.writeable = False

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.positions)

    @cached_property
    def box(self) -> tuple[tuple[float, float], ...]:
        """Least and greatest position along each axis, in its unit."""
        ends = zip(self.positions.min(axis=0), self.positions.max(axis=0), strict=True)
        return tuple((float(low), float(high)) for low, high in ends)

    @cached_property
    def channel_ranges(self) -> tuple[tuple[float, float], ...]:
        """Least and greatest value of each channel, in the value's unit; infinite where there is no sample."""
        least, greatest = self.values.min(axis=0, initial=np.inf), self.values.max(axis=0, initial=-np.inf)
        ends = zip(least, greatest, strict=True)
        return tuple((float(low), float(high)) for low, high in ends)

    def cells(self, grid: Grid) -> NDArray[np.int64]:
        """Flat index (N,) of the voxel of a grid that each sample lies in, or lies nearest to."""
        index = np.clip(np.rint(grid.index(self.positions)).astype(np.int64), 0, np.asarray(grid.shape) - 1)
        cells: NDArray[np.int64] = np.ravel_multi_index(tuple(index.T), grid.shape).astype(np.int64, copy=False)
        return cells

    def rows(self, chosen: NDArray[Any]) -> SampleTable:
        """Some of the samples, by a mask (N,) or by row numbers."""
        return replace(self, positions=self.positions[chosen], values=self.values[chosen])

    def within(self, grid: Grid, start: Sequence[int], stop: Sequence[int]) -> SampleTable:
        """The samples, perhaps none, that lie in voxels start <= index < stop of a grid."""
        index = np.stack(np.unravel_index(self.cells(grid), grid.shape), axis=-1)
        inside = ((index >= np.asarray(start)) & (index < np.asarray(stop))).all(axis=1)
        return self.rows(np.flatnonzero(inside))

    def on(self, old: Grid, new: Grid) -> SampleTable:
        """The samples in the units of another grid at the same place; ConfigError where it lies elsewhere."""
        ends = (np.zeros(len(old.shape)), np.asarray(old.shape) - 1.0)
        if old.shape != new.shape or any(np.abs(old.index(new.world(end)) - end).max() > SAME for end in ends):
            raise ConfigError(
                "The voxels of scattered samples follow from where these lie; open the table with another voxel size."
            )
        return replace(self, units=new.units)
