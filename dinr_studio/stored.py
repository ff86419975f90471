"""Values that stay in their file: they look like an array to whoever asks for a part, and are never all in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK_VOXELS = 1 << 18  # read in one go: a megabyte of single precision, where a disk's seeking no longer counts
LARGEST_BLOCK = 1 << 24


class Store(Protocol):
    """An array in a file: a file of plain numbers, or a dataset of h5py or zarr."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis, in the file's order."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values in the file."""

    def __getitem__(self, index: Any) -> Any:
        """A part, by slices with positive steps."""


@dataclass(frozen=True)
class StoredValues:
    """The values of a volume, (*grid.shape, channels), read from a store as they are asked for.

    axes: for each axis here, the store's; the last, for channels, is None where the store has no such axis. start: the
    store's index of the first voxel along each axis here. falling: axes here that run
    the other way in the store. fill: the store's number for a missing value. A value is store * scale + offset.
    chunk: what the store reads in one go, by axis here; None where any part comes by itself. Missing values and
    infinities come as NaN.
    """

    store: Store
    axes: tuple[int | None, ...]
    start: tuple[int, ...]
    shape: tuple[int, ...]
    falling: tuple[int, ...] = ()
    fill: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    chunk: tuple[int, ...] | None = None

    @property
    def ndim(self) -> int:
        """Number of axes, that of channels included."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type in which the values come: the store's, or a floating-point one where they are unpacked."""
        stored = self.store.dtype.newbyteorder("=")
        if stored.kind == "b":
            return np.dtype(np.uint8)
        if stored.kind == "f" or (self.fill is None and (self.scale, self.offset) == (1.0, 0.0)):
            return stored
        return np.dtype(np.float32 if stored.itemsize <= 2 else np.float64)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """A part, by integers, slices with positive steps and one ellipsis, as a new array."""
        given = list(index) if isinstance(index, tuple) else [index]
        if Ellipsis in given:
            at = given.index(Ellipsis)
            given[at : at + 1] = [slice(None)] * (self.ndim - len(given) + 1)
        given += [slice(None)] * (self.ndim - len(given))
        single = tuple(axis for axis, one in enumerate(given) if not isinstance(one, slice))
        ranges = [_range(one, length) for one, length in zip(given, self.shape, strict=True)]
        return self._read(ranges).squeeze(axis=single)

    def _read(self, ranges: Sequence[range]) -> NDArray[Any]:
        """The part at these positions along each axis here, all axes kept."""
        wanted: list[slice] = [slice(None)] * len(self.store.shape)
        for axis, (place, positions) in enumerate(zip(self.axes, ranges, strict=True)):
            if place is not None:
                wanted[place] = self._in_store(axis, place, positions)
        raw = np.asarray(self.store[tuple(wanted)])
        arranged = raw.transpose([place for place in self.axes if place is not None])
        if self.axes[-1] is None:
            arranged = arranged[..., np.newaxis]
        return self._unpacked(np.flip(arranged, self.falling))

    def _in_store(self, axis: int, place: int, positions: range) -> slice:
        first, step = self.start[axis] + positions.start, positions.step
        last = first + max(0, len(positions) - 1) * step
        if len(positions) == 0:
            return slice(0, 0)
        if axis in self.falling:
            length = self.store.shape[place]
            first, last = length - 1 - last, length - 1 - first
        return slice(first, last + 1, step)

    def _unpacked(self, raw: NDArray[Any]) -> NDArray[Any]:
        values = np.array(raw, dtype=self.dtype, order="C")
        if (self.scale, self.offset) != (1.0, 0.0):
            values = (values * self.scale + self.offset).astype(self.dtype)
        if values.dtype.kind == "f":
            absent = ~np.isfinite(values)
            if self.fill is not None:
                absent |= raw == self.fill
            values[absent] = np.nan
        return values

    def cropped(self, start: Sequence[int], stop: Sequence[int]) -> StoredValues:
        """The part start <= index < stop along each axis of the grid; nothing is read."""
        first = tuple(a + b for a, b in zip(self.start, (*start, 0), strict=True))
        lengths = tuple(b - a for a, b in zip(start, stop, strict=True))
        return replace(self, start=first, shape=(*lengths, self.shape[-1]))

    def one_channel(self, channel: int) -> StoredValues:
        """One channel alone; nothing is read."""
        return replace(self, start=(*self.start[:-1], self.start[-1] + channel), shape=(*self.shape[:-1], 1))

    def blocks(self) -> Blocks:
        """The volume cut into boxes that the store reads well."""
        shape = self.shape[:-1]
        slow_to_fast = self._slow_to_fast()
        chunk = self.chunk or (1,) * len(shape)
        edge = [min(n, c) for n, c in zip(shape, chunk, strict=True)]
        for axis in reversed(slow_to_fast):
            room = max(1, BLOCK_VOXELS // math.prod(edge))
            edge[axis] = min(shape[axis], edge[axis] * room)
        while math.prod(edge) > LARGEST_BLOCK:
            longest = max(range(len(edge)), key=lambda axis: edge[axis])
            edge[longest] = -(-edge[longest] // 2)
        return Blocks(shape, tuple(edge))

    def _slow_to_fast(self) -> list[int]:
        """Axes of the grid from the one whose neighbours lie farthest apart in the file to the nearest."""
        strides: Sequence[int] = getattr(self.store, "strides", ()) or range(len(self.store.shape), 0, -1)
        return sorted(range(self.ndim - 1), key=lambda axis: -strides[self.axes[axis] or 0])


def _range(one: Any, length: int) -> range:
    if isinstance(one, slice):
        return range(*one.indices(length))
    position = int(one)
    if not -length <= position < length:
        raise IndexError(f"index {position} does not exist along an axis of {length}")
    return range(position % length, position % length + 1)


@dataclass(frozen=True)
class Blocks:
    """A grid of a given shape cut into boxes of the same edge lengths; those at the far faces may be smaller."""

    shape: tuple[int, ...]
    edge: tuple[int, ...]

    @property
    def lattice(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(-(-n // e) for n, e in zip(self.shape, self.edge, strict=True))

    @property
    def count(self) -> int:
        """Number of blocks."""
        return math.prod(self.lattice)

    def box(self, number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """First voxel and the one past the last, along each axis, of a block."""
        at = np.unravel_index(number, self.lattice)
        start = tuple(int(i) * e for i, e in zip(at, self.edge, strict=True))
        return start, tuple(min(n, s + e) for n, s, e in zip(self.shape, start, self.edge, strict=True))
