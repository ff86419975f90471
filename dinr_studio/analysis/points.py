"""The honest judgement of a field fitted to scattered samples: its errors on samples it never saw, and interpolation's.

What a field has to beat, on the same samples and from the same others:

- **nearest**: the value of the nearest sample.
- **linear**: linear interpolation within the simplices of the Delaunay triangulation, nearest outside of it. Of more
  samples than can be triangulated at once, the nearest to each judged one are; of samples in four axes, which have too
  many simplices, the polyharmonic spline with kernel r through the 30 nearest takes its place.
- **rbf**: the thin-plate spline (kernel r^2 log r and a linear polynomial) through the 50 nearest.

Distances are those of `interpolation.distances`: physical, or in voxels where axes have no common unit. Samples at the
same place count as one of their mean value. Source: scipy's LinearNDInterpolator and RBFInterpolator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.channel_scores import by_channel, common_peak, named_channels
from dinr_studio.analysis.interpolation import INTERPOLATORS, distances
from dinr_studio.analysis.judge import MOST_JUDGED, HeldOutReport, Predict, verdict
from dinr_studio.analysis.scores import Peak, Scores, pointwise
from dinr_studio.coordinates import Grid
from dinr_studio.sample_table import SampleTable

MOST_TRIANGULATED = 50_000
AROUND = 64  # nearest samples of each judged one, where not all can be triangulated
JUDGED_AT_ONCE = 1000
MOST_TRIANGULATED_AXES = 3
NEIGHBOURS = 50

Points = NDArray[np.float64]
Rows = NDArray[np.integer[Any]]


def judge_samples(
    table: SampleTable, grid: Grid, trained: Rows, held_out: Rows, predict: Predict, *, data_range: Peak, seed: int
) -> HeldOutReport:
    """Scores a field and its rivals on held-out samples (a random choice where there are very many).

    grid: of the volume of means. trained, held_out: row numbers. predict: row numbers (N,) -> the field's values
    (N, channels). data_range: of every PSNR, in the value's unit.
    """
    judged = judged_rows(held_out, seed)
    true, values = table.values[judged], predict(judged)
    rivals = rival_values(table, grid, trained, judged)
    field = pointwise(true, values, data_range)
    scores = {name: pointwise(true, found, data_range) for name, found in rivals.items()}
    says = verdict(field, scores, len(judged), "samples")
    named = named_channels(table.channel_names, table.value_unit, table.channel_ranges)
    channels = by_channel(true, values, rivals, named)
    peak = common_peak(data_range)
    return HeldOutReport(field, scores, len(judged), len(held_out), peak, says, of="samples", by_channel=channels)


def judged_rows(held_out: Rows, seed: int, most: int = MOST_JUDGED) -> Rows:
    """The held-out rows, or a random choice of `most`."""
    if len(held_out) <= most:
        return held_out
    return np.sort(np.random.default_rng(seed).choice(held_out, most, replace=False))


def rival_scores(table: SampleTable, grid: Grid, trained: Rows, judged: Rows, *, data_range: Peak) -> dict[str, Scores]:
    """Scores of each interpolation of the judged rows from those trained on."""
    values = rival_values(table, grid, trained, judged)
    return {name: pointwise(table.values[judged], found, data_range) for name, found in values.items()}


def rival_values(table: SampleTable, grid: Grid, trained: Rows, judged: Rows) -> dict[str, Points]:
    """Values (N, channels) of each interpolation at judged rows (N,), from the rows trained on."""
    scale = distances(grid)
    at, where = (grid.index(table.positions[rows]) * scale for rows in (trained, judged))
    values = table.values[trained]
    used = np.ptp(at, axis=0) > 0
    if not used.any():
        return dict.fromkeys(SCATTERED, np.tile(values.mean(axis=0), (len(judged), 1)))
    at, values = distinct(at[:, used], values)
    return {name: method(at, values, where[:, used]) for name, method in SCATTERED.items()}


def distinct(at: Points, values: Points) -> tuple[Points, Points]:
    """Points (N, axes), each once, and the means (N, channels) of the values there."""
    places, inverse, counts = np.unique(at, axis=0, return_inverse=True, return_counts=True)
    if len(places) == len(at):
        return at, values
    inverse = inverse.reshape(-1)
    sums = [np.bincount(inverse, weights=channel, minlength=len(places)) for channel in values.T]
    return places, np.stack(sums, axis=-1) / counts[:, np.newaxis]


def _nearest(at: Points, values: Points, where: Points) -> Points:
    return INTERPOLATORS["nearest"][1](at, values, where)


def _linear(at: Points, values: Points, where: Points) -> Points:
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import QhullError

    axes = at.shape[1]
    if axes == 1:
        order = np.argsort(at[:, 0])
        lines = [np.interp(where[:, 0], at[order, 0], channel[order]) for channel in values.T]
        return np.stack(lines, axis=-1)
    if axes > MOST_TRIANGULATED_AXES:
        return INTERPOLATORS["linear"][1](at, values, where)
    predicted = np.empty((len(where), values.shape[1]))
    for here, near in _parts(at, where):
        try:
            predicted[here] = LinearNDInterpolator(at[near], values[near])(where[here])
        except QhullError:  # too few samples, or all in one plane
            predicted[here] = INTERPOLATORS["linear"][1](at[near], values[near], where[here])
    outside = np.isnan(predicted).any(axis=1)
    if outside.any():
        predicted[outside] = _nearest(at, values, where[outside])
    return predicted


def _parts(at: Points, where: Points) -> Iterator[tuple[Rows, Rows]]:
    """Parts of the judged points, and which others to triangulate for each: all, or their neighbours."""
    from scipy.spatial import cKDTree

    if len(at) <= MOST_TRIANGULATED:
        yield np.arange(len(where)), np.arange(len(at))
        return
    tree = cKDTree(at)
    order = np.lexsort(np.floor((where - at.min(axis=0)) / np.ptp(at, axis=0) * 8).T)
    for first in range(0, len(where), JUDGED_AT_ONCE):
        here = order[first : first + JUDGED_AT_ONCE]
        yield here, np.unique(tree.query(where[here], AROUND)[1])


def _thin_plate(at: Points, values: Points, where: Points) -> Points:
    from scipy.interpolate import RBFInterpolator

    if len(at) <= at.shape[1] + 1:  # too few for a linear polynomial
        return _nearest(at, values, where)
    try:
        spline = RBFInterpolator(at, values, neighbors=min(NEIGHBOURS, len(at)), kernel="thin_plate_spline")
        return np.asarray(spline(where), dtype=np.float64)
    except np.linalg.LinAlgError:  # neighbours all on one line or in one plane
        return INTERPOLATORS["linear"][1](at, values, where)


SCATTERED: dict[str, Callable[[Points, Points, Points], Points]] = {
    "nearest": _nearest,
    "linear": _linear,
    "rbf": _thin_plate,
}
