"""Writing OME-Zarr 0.5 (Zarr v3): a pyramid of resolution levels, each half as fine as the one before.

Axes lie as the standard wants them: time, channel, then space. Source: the NGFF specification, version 0.5.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.errors import OutputError
from dinr_studio.io.losses import lost_epoch, lost_orientation
from dinr_studio.io.ngff import VERSION, WRITTEN_UNITS
from dinr_studio.io.optional import needed
from dinr_studio.io.writing import VolumeHeader

COMPRESSIONS = ("zstd", "gzip", "none")  # the usual one first
COARSEST = 64  # voxels along the longest axis from which on a level is made coarser
CHUNK_VALUES = 1 << 18
WHOLE: dict[str, Any] = {"write_empty_chunks": True}  # what is not stored counts as missing when the store is read
BUFFERED = 64 << 20  # bytes of slabs that wait for a chunk to be full, at most (but for one plane)
CHUNK_EDGE = 64
TILE_VALUES = 1 << 19  # of a part of the grid that is evaluated and written by itself
ROOT = "zarr.json"

Tile = tuple[tuple[int, ...], tuple[int, ...]]


def lost_in_zarr(header: VolumeHeader) -> tuple[str, ...]:
    """What OME-Zarr cannot carry; OutputError where it cannot carry the values at all."""
    grid = header.grid
    if not 2 <= len(grid.spatial) <= 3:
        raise OutputError("OME-Zarr holds images and volumes, not lines; choose .h5 or .npy.")
    lost = [*lost_orientation(grid, "OME-Zarr"), *lost_epoch(grid, "OME-Zarr")]
    units = sorted({unit for unit in grid.units if unit and unit not in WRITTEN_UNITS})
    if units:
        lost.append(f"OME-Zarr has no name for the unit {' and '.join(units)}; it was written as it is.")
    return tuple(lost)


class ZarrWriter:
    """Writes an OME-Zarr folder slab by slab; the coarser levels are made from the finest one when it closes."""

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        self._path, self._header = path, header
        create_store(path, header)
        self._levels = opened_levels(path, header)
        self._depth = _chunks(header)[0]
        self._start = 0
        self._waiting: list[NDArray[Any]] = []
        self._low, self._high = np.full(header.channels, np.inf), np.full(header.channels, -np.inf)

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        low, high = range_of(slab)
        self._low, self._high = np.fmin(self._low, low), np.fmax(self._high, high)
        self._waiting.append(slab)
        count = sum(map(len, self._waiting))
        if count >= self._depth:
            self._flush(count - count % self._depth)

    def close(self) -> None:
        """Writes what waits, then the coarser levels, and at last what describes them."""
        self._flush(sum(map(len, self._waiting)))
        for finer, coarser in itertools.pairwise(self._levels):
            for box in boxes(coarser):
                coarser[box] = binned(finer, coarser, box)
        describe_store(self._path, self._header, self._low, self._high)

    def abandon(self) -> None:
        """Nothing is open."""

    def _flush(self, count: int) -> None:
        """Writes so many rows of what waits: whole chunks, or the last ones."""
        if not count:
            return
        rows = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        corner = (self._start, *(0,) * (len(self._header.grid.shape) - 1))
        write_part(self._levels[0], self._header, corner, rows[:count])
        self._start += count
        self._waiting = [rows[count:].copy()] if count < len(rows) else []


def write_part(finest: Any, header: VolumeHeader, corner: tuple[int, ...], values: NDArray[Any]) -> None:
    """Writes whole chunks of the finest level, (*lengths, channels); corner: their first index along each axis."""
    where = tuple(slice(a, a + n) for a, n in zip(corner, values.shape[:-1], strict=True))
    block = values[..., 0] if header.channels == 1 else np.moveaxis(values, -1, _channel_place(header.grid))
    finest[_with_channel(header, where, slice(None))] = block


def range_of(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Least and greatest of values (*lengths, channels), by channel."""
    within = tuple(range(values.ndim - 1))
    return values.min(axis=within), values.max(axis=within)


def create_store(path: Path, header: VolumeHeader) -> None:
    """Makes the levels of a store, their values not written yet, in an empty folder.

    Until `describe_store` says what they are, there is no group at its root: nobody takes it for a finished one.
    """
    store = _store(path)
    for number, level in enumerate([header, *_coarser(header)]):
        _level(store, number, level)
    (path / ROOT).unlink(missing_ok=True)


