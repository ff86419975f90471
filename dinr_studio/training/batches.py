"""Batches: every training voxel once an epoch in a random order that needs no stored shuffle.

The order is a keyed permutation computed where it is needed, so a batch depends on (seed, epoch, number) alone:
a resumed run draws what the killed one would have drawn, and no memory grows with the volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinr_studio.coordinates import CoordinateMap, Grid, flat_to_index
from dinr_studio.normalisation import Normalisation
from dinr_studio.permutation import permuted
from dinr_studio.volume import Volume


class Drawn(Protocol):
    """The batches of a run, step by step."""

    per_epoch: int

    def voxels(self, step: int) -> NDArray[np.integer[Any]]:
        """Numbers of the samples of step `step`, counted from 0: they depend on the step alone."""


@dataclass(frozen=True)
class Samples:
    """Coordinates and normalised values of some voxels: (N, axes) and (N, channels), float32."""

    coordinates: Tensor
    values: Tensor


class VoxelSource:
    """Makes samples from flat voxel indices: coordinates from the index, values from the volume's own array."""

    def __init__(
        self,
        volume: Volume,
        coordinates: CoordinateMap,
        normalisation: Normalisation,
        limits: tuple[tuple[float, float], ...] | None = None,
    ) -> None:
        """limits: least and greatest value of each channel to clip to, in the data's unit, or None."""
        self._values = volume.in_memory.reshape(-1, volume.channels)
        self._grid, self._normalisation = volume.grid, normalisation
        self._slope, self._intercept = coordinates.index_affine(volume.grid)
        self._limits = None if limits is None else np.asarray(limits).T

    @property
    def grid(self) -> Grid:
        """The grid of the voxels."""
        return self._grid

    def coordinates(self, flat: NDArray[Any]) -> Tensor:
        """Network coordinates of flat voxel indices (N,): (N, axes) float32."""
        index = flat_to_index(flat, self._grid.shape)
        return torch.from_numpy((index * self._slope + self._intercept).astype(np.float32))

    def values(self, flat: NDArray[Any]) -> NDArray[np.float64]:
        """The data's own values at flat voxel indices (N,), clipped to the limits: (N, channels)."""
        values: NDArray[np.float64] = self._values[flat].astype(np.float64)
        return values if self._limits is None else np.clip(values, *self._limits)

    def samples(self, flat: NDArray[Any]) -> Samples:
        """What the network trains on at flat voxel indices (N,)."""
        return Samples(self.coordinates(flat), torch.from_numpy(self._normalisation.to_network(self.values(flat))))


class Batches:
    """The batches of all epochs over a set of training voxels."""

    def __init__(self, voxels: NDArray[np.integer[Any]], batch: int, seed: int) -> None:
        """voxels: flat indices of the training voxels, (N,)."""
        self._voxels, self._seed = voxels, seed
        self.per_epoch = -(-len(voxels) // batch)

    def voxels(self, step: int) -> NDArray[np.integer[Any]]:
        """Flat voxel indices of step `step`, counted from 0; the batches of an epoch differ by one voxel at most."""
        epoch, number = divmod(step, self.per_epoch)
        size = len(self._voxels)
        start, stop = number * size // self.per_epoch, (number + 1) * size // self.per_epoch
        return self._voxels[permuted(np.arange(start, stop), size, (self._seed, epoch))]
