"""What the field of one block works on: its part of a task that all blocks share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.judge import HeldOutReport
from dinr_studio.analysis.outliers import isolated_outliers
from dinr_studio.analysis.scores import Peak, Scores
from dinr_studio.analysis.spectrum import radial_spectrum
from dinr_studio.config import TrainingConfig
from dinr_studio.coordinates import CoordinateMap
from dinr_studio.errors import DataError
from dinr_studio.normalisation import present_sample
from dinr_studio.partition import Partition
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.training.batches import VoxelSource
from dinr_studio.training.streamed import StreamedTask
from dinr_studio.training.task import WATCHED_VOXELS, Task, VolumeTask, some_of
from dinr_studio.volume import Volume

LOOKED_AT = 32  # voxels along each edge of a block's middle
LIVELY = 0.25  # of the largest variance among blocks, from which on a block may set the pace
LEAST_VARIANCE = 1e-6  # of the whole's, below which a block counts as constant


@dataclass(frozen=True)
class BlockTask(VolumeTask):
    """The voxels of one block, scaled and held out as in the whole; blocks are judged together, not one by one.

    peak: the data range of the whole volume.
    """

    peak: Peak

    @property
    def data_range(self) -> Peak:
        """That of the whole volume."""
        return self.peak

    def judged(self, field: FieldOnGrid, seed: int) -> HeldOutReport | None:
        """None."""
        return None

    def rivals(self, seed: int) -> dict[str, Scores]:
        """None."""
        return {}


@dataclass(frozen=True)
class _Cut:
    """A block's part of the data: with outliers (original) and without (volume), and what is held out in it."""

    original: Volume
    volume: Volume
    held_out: NDArray[np.bool_]


def block_task(
    whole: Task, original: Volume, partition: Partition, number: int, config: TrainingConfig
) -> BlockTask | None:
    """The task of a block; None where it has no voxel to train on. Only this block of a stored volume is read.

    whole: the task of fitting to all of the original volume.
    """
    cut = _cut(whole, original, partition, number)
    clipped = config.outliers == "clip" and cut.volume is not cut.original
    absent = cut.original.missing if clipped else cut.volume.missing
    training = np.flatnonzero(~cut.held_out if absent is None else ~(cut.held_out | absent))
    if not len(training):
        return None
    coordinates = CoordinateMap.of(cut.volume.grid, config.scaling)
    limits = whole.volume.channel_ranges if clipped else None
    return BlockTask(
        volume=cut.volume,
        source=VoxelSource(cut.original, coordinates, whole.normalisation, limits),
        coordinates=coordinates,
        normalisation=whole.normalisation,
        held_out=cut.held_out,
        training=training,
        watched=some_of(np.flatnonzero(cut.held_out), WATCHED_VOXELS, config.seed),
        variance=_variance(whole, cut),
        outliers=_count_more(cut.volume.missing) - _count_more(cut.original.missing),
        peak=whole.data_range,
    )


def liveliest_block(volume: Volume, partition: Partition) -> Volume:
    """The block, in memory, that settings for all blocks are derived from: the one of the finest detail in its middle.

    Blocks that vary less than a quarter as much as the one that varies most do not count: what they hold is noise.
    """
    spread = np.array([_spread(_middle(volume, partition, number)) for number in range(partition.count)])
    coordinates = CoordinateMap.of(volume.grid)

    def fineness(number: int) -> float:
        return radial_spectrum(_middle(volume, partition, number), coordinates).rms_frequency

    lively = np.flatnonzero(spread >= LIVELY * spread.max())
    return volume.cropped(*partition.box(max(map(int, lively), key=fineness, default=0))).loaded()


def _middle(volume: Volume, partition: Partition, number: int) -> Volume:
    """Some voxels, in memory, in the middle of a block."""
    start, stop = partition.core(number)
    low = [max(a, (a + b) // 2 - LOOKED_AT // 2) for a, b in zip(start, stop, strict=True)]
    high = [min(b, a + LOOKED_AT) for a, b in zip(low, stop, strict=True)]
    return volume.cropped(low, high).loaded()


def _spread(sample: Volume) -> float:
    """The variance of all channels together; -1 where no value is present."""
    present = sample.in_memory.reshape(-1, sample.channels).astype(np.float64)
    if sample.missing is not None:
        present = present[~sample.missing.reshape(-1)]
    return float(present.var(axis=0).sum()) if len(present) else -1.0


def _variance(whole: Task, cut: _Cut) -> float:
    """The block's own, which tells a field that has learnt nothing; the whole's where nothing is to be learnt."""
    present = present_sample(cut.volume)
    own = float(whole.normalisation.to_network(present).var(axis=0).mean()) if len(present) else 0.0
    return own if own > LEAST_VARIANCE * whole.variance else whole.variance


def _count_more(mask: NDArray[np.bool_] | None) -> int:
    return 0 if mask is None else int(np.count_nonzero(mask))


def _cut(whole: Task, original: Volume, partition: Partition, number: int) -> _Cut:
    start, stop = partition.box(number)
    if isinstance(whole, VolumeTask):
        own = original.cropped(start, stop).loaded()
        volume = own if whole.outliers == 0 else whole.volume.cropped(start, stop)
        return _Cut(own, volume, whole.held_out[tuple(map(slice, start, stop))])
    if isinstance(whole, StreamedTask):
        return _cut_from_file(whole, original, start, stop)
    raise DataError("Scattered samples are fitted by one field; leave out the blocks.")


def _cut_from_file(whole: StreamedTask, original: Volume, start: tuple[int, ...], stop: tuple[int, ...]) -> _Cut:
    """The same of a volume that stays in its file; outliers are known by their neighbours, so these are read too."""
    low = [max(0, a - 1) for a in start]
    high = [min(n, b + 1) for n, b in zip(original.grid.shape, stop, strict=True)]
    around = original.cropped(low, high).loaded()
    outlying = None if whole.limits is None else isolated_outliers(around, whole.limits)
    inner = [a - b for a, b in zip(start, low, strict=True)], [a - b for a, b in zip(stop, low, strict=True)]
    own = around.cropped(*inner)
    volume = own if outlying is None else around.without(outlying).cropped(*inner)
    held_out = whole.rule.within(start, stop)
    return _Cut(own, volume, held_out if volume.missing is None else held_out & ~volume.missing)
