"""The grid to evaluate a field on: by factor, voxel size or shape, for the whole box or a part of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.errors import ConfigError
from dinr_studio.sampling.instants import with_instants, with_times

T = TypeVar("T")

EDGE = 1e-6  # of a voxel: what a box may miss a centre by

Box = Sequence[tuple[float, float]]
Resolution = Literal["factor", "voxel_size", "shape"]


def target_grid(
    grid: Grid,
    *,
    factor: Sequence[float] | None = None,
    voxel_size: Sequence[float] | None = None,
    shape: Sequence[int] | None = None,
    box: Box | None = None,
    times: str | None = None,
) -> Grid:
    """A grid that fills the same physical box as `grid`, or the part of it that `box` names.

    At most one of factor (new voxel = old / factor), voxel_size (world units) and shape; none keeps the voxel size. One
    number of the first two counts for all spatial axes and leaves time as it is. box: (start, stop) in world units for
    each axis; the voxels whose centres lie within are taken. times: moments of a field with time, as in `with_times`,
    whatever the others say of that axis. Raises ConfigError for what is not possible.
    """
    target = _resized(grid, factor, voxel_size, shape, box)
    if times is None:
        return target
    timed, at = with_times(grid, times), grid.axes.index(TIME_AXIS)
    return with_instants(replace_axis(target, grid, at), timed.axis_positions(at))


def _resized(
    grid: Grid,
    factor: Sequence[float] | None,
    voxel_size: Sequence[float] | None,
    shape: Sequence[int] | None,
    box: Box | None,
) -> Grid:
    """The grid without regard to times; see `target_grid`."""
    if sum(choice is not None for choice in (factor, voxel_size, shape)) > 1:
        raise ConfigError("Give only one of --factor, --voxel-size and --shape.")
    if box is not None:
        grid = _boxed(grid, box)
    if shape is not None:
        return grid.with_shape([int(n) for n in _one_per_axis(shape, grid, "shape")])
    if voxel_size is not None:
        return grid.with_voxel_size(_spread(voxel_size, grid, grid.voxel_size, "voxel size"))
    if factor is not None:
        factors = _spread(factor, grid, (1.0,) * len(grid.shape), "factor")
        if not all(math.isfinite(f) and f > 0 for f in factors):
            raise ConfigError(f"The factor is {_listed(factor)}; it must be positive, such as 2.")
        return grid.upsampled(factors)
    return grid


def replace_axis(grid: Grid, other: Grid, axis: int) -> Grid:
    """A grid whose one axis is that of another grid."""

    def put(old: tuple[T, ...], new: tuple[T, ...]) -> tuple[T, ...]:
        return (*old[:axis], new[axis], *old[axis + 1 :])

    return replace(
        grid,
        shape=put(grid.shape, other.shape),
        voxel_size=put(grid.voxel_size, other.voxel_size),
        origin=put(grid.origin, other.origin),
    )


def in_proportion(grid: Grid, what: Resolution, axis: int, number: float) -> tuple[float, ...]:
    """The factors, voxel sizes or shape, one per axis, that give all spatial axes the same factor as one of them.

    number: the factor, voxel size or number of voxels wanted along `axis`. Axes that do not follow stay as they are.
    """
    present = {"factor": (1.0,) * len(grid.shape), "voxel_size": grid.voxel_size, "shape": grid.shape}
    old: tuple[float, ...] = present[what]
    follow = grid.spatial if axis in grid.spatial else (axis,)
    new = [value * number / old[axis] if i in follow else value for i, value in enumerate(old)]
    new[axis] = number
    return tuple(max(1, round(n)) for n in new) if what == "shape" else tuple(new)


def frame_of(grid: Grid, frame: int | None) -> Grid:
    """One frame of a grid with time; a grid without time, or one that has a single frame, as it is for None or 0."""
    frames = grid.shape[grid.axes.index(TIME_AXIS)] if TIME_AXIS in grid.axes else 1
    if frame is None and frames > 1:
        raise ConfigError(f"The field has {frames} frames; choose one of 0 to {frames - 1} with --frame.")
    if not 0 <= (frame or 0) < frames:
        raise ConfigError(f"Frame {frame} does not exist; the field has frames 0 to {frames - 1}.")
    if frames == 1:
        return grid
    start = [int(frame or 0) if axis == TIME_AXIS else 0 for axis in grid.axes]
    stop = [first + 1 if axis == TIME_AXIS else n for first, n, axis in zip(start, grid.shape, grid.axes, strict=True)]
    return grid.cropped(start, stop)


def _boxed(grid: Grid, box: Box) -> Grid:
    """The voxels whose centres lie within the box, its ends included."""
    if len(box) != len(grid.shape):
        raise ConfigError(
            f"The box has {len(box)} ranges and the field {len(grid.shape)} axes ({', '.join(grid.axes)}); "
            "give one START:STOP for each."
        )
    start, stop = [], []
    for axis, (low, high) in enumerate(box):
        face = grid.origin[axis] - grid.voxel_size[axis] / 2
        first, last = ((edge - face) / grid.voxel_size[axis] for edge in (low, high))
        inside = max(0, math.ceil(first - 0.5 - EDGE)), min(grid.shape[axis], math.floor(last + 0.5 + EDGE))
        if not (math.isfinite(low) and math.isfinite(high)) or inside[0] >= inside[1]:
            unit = grid.units[axis]
            raise ConfigError(
                f"The box's range {low:g}:{high:g} along {grid.axes[axis]} holds no voxel; "
                f"the data reaches from {face:g} to {face + grid.extent[axis]:g} {unit}".rstrip()
                + "."
            )
        start.append(inside[0])
        stop.append(inside[1])
    return grid.cropped(start, stop)


def _spread(numbers: Sequence[float], grid: Grid, unchanged: Sequence[float], what: str) -> tuple[float, ...]:
    """One number for every spatial axis, or one for each axis."""
    if len(numbers) == 1:
        return tuple(numbers[0] if i in grid.spatial else unchanged[i] for i in range(len(grid.shape)))
    return _one_per_axis(numbers, grid, what)


def _one_per_axis(numbers: Sequence[float], grid: Grid, what: str) -> tuple[float, ...]:
    if len(numbers) != len(grid.shape):
        raise ConfigError(
            f"The {what} {_listed(numbers)} has {len(numbers)} numbers and the field {len(grid.shape)} axes "
            f"({', '.join(grid.axes)}); give one for each."
        )
    return tuple(numbers)


def _listed(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)
