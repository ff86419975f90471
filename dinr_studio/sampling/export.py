"""Exporting a field: evaluated slab by slab and written as it comes, so that memory does not grow with the file."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from dinr_studio.coordinates import Grid
from dinr_studio.errors import OutputError
from dinr_studio.io.unfinished import Left
from dinr_studio.io.writing import VolumeHeader, lost_by, open_writer, output_at, written_suffix
from dinr_studio.sampling.beyond import LOOKING, Beyond, beyond_nyquist
from dinr_studio.sampling.crew import ALONE, Crew
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs, values_at_indices
from dinr_studio.sampling.exports import ExportProgress, ExportReport, Slabs, cast, finished, header_for, pieces
from dinr_studio.sampling.preflight import TILED, export_needs

__all__ = ["ExportProgress", "ExportReport", "Slabs", "coordinates_per_second", "export"]

MEASUREMENTS = 5
MOST_SECONDS = 1.0  # of measuring, but for what is measured once


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
    left: Left = "refuse",
    mark: str = "",
    crew: Crew = ALONE,
) -> Generator[ExportProgress, None, None]:
    """Writes the field on a grid to a file whose suffix names the format; yields after each slab.

    Where the grid is finer than the data's a note says how much of the values lies beyond their Nyquist frequency.
    dtype: one of DTYPES; integers are rounded, and clipped to what the type holds. notes: sentences for the file's
    metadata. compression: gzip or none, where the format has a choice; "" is its usual one. slabs: what makes the
    values, slab by slab along the first axis, where that is not the field alone; None among them is a chance to stop
    before the first. Closing the generator, like any error, leaves no file behind, but for a Zarr store: what is
    finished of one stays beside its place, and `left` says what to do with what an earlier export has left. mark: what
    the values depend on besides the field, by which an export to go on with is known. crew: the processes that share
    the work, which all call this alike; progress is that of each one's own part. Raises OutputError.
    """
    header = crew.together(lambda: header_for(source, grid, dtype, notes, compression))
    suffix = crew.together(lambda: written_suffix(path))
    beyond = yield from _share_beyond(source, header, slabs)
    if beyond is not None:
        header = replace(header, notes=(*header.notes, beyond.note))
    if suffix == TILED:
        from dinr_studio.sampling.tiled_export import tiled_export

        steps = tiled_export(source, header, path, slabs, crew, force=force, left=left, mark=mark)
    elif left == "resume":
        raise OutputError(f"Only a {TILED} can be gone on with, and {path.name} is none; leave --resume out.")
    else:
        steps = _whole(source, header, path, slabs, force)
    with closing(steps):
        for step in steps:
            yield step if step.report is None else replace(step, report=replace(step.report, beyond=beyond))


def _share_beyond(
    source: FieldOnGrid, header: VolumeHeader, slabs: Slabs
) -> Generator[ExportProgress, None, Beyond | None]:
    """How much of the values lies beyond the data's Nyquist frequency, where the grid is finer than the data's."""
    started, found = time.perf_counter(), None
    for found in beyond_nyquist(source, header.grid, slabs):
        if found is None:
            yield ExportProgress(0, header.grid.size, time.perf_counter() - started, math.nan, phase=LOOKING)
    return found


def _whole(
    source: FieldOnGrid, header: VolumeHeader, path: Path, slabs: Slabs, force: bool
) -> Generator[ExportProgress, None, None]:
    """Writes a file from its beginning to its end."""
    lost, grid = lost_by(header, path), header.grid
    started = time.perf_counter()
    with output_at(path, force=force) as temporary:
        export_needs(header, path, source.grid).check()
        done = clipped = 0
        with open_writer(temporary, header, path) as writer:
            for slab in itertools.chain.from_iterable(slabs(source, part) for part in pieces(grid, source.channels)):
                if slab is None:
                    elapsed = time.perf_counter() - started
                    yield ExportProgress(done, grid.size, elapsed, math.nan, phase="preparing")
                    continue
                values, outside = cast(slab, header.dtype)
                writer.write(values)
                clipped += outside
                done += slab.size // source.channels
                elapsed = time.perf_counter() - started
                if done < grid.size:
                    yield ExportProgress(done, grid.size, elapsed, elapsed * (grid.size - done) / done)
    yield finished(header, path, lost, clipped, time.perf_counter() - started)


def coordinates_per_second(source: FieldOnGrid, count: int = 4096) -> float:
    """How fast a field is evaluated here: the median of some measurements at `count` places of its grid."""
    places = np.arange(count) * max(1, source.grid.size // count) % source.grid.size
    values_at_indices(source, places[:64])  # the first call of a network sets things up
    spans: list[float] = []
    while not spans or (len(spans) < MEASUREMENTS and sum(spans) < MOST_SECONDS):
        started = time.perf_counter()
        values_at_indices(source, places)
        spans.append(time.perf_counter() - started)
    return count / max(float(np.median(spans)), 1e-9)
