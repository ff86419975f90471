"""Coarse copies of a volume or a field for looking at it in 3D: one moment, one channel, a bounded number of voxels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import Component, component
from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.volume import Volume

if TYPE_CHECKING:
    from dinr_studio.sampling.evaluate import FieldOnGrid  # what a widget needs of this file is geometry: no torch

T = TypeVar("T")


@dataclass(frozen=True)
class Block:
    """values: (z, y, x) float32 in the data's unit, read-only, NaN where missing; grid: where they lie, in 3 axes."""

    values: NDArray[np.float32]
    grid: Grid


def spatial_grid(grid: Grid) -> Grid:
    """The three spatial axes of a grid by themselves."""
    axes = [i for i, name in enumerate(grid.axes) if name != TIME_AXIS][-3:]

    def of(part: Sequence[T]) -> tuple[T, ...]:
        return tuple(part[i] for i in axes)

    return Grid(of(grid.shape), of(grid.voxel_size), of(grid.origin), of(grid.units), of(grid.axes))


def data_block(volume: Volume, frame: int, channel: Component, edge: int) -> Block:
    """The data's means over cubes of voxels, so few that no axis has more than `edge`; frame counts along time.

    Of a volume that stays in its file each cube stands for its middle plane alone, so that not all of it is read.
    """
    index: tuple[slice | int, ...] = tuple(frame if name == TIME_AXIS else slice(None) for name in volume.grid.axes)
    grid = spatial_grid(volume.grid)
    factor = max(1, math.ceil(max(grid.shape) / edge))
    if volume.is_stored and factor > 1:
        values = _middle_planes(volume, index, channel, factor)
    else:
        whole = _one_component(volume, index, channel)
        missing = None if volume.missing is None else volume.missing[index]
        if factor == 1:
            return Block(_read_only(_present(whole, missing)), grid)
        values = _binned(whole, missing, factor)
    size = tuple(v * factor for v in grid.voxel_size)
    origin = tuple(o + (factor - 1) / 2 * v for o, v in zip(grid.origin, grid.voxel_size, strict=True))
    return Block(_read_only(values), Grid(values.shape, size, origin, grid.units, grid.axes))


def _one_component(volume: Volume, index: tuple[slice | int, ...], channel: Component) -> NDArray[np.generic]:
    """A part of the data, one number for each voxel; of one channel nothing else is read."""
    if isinstance(channel, int):
        found: NDArray[np.generic] = volume.values[(*index, channel)]
        return found
    return component(volume.values[(*index, slice(None))], channel)


def _present(values: NDArray[np.generic], missing: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    found = np.array(values, dtype=np.float32)
    if missing is not None:
        found[missing] = np.nan
    return found


def _middle_planes(
    volume: Volume, index: tuple[slice | int, ...], channel: Component, factor: int
) -> NDArray[np.float32]:
    """Means over squares of the middle plane of every `factor` planes along the first spatial axis."""
    at = next(i for i, one in enumerate(index) if isinstance(one, slice))
    planes = []
    for first in range(0, volume.grid.shape[at], factor):
        middle = min(first + factor // 2, volume.grid.shape[at] - 1)
        plane = _one_component(volume, (*index[:at], slice(middle, middle + 1), *index[at + 1 :]), channel)
        planes.append(_binned(plane, None, factor)[0])
    return np.stack(planes)


def _binned(values: NDArray[np.generic], missing: NDArray[np.bool_] | None, factor: int) -> NDArray[np.float32]:
    """Means over cubes, one plane of cubes at a time; a cube at the far faces may hold fewer voxels."""
    shape = tuple(-(-n // factor) for n in values.shape)
    binned = np.empty(shape, dtype=np.float32)
    for k in range(shape[0]):
        planes = slice(k * factor, (k + 1) * factor)
        found = _present(values[planes], None if missing is None else missing[planes])
        pad = [(0, 0), *((0, m * factor - n) for m, n in zip(shape[1:], found.shape[1:], strict=True))]
        cubes = np.pad(found, pad, constant_values=np.nan).reshape(len(found), shape[1], factor, shape[2], factor)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a cube without any value stays NaN
            binned[k] = np.nanmean(cubes, axis=(0, 2, 4))
    return binned


def block_grid(grid: Grid, frame: float, edge: int) -> Grid:
    """The grid to evaluate a field on: its box, cubes about as long as broad, at most `edge` along the longest axis.

    frame: (fractional) index along the time axis, where there is one.
    """
    factor = max(1.0, max(grid.shape[i] for i in grid.spatial) / edge)
    coarse = grid.with_shape(
        [n if i not in grid.spatial else max(1, round(n / factor)) for i, n in enumerate(grid.shape)]
    )
    if TIME_AXIS not in grid.axes:
        return coarse
    t = grid.axes.index(TIME_AXIS)
    shape, origin = list(coarse.shape), list(coarse.origin)
    shape[t], origin[t] = 1, grid.origin[t] + frame * grid.voxel_size[t]
    return Grid(tuple(shape), coarse.voxel_size, tuple(origin), coarse.units, coarse.axes)


def slabs_of(grid: Grid, most: int) -> list[tuple[int, int]]:
    """Ranges of planes along the first spatial axis of a block's grid, each of at most `most` voxels (or one plane)."""
    shape = spatial_grid(grid).shape
    thickness = max(1, most // max(1, math.prod(shape[1:])))
    return [(start, min(start + thickness, shape[0])) for start in range(0, shape[0], thickness)]


def field_slab(field: FieldOnGrid, grid: Grid, planes: tuple[int, int], channel: Component) -> NDArray[np.float32]:
    """A field's values (planes, y, x) on a slab of a block's grid, read-only."""
    from dinr_studio.sampling.evaluate import evaluate_slabs

    first = next(i for i in range(len(grid.axes)) if grid.axes[i] != TIME_AXIS and i >= len(grid.axes) - 3)
    start, stop = [0] * len(grid.shape), list(grid.shape)
    start[first], stop[first] = planes
    part = grid.cropped(start, stop)
    values = component(np.concatenate(list(evaluate_slabs(field, part))), channel)
    return _read_only(values.reshape(spatial_grid(part).shape))


def _read_only(values: NDArray[np.float32]) -> NDArray[np.float32]:
    values = np.ascontiguousarray(values, dtype=np.float32)
    values.flags.writeable = False
    return values
