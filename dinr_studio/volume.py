"""A volume: values on a grid, with their unit, what is missing, and where they came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import units_differ
from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError, DataError
from dinr_studio.memory import available_bytes
from dinr_studio.sample_table import SampleTable
from dinr_studio.stored import StoredValues

MAX_CHANNELS = 16
LARGEST_VALUE, SMALLEST_RANGE = 1e38, 1e-36  # what float32, in which fields are computed and written, can tell apart
SAMPLED, SAMPLED_PIECES = 1 << 22, 128  # voxels of a stored volume that its statistics go by, and pieces they come in
LOADED_SHARE = 0.8  # of the free memory: what a volume taken out of its file may fill
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

    values: (*grid.shape, channels), integers or floats in the file's own type. Those of a volume too large for memory
    stay in their file and read as NaN where they are missing; its statistics are those of a sample.
    missing: grid.shape, True where a voxel has no value (in any channel); None where nothing is missing.
    samples: the scattered samples that the values are means of, voxel by voxel; a field is fitted to these themselves.
    """

    values: NDArray[Any] | StoredValues
    grid: Grid
    missing: NDArray[np.bool_] | None = None
    value_unit: str = ""
    channel_names: tuple[str, ...] = ()
    provenance: Provenance = Provenance()
    samples: SampleTable | None = None

    def __post_init__(self) -> None:
        if self.values.shape[:-1] != self.grid.shape:
            raise ConfigError(f"Values of shape {self.values.shape} do not fit a grid of shape {self.grid.shape}.")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise DataError(f"The volume has {self.channels} channels; 1 to {MAX_CHANNELS} are allowed: choose some.")
        if self.missing is not None and self.missing.shape != self.grid.shape:
            raise ConfigError(f"A mask of shape {self.missing.shape} does not fit a grid of shape {self.grid.shape}.")
        for array in (self.values, self.missing):
            if isinstance(array, np.ndarray):
                array.flags.writeable = False

    @property
    def channels(self) -> int:
        """Number of values per voxel."""
        return int(self.values.shape[-1])

    @property
    def is_stored(self) -> bool:
        """Whether the values stay in their file."""
        return isinstance(self.values, StoredValues)

    @property
    def in_memory(self) -> NDArray[Any]:
        """The values as an array; DataError where they stay in their file."""
        if isinstance(self.values, StoredValues):
            raise DataError("The volume is larger than memory and this needs all of it at once; crop or bin it first.")
        return self.values

    def loaded(self) -> Volume:
        """The volume with its values in memory; DataError where they do not fit."""
        if not isinstance(self.values, StoredValues):
            return self
        needed = self.values.size * self.values.dtype.itemsize
        free = available_bytes()
        if needed > LOADED_SHARE * free:
            raise DataError(
                f"All values at once need {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; "
                "crop the volume first."
            )
        values = self.values[...]
        return replace(self, values=values, missing=_missing(values, None))

    @cached_property
    def sample(self) -> NDArray[Any]:
        """Values (N, channels) of voxels evenly spread through a stored volume; NaN where they are missing."""
        if not isinstance(self.values, StoredValues):
            raise AssertionError("a volume in memory needs no sample")
        return _spread_sample(self.values)

    def with_sample(self, values: NDArray[Any]) -> Volume:
        """The same stored volume with its statistics those of other values (N, channels), NaN where missing."""
        volume = replace(self)
        volume.__dict__["sample"] = values  # where cached_property keeps it
        return volume

    @cached_property
    def missing_share(self) -> float:
        """Share of voxels without a value, 0 to 1."""
        if self.is_stored:
            return 1.0 - float(np.isfinite(self.sample).all(axis=1).mean())
        return 0.0 if self.missing is None else float(np.count_nonzero(self.missing) / self.missing.size)

    @property
    def count(self) -> int:
        """How many values there are to fit to: present voxels, or scattered samples."""
        if self.samples is not None:
            return self.samples.count
        return self.grid.size if self.missing_share == 0 else round(self.grid.size * (1 - self.missing_share))

    @cached_property
    def channel_ranges(self) -> tuple[tuple[float, float], ...]:
        """Least and greatest present value of each channel, in the value's unit."""
        if self.samples is not None:
            return self.samples.channel_ranges
        flat = self.sample if self.is_stored else self.in_memory.reshape(-1, self.channels)
        absent = None if self.missing is None else self.missing.reshape(-1)
        low, high = np.full(self.channels, np.inf), np.full(self.channels, -np.inf)
        for start in range(0, len(flat), CHUNK):
            block = flat[start : start + CHUNK]
            if absent is not None:
                block = block[~absent[start : start + CHUNK]]
            if self.is_stored:
                block = block[np.isfinite(block).all(axis=1)]
            if len(block):
                low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
        return tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))

    @property
    def value_range(self) -> tuple[float, float]:
        """Least and greatest present value over all channels, in the value's unit."""
        return min(low for low, _ in self.channel_ranges), max(high for _, high in self.channel_ranges)

    @property
    def data_range(self) -> float | NDArray[np.float64]:
        """Greatest less least present value of all channels, or of each where units differ: the peak of every PSNR."""
        if units_differ(self.channel_names, self.value_unit):
            return np.array([high - low or 1.0 for low, high in self.channel_ranges])
        low, high = self.value_range
        return high - low

    def with_grid(self, grid: Grid) -> Volume:
        """The same values on a grid that was put right by the user (voxel size, unit, origin)."""
        return replace(self, grid=grid, samples=None if self.samples is None else self.samples.on(self.grid, grid))

    def cropped(self, start: Sequence[int], stop: Sequence[int]) -> Volume:
        """The part of voxels start <= index < stop along each axis, at its place in the world; a view, no copy."""
        grid = self.grid.cropped(start, stop)
        if isinstance(self.values, StoredValues):
            return replace(self, values=self.values.cropped(start, stop), grid=grid)
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        missing = None if self.missing is None else self.missing[box]
        samples = None if self.samples is None else self.samples.within(self.grid, start, stop)
        return replace(self, values=self.values[box], grid=grid, missing=missing, samples=samples)

    def without(self, absent: NDArray[np.bool_]) -> Volume:
        """The same volume with more voxels declared missing; absent: grid.shape, True where to leave out."""
        samples = self.samples
        if samples is not None:
            samples = samples.rows(~absent.reshape(-1)[samples.cells(self.grid)])
        return replace(self, missing=absent if self.missing is None else self.missing | absent, samples=samples)


