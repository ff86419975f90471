"""An export to a Zarr store, tile by tile: shared by several processes, and gone on with where one was interrupted.

A tile is a run of whole chunks, the same whoever writes it, so the values do not depend on who did, nor on when.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dinr_studio.config import FieldConfig
from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import refusals_in_words
from dinr_studio.io.unfinished import PARTS, Journal, Left, PartialFolder, Record, folder_in_parts
from dinr_studio.io.writing import VolumeHeader, lost_by
from dinr_studio.io.zarr_writing import (
    ROOT,
    Tile,
    binned,
    boxes,
    chunk_files,
    create_store,
    describe_store,
    opened_levels,
    range_of,
    tiles,
    write_part,
)
from dinr_studio.sampling.beyond import lasting
from dinr_studio.sampling.crew import Crew
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.exports import ExportProgress, Slabs, cast, finished
from dinr_studio.sampling.preflight import export_needs

PLAIN = (int, float, str, tuple, FieldConfig)  # of a module's own attributes: what steers it beside its weights


@dataclass(frozen=True)
class Begun:
    """What the leader has begun: the folder with the store in it, and the tiles that were there, by number."""

    folder: Path
    values: Path
    done: dict[int, Record]


def tiled_export(
    source: FieldOnGrid,
    header: VolumeHeader,
    path: Path,
    slabs: Slabs,
    crew: Crew,
    *,
    force: bool,
    left: Left,
    mark: str,
) -> Generator[ExportProgress, None, None]:
    """Writes the field to a Zarr store, as `sampling.export.export` does; all processes of a crew call this alike."""
    lost = crew.together(lambda: lost_by(header, path))
    started, size = time.perf_counter(), header.grid.size
    with refusals_in_words(path), ExitStack() as leaders:

        def begun() -> Begun:
            described = description(source, header, mark)
            partial = leaders.enter_context(folder_in_parts(path, described, force=force, left=left))
            export_needs(header, path, source.grid, resumed=not partial.fresh).check()
            return _begin(partial, header)

        start = crew.decided(begun)
        levels = crew.together(lambda: _levels_in(start.values, header))
        part = _Part(header, levels[0], start, crew)
        before = size - part.left_in_all
        with closing(part):
            for done, total in part.written(source, slabs):
                elapsed, share = time.perf_counter() - started, done / total
                if not done:
                    yield ExportProgress(before, size, elapsed, math.nan, phase="preparing")
                elif done < total:
                    now = before + round(share * (size - before))
                    yield ExportProgress(now, size, elapsed, elapsed * (1 - share) / share)
        clipped, low, high = part.of_all(crew)
        for finer, coarser in itertools.pairwise(levels):
            own = boxes(coarser)
            for box in own[crew.rank :: crew.size]:
                coarser[box] = binned(finer, coarser, box)
                yield ExportProgress(size, size, time.perf_counter() - started, math.nan, phase="coarser levels")
            crew.gathered()  # the next level is made from the whole of this one
        if crew.leads:
            describe_store(start.values, header, low, high)
    yield finished(header, path, lost, clipped, time.perf_counter() - started)


def description(source: FieldOnGrid, header: VolumeHeader, mark: str) -> dict[str, Any]:
    """All that the values in a store depend on, by the names that people have for it."""
    return {
        "field": fingerprint(source, mark),
        "grid": asdict(header.grid),
        "type of the values": str(header.dtype),
        "compression": header.compression or "usual",
        "metadata": [header.channels, header.channel_names, header.value_unit, lasting(header.notes)],
        PARTS: len(tiles(header)),
    }


def fingerprint(source: FieldOnGrid, mark: str = "") -> str:
    """Of a field's weights, and how it takes places and gives values; mark: what else its values depend on."""
    digest = hashlib.sha256(repr((source.coordinates, source.normalisation, source.channels, mark)).encode())
    for name, module in source.module.named_modules():
        plain = {key: value for key, value in vars(module).items() if isinstance(value, PLAIN) and key != "training"}
        digest.update(f"{name} {type(module).__name__} {sorted(plain.items())}".encode())
    for name, weights in sorted(source.module.state_dict().items()):
        digest.update(f"{name} {tuple(weights.shape)} {weights.dtype}".encode())
        digest.update(weights.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _begin(partial: PartialFolder, header: VolumeHeader) -> Begun:
    """The store, new or as it was left, with nothing in it but what is known to be whole."""
    everything = tiles(header)
    done = {number: record for number, record in partial.done.items() if 0 <= number < len(everything)}
    if partial.fresh:
        create_store(partial.values, header)
        partial.describe()
    else:
        levels = opened_levels(partial.values, header)
        whole = {
            file for number in done for file in chunk_files(levels[0], partial.values, header, *everything[number])
        }
        _remove_torn(partial.values, levels, whole)
    return Begun(partial.folder, partial.values, done)


def _remove_torn(values: Path, levels: list[Any], whole: set[Path]) -> None:
    """Deletes what was being written when an export ended."""
    (values / ROOT).unlink(missing_ok=True)
    for level in levels[1:]:
        shutil.rmtree(values / level.path / "c", ignore_errors=True)
    for file in (values / levels[0].path / "c").rglob("*"):
        if file not in whole and not file.is_dir():
            file.unlink()


def _levels_in(values: Path, header: VolumeHeader) -> list[Any]:
    if not values.is_dir():
        raise OutputError(
            f"{values.parent.parent} is not the same folder on all machines; export to one that all share."
        )
    return opened_levels(values, header)


class _Part:
    """What one process writes of the finest level, and what it knows of the values."""

    def __init__(self, header: VolumeHeader, finest: Any, start: Begun, crew: Crew) -> None:
        self._header, self._finest, self._start = header, finest, start
        self._tiles = tiles(header)
        self._known = list(start.done.values()) if crew.leads else []
        left = np.array([number for number in range(len(self._tiles)) if number not in start.done], dtype=np.int64)
        self._own = [int(number) for number in crew.share(left)]
        self.left_in_all = sum(_size(self._tiles[number]) for number in left)
        self._journal = Journal(start.folder, crew.rank)

    def close(self) -> None:
        """Closes the journal."""
        self._journal.close()

    def written(self, source: FieldOnGrid, slabs: Slabs) -> Iterator[tuple[int, int]]:
        """Evaluates and writes, telling after each slab how many voxels of how many are done."""
        done, total = 0, sum(_size(self._tiles[number]) for number in self._own)
        for number in self._own:
            start, stop = self._tiles[number]
            parts, clipped = [], 0
            for slab in slabs(source, self._header.grid.cropped(start, stop)):
                if slab is None:
                    yield done, total
                    continue
                values, outside = cast(slab, self._header.dtype)
                parts.append(values)
                clipped += outside
                done += slab.size // self._header.channels
                yield done, total
            self._write(number, np.concatenate(parts), clipped)

    def _write(self, number: int, values: Any, clipped: int) -> None:
        start, stop = self._tiles[number]
        write_part(self._finest, self._header, start, values)
        low, high = range_of(values)
        record = {"part": number, "clipped": clipped, "low": _numbers(low), "high": _numbers(high)}
        files = chunk_files(self._finest, self._start.values, self._header, start, stop)
        self._journal.note(record, files)
        self._known.append(record)

    def of_all(self, crew: Crew) -> tuple[int, Any, Any]:
        """How many values were clipped, and the range by channel, once all processes are done."""
        none = [np.full(self._header.channels, end) for end in (np.inf, -np.inf)]
        low = np.fmin.reduce([none[0], *(np.array(record["low"], dtype=float) for record in self._known)])
        high = np.fmax.reduce([none[1], *(np.array(record["high"], dtype=float) for record in self._known)])
        table = crew.gathered(sum(record["clipped"] for record in self._known), *low, *high)
        low, high = np.split(table[:, 1:], 2, axis=1)
        return int(table[:, 0].sum()), low.min(axis=0), high.max(axis=0)


def _size(tile: Tile) -> int:
    return math.prod(b - a for a, b in zip(*tile, strict=True))


def _numbers(values: Any) -> list[float | None]:
    """Numbers for JSON, which has no NaN and no infinity."""
    return [float(value) if np.isfinite(value) else None for value in values]
