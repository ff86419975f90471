"""A grid cut into overlapping blocks, where one field can't hold all of it: where each lies, and where two blend.

Along each axis the blocks' cores lie side by side, and each block reaches beyond its core by half the overlap on every
side that has a neighbour. Over the overlap one block's weight falls from 1 to 0 while its neighbour's rises, so each
counts nothing at its own inner faces and all weights add up to 1 everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dinr_studio.coordinates import CoordinateMap, Grid, Scaling
from dinr_studio.errors import ConfigError

MOST_BLOCKS = 4096
SHORTEST = 4  # voxels of a block along an axis that is cut
OVERLAP = 8  # voxels that neighbours share by default, where blocks are no shorter than twice that
AUTO_VOXELS = 128**3  # of a block at most, where the number of blocks is chosen automatically

Box = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Partition:
    """Blocks of a grid of some shape, numbered in the order of z, y, x; one entry of each kind for each axis.

    counts: how many blocks lie along an axis. overlap: voxels that two neighbours share along it; 0 where there is one
    block. Raises ConfigError where a block's core would be shorter than the overlap.
    """

    shape: tuple[int, ...]
    counts: tuple[int, ...]
    overlap: tuple[int, ...]

    def __post_init__(self) -> None:
        if len({len(self.shape), len(self.counts), len(self.overlap)}) != 1:
            raise ConfigError(f"Blocks {_listed(self.counts)} do not fit the axes of shape {_listed(self.shape)}.")
        if min((*self.counts, *self.shape), default=0) < 1 or min(self.overlap) < 0 or self.count > MOST_BLOCKS:
            raise ConfigError(
                f"{_listed(self.counts)} blocks with an overlap of {_listed(self.overlap)} voxels: 1 to "
                f"{MOST_BLOCKS:,} blocks are allowed."
            )
        for length, count, overlap in zip(self.shape, self.counts, self.overlap, strict=True):
            if length // count < max(1, overlap):
                raise ConfigError(
                    f"{count} blocks along an axis of {length} voxels are {length // count} long at the least, which "
                    f"an overlap of {overlap} does not fit into; ask for fewer blocks or less overlap."
                )

    @property
    def count(self) -> int:
        """Number of blocks."""
        return math.prod(self.counts)

    @property
    def largest(self) -> tuple[int, ...]:
        """The longest that blocks are along each axis."""
        return tuple(
            max(stop - start for start, stop in (self._span(axis, i) for i in range(count)))
            for axis, count in enumerate(self.counts)
        )

    def core(self, number: int) -> Box:
        """First voxel and the one past the last, along each axis, of a block without what it overlaps by."""
        at = self._at(number)
        start = tuple(self._cut(axis, i) for axis, i in enumerate(at))
        return start, tuple(self._cut(axis, i + 1) for axis, i in enumerate(at))

    def box(self, number: int) -> Box:
        """First voxel and the one past the last, along each axis, of a block."""
        start, stop = zip(*(self._span(axis, i) for axis, i in enumerate(self._at(number))), strict=True)
        return start, stop

    def ramps(self, axis: int) -> list[tuple[float, float]]:
        """Where the weights of neighbours change along an axis: from and to which (fractional) index, at each cut.

        From the outer face of the first voxel that two blocks share to that of the last.
        """
        before, after = self._reach(axis)
        cuts = [self._cut(axis, i) for i in range(1, self.counts[axis])]
        return [(cut - before - 0.5, cut + after - 0.5) for cut in cuts]

    def _at(self, number: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(number, self.counts))

    def _span(self, axis: int, i: int) -> tuple[int, int]:
        before, after = self._reach(axis)
        start = self._cut(axis, i) - (before if i else 0)
        return start, self._cut(axis, i + 1) + (after if i < self.counts[axis] - 1 else 0)

    def _cut(self, axis: int, i: int) -> int:
        return i * self.shape[axis] // self.counts[axis]

    def _reach(self, axis: int) -> tuple[int, int]:
        """How many voxels a block reaches beyond its core, before and behind it."""
        return self.overlap[axis] // 2, self.overlap[axis] - self.overlap[axis] // 2


def partition_of(grid: Grid, counts: Sequence[int], overlap: tuple[float, ...] = ()) -> Partition:
    """The partition of a grid into so many blocks along each axis; one number, or one for each spatial axis, will do.

    overlap: voxels that neighbours share, or their share (below 1) of a block's length without overlap, one number
    or one for each axis; nothing means 8 voxels, half the block's length at most. Raises ConfigError.
    """
    numbers = [int(n) for n in _spread(counts, grid, 1, "number of blocks")]
    wanted = _spread(overlap * len(grid.shape) if len(overlap) == 1 else overlap, grid, 0, "overlap")
    voxels: list[int] = []
    for axis, (length, count) in enumerate(zip(grid.shape, numbers, strict=True)):
        core = length // max(1, count)
        if count > 1 and core < SHORTEST:
            raise ConfigError(
                f"{count} blocks along an axis of {length} voxels have {core} each and at least {SHORTEST} are needed; "
                "ask for fewer blocks."
            )
        if count <= 1:
            voxels.append(0)
        elif not overlap:
            voxels.append(min(OVERLAP, max(1, core // 2)))
        else:
            voxels.append(_overlap_voxels(wanted[axis], core))
    return Partition(grid.shape, tuple(numbers), tuple(voxels))


def automatic_counts(grid: Grid, most: int = AUTO_VOXELS) -> tuple[int, ...]:
    """How many blocks along each axis keep a block, without overlap, at `most` voxels; the longest edge is cut first.

    Where that takes more than 4,096 blocks they are larger.
    """
    counts = [1] * len(grid.shape)
    edges = list(grid.shape)
    while math.prod(edges) > most:
        axis = max(range(len(edges)), key=lambda i: edges[i])
        counts[axis] += 1
        if math.prod(counts) > MOST_BLOCKS:
            counts[axis] -= 1
            break
        edges[axis] = -(-grid.shape[axis] // counts[axis])
    return tuple(counts)


def block_maps(grid: Grid, partition: Partition, scaling: Scaling) -> tuple[CoordinateMap, ...]:
    """Each block's own map to network coordinates, as if it were all of the volume."""
    return tuple(CoordinateMap.of(grid.cropped(*partition.box(number)), scaling) for number in range(partition.count))


def _overlap_voxels(wanted: float, core: int) -> int:
    if not math.isfinite(wanted) or wanted <= 0 or (wanted >= 1 and wanted != int(wanted)):
        raise ConfigError(f"The overlap is {wanted:g}; give whole voxels, such as 8, or a share below 1, such as 0.2.")
    return max(1, round(wanted * core)) if wanted < 1 else int(wanted)


def _spread(given: Sequence[float], grid: Grid, rest: float, what: str) -> list[float]:
    """One number for each axis: a single one counts for all spatial axes, and time then has `rest`."""
    if not given:
        return [rest] * len(grid.shape)
    if len(given) == len(grid.shape):
        return list(given)
    spatial = grid.spatial
    if len(given) not in (1, len(spatial)):
        raise ConfigError(
            f"The {what} is {_listed(given)}; give one number, or one for each of the axes {', '.join(grid.axes)}."
        )
    numbers = iter(given if len(given) > 1 else [*given] * len(spatial))
    return [next(numbers) if i in spatial else rest for i in range(len(grid.shape))]


def _listed(numbers: Sequence[float]) -> str:
    return " x ".join(f"{n:g}" for n in numbers)
