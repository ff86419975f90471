"""A volume: values on a grid, with their unit, what is missing, and where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError, DataError

MAX_CHANNELS = 16
LARGEST_VALUE, SMALLEST_RANGE = 1e38, 1e-36  # what float32, in which fields are computed and written, can tell apart
CHUNK = 1 << 22  # voxels looked at in one go, so that statistics need no second copy of the values


@dataclass(frozen=True)
class Provenance:
    """Where the values came from: enough to find the file again and to know that it is the same one."""

    file: str = ""
    sha256: str = ""
    reader: str = ""
    dataset: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Volume:
    """Values on a grid; read-only once made.

    values: (*grid.shape, channels), integers or floats in the file's own type.
    missing: grid.shape, True where a voxel has no value (in any channel); None where nothing is missing.
    """

    values: NDArray[Any]
    grid: Grid
    missing: NDArray[np.bool_] | None = None
    value_unit: str = ""
    channel_names: tuple[str, ...] = ()
    provenance: Provenance = Provenance()

    def __post_init__(self) -> None:
        if self.values.shape[:-1] != self.grid.shape:
            raise ConfigError(f"Values of shape {self.values.shape} do not fit a grid of shape {self.grid.shape}.")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise DataError(f"The volume has {self.channels} channels; 1 to {MAX_CHANNELS} are allowed: choose some.")
        if self.missing is not None and self.missing.shape != self.grid.shape:
            raise ConfigError(f"A mask of shape {self.missing.shape} does not fit a grid of shape {self.grid.shape}.")
        for array in (self.values, self.missing):
            if array is not None:
                array.flags.writeable = False

    @property
    def channels(self) -> int:
        """Number of values per voxel."""
        return int(self.values.shape[-1])

    @cached_property
    def missing_share(self) -> float:
        """Share of voxels without a value, 0 to 1."""
        return 0.0 if self.missing is None else float(np.count_nonzero(self.missing) / self.missing.size)

    @cached_property
    def channel_ranges(self) -> tuple[tuple[float, float], ...]:
        """Least and greatest present value of each channel, in the value's unit."""
        flat = self.values.reshape(-1, self.channels)
        absent = None if self.missing is None else self.missing.reshape(-1)
        low, high = np.full(self.channels, np.inf), np.full(self.channels, -np.inf)
        for start in range(0, len(flat), CHUNK):
            block = flat[start : start + CHUNK]
            if absent is not None:
                block = block[~absent[start : start + CHUNK]]
            if len(block):
                low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
        return tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))

    @property
    def value_range(self) -> tuple[float, float]:
        """Least and greatest present value over all channels, in the value's unit."""
        return min(low for low, _ in self.channel_ranges), max(high for _, high in self.channel_ranges)

    def with_grid(self, grid: Grid) -> Volume:
        """The same values on a grid that was put right by the user (voxel size, unit, origin)."""
        return replace(self, grid=grid)

    def cropped(self, start: Sequence[int], stop: Sequence[int]) -> Volume:
        """The part of voxels start <= index < stop along each axis, at its place in the world; a view, no copy."""
        grid = self.grid.cropped(start, stop)
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        return replace(
            self, values=self.values[box], grid=grid, missing=None if self.missing is None else self.missing[box]
        )

    def without(self, absent: NDArray[np.bool_]) -> Volume:
        """The same volume with more voxels declared missing; absent: grid.shape, True where to leave out."""
        return replace(self, missing=absent if self.missing is None else self.missing | absent)


def make_volume(
    values: NDArray[Any],
    grid: Grid,
    *,
    fill: float | None = None,
    absent: NDArray[np.bool_] | None = None,
    value_unit: str = "",
    channel_names: tuple[str, ...] = (),
    provenance: Provenance = Provenance(),
) -> Volume:
    """A checked volume from raw values, (*grid.shape) or (*grid.shape, channels).

    NaN, infinities, values equal to `fill` and those that `absent`, of values' shape, marks become missing. Raises
    DataError where a field cannot be fitted: complex, textual, empty, constant or wholly missing values.
    """
    values = _checked_type(values)
    if values.ndim == len(grid.shape):
        values = values[..., np.newaxis]
    if values.size == 0:
        raise DataError(f"The data is empty (shape {values.shape}); a volume needs at least two different values.")
    missing = _missing(values, fill)
    if absent is not None and absent.any():
        anywhere = absent if absent.ndim == len(grid.shape) else np.any(absent, axis=-1)
        missing = anywhere if missing is None else missing | anywhere
    volume = Volume(np.ascontiguousarray(values), grid, missing, value_unit, channel_names, provenance)
    if volume.missing_share == 1.0:
        raise DataError("Every value is missing (NaN or the declared fill); check the fill value or the dataset.")
    low, high = volume.value_range
    if low == high:
        raise DataError(f"All present values equal {low:g}; a field of a constant teaches nothing: check the dataset.")
    if max(abs(low), abs(high)) > LARGEST_VALUE or high - low < SMALLEST_RANGE:
        raise DataError(
            f"The values run from {low:g} to {high:g}; single precision, in which fields are computed, ends at "
            f"{LARGEST_VALUE:g} and at differences of {SMALLEST_RANGE:g}: save the data in another unit."
        )
    return volume


def _checked_type(values: NDArray[Any]) -> NDArray[Any]:
    """The values in native byte order and a type that can be computed with, or DataError."""
    if values.dtype.kind == "c":
        raise DataError(
            f"The values are complex ({values.dtype}); a field learns real numbers: save the amplitude, phase, "
            "or real and imaginary parts as separate volumes."
        )
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind not in "iuf":
        raise DataError(f"The values are of type {values.dtype}; integers and floating-point numbers are allowed.")
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _can_hold(dtype: np.dtype[Any], fill: float) -> bool:
    """Whether a fill value can stand in an array; a cast to integers would make another number of one that cannot."""
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return float(fill).is_integer() and limits.min <= fill <= limits.max


def _missing(values: NDArray[Any], fill: float | None) -> NDArray[np.bool_] | None:
    """Where any channel is not a finite number or equals the fill; None where that is nowhere."""
    missing = np.zeros(values.shape[:-1], dtype=bool)
    for channel in range(values.shape[-1]):
        one = values[..., channel]
        if values.dtype.kind == "f":
            missing |= ~np.isfinite(one)
        if fill is not None and _can_hold(values.dtype, fill):
            with np.errstate(over="ignore"):  # what becomes infinite is missing in any case
                missing |= one == np.asarray(fill).astype(values.dtype)
    return missing if missing.any() else None
