"""Exporting a run's field stacked with the cubic spline through its data.

At an export the spline goes through all present voxels, the held-out ones among them: it knows more than when it was
judged, and its share, fitted between voxels that were left out, errs to the careful side. At the voxels themselves the
spline is the data, noise included. Missing voxels inside holes up to two voxels wide get the values that the spline
for scattered points has there, as in the judgement; in wider gaps no spline knows anything, and the field's own values
stand in for the data, so that the mean becomes the field within a few voxels of a gap's edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.interpolation import interpolate
from dinr_studio.analysis.outliers import isolated_outliers
from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError
from dinr_studio.sampling.evaluate import FieldOnGrid, values_at_indices
from dinr_studio.sampling.export import Slabs
from dinr_studio.sampling.spline import needed_box
from dinr_studio.sampling.stacked import stacked_slabs
from dinr_studio.training.run import Run
from dinr_studio.volume import CHUNK, Volume

FILLED_AT_ONCE = 1 << 14  # missing voxels, between two chances to stop


def stacked_export(run: Run, volume: Volume, weights: tuple[float, ...]) -> Slabs:
    """What evaluates the mean on a grid, for `export`; None among the slabs says that it is still preparing.

    volume: the data that the run was fitted to. Holds one float32 copy of the part of it that the grid needs. Raises
    ConfigError where the volume is not on the run's grid.
    """
    if volume.grid.shape != run.grid.shape or volume.channels != run.channels:
        raise ConfigError(f"Data of shape {volume.grid.shape} is not what a run on {run.grid.shape} was fitted to.")
    outlying = None if run.config.training.outliers == "keep" else isolated_outliers(volume)
    data = (volume if outlying is None else volume.without(outlying)).with_grid(run.grid)

    def slabs(field: FieldOnGrid, grid: Grid) -> Iterator[NDArray[np.float32] | None]:
        start, stop = needed_box(data.grid, grid)
        part = data.cropped(start, stop)
        samples = _normalised(part, field)
        for _ in _fill(samples, part, start, field):
            yield None
        yield from stacked_slabs(field, weights, samples, part.grid, grid)

    return slabs


def _normalised(part: Volume, field: FieldOnGrid) -> NDArray[np.float32]:
    """The values as a network learns them; 0 where missing."""
    samples = np.empty(part.values.shape, dtype=np.float32)
    lines, values = samples.reshape(-1, part.channels), part.in_memory.reshape(-1, part.channels)
    with np.errstate(over="ignore", invalid="ignore"):  # of what is missing
        for first in range(0, len(lines), CHUNK):
            lines[first : first + CHUNK] = field.normalisation.to_network(values[first : first + CHUNK])
    if part.missing is not None:
        samples[part.missing] = 0
    return samples


def _fill(samples: NDArray[np.float32], part: Volume, start: list[int], field: FieldOnGrid) -> Iterator[None]:
    """Puts values in place of missing ones, some at a time; start: the part's first index along each axis."""
    if part.missing is None:
        return
    lines = samples.reshape(-1, samples.shape[-1])
    holes = _small_holes(part.missing)
    none_held_out = np.zeros(part.grid.shape, dtype=bool)
    for voxels in _some_of(holes):
        lines[voxels] = field.normalisation.to_network(interpolate("cubic", part, none_held_out, voxels))
        yield
    for voxels in _some_of(part.missing & ~holes):
        index = tuple(i + s for i, s in zip(np.unravel_index(voxels, part.grid.shape), start, strict=True))
        flat = np.ravel_multi_index(index, field.grid.shape)
        lines[voxels] = field.normalisation.to_network(values_at_indices(field, flat))
        yield


def _small_holes(missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Missing voxels in gaps at most two voxels wide: what a closing of the present voxels adds to them."""
    from scipy.ndimage import binary_closing

    closed: NDArray[np.bool_] = binary_closing(~missing, structure=np.ones((3,) * missing.ndim, dtype=bool))
    return closed & missing


def _some_of(mask: NDArray[np.bool_]) -> Iterator[NDArray[Any]]:
    """Flat indices where a mask is True, so many at a time."""
    found = np.flatnonzero(mask)
    for first in range(0, len(found), FILLED_AT_ONCE):
        yield found[first : first + FILLED_AT_ONCE]
