"""Isolated extreme voxels or samples: hot and dead pixels, which ruin a normalisation and teach a field nothing."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.interpolation import distances
from dinr_studio.coordinates import Grid
from dinr_studio.normalisation import PERCENTILES, present_sample
from dinr_studio.sample_table import SampleTable
from dinr_studio.volume import Volume

FAR = 1.0  # distance from the percentile limits, in spans between them, from which a voxel is looked at
ORDINARY = 0.25  # how far the nearest neighbour's excursion may come to the voxel's own, for the voxel to stand alone
NEIGHBOURS = 8  # of a scattered sample
MOST_CANDIDATES = 0.001  # share of the voxels above which extremes are no rarity but the data

Limits = tuple[tuple[float, float], ...]  # least and greatest ordinary value by channel


def ordinary_limits(volume: Volume) -> Limits:
    """The 0.1 and 99.9 percentile of each channel."""
    sample = present_sample(volume)
    pairs = (np.percentile(channel.astype(np.float64), PERCENTILES) for channel in sample.T)
    return tuple((float(low), float(high)) for low, high in pairs)


def isolated_outliers(volume: Volume, limits: Limits | None = None) -> NDArray[np.bool_] | None:
    """Voxels far outside all others that stand alone, grid.shape, or None where there are none.

    limits: what is ordinary in each channel, where the volume is a part of a larger one; its own if None.

    A voxel counts when it lies more than one span of the 0.1 to 99.9 percentiles beyond them, in any channel, and no
    direct or diagonal neighbour goes more than a quarter as far in that direction: a particle of several voxels or a
    smooth peak has neighbours that rise with it and stays.
    """
    found: NDArray[np.bool_] = np.zeros(volume.grid.shape, dtype=bool)
    for channel, (low, high) in enumerate(limits or ordinary_limits(volume)):
        values = volume.values[..., channel]
        for sign, limit in ((1.0, high), (-1.0, low)):
            _mark_isolated(found, volume, values, sign, limit, high - low)
    return found if found.any() else None


def isolated_samples(table: SampleTable, grid: Grid) -> NDArray[np.bool_] | None:
    """Scattered samples far outside all others that stand alone, (N,), or None where there are none.

    As for voxels; neighbours are the 8 nearest other samples, distances those of `interpolation.distances`.
    grid: of the volume of means.
    """
    from scipy.spatial import cKDTree

    found: NDArray[np.bool_] = np.zeros(table.count, dtype=bool)
    places = grid.index(table.positions) * distances(grid)
    tree = None
    for values in table.values.T:
        low, high = np.percentile(values, PERCENTILES)
        for sign, limit in ((1.0, high), (-1.0, low)):
            far = np.flatnonzero(sign * (values - limit) > FAR * (high - low))
            if high <= low or not 0 < len(far) <= max(1, MOST_CANDIDATES * table.count):
                continue
            tree = tree or cKDTree(places)
            near = tree.query(places[far], min(NEIGHBOURS + 1, table.count))[1]
            excursions = sign * (values[near] - (low + high) / 2)
            excursions[near == far[:, np.newaxis]] = -np.inf
            found[far[excursions.max(axis=1) < ORDINARY * sign * (values[far] - (low + high) / 2)]] = True
    return found if found.any() else None


def _mark_isolated(
    found: NDArray[np.bool_], volume: Volume, values: NDArray[Any], sign: float, limit: float, span: float
) -> None:
    """Marks voxels whose excursion beyond the limit in one direction is far larger than all their neighbours'."""
    far = values > limit + FAR * span if sign > 0 else values < limit - FAR * span
    if volume.missing is not None:
        far &= ~volume.missing
    candidates = np.argwhere(far)
    if span <= 0 or not 0 < len(candidates) <= max(1, MOST_CANDIDATES * values.size):
        return
    middle = limit - sign * span / 2
    own = sign * (values[tuple(candidates.T)].astype(np.float64) - middle)
    highest = np.full(len(candidates), -np.inf)
    for offset in itertools.product((-1, 0, 1), repeat=values.ndim):
        if any(offset):
            highest = np.maximum(highest, _excursion(volume, values, candidates + offset, sign, middle))
    found[tuple(np.compress(highest < ORDINARY * own, candidates, axis=0).T)] = True


def _excursion(
    volume: Volume, values: NDArray[Any], index: NDArray[np.int64], sign: float, middle: float
) -> NDArray[np.float64]:
    """How far the voxels at an index lie from the middle; minus infinity outside the grid and where missing."""
    inside: NDArray[np.bool_] = np.asarray(((index >= 0) & (index < values.shape)).all(axis=1))
    at = tuple(np.where(inside[:, np.newaxis], index, 0).T)
    excursion = sign * (values[at].astype(np.float64) - middle)
    present = inside if volume.missing is None else inside & ~volume.missing[at]
    return np.where(present, excursion, -np.inf)
