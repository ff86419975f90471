"""Classical interpolation of held-out voxels from the training voxels alone: what a field has to beat.

Where the training voxels are whole planes across one axis (every second plane held out), each method is the textbook
one along that axis. Where they lie scattered, each is its counterpart for scattered points:

- **nearest**: the value of the nearest training voxel.
- **linear**: the polyharmonic spline with kernel r through the 30 nearest training voxels.
- **cubic**: the polyharmonic spline with kernel r^3 and a linear polynomial through the 60 nearest.

On a line the last two are exactly linear interpolation and the natural cubic spline. In 2D and 3D they are stronger
rivals than splines along each axis averaged (measured on a cryo-EM map, 2 % and 75 % held out: 44.6 and 40.6 dB for
cubic against 42.8 and 2.9). Distances are physical; source of the splines: Duchon, 1977, as in scipy's RBFInterpolator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import TIME_AXIS, Grid, flat_to_index
from dinr_studio.volume import Volume

SLAB_VOXELS = 1 << 21  # scattered training voxels that are searched in one go
LINEAR_NEIGHBOURS, CUBIC_NEIGHBOURS = 30, 60

Points = NDArray[np.float64]


def interpolate(
    method: str, volume: Volume, held_out: NDArray[np.bool_], voxels: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Values (N, channels), in the data's unit, at held-out voxels (flat indices, N) from training voxels only.

    method: a key of INTERPOLATORS. held_out: grid.shape, True where not to be used; missing voxels are not used either.
    """
    training = ~held_out if volume.missing is None else ~(held_out | volume.missing)
    for axis in range(training.ndim):
        planes = _planes_trained_on(volume, training, axis)
        if len(planes) >= FEWEST_PLANES:
            return _between_planes(method, volume, training, (axis, planes), voxels)
    return _among_scattered(method, volume, training, voxels)


def _planes_trained_on(volume: Volume, training: NDArray[np.bool_], axis: int) -> NDArray[np.integer[Any]]:
    """The planes across an axis that are trained on, where all others are held out as a whole; otherwise none.

    What is missing does not count.
    """
    lines = np.moveaxis(training, axis, 0).reshape(training.shape[axis], -1)
    some, whole = lines.any(axis=1), lines.all(axis=1)
    if volume.missing is not None:
        absent = np.moveaxis(volume.missing, axis, 0).reshape(training.shape[axis], -1)
        whole = some & (lines | absent).all(axis=1)
    return np.flatnonzero(whole) if np.array_equal(whole, some) else np.empty(0, dtype=np.int64)


def _between_planes(
    method: str,
    volume: Volume,
    training: NDArray[np.bool_],
    across: tuple[int, NDArray[np.integer[Any]]],
    voxels: NDArray[np.integer[Any]],
) -> NDArray[np.float64]:
    """The textbook method along an axis, in world positions, from the whole planes across it that are trained on.

    Where some of those planes lack a value on a voxel's line, the method for scattered points takes its place.
    """
    axis, planes = across
    positions = volume.grid.axis_positions(axis)
    index = flat_to_index(voxels, volume.grid.shape)
    others = np.delete(index, axis, axis=1)
    values, present = np.moveaxis(volume.in_memory, axis, 0), np.moveaxis(training, axis, 0)
    predicted, broken = np.empty((len(voxels), volume.channels)), np.zeros(len(voxels), dtype=bool)
    for plane in np.unique(index[:, axis]):
        here = np.flatnonzero(index[:, axis] == plane)
        near = planes[np.argsort(np.abs(planes - plane), kind="stable")[:WINDOW]]
        near.sort()
        whole = present[(near[:, np.newaxis], *others[here].T)].all(axis=0)
        broken[here[~whole]] = True
        here = here[whole]
        if len(here):
            lines = values[(near[:, np.newaxis], *others[here].T)].astype(np.float64)
            predicted[here] = INTERPOLATORS[method][0](positions[near], lines, positions[plane])
    if broken.any():
        predicted[broken] = _among_scattered(method, volume, training, voxels[broken])
    return predicted


FEWEST_PLANES = 4  # trained on, for a method along one axis
WINDOW = 24  # planes that a cubic spline is drawn through; further ones weigh less than 1e-6


def _nearest_on_line(at: Points, values: Points, where: float) -> Points:
    nearest: Points = values[np.argmin(np.abs(at - where))]
    return nearest


