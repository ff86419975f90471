"""How a volume's values are spread: histogram, standard deviation, and contrast limits that leave out extremes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import Component, component
from dinr_studio.normalisation import present_sample
from dinr_studio.volume import Volume

BINS = 256
CONTRAST = (0.5, 99.5)  # percentiles that automatic contrast spans


@dataclass(frozen=True)
class Histogram:
    """Of one channel: edges (bins + 1,) in the value's unit, counts (bins,), and statistics of the present values.

    sampled is the number of values looked at; large volumes are thinned evenly. contrast: the automatic limits.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    mean: float
    deviation: float
    contrast: tuple[float, float]
    sampled: int


def histogram(volume: Volume, channel: Component = 0, percentiles: tuple[float, float] = CONTRAST) -> Histogram:
    """The histogram of the present values of one channel, or of what is made of several."""
    values = component(present_sample(volume), channel).astype(np.float64)
    counts, edges = np.histogram(values, bins=BINS)
    low, high = (float(limit) for limit in np.percentile(values, percentiles))
    if not low < high:
        low, high = float(values.min()), float(values.max())
    if not low < high:
        low, high = low - 0.5, high + 0.5
    return Histogram(
        edges, counts.astype(np.int64), float(values.mean()), float(values.std()), (low, high), len(values)
    )
