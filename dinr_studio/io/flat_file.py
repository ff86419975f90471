"""An array that lies in a file as one run of plain numbers, read by parts.

It is never mapped into this process's memory: a page of a map that its file no longer has, since that was cut short
meanwhile, ends the process that touches it (SIGBUS). Here it ends in a sentence, as does any other change of the file
that could mix old values with new ones.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError
from dinr_studio.io.mapped_reader import MappedReader

READ_OVER = 1 << 15  # bytes that are sooner read along than skipped
SCATTERED = 1 << 24  # bytes to read, or so, from which on another process picks values out of a memory map
PIECE = 1 << 22  # bytes read in one go, where some of them are not wanted


class Unchanged:
    """Holds a file open, and tells whether it is still what it was then; one that is deleted meanwhile is."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self.number)
        self.size, self._time = self._state()

    def check(self) -> None:
        """Raises FileFormatError where the file was cut short, grew, or was written to."""
        if self._state() != (self.size, self._time):
            raise changed(self.path)

    def _state(self) -> tuple[int, int]:
        stat = os.fstat(self.number)
        return stat.st_size, stat.st_mtime_ns


def changed(path: Path) -> FileFormatError:
    """The sentence about a file that changed while its values were in use."""
    return FileFormatError(f"{path} has changed since it was opened; open it again once nothing writes to it.")


class FlatFile:
    """Reads parts of an array in a file: a `Store`. strides: bytes from one value to the next along each axis."""

    def __init__(
        self, path: Path, offset: int, shape: Sequence[int], dtype: np.dtype[Any], *, fortran_order: bool = False
    ) -> None:
        """Raises FileFormatError where the file is too short."""
        self.shape, self.dtype, self._offset = tuple(int(n) for n in shape), np.dtype(dtype), offset
        order = range(len(self.shape)) if fortran_order else reversed(range(len(self.shape)))
        strides, step = [0] * len(self.shape), self.dtype.itemsize
        self._fast_to_slow = list(order)
        for axis in self._fast_to_slow:
            strides[axis] = step
            step *= self.shape[axis]
        self.strides = tuple(strides)
        self._file, self._lock = Unchanged(path), threading.Lock()
        slow_to_fast = [self.shape[axis] for axis in reversed(self._fast_to_slow)]
        self._mapped = MappedReader(path, self._file.number, offset, slow_to_fast, self.dtype)
        if offset + step > self._file.size:
            raise FileFormatError(
                f"{self._file.path.name} claims {step:,} bytes of values and has {max(0, self._file.size - offset):,}: "
                "it is truncated or damaged; use an intact copy."
            )

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """A part, by a slice with a positive step for each axis, as a new array in the file's own type."""
        slow_to_fast = self._fast_to_slow[::-1]
        ranges = [range(*one.indices(n)) for one, n in zip(index, self.shape, strict=True)]
        part = _Part([ranges[axis] for axis in slow_to_fast], [self.strides[axis] for axis in slow_to_fast], self.dtype)
        found: NDArray[Any] = np.empty([len(r) for r in part.ranges], dtype=self.dtype)
        if found.size:
            self._file.check()
            self._read(part, found)
            self._file.check()
        return found.transpose(np.argsort(slow_to_fast))

    def _read(self, part: _Part, found: NDArray[Any]) -> None:
        """Fills an array with a part, both with the slowest axis first."""
        gapless, together = part.gapless, part.together
        if part.cost(together) > max(SCATTERED, 8 * found.nbytes):
            if not self._mapped.fill(found, part.ranges):
                raise changed(self._file.path)
            return
        if gapless <= together:  # what is read in one go is wanted to the last byte
            rows = found.reshape(*found.shape[:gapless], -1)
            for at, start in part.starts(gapless):
                self._fill(self._offset + start, rows[at].data.cast("B"))
            return
        for at, start in part.starts(together):
            for first, last, begin, spare in part.pieces(together):
                self._fill(self._offset + start + begin, spare.data)
                found[at][first:last] = part.chosen(together, last - first, spare)

    def _fill(self, start: int, wanted: memoryview) -> None:
        while len(wanted):
            if hasattr(os, "preadv"):
                got = os.preadv(self._file.number, [wanted], start)
            else:
                with self._lock:
                    os.lseek(self._file.number, start, os.SEEK_SET)
                    content = os.read(self._file.number, len(wanted))
                got = len(content)
                wanted[:got] = content
            if got == 0:
                raise changed(self._file.path)
            start, wanted = start + got, wanted[got:]


class _Part:
    """What is wanted of a file, the slowest axis first: positions along each axis, and bytes between two of them."""

    def __init__(self, ranges: list[range], strides: list[int], dtype: np.dtype[Any]) -> None:
        self.ranges, self.strides, self.dtype = ranges, strides, dtype
        self._spans = [dtype.itemsize]  # bytes from the first to the last value, from the fastest axis on
        for along, stride in zip(reversed(ranges), reversed(strides), strict=True):
            self._spans.insert(0, (len(along) - 1) * along.step * stride + self._spans[0])

    @property
    def gapless(self) -> int:
        """The first axis from which on the values lie side by side."""
        return self._first_with_gaps_of(0)

    @property
    def together(self) -> int:
        """The first axis from which on what lies between the values is small enough to be read along."""
        return self._first_with_gaps_of(READ_OVER)

    def _first_with_gaps_of(self, most: int) -> int:
        for axis in reversed(range(len(self.ranges))):
            along = self.ranges[axis]
            if len(along) > 1 and along.step * self.strides[axis] - self._spans[axis + 1] > most:
                return axis + 1
        return 0

    def cost(self, axis: int) -> int:
        """Bytes to read, and those of equal worth for each time that something is read, going together from an axis."""
        return math.prod(len(r) for r in self.ranges[:axis]) * (self._spans[axis] + READ_OVER)

    def starts(self, axis: int) -> Iterator[tuple[tuple[int, ...], int]]:
        """For each choice of positions before an axis: its index, and where the values from there on begin."""
        rest = sum(r.start * s for r, s in zip(self.ranges[axis:], self.strides[axis:], strict=True))
        for at in np.ndindex(*(len(r) for r in self.ranges[:axis])):
            places = zip(at, self.ranges[:axis], self.strides[:axis], strict=True)
            yield at, rest + sum(along[i] * stride for i, along, stride in places)

    def pieces(self, axis: int) -> Iterator[tuple[int, int, int, NDArray[np.uint8]]]:
        """First and last index along an axis of what is read in one go, where it begins, and room for it."""
        along, step = self.ranges[axis], self.ranges[axis].step * self.strides[axis]
        count = max(1, PIECE // step)
        for first in range(0, len(along), count):
            last = min(len(along), first + count)
            length = (last - first - 1) * step + self._spans[axis + 1]
            yield first, last, first * step, np.empty(length, dtype=np.uint8)

    def chosen(self, axis: int, count: int, content: NDArray[np.uint8]) -> NDArray[Any]:
        """The wanted values among those of a piece."""
        shape = (count, *(len(r) for r in self.ranges[axis + 1 :]))
        steps = [r.step * s for r, s in zip(self.ranges[axis:], self.strides[axis:], strict=True)]
        return np.ndarray(shape, self.dtype, content.data, strides=steps)
