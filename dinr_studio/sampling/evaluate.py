"""A field's values at positions, at voxels, and on whole grids slab by slab."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.coordinates import CoordinateMap, Grid, flat_to_index
from dinr_studio.normalisation import Normalisation

TILE = 8192  # coordinates in one call of the network: its activations stay in the cache
SLAB_VALUES = 1 << 17  # values in one slab of a grid: what an export does between two chances to stop it


@dataclass(frozen=True)
class FieldOnGrid:
    """A network with all that turns its output into physical values at physical places.

    module: network coordinates (N, axes) float32 -> normalised values (N, channels). grid: the grid that it was
    fitted on, in whose unit voxel sizes and positions are given.
    """

    module: torch.nn.Module
    coordinates: CoordinateMap
    normalisation: Normalisation
    grid: Grid
    channels: int
    channel_names: tuple[str, ...] = ()
    value_unit: str = ""
    device: torch.device = torch.device("cpu")


def values_at(field: FieldOnGrid, world: NDArray[Any]) -> NDArray[np.float64]:
    """Values (N, channels), in the data's unit, at world positions (N, axes)."""
    return _values(field, field.coordinates.network(world))


def values_at_indices(field: FieldOnGrid, voxels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Values (N, channels), in the data's unit, at flat indices (N,) of the field's own grid."""
    slope, intercept = field.coordinates.index_affine(field.grid)
    predicted = np.empty((len(voxels), field.channels))
    for start in range(0, len(voxels), TILE):
        tile = slice(start, start + TILE)
        predicted[tile] = _values(field, flat_to_index(voxels[tile], field.grid.shape) * slope + intercept)
    return predicted


def evaluate_slabs(field: FieldOnGrid, grid: Grid) -> Iterator[NDArray[np.float32]]:
    """The field on a grid, as consecutive slabs along the first axis, each (n, *rest, channels), in the data's unit.

    A slab holds some hundred thousand values, or one plane where that is more, whatever the grid's size.
    """
    slope, intercept = field.coordinates.index_affine(grid)
    axes = [(np.arange(n) * s + i).astype(np.float32) for n, s, i in zip(grid.shape, slope, intercept, strict=True)]
    rest = grid.shape[1:]
    thickness = max(1, SLAB_VALUES // max(1, int(np.prod(rest)) * field.channels))
    for first in range(0, grid.shape[0], thickness):
        yield _slab(field, [axes[0][first : first + thickness], *axes[1:]])


def _slab(field: FieldOnGrid, axes: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Values on the grid that the axes' network coordinates span, in tiles of consecutive voxels."""
    shape = tuple(len(axis) for axis in axes)
    size = int(np.prod(shape))
    values = np.empty((size, field.channels), dtype=np.float32)
    for start in range(0, size, TILE):
        index = np.unravel_index(np.arange(start, min(start + TILE, size)), shape)
        coordinates = np.stack([axis[i] for axis, i in zip(axes, index, strict=True)], axis=-1)
        values[start : start + TILE] = _values(field, coordinates)
    return values.reshape(*shape, field.channels)


def _values(field: FieldOnGrid, coordinates: NDArray[Any]) -> NDArray[np.float64]:
    """Values (N, channels) in the data's unit at network coordinates (N, axes)."""
    with torch.inference_mode():
        x = torch.from_numpy(np.ascontiguousarray(coordinates, dtype=np.float32))
        output = field.module(x.to(field.device)).float().cpu().numpy()
    return field.normalisation.to_values(output)
