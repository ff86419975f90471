"""The trainer: one optimiser step at a time, in micro-batches, with recovery from divergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinr_studio.config import STEPS, FitConfig
from dinr_studio.errors import MemoryShort, TrainingDiverged
from dinr_studio.fields.build import Field, build_field, frozen_weights, set_weights
from dinr_studio.fields.dinr import DinrField
from dinr_studio.training.device import effective_precision
from dinr_studio.training.optimisers import make_optimisers
from dinr_studio.training.run import TrainerState
from dinr_studio.training.schedules import SCHEDULES, Plateau, grown_steps
from dinr_studio.training.task import Task

RECOVERIES = 3  # divergences, and starts that collapsed, that a run gets over before it stops
LOWERED = 1 / 3  # what the learning rate is multiplied by then
KEEP_EVERY = 25  # steps between copies of weights known to be good
EXPLODED = 1e4  # root mean square of the latent state at which a trajectory counts as exploding
COLLAPSED = 0.95  # share of the variance that the loss stays above when a field has learnt nothing
COLLAPSE_STEPS = 300  # optimiser steps, and COLLAPSE_PROGRESS of the run, after which a collapse is looked for
COLLAPSE_PROGRESS = 0.15
EVALUATION_BATCH = 4096

Weights = dict[str, NDArray[Any]]


@dataclass
class Means:
    """Running means of what steps report, until they are taken."""

    sums: dict[str, float] = field(default_factory=dict)
    count: int = 0

    def add(self, **values: float) -> None:
        """Takes one step's numbers in."""
        self.count += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """The means since the last take; empty where there was no step."""
        means = {name: total / self.count for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        return means

    def as_scalars(self, name: str) -> dict[str, float]:
        """The sums and their count as plain named numbers, for a run file."""
        return {f"{name}/count": self.count, **{f"{name}/sum/{key}": total for key, total in self.sums.items()}}

    @classmethod
    def from_scalars(cls, name: str, scalars: Mapping[str, Any]) -> Means:
        """What `as_scalars` gave."""
        prefix = f"{name}/sum/"
        sums = {key.removeprefix(prefix): value for key, value in scalars.items() if key.startswith(prefix)}
        return cls(sums, int(scalars[f"{name}/count"]))


class _Diverged(Exception):
    """What went wrong in a step, in words."""


class _Abandoned(Exception):
    """A step was given up between two micro-batches."""


def never() -> bool:
    """Nobody asks for an early end."""
    return False


class Trainer:
    """Trains one field on one task; knows no file and no clock but the seconds it is told.

    A step's loss is the mean squared error of the batch's normalised values plus kinetic_weight times the kinetic
    energy (times the data's variance where the weight is relative to it).
    """

    def __init__(self, task: Task, config: FitConfig, device: torch.device) -> None:
        training = config.training
        self.task, self.config, self.device = task, config, device
        self.batches = task.batches(training.batch, training.seed)
        self.micro_batch = min(training.micro_batch, training.batch)
        self.total_steps = training.max_epochs * self.batches.per_epoch
        relative = training.kinetic_scale == "variance"
        self.kinetic_weight = training.kinetic_weight * (task.variance if relative else 1.0)
        self.step = 0
        self.elapsed = 0.0
        self.recoveries = 0
        self.rate_share = 1.0
        self.learned = False
        self.best_psnr = -math.inf
        self.best_step = 0
        self.looks_without_gain = 0
        self.plateau = Plateau()
        self.events: list[tuple[int, str]] = []
        self.reported, self.since_look, self.since_epoch = Means(), Means(), Means()
        self.give_up: Callable[[], bool] = never  # asked between micro-batches; a step that is given up never was
        self._begin(training.seed)
        if effective_precision(training.precision, device) != training.precision:
            self._note("This processor only emulates 16-bit products, which is slower: computing in fp32 instead.")
        self.best: Weights = frozen_weights(self.field)

    def _begin(self, seed: int) -> None:
        """Fresh weights and a fresh optimiser."""
        grid, precision = self.task.volume.grid, effective_precision(self.config.training.precision, self.device)
        self.field: Field = build_field(
            self.config.field, len(grid.shape), self.task.volume.channels, seed=seed, precision=precision
        ).to(self.device)
        self._set_steps()
        self.optimisers = make_optimisers(self.field, self.config.training)
        self._good = self._copied_weights()

    def _set_steps(self) -> None:
        """As many steps through latent time as the run has come to; what was best with fewer no longer counts."""
        if not (self.config.training.growing_steps and isinstance(self.field, DinrField)):
            return
        steps = grown_steps(self.progress, self.config.field.steps)
        if steps != self.field.steps:
            self.field.steps = steps
            self.best_psnr, self.looks_without_gain = -math.inf, 0

    @property
    def epoch(self) -> float:
        """Passes over the training voxels so far."""
        return self.step / self.batches.per_epoch

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further."""
        limit = self.config.training.time_limit
        by_time = 0.0 if limit is None else self.elapsed / limit
        return min(1.0, max(self.step / self.total_steps, by_time))

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        training = self.config.training
        if training.schedule == "plateau":
            shape = self.plateau.share
        else:
            shape = SCHEDULES[training.schedule](self.progress, training.warm_up)
        return training.learning_rate * self.rate_share * shape

    def advance(self) -> int:
        """One optimiser step; returns the number of voxels in it, 0 where it was given up.

        A step that diverges leaves the last good weights and a lower learning rate; TrainingDiverged after the third.
        """
        voxels = self.batches.voxels(self.step)
        self._set_steps()
        try:
            self._descend(voxels)
        except _Abandoned:
            return 0
        except _Diverged as fault:
            self._recover(str(fault))
        self.step += 1
        if self.step % self.batches.per_epoch == 0:
            self._end_epoch()
        return len(voxels)

    def _end_epoch(self) -> None:
        means = self.since_epoch.take()
        if means:
            self.plateau.look(means["total_loss"])

    def _descend(self, voxels: NDArray[np.integer[Any]]) -> None:
        """Accumulates the batch's gradient in micro-batches and takes the step, or raises _Diverged."""
        self.field.train()
        losses = self._gradient(voxels)
        limit = self.config.training.gradient_clip
        norm = float(torch.nn.utils.clip_grad_norm_(self.field.parameters(), limit or math.inf))
        if not (math.isfinite(losses["total_loss"]) and math.isfinite(norm)):
            raise _Diverged("the loss or its gradient is no longer a finite number")
        if losses.pop("latent") > EXPLODED:
            raise _Diverged(f"the latent trajectories explode (|z| beyond {EXPLODED:g})")
        if self.step % KEEP_EVERY == 0:
            self._good = self._copied_weights()
        self.optimisers.step(self.learning_rate)
        for means in (self.reported, self.since_look, self.since_epoch):
            means.add(**losses)

    def _gradient(self, voxels: NDArray[np.integer[Any]]) -> dict[str, float]:
        """The batch's losses, with its gradient in the parameters; halves the micro-batch where memory is short."""
        while True:
            try:
                self.optimisers.zero_grad()
                return self._accumulated(voxels)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._halve_micro_batch()

    def _accumulated(self, voxels: NDArray[np.integer[Any]]) -> dict[str, float]:
        data_loss = kinetic = latent = 0.0
        with self._dropout_seeded():
            for start in range(0, len(voxels), self.micro_batch):
                if start and self.give_up():
                    raise _Abandoned
                chunk = voxels[start : start + self.micro_batch]
                share = len(chunk) / len(voxels)
                samples = self.task.source.samples(chunk)
                prediction = self.field.predict(samples.coordinates.to(self.device))
                error = (prediction.values - samples.values.to(self.device)).square().mean()
                ((error + self.kinetic_weight * prediction.kinetic_energy) * share).backward()  # type: ignore[no-untyped-call]
                data_loss += share * float(error.detach())
                kinetic += share * float(prediction.kinetic_energy.detach())
                latent = max(latent, _root_mean_square(prediction.latent))
        total = data_loss + self.kinetic_weight * kinetic
        return {"data_loss": data_loss, "kinetic_energy": kinetic, "total_loss": total, "latent": latent}

    @contextmanager
    def _dropout_seeded(self) -> Iterator[None]:
        """Dropout masks that depend on seed and step alone, so that a resumed run draws the same ones."""
        if self.config.field.dropout == 0:
            yield
            return
        with torch.random.fork_rng():
            torch.manual_seed(hash((self.config.training.seed, self.step)) & (2**63 - 1))
            yield

    def _halve_micro_batch(self) -> None:
        if self.micro_batch == 1:
            raise MemoryShort("Memory does not suffice for a single voxel; choose a smaller width or fewer steps.")
        self.micro_batch //= 2
        self._note(f"Memory ran out; going on with micro-batches of {self.micro_batch} voxels.")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _recover(self, fault: str) -> None:
        self._lower_the_rate(f"Step {self.step}: {fault}")
        self._load(self._good)
        self.optimisers = make_optimisers(self.field, self.config.training)

    def _lower_the_rate(self, fault: str) -> None:
        self.recoveries += 1
        if self.recoveries > RECOVERIES:
            message = (
                f"{fault}. That is the fourth time, after three restarts at lower learning rates: lower the learning "
                "rate or omega_0, or raise the kinetic weight. The best weights so far are kept."
            )
            self._note(message)
            raise TrainingDiverged(message)
        self.rate_share *= LOWERED
        rate = self.config.training.learning_rate * self.rate_share
        self._note(f"{fault}; going on from the last good weights at a learning rate of {rate:.1e}.")

    def _note(self, sentence: str) -> None:
        self.events.append((self.step, sentence))

    def watch_for_collapse(self, data_loss: float) -> None:
        """Starts afresh at a third of the learning rate when, well into the run, nothing has been learnt."""
        self.learned = self.learned or data_loss < COLLAPSED * self.task.variance
        due = self.step >= COLLAPSE_STEPS and self.progress >= COLLAPSE_PROGRESS
        if self.learned or not due or self.recoveries >= RECOVERIES:
            return
        self._lower_the_rate(f"Step {self.step}: the field has collapsed to a constant")
        self._begin(self.config.training.seed + self.recoveries)
        self.learned = True  # looked for once: data without any structure would restart for ever

    def look(self) -> float | None:
        """PSNR in dB on the watched held-out voxels; the weights are kept where it is the best so far."""
        if len(self.task.watched) == 0:
            self.best, self.best_step = frozen_weights(self.field), self.step
            return None
        psnr = self._psnr(self.task.watched)
        if psnr > self.best_psnr:
            self.best_psnr, self.best_step, self.looks_without_gain = psnr, self.step, 0
            self.best = frozen_weights(self.field)
        else:
            self.looks_without_gain += 1
        return psnr

    def _psnr(self, voxels: NDArray[np.integer[Any]]) -> float:
        squares = 0.0
        for start in range(0, len(voxels), EVALUATION_BATCH):
            chunk = voxels[start : start + EVALUATION_BATCH]
            difference = self.predicted(chunk) - self.task.source.values(chunk)
            squares += float(np.square(difference).sum())
        error = squares / (len(voxels) * self.task.volume.channels)
        if not math.isfinite(error):
            return -math.inf
        return 10 * math.log10(self.task.data_range**2 / max(error, 1e-30))

    def predicted(self, voxels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """The field's present values at flat voxel indices, (N, channels), in the data's unit."""
        self.field.eval()
        with torch.inference_mode():
            output = self.field(self.task.source.coordinates(voxels).to(self.device))
        return self.task.normalisation.to_values(output.float().cpu().numpy())

    def frozen(self) -> Weights:
        """A read-only copy of the present weights."""
        return frozen_weights(self.field)

    def state(self) -> TrainerState:
        """All that a later process needs to go on exactly where this one is."""
        return TrainerState(
            step=self.step,
            elapsed=self.elapsed,
            weights=frozen_weights(self.field),
            optimiser=dict(self._optimiser_state()),
            scalars={
                "rate_share": self.rate_share,
                "recoveries": self.recoveries,
                "learned": int(self.learned),
                "best_psnr": self.best_psnr if math.isfinite(self.best_psnr) else None,
                "best_step": self.best_step,
                "looks_without_gain": self.looks_without_gain,
                "micro_batch": self.micro_batch,
                "plateau_share": self.plateau.share,
                "plateau_best": self.plateau.best if math.isfinite(self.plateau.best) else None,
                "plateau_waited": self.plateau.waited,
                **self.since_look.as_scalars("since_look"),
                **self.since_epoch.as_scalars("since_epoch"),
            },
            good=_numpy(self._good),
        )

    def restore(self, state: TrainerState, best: Weights, events: list[tuple[int, str]]) -> None:
        """Takes up a stored state; the steps from there on are those of a run that was never stopped."""
        scalars: dict[str, Any] = dict(state.scalars)
        self.step, self.elapsed, self.best, self.events = state.step, state.elapsed, dict(best), list(events)
        set_weights(self.field, state.weights)
        if isinstance(self.field, DinrField):
            self.field.steps = int(state.weights.get(STEPS, self.config.field.steps))
        self._good = {name: torch.from_numpy(np.array(value)) for name, value in state.good.items()}
        self._load_optimiser(state.optimiser)
        self.rate_share, self.recoveries = scalars["rate_share"], int(scalars["recoveries"])
        self.learned, self.micro_batch = bool(scalars["learned"]), int(scalars["micro_batch"])
        best_psnr = scalars["best_psnr"]
        self.best_psnr = -math.inf if best_psnr is None else best_psnr
        self.best_step, self.looks_without_gain = int(scalars["best_step"]), int(scalars["looks_without_gain"])
        plateau_best = scalars["plateau_best"]
        self.plateau = Plateau(
            scalars["plateau_share"], math.inf if plateau_best is None else plateau_best, scalars["plateau_waited"]
        )
        self.since_look = Means.from_scalars("since_look", scalars)
        self.since_epoch = Means.from_scalars("since_epoch", scalars)

    def _copied_weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.field.state_dict().items()}

    def _load(self, weights: dict[str, Tensor]) -> None:
        self.field.load_state_dict(weights)

    def _optimiser_state(self) -> Iterator[tuple[str, NDArray[Any]]]:
        names: dict[Tensor, str] = {parameter: name for name, parameter in self.field.named_parameters()}
        for parameter, state in self.optimisers.state():
            for key, value in state.items():
                yield f"{key}/{names[parameter]}", value.detach().cpu().numpy().copy()

    def _load_optimiser(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        for name, parameter in self.field.named_parameters():
            state = {
                key: torch.from_numpy(np.array(arrays[f"{key}/{name}"]))
                for key in ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")
                if f"{key}/{name}" in arrays
            }
            if state:
                on_device = {
                    key: value.to(self.device) if key != "step" or self.device.type == "cuda" else value
                    for key, value in state.items()
                }
                self.optimisers.remember(parameter, on_device)


def _numpy(weights: dict[str, Tensor]) -> Weights:
    return {name: value.cpu().numpy() for name, value in weights.items()}


def _root_mean_square(latent: Tensor) -> float:
    value = float(latent.detach().square().mean().sqrt())
    return value if math.isfinite(value) else math.inf


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def end_reason(trainer: Trainer) -> str | None:
    """Why the run is over, in words, or None while it is not."""
    training = trainer.config.training
    if trainer.step >= trainer.total_steps:
        return f"all {training.max_epochs} epochs done"
    if training.time_limit is not None and trainer.elapsed >= training.time_limit:
        return f"time limit of {training.time_limit:g} s reached"
    if training.goal_psnr is not None and trainer.best_psnr >= training.goal_psnr:
        return f"goal of {training.goal_psnr:g} dB on held-out voxels reached"
    if training.patience and trainer.looks_without_gain >= training.patience:
        return f"no better held-out score in {training.patience} evaluations"
    return None