def _linear_on_line(at: Points, values: Points, where: float) -> Points:
    right = int(np.clip(np.searchsorted(at, where), 1, len(at) - 1))
    weight = (where - at[right - 1]) / (at[right] - at[right - 1])
    mixed: Points = (1 - weight) * values[right - 1] + weight * values[right]
    return mixed


def _cubic_on_line(at: Points, values: Points, where: float) -> Points:
    from scipy.interpolate import CubicSpline

    return np.asarray(CubicSpline(at, values, axis=0)(where), dtype=np.float64)


def _among_scattered(
    method: str, volume: Volume, training: NDArray[np.bool_], voxels: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """The method for scattered points, slab by slab along the first axis so that memory stays bounded."""
    scale = distances(volume.grid)
    predicted = np.empty((len(voxels), volume.channels))
    index = flat_to_index(voxels, volume.grid.shape)
    for start, stop, here in _slabs(training, index):
        points = np.argwhere(training[start:stop])
        values = volume.in_memory[start:stop][training[start:stop]].astype(np.float64)
        points[:, 0] += start
        used = np.ptp(points, axis=0) > 0
        if not used.any():  # a single voxel to go by
            predicted[here] = values[0]
            continue
        at, where = (points * scale)[:, used], (index[here] * scale)[:, used]
        predicted[here] = INTERPOLATORS[method][1](at, values, where)
    return predicted


def _slabs(training: NDArray[np.bool_], index: NDArray[np.int64]) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
    """Parts of the first axis, (start, stop), and which of the voxels lie in their middle, neighbours on both sides."""
    length = training.shape[0]
    share = max(float(training.mean()), 1e-3)
    reach = int(np.ceil(4 / share ** (1 / training.ndim)))
    thickness = max(1, int(length * SLAB_VOXELS / max(training.size, 1)))
    if thickness >= length:
        yield 0, length, np.ones(len(index), dtype=bool)
        return
    for first in range(0, length, thickness):
        here = (index[:, 0] >= first) & (index[:, 0] < first + thickness)
        if here.any():
            yield max(0, first - reach), min(length, first + thickness + reach), here


def distances(grid: Grid) -> NDArray[np.float64]:
    """What one voxel along each axis counts as in distances: its size, or 1 where the axes have no common unit."""
    if len({grid.units[i] for i in grid.spatial}) > 1:
        return np.ones(len(grid.shape))
    sizes = np.asarray(grid.voxel_size, dtype=np.float64)
    for i, name in enumerate(grid.axes):
        if name == TIME_AXIS and grid.spatial:
            sizes[i] = min(grid.voxel_size[j] for j in grid.spatial)
    distances: NDArray[np.float64] = sizes / sizes.min()
    return distances


def _nearest_scattered(at: Points, values: Points, where: Points) -> Points:
    from scipy.spatial import cKDTree

    nearest: Points = values[cKDTree(at).query(where)[1]]
    return nearest


def _linear_scattered(at: Points, values: Points, where: Points) -> Points:
    return _polyharmonic(at, values, where, "linear", 0, LINEAR_NEIGHBOURS)


def _cubic_scattered(at: Points, values: Points, where: Points) -> Points:
    try:
        return _polyharmonic(at, values, where, "cubic", 1, CUBIC_NEIGHBOURS)
    except np.linalg.LinAlgError:  # neighbours all in one plane: voxels far longer along one axis than another
        steps = np.array([np.diff(np.unique(axis)).min() for axis in at.T])
        try:
            return _polyharmonic(at / steps, values, where / steps, "cubic", 1, CUBIC_NEIGHBOURS)
        except np.linalg.LinAlgError:
            return _linear_scattered(at, values, where)


def _polyharmonic(at: Points, values: Points, where: Points, kernel: str, degree: int, neighbours: int) -> Points:
    from scipy.interpolate import RBFInterpolator

    spline = RBFInterpolator(at, values, neighbors=min(neighbours, len(at)), kernel=kernel, degree=degree)
    return np.asarray(spline(where), dtype=np.float64)


OnLine = Callable[[Points, Points, float], Points]
Scattered = Callable[[Points, Points, Points], Points]

INTERPOLATORS: dict[str, tuple[OnLine, Scattered]] = {
    "nearest": (_nearest_on_line, _nearest_scattered),
    "linear": (_linear_on_line, _linear_scattered),
    "cubic": (_cubic_on_line, _cubic_scattered),
}
