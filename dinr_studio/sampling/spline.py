"""A cubic spline through all voxels of a grid, evaluated on other grids slab by slab.

The tensor product of interpolating splines along each axis, not-a-knot at both ends: exact at every voxel centre and
for cubic polynomials, and so for ramps whatever the voxel sizes. An axis of fewer than 4 voxels has the polynomial
through them. Past an outer voxel's centre it goes on straight through the last two centres, up to the box's face half
a voxel on, and keeps the face's value beyond. Source: de Boor, A Practical Guide to Splines, 1978.

With B-splines on the voxel centres a value is v = c + (c's second difference) / 6. Not-a-knot says that c's fourth
difference vanishes one voxel from an end: there c = v - (v's second difference) / 6, and the coefficient that lies one
voxel outside of the grid follows from the first four.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid

FEWEST = 4  # voxels along an axis that a cubic spline needs
REACH = 16  # voxels around a target box, beyond which the data moves the spline by less than 1e-8 of its value
SOLVED_VALUES = 1 << 20  # of which coefficients are found in one go, in double precision

Coefficients = NDArray[np.float32]


def needed_box(grid: Grid, target: Grid) -> tuple[list[int], list[int]]:
    """Start and stop along each axis of the voxels of a grid that the spline on a target grid depends on."""
    start, stop = [], []
    for axis, n in enumerate(grid.shape):
        ends = (target.axis_positions(axis)[[0, -1]] - grid.origin[axis]) / grid.voxel_size[axis]
        low, high = np.clip([np.floor(ends[0]) - REACH, np.ceil(ends[1]) + REACH + 1], 0, n).astype(int)
        start.append(min(int(low), n - 1))
        stop.append(max(int(high), start[-1] + 1))
    return start, stop


def to_coefficients(values: NDArray[np.float32]) -> None:
    """Turns finite values (*shape, channels) into the spline's coefficients, in place; values far from 1 lose digits.

    Takes no further memory but for some ten MB, or one plane across an axis where that is more.
    """
    for axis in range(values.ndim - 1):
        lines = np.moveaxis(values, axis, 0)
        if len(lines) < FEWEST:
            continue
        step = max(1, SOLVED_VALUES // max(1, lines[:, :1].size))
        for start in range(0, lines.shape[1], step):
            part = lines[:, start : start + step]
            part[...] = _solved(part.astype(np.float64, order="C"))


def _solved(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients along the first axis, of at least 4 voxels: elimination in a tridiagonal system, all lines at once.

    The values are used up.
    """
    n = len(values)
    ends = {i: values[i] - (values[i - 1] - 2 * values[i] + values[i + 1]) / 6 for i in (1, n - 2)}
    outer = {0: 6 * values[1], n - 1: 6 * values[n - 2]}
    values[1], values[n - 2] = ends[1], ends[n - 2]
    pivots = np.zeros(n)
    for i in range(2, n - 2):  # c[i - 1] + 4 c[i] + c[i + 1] = 6 v[i]
        pivots[i] = 1 / (4 - pivots[i - 1])
        values[i] = (6 * values[i] - values[i - 1]) * pivots[i]
    for i in range(n - 3, 1, -1):
        values[i] -= pivots[i] * values[i + 1]
    values[0] = outer[0] - 4 * values[1] - values[2]
    values[n - 1] = outer[n - 1] - 4 * values[n - 2] - values[n - 3]
    return values


def bases(samples: Grid, target: Grid) -> list[Any]:
    """For each axis the sparse matrix (target voxels, sampled voxels) that takes coefficients to values, float32."""
    matrices = []
    for axis, n in enumerate(samples.shape):
        index = (target.axis_positions(axis) - samples.origin[axis]) / samples.voxel_size[axis]
        matrices.append(_straight_beyond(n, np.clip(index, -0.5, n - 0.5)).astype(np.float32))
    return matrices


def _straight_beyond(n: int, index: NDArray[np.float64]) -> Any:
    """The matrix of one axis of n voxels at fractional indices; straight on past the outer centres."""
    from scipy.sparse import diags_array

    basis = _cubic if n >= FEWEST else _polynomial
    within = np.clip(index, 0, n - 1)
    values, past = basis(n, within), np.abs(index - within)
    if n == 1 or not past.any():
        return values
    inner = np.where(index < 0, 1, np.where(index > n - 1, n - 2, within))
    return (values + diags_array(past) @ (values - basis(n, inner))).tocsr()


def _cubic(n: int, index: NDArray[np.float64]) -> Any:
    """B-splines at fractional indices of 0 to n - 1, with the coefficients outside of the grid put into the inner."""
    from scipy.sparse import coo_array, csr_array

    left = np.clip(np.floor(index), 0, n - 2).astype(np.int64)
    t = (index - left)[:, np.newaxis]
    weights = np.hstack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    columns = left[:, np.newaxis] + np.arange(4)  # of the coefficients -1 to n
    rows = np.repeat(np.arange(len(index)), 4)
    extended = coo_array((weights.ravel(), (rows, columns.ravel())), shape=(len(index), n + 2)).tocsr()
    kept = (np.ones(n), (np.arange(1, n + 1), np.arange(n)))
    outside = np.array([4.0, -6.0, 4.0, -1.0])
    where = (np.repeat([0, n + 1], 4), np.concatenate([np.arange(4), n - 1 - np.arange(4)]))
    folded = csr_array(kept, shape=(n + 2, n)) + csr_array((np.tile(outside, 2), where), shape=(n + 2, n))
    return (extended @ folded).tocsr()


def _polynomial(n: int, index: NDArray[np.float64]) -> Any:
    """The polynomial through n voxels (1 to 3) at fractional indices, after Lagrange."""
    from scipy.sparse import csr_array

    weights = np.ones((len(index), n))
    for i in range(n):
        for j in range(n):
            if j != i:
                weights[:, i] *= (index - j) / (i - j)
    return csr_array(weights)


def spline_slab(coefficients: Coefficients, matrices: Sequence[Any], start: int, stop: int) -> NDArray[np.float32]:
    """Values (stop - start, *rest, channels) of a spline on planes start to stop of a target grid's first axis.

    matrices: what `bases` gives for the two grids. Takes no more memory than a few slabs.
    """
    first = matrices[0][start:stop]
    low, high = int(first.indices.min()), int(first.indices.max()) + 1
    values = _applied(first[:, low:high], coefficients[low:high])
    for axis, matrix in enumerate(matrices[1:], start=1):
        values = np.moveaxis(_applied(matrix, np.moveaxis(values, axis, 0)), 0, axis)
    return np.ascontiguousarray(values)


def _applied(matrix: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A matrix (m, n) on the first axis of values (n, ...)."""
    found: NDArray[np.float32] = matrix @ values.reshape(len(values), -1)
    return found.reshape(-1, *values.shape[1:])
