"""Volumes that lie turned in space, for tests of formats that can say so."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dinr_studio.coordinates import Grid, Orientation
from dinr_studio.io.writing import open_writer

TURN = np.array(
    [[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]]
)  # columns: directions, as x, y, z, of x, y, z
DIRECTIONS = tuple(tuple(float(v) for v in TURN[::-1, i]) for i in (2, 1, 0))
SIZES, ORIGIN = (2.0, 1.5, 0.75), (-7.0, 4.0, 0.25)  # z, y, x


def turned_grid(shape=(3, 4, 5), space="RAS", unit="mm", directions=DIRECTIONS):
    """A grid whose axes z, y, x lie turned; with four axes the first is time."""
    grid = Grid(shape[-3:], SIZES, ORIGIN, (unit,) * 3, ("z", "y", "x"), Orientation(directions, space))
    if len(shape) == 3:
        return grid
    return replace(
        grid,
        shape=shape,
        voxel_size=(0.5, *SIZES),
        origin=(3.0, *ORIGIN),
        units=("s", unit, unit, unit),
        axes=("t", "z", "y", "x"),
    )


def position(grid, index):
    """World position, as x, y, z, of a voxel index z, y, x: along each direction by origin and steps."""
    total = np.zeros(3)
    directions = Orientation().directions if grid.orientation is None else grid.orientation.directions
    sizes, origins = ([v[i] for i in grid.spatial] for v in (grid.voxel_size, grid.origin))
    for i, size, origin, direction in zip(index, sizes, origins, directions, strict=True):
        total += (origin + i * size) * np.array(direction[::-1])
    return total


INDICES = [(0, 0, 0), (2, 0, 0), (0, 3, 0), (0, 0, 4), (1, 2, 3)]


def ramp(shape, dtype=np.float32):
    """Values that are all different, as far as the type goes."""
    return (np.arange(np.prod(shape)) % 120).reshape(shape).astype(dtype)


def write(path, values, header, rows=2):
    """Writes (*grid.shape, channels) as an export would, a few rows of the first axis at a time."""
    with open_writer(path, header, path) as writer:
        for start in range(0, len(values), rows):
            writer.write(values[start : start + rows])
    return path


@pytest.fixture(scope="session")
def placed():
    """All of the above by name."""
    return SimpleNamespace(
        turn=TURN, directions=DIRECTIONS, grid=turned_grid, position=position, indices=INDICES, ramp=ramp, write=write
    )
