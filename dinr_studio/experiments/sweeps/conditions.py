"""What data a run of a sweep gets: clean or with fixed noise, all voxels or a share, a file's or a synthetic field.

Noise belongs to the measurement: one number for each voxel and channel, drawn once, so that no epoch and no run of the
same seed sees another; levels of noise are multiples of one another. Scores are against the clean values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.outliers import isolated_outliers
from dinr_studio.config import TrainingConfig, changed
from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError
from dinr_studio.training.task import Task, VolumeTask, prepare, prepare_volume
from dinr_studio.volume import Provenance, Volume, make_volume

NOISE_STREAM, SHARE_STREAM = 0x4E01, 0x5A4E  # parts of seeds, so that no two draws are of the same numbers
SYNTHETIC_SHAPES: dict[int, tuple[int, ...]] = {1: (65_536,), 2: (256, 256), 3: (64, 32, 32), 4: (16, 16, 16, 16)}
SYNTHETIC_WAVES, SYNTHETIC_CYCLES = 48, 4.0  # waves in a synthetic field, and their mean number along an edge
AXES = ("t", "z", "y", "x")


@dataclass(frozen=True)
class Conditions:
    """noise: percent of the standard deviation of the present values, by channel. share: percent, above 0 to 100."""

    noise: float = 0.0
    share: float = 100.0

    def __post_init__(self) -> None:
        if not 0 <= self.noise <= 1000:
            raise ConfigError(f"The noise is {self.noise:g} %; 0 to 1000 % of the standard deviation are allowed.")
        if not 0 < self.share <= 100:
            raise ConfigError(f"The share of the data is {self.share:g} %; it must be above 0 and at most 100 %.")


@dataclass(frozen=True)
class Measured:
    """A task to learn, and the clean volume that predictions are judged by."""

    task: Task
    clean: Volume

    def truth(self, numbers: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Clean values (N, channels), in the data's unit, of samples by number."""
        if not isinstance(self.task, VolumeTask):
            return self.task.source.values(numbers)
        flat: NDArray[np.float64] = self.clean.in_memory.reshape(-1, self.clean.channels)[numbers].astype(np.float64)
        return flat


def measured(volume: Volume, training: TrainingConfig, conditions: Conditions) -> Measured:
    """The data under some conditions made ready; ConfigError where scattered samples cannot have them.

    Which voxels are outliers is decided once, on the clean values, so that every level of noise holds out the same.
    """
    if volume.samples is not None:
        if conditions != Conditions():
            raise ConfigError("Noise and shares of the data are for volumes and not for scattered samples; drop them.")
        return Measured(prepare(volume, training), volume)
    clean = volume.loaded()
    if training.outliers == "exclude":
        outlying = isolated_outliers(clean)
        clean = clean if outlying is None else clean.without(outlying)
        training = changed(training, outliers="keep")
    task = prepare_volume(with_noise(clean, conditions.noise, training.seed), training)
    return Measured(with_share(task, conditions.share, training.seed), clean)


def with_noise(volume: Volume, percent: float, seed: int) -> Volume:
    """The volume with normal noise of a percentage of its present values' standard deviation, by channel."""
    if percent == 0:
        return volume
    values = volume.in_memory.astype(np.float32)
    present = values.reshape(-1, volume.channels)
    if volume.missing is not None:
        present = present[~volume.missing.reshape(-1)]
    deviation = present.std(axis=0, dtype=np.float64).astype(np.float32)
    noise = np.random.default_rng([NOISE_STREAM, seed]).standard_normal(values.shape, dtype=np.float32)
    return replace(volume, values=values + np.float32(percent / 100) * deviation * noise)


def with_share(task: VolumeTask, percent: float, seed: int) -> VolumeTask:
    """The task with only a share of its training voxels, at random; a smaller share is part of a larger one."""
    if percent == 100:
        return task
    kept = max(1, round(percent / 100 * len(task.training)))
    order = np.random.default_rng([SHARE_STREAM, seed]).permutation(len(task.training))
    return replace(task, training=np.sort(task.training[order[:kept]]))


def synthetic(dimensions: int) -> Volume:
    """A field of 1 to 4 axes with 65,536 voxels and as many waves along an edge whatever the number of axes."""
    shape = SYNTHETIC_SHAPES.get(dimensions)
    if shape is None:
        raise ConfigError(f"A synthetic field of {dimensions} axes is not to be had; choose 1 to 4.")
    random = np.random.default_rng(dimensions)
    positions = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n for n in shape), indexing="ij"), axis=-1)
    directions = random.standard_normal((SYNTHETIC_WAVES, dimensions))
    lengths = SYNTHETIC_CYCLES * random.uniform(0.25, 1.75, SYNTHETIC_WAVES)
    waves = directions / np.linalg.norm(directions, axis=1, keepdims=True) * lengths[:, None]
    values = np.zeros(shape)
    for wave, length in zip(waves, lengths, strict=True):
        values += np.sin(2 * np.pi * (positions @ wave + random.uniform())) / length
    axes = AXES[-dimensions:]
    grid = Grid(shape, tuple(1 / n for n in shape), (0.0,) * dimensions, ("",) * dimensions, axes)
    provenance = Provenance(file=f"synthetic field of {dimensions} axes", reader="synthetic")
    return make_volume(values.astype(np.float32), grid, provenance=provenance)
