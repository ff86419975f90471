"""Slices through a volume or a field: which two axes are seen, where the others are held, and tiles at any zoom.

A plane's picture is in fractional voxel indices of the fitted grid: voxel (row i, column j) covers i - 0.5 to i + 0.5.
At level L a tile's pixels are 2^-L voxels wide, so level 0 has the data's own voxels and
higher levels lie between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import COLOUR, Component, component
from dinr_studio.coordinates import Grid
from dinr_studio.stored import StoredValues
from dinr_studio.volume import Volume

if TYPE_CHECKING:
    from dinr_studio.sampling.evaluate import FieldOnGrid  # what a widget needs of this file is geometry: no torch

PIECES = 12  # in which a plane that stays in its file is read
FIRST_LOOK = 1 << 15  # voxels of the first, coarse look at such a plane
TILE_PIXELS = 32  # along each edge of a tile


@dataclass(frozen=True)
class Plane:
    """Two axes of a grid by position, and the (fractional) index at which each axis is held; the two's are not used."""

    rows: int
    columns: int
    at: tuple[float, ...]


@dataclass(frozen=True)
class Tile:
    """One square of a plane: row and column count tiles of TILE_PIXELS pixels from the first voxel's outer face."""

    plane: Plane
    level: int
    row: int
    column: int


def tile_rectangle(tile: Tile) -> tuple[float, float, float]:
    """Where a tile lies: first row and first column edge, and edge length, in voxel indices of the plane."""
    length = TILE_PIXELS * 2.0**-tile.level
    return tile.row * length - 0.5, tile.column * length - 0.5, length


def tiles_in(
    plane: Plane, grid: Grid, level: int, rows: tuple[float, float], columns: tuple[float, float]
) -> list[Tile]:
    """The tiles of a level that show any of a rectangle (index ranges) within the grid, nearest to its middle first."""
    length = TILE_PIXELS * 2.0**-level
    spans = []
    for axis, (low, high) in ((plane.rows, rows), (plane.columns, columns)):
        first = int(np.floor((max(low, -0.5) + 0.5) / length))
        last = int(np.ceil((min(high, grid.shape[axis] - 0.5) + 0.5) / length))
        spans.append(range(first, max(first, last)))
    middle = [(sum(span) + 1.0) / (2 * length) - 0.5 for span in (rows, columns)]
    tiles = [Tile(plane, level, row, column) for row in spans[0] for column in spans[1]]
    return sorted(tiles, key=lambda tile: (tile.row - middle[0]) ** 2 + (tile.column - middle[1]) ** 2)


def tile_grid(tile: Tile, grid: Grid) -> Grid | None:
    """The grid of a tile's pixels in the world, cut off at the volume's faces; None where it lies outside."""
    step = 2.0**-tile.level
    shape, start, size = [], [], []
    for axis, count in enumerate(grid.shape):
        if axis not in (tile.plane.rows, tile.plane.columns):
            shape.append(1)
            start.append(tile.plane.at[axis])
            size.append(1.0)
            continue
        first = (tile.row if axis == tile.plane.rows else tile.column) * TILE_PIXELS
        pixels = min(TILE_PIXELS, int(np.ceil(count / step)) - first)
        if first < 0 or pixels < 1:
            return None
        shape.append(pixels)
        start.append((first + 0.5) * step - 0.5)
        size.append(step)
    origin = grid.world(np.array(start))
    return Grid(
        tuple(shape),
        tuple(s * v for s, v in zip(size, grid.voxel_size, strict=True)),
        tuple(float(o) for o in origin),
        grid.units,
        grid.axes,
    )


def evaluate_tiles(field: FieldOnGrid, tiles: Sequence[Tile]) -> list[NDArray[np.float32] | None]:
    """The field's values (rows, columns, channels) at each tile's pixel centres, read-only; None outside the volume.

    All tiles go through the network together.
    """
    from dinr_studio.sampling.evaluate import evaluate_grids

    grids = [tile_grid(tile, field.grid) for tile in tiles]
    found = iter(evaluate_grids(field, [grid for grid in grids if grid is not None]))
    return [
        None if grid is None else _as_picture(next(found), tile.plane) for tile, grid in zip(tiles, grids, strict=True)
    ]


def data_plane(volume: Volume, plane: Plane, channel: Component) -> NDArray[np.float32]:
    """The data's own values on a plane, (rows, columns), NaN where missing; other axes at their nearest voxel."""
    return _read_only(component(_plane_values(volume, plane, channel), 0 if isinstance(channel, int) else channel))


def colour_plane(volume: Volume, plane: Plane) -> NDArray[np.float32]:
    """All channels on a plane as in `data_plane`, (rows, columns, channels)."""
    return _read_only(_plane_values(volume, plane, COLOUR))


def plane_part(
    volume: Volume, plane: Plane, channel: Component, rows: tuple[int, int], step: int = 1
) -> NDArray[np.float32]:
    """Every `step`-th voxel, both ways, of some rows of a plane, (rows, columns, channels), NaN where missing.

    rows: first row, and the one past the last. One channel, or all of them where something is made of all.
    """
    return _read_only(_plane_values(volume, plane, channel, slice(*rows, step), slice(None, None, step)))


def row_pieces(volume: Volume, plane: Plane) -> list[tuple[int, int]]:
    """The rows of a plane in some pieces, each of whole blocks of the file where the values stay in one."""
    count = volume.grid.shape[plane.rows]
    edge = volume.values.blocks().edge[plane.rows] if isinstance(volume.values, StoredValues) else 1
    length = max(1, -(-count // (PIECES * edge))) * edge
    return [(first, min(count, first + length)) for first in range(0, count, length)]


def thinning(volume: Volume, plane: Plane) -> int:
    """At which step a first look at a plane is much sooner had than all of it; 1 where it is not."""
    size = volume.grid.shape[plane.rows] * volume.grid.shape[plane.columns]
    chunked = isinstance(volume.values, StoredValues) and volume.values.chunk is not None  # read whole in any case
    return 1 if chunked else max(1, round((size / FIRST_LOOK) ** 0.5))


def _plane_values(
    volume: Volume,
    plane: Plane,
    channel: Component,
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> NDArray[np.float32]:
    """The one channel (rows, columns, 1), or all of them where something is made of all."""
    index: list[slice | int] = []
    for axis, count in enumerate(volume.grid.shape):
        held = int(np.clip(round(plane.at[axis]), 0, count - 1))
        index.append(rows if axis == plane.rows else columns if axis == plane.columns else held)
    channels = slice(channel, channel + 1) if isinstance(channel, int) else slice(None)
    values = volume.values[(*index, channels)].astype(np.float32)
    if volume.missing is not None:
        values[volume.missing[tuple(index)]] = np.nan
    return values.transpose(1, 0, 2) if plane.rows > plane.columns else values


def _read_only(values: NDArray[Any]) -> NDArray[np.float32]:
    values = np.ascontiguousarray(values, dtype=np.float32)
    values.flags.writeable = False
    return values


def _as_picture(values: NDArray[np.float32], plane: Plane) -> NDArray[np.float32]:
    shown = sorted((plane.rows, plane.columns))
    picture = values.reshape([values.shape[axis] for axis in shown] + [values.shape[-1]])
    if plane.rows > plane.columns:
        picture = picture.transpose(1, 0, 2)
    picture = np.ascontiguousarray(picture)
    picture.flags.writeable = False
    return picture
