"""How finely scattered samples vary: the frequencies that a field needs, and how much of them looks like noise.

Half the mean squared difference of two samples (the variogram) grows with their squared distance as

    noise + slope * distance^2,   slope = variance * (2 pi f)^2 / (2 axes)

where f is the root mean square frequency, for distances small against a wavelength. Samples tell no more than half a
cycle from one to the next, so f is held to that. Source: Matheron, Principles of geostatistics, 1963.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import CoordinateMap
from dinr_studio.volume import Volume

LOOKED_AT = 20_000  # samples whose neighbours are looked at
NEIGHBOURS = 12


@dataclass(frozen=True)
class Variation:
    """Of scattered samples: root mean square frequency and that of half a cycle a sample, in cycles per network unit.

    noise_share: share of the variance that neighbours do not have in common, 0 to 1.
    """

    rms_frequency: float
    noise_share: float
    nyquist: float


def variation(volume: Volume, coordinates: CoordinateMap, channel: int = 0) -> Variation:
    """The variation of one channel of the samples that a volume carries."""
    from scipy.spatial import cKDTree

    table = volume.samples
    if table is None:
        raise AssertionError("a volume without samples")
    used = [i for i, (low, high) in enumerate(table.box) if high > low]
    places = coordinates.network(table.positions)[:, used]
    values = table.values[:, channel]
    axes = len(used)
    spacing = float((np.prod(np.ptp(places, axis=0)) / table.count) ** (1 / axes))
    nyquist = 0.5 / max(spacing, 1e-12)
    chosen = np.arange(table.count)
    if table.count > LOOKED_AT:
        chosen = np.random.default_rng(0).choice(table.count, LOOKED_AT, replace=False)
    distance, near = cKDTree(places).query(places[chosen], min(NEIGHBOURS + 1, table.count))
    half = 0.5 * np.square(values[near] - values[chosen][:, np.newaxis])
    noise, slope = _line(np.square(distance[:, 1:]), half[:, 1:])
    variance = float(values.var())
    if variance <= 0:
        return Variation(0.0, 0.0, nyquist)
    frequency = math.sqrt(2 * axes * slope / variance) / (2 * math.pi)
    return Variation(min(frequency, nyquist), min(1.0, noise / variance), nyquist)


def _line(squares: NDArray[np.float64], half: NDArray[np.float64]) -> tuple[float, float]:
    """Intercept and slope, neither below 0, of the least-squares line through all pairs."""
    x, y = squares.mean(axis=0), half.mean(axis=0)
    spread = float(np.square(x - x.mean()).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / spread) if spread > 0 else 0.0
    intercept = float(y.mean() - slope * x.mean())
    if intercept < 0 or slope < 0:
        intercept = max(0.0, min(intercept, float(y.mean())))
        slope = max(0.0, float((y - intercept).mean() / x.mean())) if x.mean() > 0 else 0.0
    return intercept, slope
