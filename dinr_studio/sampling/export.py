"""Exporting a field: evaluated slab by slab and written as it comes, so that memory does not grow with the file."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import check_free_space
from dinr_studio.io.writing import DTYPES, VolumeHeader, lost_by, open_writer, output_at
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs, values_at_indices

MEASUREMENTS = 5

Slabs = Callable[[FieldOnGrid, Grid], Iterator[NDArray[np.float32] | None]]


@dataclass(frozen=True)
class ExportProgress:
    """How far an export is: voxels done of all, seconds gone and left; `report` comes with the last one.

    phase: `preparing` where there is work to do before the first voxel, whose length is not known.
    """

    done: int
    total: int
    elapsed: float
    remaining: float
    report: ExportReport | None = None
    phase: str = ""


@dataclass(frozen=True)
class ExportReport:
    """What was written where; lost: sentences on what the file format could not carry, or values that were clipped."""

    file: str
    grid: Grid
    dtype: str
    seconds: float
    lost: tuple[str, ...] = field(default=())


def export(
    source: FieldOnGrid,
    grid: Grid,
    path: Path,
    *,
    dtype: str = "float32",
    force: bool = False,
    notes: tuple[str, ...] = (),
    compression: str = "",
    slabs: Slabs = evaluate_slabs,
) -> Iterator[ExportProgress]:
    """Writes the field on a grid to a file whose suffix names the format; yields after each slab.

    dtype: one of DTYPES; integers are rounded, and clipped to what the type holds. notes: sentences for the file's
    metadata. compression: gzip or none, where the format has a choice; "" is its usual one. slabs: what makes the
    values, slab by slab along the first axis, where that is not the field alone; None among them is a chance to stop
    before the first. Closing the generator, like any error, leaves no file behind. Raises OutputError.
    """
    header = header_for(source, grid, dtype, notes, compression)
    lost = lost_by(header, path)
    started = time.perf_counter()
    with output_at(path, force=force) as temporary:
        check_free_space(path, header.value_bytes)
        done = clipped = 0
        with open_writer(temporary, header, path) as writer:
            for slab in slabs(source, grid):
                if slab is None:
                    elapsed = time.perf_counter() - started
                    yield ExportProgress(0, grid.size, elapsed, math.nan, phase="preparing")
                    continue
                values, outside = cast(slab, header.dtype)
                writer.write(values)
                clipped += outside
                done += slab.size // source.channels
                elapsed = time.perf_counter() - started
                if done < grid.size:
                    yield ExportProgress(done, grid.size, elapsed, elapsed * (grid.size - done) / done)
    yield finished(header, path, lost, clipped, time.perf_counter() - started)


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


def coordinates_per_second(source: FieldOnGrid, count: int = 4096) -> float:
    """How fast a field is evaluated here: the median of measurements at `count` places of its own grid."""
    places = np.arange(count) * max(1, source.grid.size // count) % source.grid.size
    values_at_indices(source, places[:64])  # the first call of a network sets things up
    spans = []
    for _ in range(MEASUREMENTS):
        started = time.perf_counter()
        values_at_indices(source, places)
        spans.append(time.perf_counter() - started)
    return count / max(float(np.median(spans)), 1e-9)


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
