"""A volume from scattered samples: the mean of those in each voxel, on a grid with about one sample in a voxel.

The centres of the outermost voxels are at the least and greatest positions. Along an axis on which the samples lie at
even distances (vectors of particle images, frames of a film) the voxels lie there too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.errors import ConfigError, DataError
from dinr_studio.sample_table import SampleTable
from dinr_studio.volume import Provenance, Volume, checked

MOST_VOXELS = 1 << 24
THINNEST = 2  # voxels for each sample from which even distances count as an effect of rounding
UNEVEN = 0.02  # of a step: what a position may miss its place on an even axis by
ONE_PLACE = 1e-6  # of the extent: positions closer than that are one


def volume_of_samples(
    table: SampleTable, voxel_size: Sequence[float] | None = None, provenance: Provenance = Provenance()
) -> Volume:
    """The volume of a table, which carries it along; raises DataError or ConfigError where there can be none.

    voxel_size: in the positions' units, one number for all spatial axes or one for each axis; None follows from how
    densely the samples lie.
    """
    if table.count < 2 or all(low == high for low, high in table.box):
        raise DataError(
            f"The {table.count} samples lie at a single place; a field needs samples at different positions."
        )
    grid = grid_of_samples(table) if voxel_size is None else _grid_with(table, voxel_size)
    return on_grid(table, grid, provenance)


def on_grid(table: SampleTable, grid: Grid, provenance: Provenance = Provenance()) -> Volume:
    """The means of samples in each voxel of a grid, float32; voxels without a sample are missing."""
    cells = table.cells(grid)
    counts = np.bincount(cells, minlength=grid.size)
    values = np.empty((grid.size, table.values.shape[1]), dtype=np.float32)
    for channel in range(values.shape[1]):
        sums = np.bincount(cells, weights=table.values[:, channel], minlength=grid.size)
        with np.errstate(over="ignore"):  # a volume of such values is refused
            values[:, channel] = sums / np.maximum(counts, 1)
    empty: NDArray[np.bool_] = (counts == 0).reshape(grid.shape)
    return checked(
        Volume(
            values.reshape(*grid.shape, -1),
            grid,
            empty if empty.any() else None,
            table.value_unit,
            table.channel_names,
            provenance,
            table,
        )
    )


def grid_of_samples(table: SampleTable) -> Grid:
    """The grid on which about one sample lies in each voxel, or the one that the samples themselves lie on."""
    lengths = [high - low for low, high in table.box]
    even = [_even_count(table.positions[:, i]) for i in range(len(table.axes))]
    counts = _filled(table, lengths, even)
    if math.prod(counts) > min(MOST_VOXELS, THINNEST * table.count):
        in_time = [n if axis == TIME_AXIS else None for axis, n in zip(table.axes, even, strict=True)]
        counts = _filled(table, lengths, in_time)
    if math.prod(counts) > min(MOST_VOXELS, THINNEST * table.count):
        counts = _filled(table, lengths, [None] * len(lengths))
    sizes = [length / (n - 1) if n > 1 else 0.0 for length, n in zip(lengths, counts, strict=True)]
    return _grid(table, counts, _flat_sizes(table, sizes))


def _even_count(positions: NDArray[np.float64]) -> int | None:
    """How many even steps, counting both ends, the positions along an axis lie on; None where they are scattered."""
    found = np.unique(positions)
    extent = found[-1] - found[0]
    if extent == 0:
        return 1
    found = found[np.concatenate([[True], np.diff(found) > ONE_PLACE * extent])]
    if len(found) > MOST_VOXELS:
        return None
    count = round(extent / float(np.diff(found).min(initial=extent))) + 1
    place = (found - found[0]) * (count - 1) / extent
    return count if np.abs(place - np.rint(place)).max() <= UNEVEN else None


def _filled(table: SampleTable, lengths: Sequence[float], known: Sequence[int | None]) -> tuple[int, ...]:
    """Voxels along each axis, some of which are known, so that they are about as many as the samples.

    Axes of one unit get voxels of one length; the others are divided alike.
    """
    wanted = min(table.count, MOST_VOXELS) / math.prod(n for n in known if n is not None)
    free = [i for i, n in enumerate(known) if n is None]
    spatial_units = {table.units[i] for i in free if table.axes[i] != TIME_AXIS}
    alike = len(spatial_units) == 1
    longest = max((lengths[i] for i in free if table.axes[i] != TIME_AXIS), default=1.0)
    relative = {i: lengths[i] / longest if alike and table.axes[i] != TIME_AXIS else 1.0 for i in free}
    low, high = 0.0, float(MOST_VOXELS)  # steps along the longest axis; the product of counts grows with them
    for _ in range(60):
        middle = (low + high) / 2
        if math.prod(1 + middle * relative[i] for i in free) < wanted:
            low = middle
        else:
            high = middle
    return tuple(n if n is not None else max(2, 1 + round(low * relative[i])) for i, n in enumerate(known))


def _flat_sizes(table: SampleTable, sizes: Sequence[float]) -> tuple[float, ...]:
    """Voxel sizes, those of axes along which all positions are equal (0) taken from the other axes."""
    spatial = [size for size, axis in zip(sizes, table.axes, strict=True) if size > 0 and axis != TIME_AXIS]
    return tuple(
        size or (1.0 if axis == TIME_AXIS else min(spatial, default=1.0))
        for size, axis in zip(sizes, table.axes, strict=True)
    )


def _grid_with(table: SampleTable, voxel_size: Sequence[float]) -> Grid:
    """The grid of a given voxel size; the last voxel may reach past the last sample."""
    if len(voxel_size) == 1:
        own = grid_of_samples(table).voxel_size
        voxel_size = [old if axis == TIME_AXIS else voxel_size[0] for old, axis in zip(own, table.axes, strict=True)]
    if len(voxel_size) != len(table.axes) or not all(math.isfinite(v) and v > 0 for v in voxel_size):
        raise ConfigError(
            f"The voxel size {', '.join(f'{v:g}' for v in voxel_size)} does not fit axes {', '.join(table.axes)}; "
            "give one positive number, or one for each axis."
        )
    steps = [(high - low) / v for (low, high), v in zip(table.box, voxel_size, strict=True)]
    if math.prod(step + 1 for step in steps) > MOST_VOXELS:
        raise ConfigError(
            f"Voxels of {', '.join(f'{v:g}' for v in voxel_size)} would be more than {MOST_VOXELS:,} in the samples' "
            "box; choose larger ones (an export may have any voxel size)."
        )
    return _grid(table, tuple(math.ceil(step - ONE_PLACE) + 1 for step in steps), voxel_size)


def _grid(table: SampleTable, shape: tuple[int, ...], voxel_size: Sequence[float]) -> Grid:
    origin = tuple(low for low, _ in table.box)
    return Grid(shape, tuple(float(v) for v in voxel_size), origin, table.units, table.axes, epoch=table.epoch)
