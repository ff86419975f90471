"""Two fields beside each other: where both are, and the one less the other on a grid."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.sampling.exports import Slabs
from dinr_studio.sampling.target import target_grid

SAME_PLACE = 1e-6  # of a voxel
MOST_VOXELS = 1 << 17  # that two fields are compared on, where nothing is written


@dataclass(frozen=True)
class Difference:
    """What one field has more than another on a grid, over all channels, in the data's unit.

    rms, bias (mean) and largest (of the absolute value), which lies at the place `at` in channel `channel`. psnr: in
    dB, of rms against the range of the first one's data. where: what part of the world was compared, in words; "" where
    both have the very same voxels.
    """

    rms: float
    bias: float
    largest: float
    at: tuple[float, ...]
    channel: int
    psnr: float
    grid: Grid
    where: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The difference by name, fit for JSON."""
        return {
            "rms": self.rms,
            "bias": self.bias,
            "largest": self.largest,
            "at": list(self.at),
            "channel": self.channel,
            "psnr": self.psnr,
            "shape": list(self.grid.shape),
            "voxel_size": list(self.grid.voxel_size),
            "origin": list(self.grid.origin),
            "unit": list(self.grid.units),
            "where": self.where,
        }


def shared_grid(first: Grid, second: Grid) -> tuple[Grid, str]:
    """The first one's voxels that lie in both boxes, and in words which part that is ("" where the grids are the same).

    Raises ConfigError where two fields on these grids have no places in common.
    """
    if first.axes != second.axes:
        raise ConfigError(f"One field has the axes {', '.join(first.axes)} and the other {', '.join(second.axes)}.")
    if first.units != second.units:
        raise ConfigError(
            f"One field's lengths are in {_listed(first.units)} and the other's in {_listed(second.units)}; "
            "open the data of one with the other's unit (--unit) and fit again."
        )
    if first.orientation != second.orientation:
        raise ConfigError("The fields' volumes lie turned in different ways in space, so their voxels do not match.")
    if _same(first, second):
        return first, ""
    boxes = []
    for axis, name in enumerate(first.axes):
        (low, high), (other_low, other_high) = _faces(first, axis), _faces(second, axis)
        start, stop = max(low, other_low), min(high, other_high)
        if stop - start < first.voxel_size[axis] / 2:
            raise ConfigError(
                f"The fields have no place in common: along {name} one goes from {low:g} to {high:g} and the other "
                f"from {other_low:g} to {other_high:g} {first.units[axis]}".rstrip()
                + "."
            )
        boxes.append((start, stop))
    grid = target_grid(first, box=boxes)
    spans = zip(first.axes, (_faces(grid, axis) for axis in range(len(grid.shape))), first.units, strict=True)
    parts = ", ".join(f"{name} {low:g} to {high:g} {unit}".rstrip() for name, (low, high), unit in spans)
    return grid, f"where both are, on the first one's voxels: {parts}"


def check_alike(first: FieldOnGrid, second: FieldOnGrid) -> None:
    """Raises ConfigError where the values of two fields are not of one kind."""
    if first.channels != second.channels:
        raise ConfigError(f"One field has {first.channels} channels and the other {second.channels}.")
    if first.value_unit and second.value_unit and first.value_unit != second.value_unit:
        raise ConfigError(f"One field's values are in {first.value_unit} and the other's in {second.value_unit}.")


def coarse(grid: Grid, most: int = MOST_VOXELS) -> Grid:
    """The same box with about `most` voxels at most."""
    share = min(1.0, (most / grid.size) ** (1 / max(1, sum(n > 1 for n in grid.shape))))
    return grid if share == 1.0 else grid.with_shape([max(1, round(n * share)) for n in grid.shape])


def difference_slabs(first: FieldOnGrid) -> Slabs:
    """What makes `field - first`, slab by slab, for `export`."""

    def slabs(field: FieldOnGrid, grid: Grid) -> Iterator[NDArray[np.float32] | None]:
        for one, other in zip(evaluate_slabs(field, grid), evaluate_slabs(first, grid), strict=True):
            yield one - other

    return slabs


def differences(first: FieldOnGrid, second: FieldOnGrid, data_range: float) -> Generator[float, None, Difference]:
    """Yields the share done, slab by slab; returns what `second` has more than `first`; see `shared_grid`."""
    check_alike(first, second)
    whole, where = shared_grid(first.grid, second.grid)
    grid = coarse(whole)
    squares = total = largest = 0.0
    place, rows, row = 0, grid.shape[0], 0
    for slab in difference_slabs(first)(second, grid):
        assert slab is not None
        found = slab.astype(np.float64)
        squares, total = squares + float(np.square(found).sum()), total + float(found.sum())
        worst = int(np.abs(found).argmax())
        if (height := float(np.abs(found).flat[worst])) > largest or row == 0:
            largest, place = height, worst + row * found[0].size
        row += len(found)
        yield row / rows
    index = np.unravel_index(place, (*grid.shape, first.channels))
    count = grid.size * first.channels
    rms = float(np.sqrt(squares / count))
    at = tuple(float(x) for x in grid.world(np.array(index[:-1])))
    psnr = 300.0 if rms == 0 else min(300.0, 20 * float(np.log10(data_range / rms)))
    return Difference(rms, total / count, largest, at, int(index[-1]), psnr, grid, where)


def _faces(grid: Grid, axis: int) -> tuple[float, float]:
    low = grid.origin[axis] - grid.voxel_size[axis] / 2
    return low, low + grid.extent[axis]


def _same(first: Grid, second: Grid) -> bool:
    """Whether two grids have the same voxels."""
    near = SAME_PLACE * np.asarray(first.voxel_size)
    places = np.abs(np.subtract(first.origin, second.origin)) <= near
    sizes = np.abs(np.subtract(first.voxel_size, second.voxel_size)) * np.asarray(first.shape) <= near
    return first.shape == second.shape and bool(places.all() and sizes.all())


def _listed(units: tuple[str, ...]) -> str:
    return ", ".join(unit or "no unit" for unit in units)
