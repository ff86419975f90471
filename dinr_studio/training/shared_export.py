"""An export that the processes of a team share: a Zarr store, of which each writes chunks that no other touches."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import check_free_space, refusals_in_words
from dinr_studio.io.writing import VolumeHeader, lost_by, output_at
from dinr_studio.io.zarr_writing import ZarrRows, binned, boxes, create_store, describe_store, opened_levels, tiles
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.sampling.export import ExportProgress, Slabs, cast, finished, header_for
from dinr_studio.training.distributed import Team


def shared_export(
    source: FieldOnGrid,
    grid: Grid,
    path: Path,
    team: Team,
    *,
    dtype: str = "float32",
    force: bool = False,
    notes: tuple[str, ...] = (),
    compression: str = "",
    slabs: Slabs = evaluate_slabs,
) -> Iterator[ExportProgress]:
    """Writes the field on a grid to a Zarr store, as `sampling.export.export` does; all processes call this alike.

    Progress is that of each process's own part. The store takes its place at the end, by the leader; on any error
    nothing is left. Raises OutputError, also where the processes do not see the same folder.
    """
    header = team.together(lambda: header_for(source, grid, dtype, notes, compression))
    lost = team.together(lambda: lost_by(header, path))
    started = time.perf_counter()
    with refusals_in_words(path), ExitStack() as leaders:

        def begun() -> Path:
            temporary = leaders.enter_context(output_at(path, force=force))
            check_free_space(path, header.value_bytes)
            create_store(temporary, header)
            return temporary

        temporary = team.decided(begun)
        levels = team.together(lambda: _levels_in(temporary, header))
        part = _Part(header, levels[0])
        for done, total in part.written(source, team, slabs):
            elapsed = time.perf_counter() - started
            if done < total:
                share = done / total
                yield ExportProgress(round(share * grid.size), grid.size, elapsed, elapsed * (1 - share) / share)
        clipped, low, high = part.of_all(team)
        for finer, coarser in itertools.pairwise(levels):
            own = boxes(coarser)
            for box in own[team.rank :: team.size]:
                coarser[box] = binned(finer, coarser, box)
            team.gathered()  # the next level is made from the whole of this one
        if team.leads:
            describe_store(temporary, header, low, high)
    yield finished(header, path, lost, clipped, time.perf_counter() - started)


def _levels_in(temporary: Path, header: VolumeHeader) -> list[Any]:
    if not temporary.is_dir():
        raise OutputError(f"{temporary.parent} is not the same folder on all machines; export to one that all share.")
    return opened_levels(temporary, header)


class _Part:
    """What one process writes of the finest level."""

    def __init__(self, header: VolumeHeader, finest: Any) -> None:
        self.header, self.finest = header, finest
        self.clipped = 0
        self.low, self.high = np.full(header.channels, np.inf), np.full(header.channels, -np.inf)

    def written(self, source: FieldOnGrid, team: Team, slabs: Slabs) -> Iterator[tuple[int, int]]:
        """Evaluates and writes, telling after each slab how many voxels of how many are done."""
        grids = [(start, self.header.grid.cropped(start, stop)) for start, stop in tiles(self.header)]
        own = grids[team.rank * len(grids) // team.size : (team.rank + 1) * len(grids) // team.size]
        done, total = 0, sum(grid.size for _, grid in own)
        for corner, grid in own:
            rows = ZarrRows(self.finest, self.header, corner)
            for slab in slabs(source, grid):
                if slab is None:
                    continue
                values, outside = cast(slab, self.header.dtype)
                rows.write(values)
                self.clipped += outside
                done += slab.size // self.header.channels
                yield done, total
            rows.close()
            self.low, self.high = np.fmin(self.low, rows.low), np.fmax(self.high, rows.high)

    def of_all(self, team: Team) -> tuple[int, NDArray[Any], NDArray[Any]]:
        """How many values were clipped, and the range by channel, once all processes are done."""
        table = team.gathered(self.clipped, *self.low, *self.high)
        low, high = np.split(table[:, 1:], 2, axis=1)
        return int(table[:, 0].sum()), low.min(axis=0), high.max(axis=0)
