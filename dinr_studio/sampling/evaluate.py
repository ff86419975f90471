"""A field's values at positions, at voxels, and on whole grids slab by slab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.coordinates import CoordinateMap, Grid, flat_to_index
from dinr_studio.fields.frozen import freeze
from dinr_studio.normalisation import Normalisation
from dinr_studio.threads import side_by_side, usable_threads

TILE = 8192  # coordinates between two turns from arrays to tensors and back: these take 1 % of the time at most
LEAST_PART = 512  # coordinates that a thread takes of a tile: fewer are not worth its while
SLAB_VALUES = 1 << 17  # values in one slab of a grid: what an export does between two chances to stop it


@dataclass(frozen=True)
class FieldOnGrid:
    """A network with all that turns its output into physical values at physical places.

    module: network coordinates (N, axes) float32 -> normalised values (N, channels). grid: the grid that it was
    fitted on, in whose unit voxel sizes and positions are given. Values are computed by the module's frozen form, made
    at the first use, so its weights may not change from then on. Several threads may evaluate at once.
    """

    module: torch.nn.Module
    coordinates: CoordinateMap
    normalisation: Normalisation
    grid: Grid
    channels: int
    channel_names: tuple[str, ...] = ()
    value_unit: str = ""
    device: torch.device = torch.device("cpu")

    @cached_property
    def frozen(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """The same function as `module`, faster and without gradients."""
        return freeze(self.module)


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
    axes = _axes(field, grid)
    rest = grid.shape[1:]
    thickness = max(1, SLAB_VALUES // max(1, int(np.prod(rest)) * field.channels))
    for first in range(0, grid.shape[0], thickness):
        yield _slab(field, [axes[0][first : first + thickness], *axes[1:]])


def evaluate_grids(field: FieldOnGrid, grids: Sequence[Grid]) -> list[NDArray[np.float32]]:
    """The field on several small grids in one go, each (*shape, channels), in the data's unit."""
    if not grids:
        return []
    coordinates = [_coordinates(_axes(field, grid), 0, grid.size) for grid in grids]
    values = _values(field, np.concatenate(coordinates)).astype(np.float32)
    ends = np.cumsum([grid.size for grid in grids])[:-1]
    return [part.reshape(*grid.shape, -1) for part, grid in zip(np.split(values, ends), grids, strict=True)]


def _axes(field: FieldOnGrid, grid: Grid) -> list[NDArray[np.float32]]:
    """Network coordinates of a grid's voxel centres along each axis."""
    slope, intercept = field.coordinates.index_affine(grid)
    return [(np.arange(n) * s + i).astype(np.float32) for n, s, i in zip(grid.shape, slope, intercept, strict=True)]


def _coordinates(axes: list[NDArray[np.float32]], start: int, stop: int) -> NDArray[np.float32]:
    """Network coordinates (stop - start, axes) of the voxels start <= flat index < stop of what the axes span."""
    index = np.unravel_index(np.arange(start, stop), tuple(len(axis) for axis in axes))
    return np.stack([axis[i] for axis, i in zip(axes, index, strict=True)], axis=-1)


def _slab(field: FieldOnGrid, axes: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Values on the grid that the axes' network coordinates span, in tiles of consecutive voxels."""
    shape = tuple(len(axis) for axis in axes)
    size = int(np.prod(shape))
    values = np.empty((size, field.channels), dtype=np.float32)
    for start in range(0, size, TILE):
        values[start : start + TILE] = _values(field, _coordinates(axes, start, min(start + TILE, size)))
    return values.reshape(*shape, field.channels)


def _values(field: FieldOnGrid, coordinates: NDArray[Any]) -> NDArray[np.float64]:
    """Values (N, channels) in the data's unit at network coordinates (N, axes)."""
    hands = min(usable_threads(), len(coordinates) // LEAST_PART) if field.device.type == "cpu" else 1
    if hands <= 1:
        return _values_of_part(field, coordinates)
    field.frozen  # noqa: B018 made once, before several threads ask for it
    parts = side_by_side([partial(_values_of_part, field, part) for part in np.array_split(coordinates, hands)])
    return np.concatenate(parts)


def _values_of_part(field: FieldOnGrid, coordinates: NDArray[Any]) -> NDArray[np.float64]:
    evaluate = field.frozen
    with torch.inference_mode():
        x = torch.from_numpy(np.ascontiguousarray(coordinates, dtype=np.float32))
        output = evaluate(x.to(field.device)).float().cpu().numpy()
    return field.normalisation.to_values(output)