def make_volume(
    values: NDArray[Any] | StoredValues,
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
    _check_type(values.dtype)
    if isinstance(values, StoredValues):
        return checked(Volume(values, grid, None, value_unit, channel_names, provenance))
    values = _native(values)
    if values.ndim == len(grid.shape):
        values = values[..., np.newaxis]
    if values.size == 0:
        raise DataError(f"The data is empty (shape {values.shape}); a volume needs at least two different values.")
    missing = _missing(values, fill)
    if absent is not None and absent.any():
        anywhere = absent if absent.ndim == len(grid.shape) else np.any(absent, axis=-1)
        missing = anywhere if missing is None else missing | anywhere
    return checked(Volume(np.ascontiguousarray(values), grid, missing, value_unit, channel_names, provenance))


def checked(volume: Volume) -> Volume:
    """The volume, or DataError where no field can be fitted to its values."""
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


def _check_type(dtype: np.dtype[Any]) -> None:
    """Raises DataError where values of a type cannot be computed with."""
    if dtype.kind == "c":
        raise DataError(
            f"The values are complex ({dtype}); a field learns real numbers: save the amplitude, phase, "
            "or real and imaginary parts as separate volumes."
        )
    if dtype.kind not in "biuf":
        raise DataError(f"The values are of type {dtype}; integers and floating-point numbers are allowed.")


def _native(values: NDArray[Any]) -> NDArray[Any]:
    """The values in native byte order, truth values as numbers."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _spread_sample(values: StoredValues) -> NDArray[Any]:
    """About SAMPLED values by channel, from pieces of blocks evenly spread through the volume."""
    blocks = values.blocks()
    count = min(blocks.count, SAMPLED_PIECES)
    numbers = np.unique(np.linspace(0, blocks.count - 1, count).round().astype(np.int64))
    most = max(1, SAMPLED // len(numbers))
    pieces = []
    for number in numbers:
        start, stop = blocks.box(int(number))
        thickness = max(1, most * (stop[0] - start[0]) // max(1, math.prod(np.subtract(stop, start))))
        box = [slice(a, b) for a, b in zip(start, stop, strict=True)]
        box[0] = slice(start[0], min(stop[0], start[0] + thickness))
        piece = values[tuple(box)].reshape(-1, values.shape[-1])
        pieces.append(piece[:: -(-len(piece) // most)])
    return np.concatenate(pieces)


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
