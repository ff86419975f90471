"""What all exports of a field have in common: their header, their progress and report, and values in another type."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.errors import OutputError
from dinr_studio.io.writing import DTYPES, VolumeHeader
from dinr_studio.sampling.evaluate import FieldOnGrid

if TYPE_CHECKING:
    from dinr_studio.sampling.beyond import Beyond

STRIP_VALUES = 1 << 19  # evaluated and written in one go, at most, but for a single line of a grid

Slabs = Callable[[FieldOnGrid, Grid], Iterator[NDArray[np.float32] | None]]


@dataclass(frozen=True)
class ExportProgress:
    """How far an export is: voxels done of all, seconds gone and left; `report` comes with the last one.

    phase: `preparing` where there is work to do before the first voxel, `coarser levels` after the last, whose lengths
    are not known.
    """

    done: int
    total: int
    elapsed: float
    remaining: float
    report: ExportReport | None = None
    phase: str = ""


@dataclass(frozen=True)
class ExportReport:
    """What was written where; lost: sentences on what the file format could not carry, or values that were clipped.

    beyond: how much of the values no voxel of the data confirms, where the grid is finer than these.
    """

    file: str
    grid: Grid
    dtype: str
    seconds: float
    lost: tuple[str, ...] = field(default=())
    beyond: Beyond | None = None


def pieces(grid: Grid, channels: int) -> Iterator[Grid]:
    """A grid in consecutive pieces: whole, or in strips of its planes where one of these is too large for memory."""
    rest = grid.shape[1:]
    if len(rest) < 2 or math.prod(rest) * channels <= STRIP_VALUES:
        yield grid
        return
    lines = max(1, STRIP_VALUES // (math.prod(rest[1:]) * channels))
    for plane, line in itertools.product(range(grid.shape[0]), range(0, rest[0], lines)):
        start = (plane, line, *(0 for _ in rest[1:]))
        yield grid.cropped(start, (plane + 1, min(rest[0], line + lines), *rest[1:]))


def header_for(source: FieldOnGrid, grid: Grid, dtype: str, notes: tuple[str, ...], compression: str) -> VolumeHeader:
    """What is known of an exported field before its values come; OutputError where there is no such type."""
    if dtype not in DTYPES:
        raise OutputError(f"The type {dtype} is not known; choose one of {', '.join(DTYPES)}.")
    return VolumeHeader(
        grid, source.channels, np.dtype(dtype), source.channel_names, source.value_unit, notes, compression
    )


def finished(header: VolumeHeader, path: Path, lost: tuple[str, ...], clipped: int, seconds: float) -> ExportProgress:
    """The end of an export, with its report; clipped: how many values the type could not hold."""
    if clipped:
        lost += (f"{clipped} values beyond the range of {header.dtype} were clipped; choose float32 to keep them.",)
    report = ExportReport(str(path), header.grid, str(header.dtype), seconds, lost)
    return ExportProgress(header.grid.size, header.grid.size, seconds, 0.0, report)


def cast(values: NDArray[np.float32], dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    """Values in another type, and how many of them it could not hold."""
    if dtype.kind == "f":
        limits: Any = np.finfo(dtype)
        outside = int(np.count_nonzero(np.abs(values) > limits.max)) if dtype.itemsize < values.itemsize else 0
        return np.clip(values, limits.min, limits.max).astype(dtype) if outside else values.astype(dtype), outside
    limits = np.iinfo(dtype)
    rounded = np.rint(values.astype(np.float64))
    outside = int(np.count_nonzero((rounded < limits.min) | (rounded > limits.max)))
    return np.clip(rounded, limits.min, limits.max).astype(dtype), outside
