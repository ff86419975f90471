"""A Zarr array that stays in its store: parts of it are read as they are needed, what is not stored in them as NaN."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError

Unpack = Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[np.bool_] | None]]
Check = Callable[[Iterable[tuple[int, ...]]], None]


@dataclass(frozen=True)
class ZarrParts:
    """A `Store` that reads from an array as the library opens it.

    there: which parts, of `part` values along each dimension, are stored; None where all are. chunks: shape of what one
    file holds. check: raises FileFormatError where files of chunks, by their index, are no longer what they were.
    unpack: gives the values that stored ones mean, and where they are missing. dropped: dimensions of one place that
    are left out here.
    """

    array: Any
    name: str
    there: NDArray[np.bool_] | None
    part: tuple[int, ...]
    chunks: tuple[int, ...]
    check: Check
    unpack: Unpack | None = None
    dropped: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension that is left."""
        return tuple(n for i, n in enumerate(self.array.shape) if i not in self.dropped)

    @property
    def ndim(self) -> int:
        """Number of dimensions that are left."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values that come: one that has NaN where some may be missing."""
        nothing = np.zeros((0,) * len(self.array.shape), dtype=self.array.dtype)
        meant = nothing.dtype if self.unpack is None else self.unpack(nothing)[0].dtype
        if self.there is None and self.unpack is None:
            return meant
        return meant if meant.kind == "f" else np.dtype(np.float32 if meant.itemsize <= 2 else np.float64)

    def meaning(self, unpack: Unpack) -> ZarrParts:
        """The same array with its values unpacked."""
        return replace(self, unpack=unpack)

    def squeeze(self, dimensions: tuple[int, ...]) -> ZarrParts:
        """The same array without some of its dimensions, which have one place each."""
        left = [i for i in range(len(self.array.shape)) if i not in self.dropped]
        return replace(self, dropped=(*self.dropped, *(left[i] for i in dimensions)))

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        given = iter(index)
        whole = tuple(slice(0, 1) if i in self.dropped else next(given) for i in range(len(self.array.shape)))
        ranges = [range(*one.indices(n)) for one, n in zip(whole, self.array.shape, strict=True)]
        self.check(self._files(ranges))
        try:
            stored = np.asarray(self.array[whole])
        except Exception as error:  # whatever a codec raises at a damaged chunk
            raise FileFormatError(f"A part of {self.name} cannot be read ({error}): use an intact copy.") from error
        values, absent = (stored, None) if self.unpack is None else self.unpack(stored)
        values = values.astype(self.dtype, copy=False)
        if absent is not None and absent.any():
            values = np.where(absent, np.nan, values)
        if self.there is not None:
            where = np.ix_(*(np.asarray(one) // edge for one, edge in zip(ranges, self.part, strict=True)))
            values = np.where(self.there[where], values, np.nan).astype(self.dtype, copy=False)
        return values.squeeze(self.dropped)

    def _files(self, ranges: list[range]) -> Iterable[tuple[int, ...]]:
        """Indices of the chunks' files that hold a part."""
        if any(len(one) == 0 for one in ranges):
            return
        first = [min(one) // edge for one, edge in zip(ranges, self.chunks, strict=True)]
        last = [max(one) // edge for one, edge in zip(ranges, self.chunks, strict=True)]
        for index in np.ndindex(*(b - a + 1 for a, b in zip(first, last, strict=True))):
            yield tuple(a + i for a, i in zip(first, index, strict=True))


def kept_open(parts: ZarrParts, close: Callable[[], None]) -> ZarrParts:
    """The same, with a store that closes when nobody reads from the array any more."""
    weakref.finalize(parts.array, close)
    return parts
