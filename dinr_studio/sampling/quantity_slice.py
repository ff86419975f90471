"""One slice of a quantity derived of a field, at any resolution, with all that a picture of it needs to say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import name_and_unit
from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError
from dinr_studio.sampling.derivatives import is_signed, quantity_field
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.sampling.picture import place_of_slice
from dinr_studio.stages import Stage, Stages

POINTS = 1 << 14  # evaluated between two stages
MOST_PIXELS = 1 << 24


@dataclass(frozen=True)
class QuantitySlice:
    """Values (rows, columns) on `plane`, the grid of the picture's two axes; where: at what place across the others."""

    title: str
    unit: str
    values: NDArray[np.float32]
    plane: Grid
    where: str
    signed: bool

    @property
    def label(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def limits(self) -> tuple[float, float]:
        """What colours span: the 0.5 to 99.5 percentiles, about zero where the values are signed."""
        if self.signed:
            far = float(np.percentile(np.abs(self.values), 99.5)) or 1.0
            return -far, far
        low, high = np.percentile(self.values, (0.5, 99.5))
        return float(low), float(high) if high > low else float(low) + 1.0


def quantity_slice(
    field: FieldOnGrid,
    quantity: str,
    *,
    axis: str | None = None,
    index: int | None = None,
    channel: int = 0,
    factor: float = 1.0,
) -> Stages:
    """Evaluates it row by row; the last stage has the QuantitySlice.

    axis, index: across which axis, and at which voxel of it (see `place_of_slice`). channel: of the quantity. factor:
    pixels per voxel. Raises ConfigError.
    """
    derived, grid = quantity_field(field, quantity), field.grid
    if len(grid.shape) < 2:
        raise ConfigError("A slice needs a field of two or more axes; this one is a line.")
    if not 0 <= channel < derived.channels:
        names = ", ".join(f"{i} ({name})" for i, name in enumerate(derived.channel_names))
        raise ConfigError(f"The {quantity} has no channel {channel}; it has {names}.")
    held, where = place_of_slice(grid, axis, index)
    fine = _fine(grid, held, factor)
    row, column = (i for i in range(len(grid.shape)) if i not in held)
    values = np.empty((fine.shape[row], fine.shape[column]), dtype=np.float32)
    step = max(1, POINTS // fine.shape[column])
    for first in range(0, len(values), step):
        yield Stage(first / len(values), f"{quantity} of the slice")
        strip = _strip(fine, row, first, min(len(values), first + step))
        slabs = [slab[..., channel] for slab in evaluate_slabs(derived, strip)]
        values[first : first + step] = np.concatenate(slabs).reshape(-1, fine.shape[column])
    values.flags.writeable = False
    name, own_unit = name_and_unit(derived.channel_names[channel])
    unit, plane = derived.value_unit or own_unit, fine.along((row, column))
    yield Stage(1.0, "done", QuantitySlice(name, unit, values, plane, where, is_signed(quantity)))


def _fine(grid: Grid, held: dict[int, int], factor: float) -> Grid:
    """The grid of the picture: one voxel along the axes that are held."""
    if not (math.isfinite(factor) and factor > 0):
        raise ConfigError(f"The factor is {factor:g}; it must be positive, such as 2.")
    axes = range(len(grid.shape))
    part = grid.cropped([held.get(i, 0) for i in axes], [held[i] + 1 if i in held else grid.shape[i] for i in axes])
    fine = part.upsampled([1.0 if i in held else factor for i in axes])
    if fine.size > MOST_PIXELS:
        raise ConfigError(
            f"The slice would have {fine.size:,} pixels, and {MOST_PIXELS:,} are allowed; choose a smaller factor."
        )
    return fine


def _strip(grid: Grid, axis: int, first: int, last: int) -> Grid:
    start, stop = [0] * len(grid.shape), list(grid.shape)
    start[axis], stop[axis] = first, last
    return grid.cropped(start, stop)
