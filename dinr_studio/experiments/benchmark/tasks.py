"""The fields that quality is measured on: 2D and 3D, smooth and rough, clean and noisy, all made from the samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.io.reading import open_volume
from dinr_studio.volume import Volume

SAMPLES = ("turbulence-2d", "turbulence-3d", "emd-3001", "clouds")
NOISE = 0.2  # standard deviation of the added noise over that of the data


@dataclass(frozen=True)
class Measured:
    """A volume to learn from, and the one whose values predictions are judged by: its own, or clean ones."""

    volume: Volume
    truth: Volume

    def values(self, voxels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """The true values (N, channels) at flat indices (N,), in the data's unit."""
        flat: NDArray[np.float64] = self.truth.in_memory.reshape(-1, self.truth.channels)[voxels].astype(np.float64)
        return flat

    @property
    def data_range(self) -> float:
        """Greatest less least true value: the peak of every PSNR."""
        low, high = self.truth.value_range
        return high - low


def sample(name: str) -> Measured:
    """A sample as it is."""
    volume = open_volume(f"sample:{name}")
    return Measured(volume, volume)


def six_fields() -> dict[str, Measured]:
    """The samples, 3D turbulence with fixed noise judged by its clean data, and every second pixel of the 2D one."""
    fields = {name: sample(name) for name in SAMPLES}
    clean = fields["turbulence-3d"].volume
    fields["turbulence-3d-noise-20"] = Measured(noisy(clean, NOISE), clean)
    thinned = every_second(fields["turbulence-2d"].volume)
    fields["turbulence-2d-thinned"] = Measured(thinned, thinned)
    return fields


def noisy(volume: Volume, share: float) -> Volume:
    """The volume with normal noise, the same in every run, of `share` of its values' standard deviation."""
    values = volume.in_memory.astype(np.float32)
    noise = np.random.default_rng(0).standard_normal(values.shape).astype(np.float32)
    return replace(volume, values=values + share * values.std() * noise)


def every_second(volume: Volume) -> Volume:
    """Every second voxel along each axis, so that what lies between them is rougher."""
    part = tuple(slice(None, None, 2) for _ in volume.grid.shape)
    values = np.ascontiguousarray(volume.values[part])
    missing = None if volume.missing is None else np.ascontiguousarray(volume.missing[part])
    size = tuple(2 * v for v in volume.grid.voxel_size)
    grid = replace(volume.grid, shape=values.shape[:-1], voxel_size=size)
    return replace(volume, values=values, grid=grid, missing=missing)
