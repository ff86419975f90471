"""Which voxels, or samples, are held out: never trained on, so that a field can be judged by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.errors import DataError
from dinr_studio.volume import Volume

BLOCK_EDGE = 4  # voxels along each edge of a held-out block
SHORTEST_FOR_PLANES = 4

Mask = NDArray[np.bool_]


def held_out_mask(volume: Volume, scheme: str, share: float, seed: int) -> Mask:
    """The held-out voxels, grid.shape, True where held out; never a missing voxel.

    scheme: a key of HELD_OUT_SCHEMES. share: of the present voxels, 0 to 1; `planes` always takes every second
    plane, `frames` whole moments of a volume with time.
    Raises DataError where that would leave nothing to train on, or nothing to judge by.
    """
    mask = HELD_OUT_SCHEMES[scheme](volume, share, np.random.default_rng(seed))
    if volume.missing is not None:
        mask &= ~volume.missing
    present = volume.grid.size if volume.missing is None else int(np.count_nonzero(~volume.missing))
    held = int(np.count_nonzero(mask))
    if held == present:
        raise DataError(f"All {present} present voxels would be held out; lower the held-out share.")
    if held == 0:
        raise DataError(f"A held-out share of {share:g} is less than one voxel of {present}; raise it, or set it to 0.")
    return mask


def held_out_samples(volume: Volume, scheme: str, share: float, seed: int) -> Mask:
    """The held-out samples of a volume that carries some, (N,), True where held out.

    Samples at one place stay together. `blocks` are of 4 voxels along each axis, as many of those that hold samples as
    come nearest to the share; `planes` and `frames` take the samples in planes and frames of voxels. Raises as
    `held_out_mask`.
    """
    table, random = volume.samples, np.random.default_rng(seed)
    if table is None:
        raise AssertionError("a volume without samples")
    cells = table.cells(volume.grid)
    if scheme in ("planes", "frames"):
        mask: Mask = HELD_OUT_SCHEMES[scheme](volume, share, random).reshape(-1)[cells]
    elif scheme == "blocks":
        index = np.stack(np.unravel_index(cells, volume.grid.shape), axis=-1) // BLOCK_EDGE
        mask = _some_groups(index, share, random, fewest=1)
    else:
        mask = _some_groups(table.positions, share, random, fewest=0)
    held = int(np.count_nonzero(mask))
    if held == table.count:
        raise DataError(f"All {table.count} samples would be held out; lower the held-out share.")
    if held == 0:
        raise DataError(
            f"A held-out share of {share:g} is less than one sample of {table.count}; raise it, or set it to 0."
        )
    return mask


def _some_groups(of: NDArray[Any], share: float, random: np.random.Generator, *, fewest: int) -> Mask:
    """Which rows (N,) belong to some of the different rows of an array, round(share * different) of them at random."""
    groups, inverse = np.unique(of, axis=0, return_inverse=True)
    chosen = np.zeros(len(groups), dtype=bool)
    chosen[random.choice(len(groups), max(fewest, round(share * len(groups))), replace=False)] = True
    mask: Mask = chosen[inverse.reshape(-1)]
    return mask


def expected_share(grid: Grid, scheme: str, share: float) -> float:
    """About what share of a grid's voxels a scheme holds out when `share` is asked for; raises as the scheme does."""
    if share == 0 or scheme not in ("planes", "frames"):
        return share
    if scheme == "frames":
        frames = grid.shape[axis_of_frames(grid)]
        return frames_held_out(frames, share) / frames
    planes = grid.shape[axis_of_planes(grid)]
    return (planes - 1) // 2 / planes


def random_voxels(volume: Volume, share: float, random: np.random.Generator) -> Mask:
    """Single voxels at random, round(share * present) of them."""
    mask = np.zeros(volume.grid.size, dtype=bool)
    if volume.missing is None:
        mask[random.choice(mask.size, round(share * mask.size), replace=False, shuffle=False)] = True
    else:
        present = np.flatnonzero(~volume.missing)
        mask[random.choice(present, round(share * len(present)), replace=False, shuffle=False)] = True
    return mask.reshape(volume.grid.shape)


