"""What a run works on: samples to train on, samples set aside to judge by, and how places and values are scaled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.held_out import held_out_mask
from dinr_studio.analysis.judge import HeldOutReport, judge, judged_voxels, rival_scores
from dinr_studio.analysis.outliers import isolated_outliers
from dinr_studio.analysis.scores import Peak, Scores
from dinr_studio.config import TrainingConfig
from dinr_studio.coordinates import CoordinateMap
from dinr_studio.errors import DataError
from dinr_studio.memory import available_bytes
from dinr_studio.normalisation import NORMALISATIONS, Normalisation, present_sample
from dinr_studio.sampling.evaluate import FieldOnGrid, values_at_indices
from dinr_studio.training.batches import Batches, Drawn, Samples, VoxelSource
from dinr_studio.volume import Volume

PREPARING_BYTES = 24  # for each voxel: masks, and two lists of indices where some voxels are missing
WATCHED_VOXELS = 8192  # held-out voxels looked at while training; all of them are judged at the end

Numbers = NDArray[np.integer[Any]]


class Source(Protocol):
    """Makes samples from their numbers: for a volume, flat voxel indices."""

    def samples(self, numbers: Numbers) -> Samples:
        """What the network trains on, for sample numbers (N,)."""

    def values(self, numbers: Numbers) -> NDArray[np.float64]:
        """The data's own values (N, channels)."""

    def coordinates(self, numbers: Numbers) -> Any:
        """Network coordinates, a float32 tensor (N, axes)."""


@dataclass(frozen=True)
class Task(ABC):
    """Data made ready for training.

    volume: what statistics, scores and pictures go by; outliers count as missing in it, unless they are kept.
    watched: numbers of the held-out samples whose error steers the run. variance: mean variance of the normalised
    values. outliers: how many isolated extreme voxels were found.
    """

    volume: Volume
    source: Source
    coordinates: CoordinateMap
    normalisation: Normalisation
    watched: Numbers
    variance: float
    outliers: int

    @property
    def data_range(self) -> Peak:
        """Greatest less least present value, in the value's unit: the peak of every PSNR; see `Volume.data_range`."""
        return self.volume.data_range

    @property
    def scattered(self) -> int:
        """How many scattered samples are numbered, by their rows; 0 where it is voxels that have numbers."""
        return 0

    @property
    @abstractmethod
    def held_out_numbers(self) -> Numbers:
        """Numbers of the samples that are never trained on, as a run file keeps them."""

    @abstractmethod
    def batches(self, batch: int, seed: int) -> Drawn:
        """The batches of about `batch` samples that a run trains on."""

    @abstractmethod
    def some_trained(self, most: int, seed: int) -> Numbers:
        """Numbers of `most` of the samples trained on, at random; all where there are fewer."""

    @abstractmethod
    def predicted(self, field: FieldOnGrid, numbers: Numbers) -> NDArray[np.float64]:
        """A field's values (N, channels), in the data's unit, at samples."""

    @abstractmethod
    def judged(self, field: FieldOnGrid, seed: int) -> HeldOutReport | None:
        """The field's errors on held-out samples beside those of interpolation; None where none are held out."""

    @abstractmethod
    def rivals(self, seed: int) -> dict[str, Scores]:
        """Scores of each interpolation on the held-out samples; empty where none are held out."""


@dataclass(frozen=True)
class VolumeTask(Task):
    """A volume in memory with its outliers and held-out voxels set aside; samples are numbered by flat voxel index.

    held_out: grid.shape, True where never trained on. training: flat indices trained on.
    """

    held_out: NDArray[np.bool_]
    training: Numbers

    @property
    def held_out_numbers(self) -> Numbers:
        """Flat indices of the held-out voxels."""
        return np.flatnonzero(self.held_out).astype(_counting_type(self.held_out.size))

    def batches(self, batch: int, seed: int) -> Drawn:
        """Batches of voxels at random from the whole volume."""
        return Batches(self.training, batch, seed)

    def some_trained(self, most: int, seed: int) -> Numbers:
        """Flat indices of some voxels trained on, in order."""
        return some_of(self.training, most, seed)

    def predicted(self, field: FieldOnGrid, numbers: Numbers) -> NDArray[np.float64]:
        """The field at flat voxel indices."""
        return values_at_indices(field, numbers)

    def judged(self, field: FieldOnGrid, seed: int) -> HeldOutReport | None:
        """The judgement on held-out voxels."""
        if not self.held_out.any():
            return None
        return judge(self.volume, self.held_out, lambda flat: values_at_indices(field, flat), seed=seed)

    def rivals(self, seed: int) -> dict[str, Scores]:
        """Interpolation of held-out voxels from the others."""
        if not self.held_out.any():
            return {}
        return rival_scores(self.volume, self.held_out, judged_voxels(self.volume, self.held_out, seed))


