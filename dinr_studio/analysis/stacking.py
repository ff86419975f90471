"""Stacking: the weighted mean of field and cubic spline that predicts held-out voxels best, and an honest score of it.

    value = weight * field + (1 - weight) * spline, one weight for each channel, 0 to 1

The weight is the least-squares one (Wolpert, 1992; Breiman, 1996). What it was fitted on cannot judge it, so its score
is cross-fitted: the weights of one half of the held-out voxels predict the other half, both ways round. Neighbouring
held-out voxels err alike (those of one block have the same neighbours), so the halves are made of whole cells of the
grid, 8 voxels along each axis, and the gain's noise is taken between cells, not between voxels.

One optimism remains: held-out voxels also chose which of the field's weights are kept, so the field's score, and with
it its share of the mean, are a little higher than on voxels that had no part in anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.scores import Peak, Scores, score
from dinr_studio.coordinates import flat_to_index
from dinr_studio.volume import Volume

CELL_EDGES = (8, 4)  # voxels; multiples of a held-out block's edge, the smaller one for small grids
FEWEST_CELLS = 8  # with voxels to judge by; fewer say nothing about noise
LEAST_GAIN = 0.05  # dB below which a gain counts as none
SURE = 2.0  # standard errors that a gain has to exceed

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Stacked:
    """The weighted mean of field and cubic spline, judged.

    scores: cross-fitted. weights: the field's share by channel, 0 to 1, from all judged voxels. gain: PSNR in dB above
    the best of field and interpolations by themselves; noise: the gain's standard error in dB.
    """

    scores: Scores
    weights: tuple[float, ...]
    gain: float
    noise: float

    @property
    def worthwhile(self) -> bool:
        """Whether it is better than everything that it is made of, and every interpolation, by more than noise."""
        return self.gain > max(LEAST_GAIN, SURE * self.noise)

    def as_dict(self) -> dict[str, Any]:
        """The judgement by name, fit for JSON."""
        return {
            **self.scores.as_dict(),
            "weights": list(self.weights),
            "gain": self.gain,
            "noise": self.noise,
            "worthwhile": self.worthwhile,
        }


def stack(
    volume: Volume,
    voxels: NDArray[np.integer[Any]],
    field: NDArray[Any],
    rivals: Mapping[str, NDArray[Any]],
    *,
    data_range: Peak,
    seed: int,
) -> Stacked | None:
    """Judges the mean of field and cubic spline on held-out voxels, flat indices (N,); None where those are too few.

    field: its values (N, channels) there. rivals: those of each interpolation by name, `cubic` among them. data_range:
    as in `psnr`, in the value's unit. seed: draws the halves.
    """
    cells = cells_of(voxels, volume.grid.shape)
    if cells is None:
        return None
    true = volume.in_memory.reshape(-1, volume.channels)[voxels].astype(np.float64)
    predicted = cross_fitted(true, field, rivals["cubic"], cells, seed)
    scores = score(volume, voxels, predicted, data_range=data_range)
    singles = (field, *rivals.values())
    scale = np.asarray(data_range)  # so that channels in different units count alike
    best = min(singles, key=lambda values: float(np.square((values - true) / scale).sum()))
    old, new = (np.square((values - true) / scale).sum(axis=1) for values in (best, predicted))
    gain, noise = gain_over(old, new, cells)
    return Stacked(scores, best_weights(true, field, rivals["cubic"]), gain, noise)


def cells_of(voxels: NDArray[np.integer[Any]], shape: Sequence[int]) -> NDArray[np.int64] | None:
    """The number of the cell that each voxel (flat indices, N) lies in, or None where too few cells hold any."""
    index = flat_to_index(voxels, shape)
    for edge in CELL_EDGES:
        lattice = tuple(-(-n // edge) for n in shape)
        found, numbers = np.unique(np.ravel_multi_index(tuple((index // edge).T), lattice), return_inverse=True)
        if len(found) >= FEWEST_CELLS:
            return numbers.astype(np.int64)
    return None


def best_weights(true: NDArray[Any], field: NDArray[Any], spline: NDArray[Any]) -> tuple[float, ...]:
    """The field's least-squares share by channel, 0 to 1; all arrays (N, channels). 1 where the two are the same."""
    apart = np.asarray(field, np.float64) - spline
    size = np.square(apart).sum(axis=0)
    share = (apart * (np.asarray(true, np.float64) - spline)).sum(axis=0) / np.where(size > 0, size, 1.0)
    return tuple(float(w) for w in np.where(size > 0, np.clip(share, 0.0, 1.0), 1.0))


def cross_fitted(
    true: NDArray[Any], field: NDArray[Any], spline: NDArray[Any], cells: NDArray[np.int64], seed: int
) -> Values:
    """Each half of the cells as predicted by the weights of the other half; arrays (N, channels), cells (N,)."""
    order = np.random.default_rng(seed).permutation(int(cells.max()) + 1)
    first = (order < len(order) // 2)[cells]
    predicted = np.empty(np.shape(true))
    for fitted, judged in ((first, ~first), (~first, first)):
        weights = best_weights(true[fitted], field[fitted], spline[fitted])
        predicted[judged] = mixed(field[judged], spline[judged], weights)
    return predicted


def mixed(field: NDArray[Any], spline: NDArray[Any], weights: Sequence[float]) -> Values:
    """The weighted mean of two arrays of values (..., channels)."""
    share = np.asarray(weights, dtype=np.float64)
    mean: Values = share * field + (1 - share) * spline
    return mean


def gain_over(before: Values, after: Values, cells: NDArray[np.int64]) -> tuple[float, float]:
    """How much smaller squared errors (N,) became, in dB, and that figure's standard error, both from cells (N,).

    The error is the delta method's for a ratio of sums over independent cells; both are 0 where an error is nothing.
    """
    sums = [np.bincount(cells, weights=errors) for errors in (before, after)]
    totals = [float(part.sum()) for part in sums]
    if min(totals) <= 0:
        return 0.0, 0.0
    spread = sums[0] / totals[0] - sums[1] / totals[1]
    noise = math.sqrt(len(spread) / (len(spread) - 1) * float(np.square(spread).sum()))
    return 10 * math.log10(totals[0] / totals[1]), 10 / math.log(10) * noise


def in_words(weights: Sequence[float]) -> str:
    """The shares in words: `0.63 field, 0.37 cubic spline`, each with one number by channel."""
    field = " / ".join(f"{w:.2f}" for w in weights)
    spline = " / ".join(f"{1 - w:.2f}" for w in weights)
    return f"{field} field, {spline} cubic spline"


def sentence(stacked: Stacked) -> str:
    """Whether field and cubic spline together are better than the best by itself, and by how much."""
    if stacked.worthwhile:
        return (
            f"Their weighted mean ({in_words(stacked.weights)}) is {stacked.gain:.2f} dB better than the best by itself"
            f" ({stacked.scores.psnr:.1f} dB)."
        )
    return "A weighted mean of field and cubic spline gains nothing."
