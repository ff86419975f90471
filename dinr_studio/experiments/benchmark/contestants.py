"""Who is measured: our training and evaluation, and the plain baseline's, on the same volumes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.config import FitConfig, changed
from dinr_studio.coordinates import flat_to_index
from dinr_studio.experiments.benchmark.baseline import PlainDinr, PlainTraining
from dinr_studio.experiments.benchmark.effort import Clock
from dinr_studio.fields.presets import PAPER_FIELDS
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.training.device import effective_precision
from dinr_studio.training.fit import field_of, new_run
from dinr_studio.training.presets import preset_config
from dinr_studio.training.task import VolumeTask, prepare
from dinr_studio.training.trainer import Trainer
from dinr_studio.volume import Volume

SAMPLE = "sample:turbulence-3d"
PLAIN_BATCHES = {"plain_65536": 65_536, "plain_8192": 8_192}
OURS = {"ours_fp32": "fp32", "ours_bf16": "bf16"}
PREDICTED_AT_ONCE = 4096

CPU = torch.device("cpu")
Step = Callable[[], int]


def paper_config(volume: Volume, precision: str, batch: int) -> FitConfig:
    """Preset `paper` (dinr-ffnet, no dropout) on the processor, in some precision and batch."""
    config = preset_config("paper", volume, "dinr-ffnet")
    return changed(config, training=changed(config.training, precision=precision, device="cpu", batch=batch))


def our_step(precision: str, volume: Volume, batch: int) -> Step:
    """One optimiser step of our training of preset `paper`; returns the number of voxels in it."""
    config = paper_config(volume, precision, batch)
    return Trainer(prepare(volume, config.training), config, CPU).advance


def plain_step(batch: int, volume: Volume) -> Step:
    """One optimiser step of the plain baseline on all voxels of a volume; returns the number of voxels in it."""
    return PlainTraining(*plain_samples(volume, np.arange(volume.grid.size)), batch).step


def plain_samples(volume: Volume, voxels: NDArray[np.integer[Any]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates (N, axes), each axis in [-1, 1], and values (N, channels) in [0, 1], at flat indices (N,)."""
    values = volume.in_memory.reshape(-1, volume.channels)[voxels].astype(np.float32)
    low, high = volume.value_range
    return plain_coordinates(volume, voxels), torch.from_numpy((values - low) / (high - low))


def plain_coordinates(volume: Volume, voxels: NDArray[np.integer[Any]]) -> torch.Tensor:
    """Coordinates (N, axes) float32, from -1 at the first to 1 at the last voxel of each axis."""
    last = np.maximum(np.asarray(volume.grid.shape) - 1, 1)
    return torch.from_numpy((2 * flat_to_index(voxels, volume.grid.shape) / last - 1).astype(np.float32))


def untrained_field(volume: Volume, precision: str) -> FieldOnGrid:
    """A field of preset `paper` with fresh weights, as evaluation gets it."""
    config = paper_config(volume, precision, PLAIN_BATCHES["plain_8192"])
    task = prepare(volume, config.training)
    return field_of(new_run(task, config, {}).updated(best=Trainer(task, config, CPU).best), CPU)


class Racer(Protocol):
    """Someone who learns a task step by step."""

    def step(self, limit: float) -> None:
        """Learns a little, for no longer than `limit` seconds where the contestant can stop amid a step."""

    def predicted(self, voxels: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Present values (N, channels), in the data's unit, at flat indices (N,)."""


class OurRacer:
    """Our trainer with its clock, as `fit` runs it, but without looks at held-out voxels."""

    def __init__(self, task: VolumeTask, config: FitConfig, clock: Clock = time.perf_counter) -> None:
        self.task, self.config, self._clock = task, config, clock
        self.trainer = Trainer(task, config, CPU)

    def step(self, limit: float) -> None:
        """One optimiser step, on the trainer's clock."""
        began = self._clock()
        self.trainer.give_up = lambda: self._clock() - began >= limit
        self.trainer.advance()
        self.trainer.elapsed += self._clock() - began

    def predicted(self, voxels: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Values by the present weights."""
        parts = np.array_split(voxels, -(-len(voxels) // PREDICTED_AT_ONCE))
        return np.concatenate([self.trainer.predicted(part) for part in parts])

    def best_field(self) -> FieldOnGrid:
        """The field of the weights that the trainer's looks have kept."""
        return field_of(new_run(self.task, self.config, {}).updated(best=self.trainer.best), CPU)


class PlainRacer:
    """The plain baseline on the voxels that a task trains on."""

    def __init__(self, task: VolumeTask, batch: int) -> None:
        self._volume = task.volume
        self._low, high = task.volume.value_range
        self._range = high - self._low
        self._training = PlainTraining(*plain_samples(task.volume, task.training), batch)

    def step(self, limit: float) -> None:
        """One optimiser step."""
        self._training.step()

    def predicted(self, voxels: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Values by the present weights."""
        model: PlainDinr = self._training.model
        with torch.no_grad():
            parts = plain_coordinates(self._volume, voxels).split(PREDICTED_AT_ONCE)  # type: ignore[no-untyped-call]
            values = torch.cat([model.values(x) for x in parts]).numpy()
        predicted: NDArray[Any] = values.astype(np.float64) * self._range + self._low
        return predicted


def operations_per_coordinate() -> float:
    """Operations in products of preset `paper` evaluated at one coordinate; training takes three times as many."""
    config = PAPER_FIELDS["dinr-ffnet"]
    inside = config.width + 1
    per_step = 2 * config.blocks * inside * inside + inside * config.width
    return 2.0 * (config.steps * per_step + config.width)


def precision_used(precision: str) -> str:
    """What a precision amounts to on this processor: bf16 falls back to fp32 where it would only be emulated."""
    return effective_precision(precision, CPU)