def opened_levels(path: Path, header: VolumeHeader) -> list[Any]:
    """The arrays of a store that `create_store` made, finest first, to write to."""
    zarr, store = needed("zarr", "zarr", "Zarr"), _store(path)
    numbers = range(1 + sum(1 for _ in _coarser(header)))
    return [zarr.open_array(store, path=str(number), mode="r+").with_config(WHOLE) for number in numbers]


def describe_store(path: Path, header: VolumeHeader, low: NDArray[Any], high: NDArray[Any]) -> None:
    """Writes the OME-Zarr description, without which the levels are mere arrays; low and high: range by channel."""
    needed("zarr", "zarr", "Zarr").create_group(_store(path), attributes=_attributes(header, low, high))


def level_bytes(header: VolumeHeader) -> int:
    """Length of the values of all levels, not compressed."""
    return sum(level.value_bytes for level in [header, *_coarser(header)])


def chunk_files(level: Any, path: Path, header: VolumeHeader, start: Sequence[int], stop: Sequence[int]) -> list[Path]:
    """The files in a store that hold a part of a level, start <= index < stop along each axis of the grid."""
    ends = _with_channel(header, tuple(zip(start, stop, strict=True)), (0, header.channels))
    numbers = [range(a // c, -(-b // c)) for (a, b), c in zip(ends, level.chunks, strict=True)]
    return [path / level.path / level.metadata.encode_chunk_key(index) for index in itertools.product(*numbers)]


def tiles(header: VolumeHeader) -> list[Tile]:
    """Parts of the grid that share no chunk, first and last index + 1 along each axis: runs of chunks.

    They never hold more than TILE_VALUES, or one chunk, however large a plane of the grid is.
    """
    shape, edge = header.grid.shape, list(_chunks(header))
    for axis in reversed(range(1, len(shape))):
        room = max(1, TILE_VALUES // (math.prod(edge) * header.channels))
        edge[axis] = min(shape[axis], edge[axis] * room)
    return [(tuple(s.start for s in box), tuple(s.stop for s in box)) for box in _boxes(shape, tuple(edge))]


def boxes(level: Any) -> list[tuple[slice, ...]]:
    """The parts of a level, chunk by chunk."""
    return list(_boxes(level.shape, level.chunks))


def _store(path: Path) -> Any:
    return needed("zarr.storage", "zarr", "Zarr").LocalStore(path)


def _channel_place(grid: Grid) -> int:
    return 1 if TIME_AXIS in grid.axes else 0


def _with_channel(header: VolumeHeader, per_axis: tuple[Any, ...], channel: Any) -> tuple[Any, ...]:
    """Something for each axis of the grid, and what stands for the channels' at their place, if there are several."""
    if header.channels == 1:
        return per_axis
    at = _channel_place(header.grid)
    return (*per_axis[:at], channel, *per_axis[at:])


def _level(store: Any, number: int, header: VolumeHeader) -> Any:
    """A new array for a level."""
    zarr = needed("zarr", "zarr", "Zarr")
    codecs: dict[str, Any] = {"zstd": zarr.codecs.ZstdCodec(level=3), "gzip": zarr.codecs.GzipCodec(level=4)}
    grid = header.grid
    return zarr.create_array(
        store,
        name=str(number),
        shape=_with_channel(header, grid.shape, header.channels),
        dtype=header.dtype,
        chunks=_with_channel(header, _chunks(header), 1),
        compressors=codecs.get(header.compression or COMPRESSIONS[0]),
        fill_value=0,
        dimension_names=_with_channel(header, grid.axes, "c"),
        attributes={"units": header.value_unit} if header.value_unit else {},
        config=WHOLE,
    )


def _chunks(header: VolumeHeader) -> tuple[int, ...]:
    """Chunks of a grid: cubes, but thin along the first axis where many planes would fill memory; single frames."""
    grid = header.grid
    first_spatial = grid.spatial[0]
    plane = math.prod(grid.shape[1:]) * header.channels * header.dtype.itemsize
    depth = max(1, min(grid.shape[0], CHUNK_EDGE, BUFFERED // max(1, plane))) if first_spatial == 0 else 1
    edge = CHUNK_EDGE
    while depth * edge ** (len(grid.shape) - 1) < CHUNK_VALUES // 2 and edge < 512 and first_spatial == 0:
        edge *= 2
    if len(grid.spatial) == 2:
        edge = 512
    return (depth, *(min(n, edge) for n in grid.shape[1:]))


def _coarser(header: VolumeHeader) -> Iterator[VolumeHeader]:
    """Headers of the coarser levels: spatial axes halved, a last odd plane left out, until all are short."""
    grid = header.grid
    while max(grid.shape[i] for i in grid.spatial) >= COARSEST:
        halved = [i in grid.spatial and n > 1 for i, n in enumerate(grid.shape)]
        grid = replace(
            grid,
            shape=tuple(n // 2 if half else n for n, half in zip(grid.shape, halved, strict=True)),
            voxel_size=tuple(2 * v if half else v for v, half in zip(grid.voxel_size, halved, strict=True)),
            origin=tuple(
                o + v / 2 if half else o for o, v, half in zip(grid.origin, grid.voxel_size, halved, strict=True)
            ),
        )
        yield replace(header, grid=grid)


def _boxes(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """The parts of an array, chunk by chunk."""
    starts = [range(0, n, c) for n, c in zip(shape, chunks, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(slice(a, min(a + c, n)) for a, c, n in zip(corner, chunks, shape, strict=True))


def binned(finer: Any, coarser: Any, box: tuple[slice, ...]) -> NDArray[Any]:
    """Means of 2 voxels along each axis along which the coarser level is shorter, for a part of that."""
    factors = [2 if n < m else 1 for n, m in zip(coarser.shape, finer.shape, strict=True)]
    source = tuple(slice(part.start * f, part.stop * f) for part, f in zip(box, factors, strict=True))
    block = finer[source]
    split = itertools.chain.from_iterable((n // f, f) for n, f in zip(block.shape, factors, strict=True))
    kind = np.float64 if block.dtype.kind in "iu" else np.result_type(block.dtype, np.float32)
    means = block.reshape(tuple(split)).mean(axis=tuple(range(1, 2 * block.ndim, 2)), dtype=kind)
    binned: NDArray[Any] = (np.rint(means) if block.dtype.kind in "iu" else means).astype(block.dtype)
    return binned


def _attributes(header: VolumeHeader, low: NDArray[Any], high: NDArray[Any]) -> dict[str, Any]:
    """The group's attributes: the OME-Zarr description, and beside it unit and notes of the values.

    low and high: least and greatest value of each channel.
    """
    grid = header.grid
    axes = _with_channel(header, tuple(map(_axis, grid.axes, grid.units)), {"name": "c", "type": "channel"})
    datasets = [
        {"path": str(number), "coordinateTransformations": _transformations(level)}
        for number, level in enumerate([header, *_coarser(header)])
    ]
    ome: dict[str, Any] = {
        "version": VERSION,
        "multiscales": [{"name": "field", "axes": list(axes), "datasets": datasets, "type": "mean"}],
    }
    names = header.channel_names or ("",) * header.channels
    ome["omero"] = {"channels": list(map(_channel, names, low.tolist(), high.tolist()))}
    more = {"value_unit": header.value_unit, "notes": list(header.notes)}
    return {"ome": ome, **{name: value for name, value in more.items() if value}}


def _axis(name: str, unit: str) -> dict[str, str]:
    axis = {"name": name, "type": "time" if name == TIME_AXIS else "space"}
    return axis | ({"unit": WRITTEN_UNITS.get(unit, unit)} if unit else {})


def _channel(name: str, low: float, high: float) -> dict[str, Any]:
    """How viewers show a channel; the standard asks for a range and a colour."""
    ends = (low, high) if math.isfinite(low) and math.isfinite(high) else (0.0, 1.0)
    window = dict(zip(("min", "max", "start", "end"), ends * 2, strict=True))
    return {**({"label": name} if name else {}), "active": True, "color": "FFFFFF", "window": window}


def _transformations(header: VolumeHeader) -> list[dict[str, Any]]:
    """Scale, and translation to the centre of the first voxel."""
    grid = header.grid
    return [
        {"type": "scale", "scale": list(_with_channel(header, grid.voxel_size, 1.0))},
        {"type": "translation", "translation": list(_with_channel(header, grid.origin, 0.0))},
    ]
