"""Between the data's own values and the ones a network learns: one affine map for each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.volume import Volume

PERCENTILES = (0.1, 99.9)
SAMPLED_VOXELS = 1 << 22  # percentiles of larger volumes are taken from an even sub-sample of about this many voxels


@dataclass(frozen=True)
class Normalisation:
    """value = network * scale + offset, each with one entry per channel, in the value's unit."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def to_network(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Values (..., channels) in the data's unit as a network learns them."""
        return ((np.asarray(values, dtype=np.float64) - self.offset) / self.scale).astype(np.float32)

    def to_values(self, network: NDArray[Any]) -> NDArray[np.float64]:
        """A network's outputs (..., channels) in the data's unit."""
        return np.asarray(network, dtype=np.float64) * self.scale + self.offset


def percentile_normalisation(volume: Volume) -> Normalisation:
    """The 0.1 and 99.9 percentiles of each channel's present values become -1 and 1.

    Where they coincide (a nearly empty volume) the least and greatest value take their place.
    """
    limits = np.percentile(present_sample(volume).astype(np.float64), PERCENTILES, axis=0)
    pairs = [
        (low, high) if high > low else (least, greatest)
        for low, high, (least, greatest) in zip(*limits, volume.channel_ranges, strict=True)
    ]
    return Normalisation(
        tuple(float(high - low) / 2 or 1.0 for low, high in pairs), tuple(float(high + low) / 2 for low, high in pairs)
    )


def min_max_normalisation(volume: Volume) -> Normalisation:
    """The least and greatest present value of each channel become 0 and 1."""
    return Normalisation(
        tuple((high - low) or 1.0 for low, high in volume.channel_ranges),
        tuple(low for low, _ in volume.channel_ranges),
    )


NORMALISATIONS = {"percentile": percentile_normalisation, "min-max": min_max_normalisation}


def present_sample(volume: Volume, most: int = SAMPLED_VOXELS) -> NDArray[Any]:
    """Present values (N, channels), evenly thinned to about `most` voxels in a large volume, or scattered samples."""
    if volume.samples is not None:
        samples: NDArray[Any] = volume.samples.values[:: -(-volume.samples.count // most)]
        return samples
    if volume.is_stored:
        present: NDArray[Any] = volume.sample[np.isfinite(volume.sample).all(axis=1)]
        return present
    flat = volume.in_memory.reshape(-1, volume.channels)
    stride = -(-len(flat) // most)
    stride += stride % 2 == 0 and stride > 1  # an odd stride walks through all rows of an even grid
    thinned = flat[::stride]
    if volume.missing is not None:
        present = thinned[~volume.missing.reshape(-1)[::stride]]
        return present if len(present) else flat[~volume.missing.reshape(-1)]
    return thinned
