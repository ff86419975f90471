"""An isosurface of a field, at any resolution, as a mesh in the physical units of its grid."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import Component, component
from dinr_studio.coordinates import Grid, reversed_axes
from dinr_studio.errors import ConfigError, OutputError
from dinr_studio.io.atomic import atomic_output, check_free_space
from dinr_studio.io.meshes import bytes_of_mesh, lost_in_mesh
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.sampling.preflight import mesh_needs
from dinr_studio.sampling.surface import (
    Found,
    SurfaceProcess,
    SurfaceTask,
    check_meshable,
    surface_process,
)

SLAB_VALUES = 1 << 17  # evaluated between two reports of progress

Phase = Literal["evaluating", "meshing", "writing", "done"]


@dataclass(frozen=True)
class MeshProgress:
    """How far a mesh is: voxels evaluated of all, seconds gone and left (NaN after the voxels).

    report comes with the last one.
    """

    phase: Phase
    done: int
    total: int
    elapsed: float
    remaining: float
    report: MeshReport | None = None


@dataclass(frozen=True)
class MeshReport:
    """What was written where. grid: the voxels the surface was found on; level: in value_unit; notes: sentences.

    unit: of the positions; where the axes have unlike ones, all of them as x, y, z.
    """

    file: str
    vertices: int
    triangles: int
    grid: Grid
    level: float
    value_unit: str
    unit: str
    seconds: float
    notes: tuple[str, ...] = field(default=())


def mesh(
    source: FieldOnGrid,
    grid: Grid,
    path: Path,
    *,
    level: float,
    channel: Component = 0,
    force: bool = False,
    notes: tuple[str, ...] = (),
) -> Iterator[MeshProgress]:
    """Writes the surface on which one channel of a field has a value; the path's suffix names the format.

    grid: z, y, x of two or more voxels each, with at most one frame of time. level: in the data's unit. The normals
    point to where values are lower. notes: sentences for the file, where its format has a place for them. Closing the
    generator, like any error, leaves no file behind. Raises OutputError, MemoryShort or ConfigError.
    """
    started = time.perf_counter()
    check_meshable(grid)
    if isinstance(channel, int) and not 0 <= channel < source.channels:
        raise ConfigError(f"Channel {channel} does not exist; the field has channels 0 to {source.channels - 1}.")
    if not math.isfinite(level):
        raise ConfigError(f"The level is {level}; give a number within the field's range.")
    lost = _lost(grid, path)
    mesh_needs(grid).check()
    with atomic_output(path, force=force) as temporary:
        task = _task(source, grid, level, temporary, path.suffix.lower(), notes)
        with surface_process(task) as process:
            yield from _evaluated(source, grid, level, channel, process, started)
            found = yield from _awaited(process, "meshing", grid, started)
            check_free_space(path, bytes_of_mesh(path.suffix, found.vertices, found.triangles))
            process.write()
            yield from _awaited(process, "writing", grid, started)
    if found.open:
        lost += ("The surface meets the faces of the box and is open there.",)
    seconds = time.perf_counter() - started
    report = MeshReport(
        str(path), found.vertices, found.triangles, grid, level, source.value_unit, _unit(grid), seconds, lost
    )
    yield MeshProgress("done", grid.size, grid.size, seconds, 0.0, report)


def _lost(grid: Grid, path: Path) -> tuple[str, ...]:
    ends = [max(abs(grid.origin[i]), abs(grid.axis_positions(i)[-1])) for i in grid.spatial]
    lost = lost_in_mesh(path.suffix, _unit(grid), max(ends), min(grid.voxel_size[i] for i in grid.spatial))
    if len({grid.units[i] for i in grid.spatial}) > 1:
        lost += ("The axes have unlike units, so lengths and angles on the surface mean nothing.",)
    return lost


def _unit(grid: Grid) -> str:
    units = [grid.units[i] or "an unknown unit" for i in reversed_axes(grid.spatial)]
    return grid.units[grid.spatial[0]] if len(set(units)) == 1 else ", ".join(units)


def _task(
    source: FieldOnGrid, grid: Grid, level: float, file: Path, suffix: str, notes: tuple[str, ...]
) -> SurfaceTask:
    z, y, x = grid.spatial
    comments = (
        *notes,
        f"surface at {level:g} {source.value_unit}".rstrip(),
        f"positions in {_unit(grid) or 'unknown units'}",
    )
    return SurfaceTask(
        (grid.shape[z], grid.shape[y], grid.shape[x]),
        (grid.voxel_size[z], grid.voxel_size[y], grid.voxel_size[x]),
        (grid.origin[z], grid.origin[y], grid.origin[x]),
        level,
        file,
        suffix,
        comments,
    )


def _evaluated(
    source: FieldOnGrid, grid: Grid, level: float, channel: Component, process: SurfaceProcess, started: float
) -> Iterator[MeshProgress]:
    """Evaluates the field and sends it; OutputError where the level is not within its range."""
    low, high, done = math.inf, -math.inf, 0
    for values in _slabs(source, grid, channel):
        process.send(values)
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        done += values.size
        elapsed = time.perf_counter() - started
        yield MeshProgress("evaluating", done, grid.size, elapsed, elapsed * (grid.size - done) / done)
    if not low < level < high:
        raise OutputError(
            f"The level {level:g} lies outside of the field's range, which is {low:.4g} to {high:.4g} "
            f"{source.value_unit}".rstrip()
            + " on this grid; choose a level within it."
        )


def _slabs(source: FieldOnGrid, grid: Grid, channel: Component) -> Iterator[NDArray[np.float32]]:
    """One channel on the grid, a few planes along z at a time, each flat in the order of z, y, x."""
    z = grid.spatial[0]
    thickness = max(1, SLAB_VALUES * grid.shape[z] // (grid.size * source.channels))
    for first in range(0, grid.shape[z], thickness):
        start, stop = [0] * len(grid.shape), list(grid.shape)
        start[z], stop[z] = first, min(first + thickness, grid.shape[z])
        for values in evaluate_slabs(source, grid.cropped(start, stop)):
            yield component(values, channel).astype(np.float32, copy=False).reshape(-1)


def _awaited(process: SurfaceProcess, phase: Phase, grid: Grid, started: float) -> Generator[MeshProgress, None, Found]:
    """Progress until the process answers; returns the answer."""
    for found in process.answer():
        if found is not None:
            return found
        yield MeshProgress(phase, grid.size, grid.size, time.perf_counter() - started, math.nan)
    raise AssertionError("the process always answers")