def random_blocks(volume: Volume, share: float, random: np.random.Generator) -> Mask:
    """Blocks of 4 voxels along each axis, on a lattice, as many at random as come nearest to the share."""
    lattice = tuple(-(-n // BLOCK_EDGE) for n in volume.grid.shape)
    blocks = np.zeros(int(np.prod(lattice)), dtype=bool)
    blocks[random.choice(blocks.size, max(1, round(share * blocks.size)), replace=False)] = True
    mask = blocks.reshape(lattice)
    for axis in range(mask.ndim):
        mask = np.repeat(mask, BLOCK_EDGE, axis=axis)
    return mask[tuple(slice(n) for n in volume.grid.shape)].copy()


def second_planes(volume: Volume, share: float, random: np.random.Generator) -> Mask:
    """Every second plane across the first spatial axis of at least 4 voxels; the outermost planes are trained on."""
    grid, axis = volume.grid, axis_of_planes(volume.grid)
    mask = np.zeros(grid.shape, dtype=bool)
    np.moveaxis(mask, axis, 0)[1 : grid.shape[axis] - 1 : 2] = True
    return mask


def axis_of_planes(grid: Grid) -> int:
    """The axis across which every second plane is held out; DataError where none is long enough."""
    axis = next((i for i in grid.spatial if grid.shape[i] >= SHORTEST_FOR_PLANES), None)
    if axis is None:
        raise DataError(f"Every second plane cannot be held out of shape {grid.shape}; hold out random voxels instead.")
    return axis


def random_frames(volume: Volume, share: float, random: np.random.Generator) -> Mask:
    """Whole frames at random, at least one, never two in a row nor the first or last; as near to the share as can be.

    It asks for what happens between the recorded times.
    """
    grid, axis = volume.grid, axis_of_frames(volume.grid)
    recorded = np.arange(grid.shape[axis])
    if volume.missing is not None:
        recorded = np.flatnonzero(~np.moveaxis(volume.missing, axis, 0).reshape(grid.shape[axis], -1).all(axis=1))
    if len(recorded) < SHORTEST_FOR_PLANES:
        raise DataError(f"Only {len(recorded)} frames have values, too few to hold some out; hold out random voxels.")
    mask = np.zeros(grid.shape, dtype=bool)
    np.moveaxis(mask, axis, 0)[recorded[chosen_frames(len(recorded), share, random)]] = True
    return mask


def chosen_frames(count: int, share: float, random: np.random.Generator) -> list[int]:
    """Numbers of some inner frames with a neighbour that is trained on at either side of each."""
    wanted = frames_held_out(count, share)
    chosen: set[int] = set()
    for frame in (int(f) for f in 1 + random.permutation(count - 2)):
        if len(chosen) < wanted and not {frame - 1, frame + 1} & chosen:
            chosen.add(frame)
    return sorted(chosen)


def frames_held_out(count: int, share: float) -> int:
    """How many of `count` frames a share means: at least one, and at most every second one of the inner ones."""
    return min(max(1, round(share * count)), (count - 1) // 2)


def axis_of_frames(grid: Grid) -> int:
    """The time axis; DataError where there is none, or it is too short to hold frames out."""
    if TIME_AXIS not in grid.axes:
        raise DataError("Whole frames can only be held out of data with a time axis; hold out random voxels instead.")
    axis = grid.axes.index(TIME_AXIS)
    if grid.shape[axis] < SHORTEST_FOR_PLANES:
        raise DataError(
            f"Whole frames cannot be held out of {grid.shape[axis]}; {SHORTEST_FOR_PLANES} are needed: hold out random "
            "voxels instead."
        )
    return axis


HELD_OUT_SCHEMES: dict[str, Callable[[Volume, float, np.random.Generator], Mask]] = {
    "random": random_voxels,
    "blocks": random_blocks,
    "planes": second_planes,
    "frames": random_frames,
}