def prepare(original: Volume, config: TrainingConfig) -> Task:
    """The task of fitting to a volume, or to the samples that it carries; DataError where none are left.

    Values that stay in their file are trained on from there.
    """
    if original.samples is not None:
        from dinr_studio.training.points import prepare_points

        return prepare_points(original, config)
    if original.is_stored:
        from dinr_studio.training.streamed import prepare_streamed

        return prepare_streamed(original, config)
    return prepare_volume(original, config)


def prepare_as_fitted(volume: Volume, config: TrainingConfig, open_options: Mapping[str, Any]) -> Task:
    """The task of a run that was begun with its values in memory, or in their file, as its open_options say."""
    return prepare(volume if open_options.get("stored") else volume.loaded(), config)


def prepare_volume(original: Volume, config: TrainingConfig) -> VolumeTask:
    """The task of fitting to the voxels of a volume in memory; DataError where nothing is left to train on."""
    _check_memory(original)
    outlying = None if config.outliers == "keep" else isolated_outliers(original)
    volume = original if outlying is None else original.without(outlying)
    held_out = _held_out(volume, config)
    normalisation = NORMALISATIONS[config.normalisation](volume)
    coordinates = CoordinateMap.of(volume.grid, config.scaling)
    clipped = config.outliers == "clip" and outlying is not None
    trained_volume = original if clipped else volume
    return VolumeTask(
        volume=volume,
        source=VoxelSource(original, coordinates, normalisation, volume.channel_ranges if clipped else None),
        coordinates=coordinates,
        normalisation=normalisation,
        held_out=held_out,
        training=_trained(trained_volume, held_out),
        watched=some_of(np.flatnonzero(held_out), WATCHED_VOXELS, config.seed),
        variance=float(normalisation.to_network(present_sample(volume)).var(axis=0).mean()),
        outliers=0 if outlying is None else int(np.count_nonzero(outlying)),
    )


def _check_memory(volume: Volume) -> None:
    """Raises DataError where memory does not hold what choosing the voxels to train on takes."""
    needed = PREPARING_BYTES * volume.grid.size
    free = available_bytes()
    if needed > free:
        raise DataError(
            f"A fit to {volume.grid.size:,} voxels takes about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB "
            "are free; leave the values in the file (--stream), fit a part of the volume, or bin it first."
        )


def _held_out(volume: Volume, config: TrainingConfig) -> NDArray[np.bool_]:
    if config.held_out_share == 0:
        return np.zeros(volume.grid.shape, dtype=bool)
    return held_out_mask(volume, config.held_out_scheme, config.held_out_share, config.choice_seed)


def _trained(volume: Volume, held_out: NDArray[np.bool_]) -> Numbers:
    """Flat indices of present voxels that are not held out, in the smallest type that can count them."""
    used = ~held_out if volume.missing is None else ~(held_out | volume.missing)
    return np.flatnonzero(used).astype(_counting_type(used.size))


def _counting_type(size: int) -> type[np.unsignedinteger[Any]]:
    return np.uint32 if size <= 2**32 else np.uint64


def some_of(numbers: Numbers, most: int, seed: int) -> Numbers:
    """`most` of the numbers at random, in order; all where there are fewer."""
    if len(numbers) <= most:
        return numbers
    return np.sort(np.random.default_rng(seed).choice(numbers, most, replace=False))
