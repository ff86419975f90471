"""Reading a stored volume for training: pools of samples from many blocks at once, shuffled, ready before they are due.

A disk reads a block in the time of a single voxel. So each block is read whole, but gives only a random part of its
voxels to a pool; the blocks of a pool are drawn from the whole volume. After as many rounds over all blocks as there
are parts, every voxel has come once: that is an epoch. What a pool holds depends on (seed, number) alone.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.permutation import permuted
from dinr_studio.stored import Blocks

POOL_VOXELS = 1 << 21
MOST_PARTS = 32  # of a block: how many more voxels are read than trained on at a time
READ_AHEAD = 0.25  # share of a pool that is used up when the next one begins to be read

Flat = NDArray[np.int64]
Values = NDArray[Any]


@dataclass(frozen=True)
class PoolPlan:
    """How the blocks of a volume are shared out among pools.

    together: blocks in a pool. parts: into how many parts each block's voxels are split. rounds over all blocks make
    an epoch, one for each part.
    """

    blocks: Blocks
    seed: int
    together: int
    parts: int

    @property
    def in_round(self) -> int:
        """Number of pools that go once over all blocks."""
        return -(-self.blocks.count // self.together)

    @property
    def in_epoch(self) -> int:
        """Number of pools in an epoch."""
        return self.parts * self.in_round

    @property
    def most_voxels(self) -> int:
        """What a pool may hold at most."""
        return self.together * -(-math.prod(self.blocks.edge) // self.parts)

    def shares(self, pool: int) -> Iterator[tuple[int, Flat]]:
        """The blocks of a pool, by number, and which of each block's voxels it takes: flat positions in the block."""
        epoch, within = divmod(pool, self.in_epoch)
        part, group = divmod(within, self.in_round)
        count = self.blocks.count
        first, last = group * count // self.in_round, (group + 1) * count // self.in_round
        for number in permuted(np.arange(first, last), count, (self.seed, epoch, part)):
            start, stop = self.blocks.box(int(number))
            size = math.prod(b - a for a, b in zip(start, stop, strict=True))
            positions = np.arange(part * size // self.parts, (part + 1) * size // self.parts)
            yield int(number), permuted(positions, size, (self.seed, epoch, int(number)))


def pool_plan(blocks: Blocks, seed: int, voxels: int = POOL_VOXELS) -> PoolPlan:
    """Pools of about so many voxels, from as many blocks as `MOST_PARTS` allows; the whole volume where it is small."""
    size = math.prod(blocks.edge)
    together = min(blocks.count, max(1, MOST_PARTS * voxels // size))
    together = -(-blocks.count // -(-blocks.count // together))  # pools of even size
    parts = min(MOST_PARTS, max(1, math.ceil(together * size / voxels)))
    return PoolPlan(blocks, seed, together, parts)


@dataclass(frozen=True)
class Pool:
    """Samples in random order: flat voxel indices (N,) and values (N, channels) in the file's type."""

    flat: Flat
    values: Values


class PoolReader:
    """Gives the pools of a plan by number; the next one is read by a thread meanwhile.

    read: of a block's number and positions in it, the flat indices and values of those that can be trained on.
    """

    def __init__(self, plan: PoolPlan, read: Callable[[int, Flat], tuple[Flat, Values]]) -> None:
        self.plan, self._read = plan, read
        self._ready: dict[int, _Reading] = {}
        self._abandoned = threading.Event()
        weakref.finalize(self, self._abandoned.set)

    def pool(self, number: int) -> Pool:
        """A pool; waits for it where it is not ready yet. Raises what reading raised."""
        self.prepare(number)
        for other in [n for n in self._ready if n < number or n > number + 1]:
            self._ready.pop(other).give_up()
        return self._ready[number].result()

    def prepare(self, number: int) -> None:
        """Begins to read a pool."""
        if number not in self._ready:
            self._ready[number] = _Reading(self.plan, self._read, number, self._abandoned)


class _Reading:
    """A pool on its way."""

    def __init__(
        self,
        plan: PoolPlan,
        read: Callable[[int, Flat], tuple[Flat, Values]],
        number: int,
        abandoned: threading.Event,
    ) -> None:
        self._plan, self._read, self._number, self._abandoned = plan, read, number, abandoned
        self._unwanted = False
        self._pool: Pool | None = None
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._fill, name="pool", daemon=True)
        self._thread.start()

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        self._unwanted = True

    def result(self) -> Pool:
        """The pool, once it is there."""
        self._thread.join()
        if self._fault is not None:
            raise self._fault
        if self._pool is None:
            raise AssertionError("a pool that was given up")
        return self._pool

    def _fill(self) -> None:
        try:
            found = []
            for block, positions in self._plan.shares(self._number):
                if self._unwanted or self._abandoned.is_set():
                    return
                found.append(self._read(block, positions))
            flat = np.concatenate([one for one, _ in found])
            values = np.concatenate([one for _, one in found])
            order = np.random.default_rng((self._plan.seed, self._number)).permutation(len(flat))
            self._pool = Pool(flat[order], values[order])
        except Exception as error:  # told to whoever waits for the pool
            self._fault = error
