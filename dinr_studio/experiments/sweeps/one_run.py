"""One run of a sweep: trained until its clock says so, judged against clean data, and told as one record.

Time is the processor's, of all threads of the process, where the processor trains, so that other work on the machine
matters little; where a GPU trains it is that of the clock on the wall. Looks at the held-out voxels are not counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.analysis.judge import judged_voxels
from dinr_studio.analysis.scores import psnr, ssim
from dinr_studio.config import FitConfig, changed
from dinr_studio.errors import DinrError, MemoryShort, TrainingDiverged, plain
from dinr_studio.experiments.sweeps.conditions import Measured, measured
from dinr_studio.experiments.sweeps.equal import Evaluations, counted_evaluations
from dinr_studio.experiments.sweeps.measures import MEASURED
from dinr_studio.experiments.sweeps.resolving import RunSpec
from dinr_studio.fields.build import parameter_count
from dinr_studio.training.device import resolve_device
from dinr_studio.training.fit import FEWEST_STEPS, MOST_STEPS, field_of, new_run, score
from dinr_studio.training.plan import saved_bytes_of
from dinr_studio.training.run import History, Run
from dinr_studio.training.run_file import write_run
from dinr_studio.training.task import VolumeTask, some_of
from dinr_studio.training.trainer import Trainer, end_reason, never
from dinr_studio.volume import Volume

log = logging.getLogger(__name__)

LOOKS = 16  # at the held-out voxels, evenly over a run that ends by a limit
ENDLESS = 1_000_000  # epochs: the clock ends the run
REPORT_SECONDS = 0.3
JUDGED = 20_000
COLUMNS = ("step", "epoch", "elapsed", "learning_rate", "data_loss", "kinetic_energy", "total_loss", "held_out_psnr")

Record = dict[str, Any]


@dataclass(frozen=True)
class Moment:
    """How far a run is, 0 to 1, and its held-out PSNR in dB at the last look (against the data as trained on)."""

    share: float
    psnr: float | None


@dataclass(frozen=True)
class Data:
    """A volume and how it was opened; folder: where runs are kept, or None."""

    volume: Volume
    open_options: dict[str, Any]
    folder: Path | None = None


def attempted(spec: RunSpec, data: Data) -> Generator[Moment, None, Record]:
    """`run_one`, where nothing that goes wrong ends the sweep."""
    try:
        return (yield from run_one(spec, data))
    except MemoryError:
        return {"status": "failed", "fault": "Memory ran out."}
    except Exception as error:
        log.exception("a run of a sweep crashed")
        return {"status": "failed", "fault": f"Unexpected error: {plain(str(error))}"}


def run_one(spec: RunSpec, data: Data) -> Generator[Moment, None, Record]:
    """Makes one run; returns its record, in which `status` is done, diverged, refused or failed, the last with why.

    refused: the data or the settings forbid it for good; failed: memory was short, so it may work another time.
    """
    try:
        ready = measured(data.volume, spec.config.training, spec.conditions)
        trainer = Trainer(ready.task, _clocked(spec), resolve_device(spec.config.training.device))
        with counted_evaluations() as counter:
            training = _Training(spec, trainer, counter)
            yield from training.moments()
        return {"status": "done", "fault": "", **_judged(spec, data, ready, training)}
    except TrainingDiverged as error:
        return {"status": "diverged", "fault": str(error)}
    except MemoryShort as error:
        return {"status": "failed", "fault": str(error)}
    except DinrError as error:
        return {"status": "refused", "fault": str(error)}


def _clocked(spec: RunSpec) -> FitConfig:
    """The settings with the limit as the trainer's time limit: its clock is told what the run's clock says."""
    if spec.limit is None:
        return spec.config
    training = changed(spec.config.training, max_epochs=ENDLESS, time_limit=spec.limit)
    return changed(spec.config, training=training)


class _Training:
    """A trainer with the clocks of a sweep."""

    def __init__(self, spec: RunSpec, trainer: Trainer, counter: Evaluations) -> None:
        self.spec, self.trainer, self.counter = spec, trainer, counter
        self.on_processor = trainer.device.type == "cpu"
        self.wall = self.processor = 0.0
        self.voxels = 0
        self.began = 0.0, 0.0
        self.looks: list[dict[str, float]] = []
        self.latest: float | None = None
        self.look_every = min(max(trainer.batches.per_epoch, FEWEST_STEPS), MOST_STEPS)
        self.reading: Callable[[], float] = {
            "settings": self.seconds,
            "seconds": self.seconds,
            "steps": lambda: float(trainer.step),
            "evaluations": lambda: float(counter.total),
        }[spec.clock]

    def seconds(self) -> float:
        """Seconds of training up to now, by the clock that counts."""
        wall, processor = self._now()
        return processor if self.on_processor else wall

    def _now(self) -> tuple[float, float]:
        return (
            self.wall + time.perf_counter() - self.began[0],
            self.processor + time.process_time() - self.began[1],
        )

    def _start(self) -> None:
        self.began = time.perf_counter(), time.process_time()

    def moments(self) -> Generator[Moment, None, None]:
        """Trains to the end, and says from time to time how far it is."""
        trainer, limit = self.trainer, self.spec.limit
        if limit is not None and self.spec.clock != "steps":
            trainer.give_up = lambda: self.reading() >= limit
        told = time.perf_counter()
        try:
            while (reason := end_reason(trainer)) is None:
                self._start()
                self.voxels += trainer.advance()
                self.wall, self.processor = self._now()
                self._start()
                trainer.elapsed = self.reading()
                if self._is_due():
                    self._look()
                if time.perf_counter() - told > REPORT_SECONDS:
                    yield Moment(trainer.progress, self.latest)
                    told = time.perf_counter()
        finally:
            trainer.give_up = never
        self.reason = reason
        self._look()

    def _is_due(self) -> bool:
        if self.spec.limit is None:
            return self.trainer.step % self.look_every == 0 and end_reason(self.trainer) is None
        return LOOKS * self.trainer.progress >= len(self.looks) + 1 and self.trainer.progress < 1

    def _look(self) -> None:
        trainer, means = self.trainer, self.trainer.since_look.take()
        if means:
            trainer.watch_for_collapse(means["data_loss"])
        self.latest = trainer.look()
        row = {"step": trainer.step, "epoch": trainer.epoch, "elapsed": self.wall, **means}
        row["learning_rate"] = trainer.learning_rate
        row["held_out_psnr"] = np.nan if self.latest is None else self.latest
        self.looks.append({name: float(row.get(name, np.nan)) for name in COLUMNS})

    def run(self, data: Data) -> Run:
        """The finished run, with the weights that did best on the held-out voxels."""
        columns = {name: np.array([row[name] for row in self.looks]) for name in COLUMNS}
        run = new_run(self.trainer.task, self.spec.config, dict(data.open_options))
        history = History(columns, tuple(self.trainer.events))
        return run.updated(best=self.trainer.best, history=history, finished=True, end_reason=self.reason)


def _judged(spec: RunSpec, data: Data, ready: Measured, training: _Training) -> Record:
    """Scores, cost and whatever else was to be measured, by name."""
    trainer, run = training.trainer, training.run(data)
    volume, field = ready.clean, spec.config.field
    axes, parameters = len(volume.grid.shape), parameter_count(field, len(volume.grid.shape), volume.channels)
    record: Record = {
        "parameters": parameters,
        "width": field.width,
        "steps_taken": trainer.step,
        "epochs": trainer.epoch,
        "seconds": training.wall,
        "processor_seconds": training.processor,
        "step_milliseconds": 1000 * training.seconds() / max(1, trainer.step),
        "step_memory_mib": saved_bytes_of(spec.config, axes, volume.channels) / 2**20,
        "evaluated": training.counter.total,
        "evaluations_per_voxel": training.counter.total / max(1, training.voxels),
        "best_step": trainer.best_step,
        **_scores(spec, ready, run),
    }
    for measure in spec.measures:
        record |= MEASURED[measure](run, ready)
    if data.folder is not None:
        run = run.updated(scores=score(run, ready.task, trainer.device))
        write_run(run, data.folder / f"{spec.key}.dinr")
        record["run_file"] = f"{spec.key}.dinr"
    return record


def _scores(spec: RunSpec, ready: Measured, run: Run) -> Record:
    """PSNRs in dB: of what was trained on, as it was and clean, and of held-out voxels against their clean values.

    Where nothing is held out there is no `psnr`, and `fit_clean_psnr` is what the run is judged by.
    """
    task, seed = ready.task, spec.config.training.seed
    field = field_of(run, resolve_device(spec.config.training.device))
    predict = partial(task.predicted, field)
    trained = task.some_trained(JUDGED, seed)
    fitted, peak = predict(trained), ready.clean.data_range
    clean = psnr(ready.truth(trained), fitted, peak)
    record: Record = {"fit_psnr": psnr(task.source.values(trained), fitted, peak), "fit_clean_psnr": clean}
    numbers = _held_out(ready, seed)
    if len(numbers) == 0:
        return record
    values = predict(numbers)
    record |= {"psnr": psnr(ready.truth(numbers), values, peak), "judged": len(numbers)}
    if isinstance(task, VolumeTask):
        record["ssim"] = ssim(ready.clean, numbers, values, data_range=peak)
    return record


def _held_out(ready: Measured, seed: int) -> NDArray[np.integer[Any]]:
    if isinstance(ready.task, VolumeTask):
        return judged_voxels(ready.clean, ready.task.held_out, seed, JUDGED)
    return some_of(ready.task.held_out_numbers, JUDGED, seed)


def use_threads(count: int) -> None:
    """How many threads torch takes in this process."""
    torch.set_num_threads(max(1, count))
