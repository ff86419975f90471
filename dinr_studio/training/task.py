"""What a run works on: the volume with its outliers and held-out voxels set aside, and how values are scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.held_out import held_out_mask
from dinr_studio.analysis.outliers import isolated_outliers
from dinr_studio.config import TrainingConfig
from dinr_studio.coordinates import CoordinateMap
from dinr_studio.normalisation import NORMALISATIONS, Normalisation, present_sample
from dinr_studio.training.batches import VoxelSource
from dinr_studio.volume import Volume

WATCHED_VOXELS = 8192  # held-out voxels looked at while training; all of them are judged at the end


@dataclass(frozen=True)
class Task:
    """A volume made ready for training.

    volume: outliers count as missing in it, for statistics and scores, unless they are kept.
    held_out: grid.shape, True where never trained on. training: flat indices trained on. watched: flat indices of the
    held-out voxels whose error steers the run. variance: mean variance of the normalised values.
    """

    volume: Volume
    source: VoxelSource
    coordinates: CoordinateMap
    normalisation: Normalisation
    held_out: NDArray[np.bool_]
    training: NDArray[np.integer[Any]]
    watched: NDArray[np.integer[Any]]
    variance: float
    outliers: int

    @property
    def data_range(self) -> float:
        """Greatest less least present value, in the value's unit: the peak of every PSNR."""
        low, high = self.volume.value_range
        return high - low


def prepare(original: Volume, config: TrainingConfig) -> Task:
    """The task of fitting a volume with these settings; raises DataError where nothing is left to train on."""
    outlying = None if config.outliers == "keep" else isolated_outliers(original)
    volume = original if outlying is None else original.without(outlying)
    held_out = _held_out(volume, config)
    normalisation = NORMALISATIONS[config.normalisation](volume)
    coordinates = CoordinateMap.of(volume.grid, config.scaling)
    clipped = config.outliers == "clip" and outlying is not None
    trained_volume = original if clipped else volume
    return Task(
        volume=volume,
        source=VoxelSource(original, coordinates, normalisation, volume.channel_ranges if clipped else None),
        coordinates=coordinates,
        normalisation=normalisation,
        held_out=held_out,
        training=_trained(trained_volume, held_out),
        watched=_watched(held_out, config.seed),
        variance=float(normalisation.to_network(present_sample(volume)).var(axis=0).mean()),
        outliers=0 if outlying is None else int(np.count_nonzero(outlying)),
    )


def _held_out(volume: Volume, config: TrainingConfig) -> NDArray[np.bool_]:
    if config.held_out_share == 0:
        return np.zeros(volume.grid.shape, dtype=bool)
    return held_out_mask(volume, config.held_out_scheme, config.held_out_share, config.seed)


def _trained(volume: Volume, held_out: NDArray[np.bool_]) -> NDArray[np.integer[Any]]:
    """Flat indices of present voxels that are not held out, in the smallest type that can count them."""
    used = ~held_out if volume.missing is None else ~(held_out | volume.missing)
    return np.flatnonzero(used).astype(np.uint32 if used.size <= 2**32 else np.uint64)


def _watched(held_out: NDArray[np.bool_], seed: int) -> NDArray[np.integer[Any]]:
    flat = np.flatnonzero(held_out)
    if len(flat) <= WATCHED_VOXELS:
        return flat
    return np.sort(np.random.default_rng(seed).choice(flat, WATCHED_VOXELS, replace=False))
