"""Where a tangent kernel is taken: an even sub-grid, random voxels, or the voxels held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid, flat_to_index
from dinr_studio.errors import ConfigError
from dinr_studio.training.run import Run

Where = Literal["grid", "random", "held-out"]
FEWEST, MOST = 4, 8192  # points: a kernel of the most takes 0.5 GB


@dataclass(frozen=True)
class Places:
    """Voxels of a run's grid. index: (N, axes), in C order for a sub-grid, which has a shape and strides in voxels."""

    where: Where
    index: NDArray[np.int64]
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Number of points."""
        return len(self.index)

    @property
    def pictured(self) -> bool:
        """Whether values at the points make a picture: on a sub-grid of two axes or more."""
        return sum(n > 1 for n in self.shape) >= 2

    def picture(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (N,) on a sub-grid as a picture (rows, columns): the middle slice across all axes but the last two."""
        whole = values.reshape([n for n in self.shape if n > 1])
        while whole.ndim > 2:
            whole = whole[len(whole) // 2]
        return whole

    def network(self, run: Run) -> NDArray[np.float32]:
        """Network coordinates (N, axes)."""
        slope, intercept = run.coordinates.index_affine(run.grid)
        return (self.index * slope + intercept).astype(np.float32)


def places_of(run: Run, where: str, points: int) -> Places:
    """About `points` voxels of a run, at most; raises ConfigError where there are none of that kind."""
    if where not in PLACES:
        raise ConfigError(f"There are no points named {where!r}; choose one of {', '.join(PLACES)}.")
    if not FEWEST <= points <= MOST:
        raise ConfigError(f"{points} points are asked for; {FEWEST} to {MOST} are allowed.")
    return PLACES[where](run, points)


def _on_sub_grid(run: Run, points: int) -> Places:
    """Every s-th voxel along each axis, in the middle of the grid: even, so that frequencies can be told."""
    shape = _sides(run.grid.shape, points)
    strides = tuple((n - 1) // max(1, side - 1) or 1 for n, side in zip(run.grid.shape, shape, strict=True))
    axes = [
        (n - 1 - (side - 1) * stride) // 2 + stride * np.arange(side)
        for n, side, stride in zip(run.grid.shape, shape, strides, strict=True)
    ]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    return Places("grid", _frozen(index.astype(np.int64)), shape, strides)


def _sides(shape: tuple[int, ...], points: int) -> tuple[int, ...]:
    """Sides, as alike as the shape allows, whose product does not go beyond a number of points."""
    sides, left, axes = {}, points, sorted(range(len(shape)), key=lambda axis: shape[axis])
    for place, axis in enumerate(axes):
        side = int(left ** (1 / (len(axes) - place)) + 1e-9)
        sides[axis] = max(1, min(shape[axis], side))
        left //= sides[axis]
    return tuple(sides[axis] for axis in range(len(shape)))


def _at_random(run: Run, points: int) -> Places:
    return Places("random", _drawn(np.arange(run.grid.size) if run.grid.size < 1 << 20 else None, run, points))


def _held_out(run: Run, points: int) -> Places:
    if run.scattered:
        raise ConfigError("The run was fitted to scattered samples, which lie on no voxels; choose grid or random.")
    if not len(run.held_out):
        raise ConfigError("The run keeps no list of held-out voxels; choose grid or random.")
    return Places("held-out", _drawn(run.held_out, run, points))


def _drawn(candidates: NDArray[np.integer[Any]] | None, run: Run, points: int) -> NDArray[np.int64]:
    """Voxel indices of some candidates (flat; None: all voxels of a large grid), without repetition, in order."""
    rng = np.random.default_rng(run.config.training.seed)
    if candidates is None:
        flat = np.unique(rng.integers(run.grid.size, size=points))
    else:
        flat = np.sort(rng.choice(candidates, min(points, len(candidates)), replace=False))
    return _frozen(flat_to_index(flat, run.grid.shape))


def _frozen(index: NDArray[np.int64]) -> NDArray[np.int64]:
    index.flags.writeable = False
    return index


def physical_spacing(places: Places, grid: Grid) -> tuple[float, ...]:
    """World distance between neighbours of a sub-grid along each axis."""
    return tuple(stride * size for stride, size in zip(places.strides, grid.voxel_size, strict=True))


PLACES: dict[str, Callable[[Run, int], Places]] = {"grid": _on_sub_grid, "random": _at_random, "held-out": _held_out}
