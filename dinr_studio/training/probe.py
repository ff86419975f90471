"""The probe: which family suits a volume, found by training each for a moment."""

from __future__ import annotations

import time
from collections.abc import Mapping

from dinr_studio.config import FitConfig, changed
from dinr_studio.errors import TrainingDiverged
from dinr_studio.training.device import resolve_device
from dinr_studio.training.task import Task, prepare
from dinr_studio.training.trainer import Trainer
from dinr_studio.volume import Volume

SECONDS = 8.0  # of training for each family: in less the one with the cheaper step wins whatever the data


def probe(volume: Volume, configs: Mapping[str, FitConfig], seconds: float = SECONDS) -> dict[str, float]:
    """Held-out PSNR in dB of each of some settings after as many seconds of training, the learning rate annealed.

    The settings must agree in what is held out and how values are scaled, as those of one preset do. Empty where no
    voxels are held out; -inf where training diverged.
    """
    task = prepare(volume, next(iter(configs.values())).training)
    if len(task.watched) == 0:
        return {}
    return {name: _score(task, config, seconds) for name, config in configs.items()}


def _score(task: Task, config: FitConfig, seconds: float) -> float:
    config = changed(config, training=changed(config.training, time_limit=seconds))
    trainer = Trainer(task, config, resolve_device(config.training.device))
    start = time.perf_counter()
    trainer.give_up = lambda: time.perf_counter() - start > 2 * seconds
    try:
        while trainer.elapsed < seconds:
            trainer.advance()
            trainer.elapsed = time.perf_counter() - start
        return trainer.look() or 0.0
    except TrainingDiverged:
        return float("-inf")
