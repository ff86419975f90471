"""The trainer: one optimiser step at a time, in micro-batches, with recovery from divergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinr_studio.config import FitConfig
from dinr_studio.errors import MemoryShort, TrainingDiverged
from dinr_studio.fields.build import Field, build_field, frozen_weights
from dinr_studio.fields.dinr import DinrField
from dinr_studio.threads import one_thread, side_by_side
from dinr_studio.training.batch_part import batch_part, part_size, root_mean_square, sharing_threads, summed
from dinr_studio.training.device import effective_precision
from dinr_studio.training.distributed import ALONE, Team
from dinr_studio.training.means import Means
from dinr_studio.training.optimisers import make_optimisers
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
    energy (times the data's variance where the weight is relative to it). In a team each process takes its share of
    every batch; all go through the same steps with the same weights.
    """

    def __init__(self, task: Task, config: FitConfig, device: torch.device, team: Team = ALONE) -> None:
        training = config.training
        self.task, self.config, self.device, self.team = task, config, device, team
        self.batches = task.batches(training.batch, training.seed)
        self.micro_batch = min(training.micro_batch, training.batch)
        self.total_steps = training.max_epochs * self.batches.per_epoch
        relative = training.kinetic_scale == "variance"
        self.kinetic_weight = training.kinetic_weight * (task.variance if relative else 1.0)
        self.step, self.hands = 0, 1
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
        self.precision = team.decided(lambda: effective_precision(training.precision, device))
        self._begin(training.seed)
        if self.precision != training.precision:
            self._note("This processor only emulates 16-bit products, which is slower: computing in fp32 instead.")
        self.best: Weights = frozen_weights(self.field)

    def _begin(self, seed: int) -> None:
        """Fresh weights and a fresh optimiser."""
        axes, channels = len(self.task.volume.grid.shape), self.task.volume.channels
        self.field: Field = build_field(self.config.field, axes, channels, seed=seed, precision=self.precision).to(
            self.device
        )
        self._set_steps()
        self.optimisers = make_optimisers(self.field, self.config.training)
        self.good = self._copied_weights()
        self.wrapped = self.team.wrapped(self.field, self.device)

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
        self.hands = self._hands(len(voxels))
        self._set_steps()
        try:
            with one_thread() if self.hands > 1 else nullcontext():
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
        own = self._gradient(voxels)
        limit = self.config.training.gradient_clip
        own["norm"] = float(torch.nn.utils.clip_grad_norm_(self.field.parameters(), limit or math.inf))
        losses = self._of_all(own)
        norm = losses.pop("norm")
        if not (math.isfinite(losses["total_loss"]) and math.isfinite(norm)):
            raise _Diverged("the loss or its gradient is no longer a finite number")
        if losses.pop("latent") > EXPLODED:
            raise _Diverged(f"the latent trajectories explode (|z| beyond {EXPLODED:g})")
        if self.step % KEEP_EVERY == 0:
            self.good = self._copied_weights()
        self.optimisers.step(self.learning_rate)
        for means in (self.reported, self.since_look, self.since_epoch):
            means.add(**losses)

    def _gradient(self, voxels: NDArray[np.integer[Any]]) -> dict[str, float]:
        """This process's part of the batch's losses, with the whole gradient in the parameters.

        Halves the micro-batch where memory is short; a team can't, as its processes would no longer keep step.
        """
        while True:
            try:
                self.optimisers.zero_grad()
                return self._accumulated(voxels)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._halve_micro_batch()

    def _accumulated(self, voxels: NDArray[np.integer[Any]]) -> dict[str, float]:
        if self.hands > 1:
            return self._accumulated_side_by_side(voxels)
        own, longest = self.team.share(voxels), -(-len(voxels) // self.team.size)
        data_loss = kinetic = latent = 0.0
        with self._dropout_seeded():
            for start in range(0, longest, self.micro_batch):
                if start and self.team.told(self.give_up())[0]:
                    raise _Abandoned
                chunk = own[start : start + self.micro_batch]
                share = len(chunk) / len(voxels)  # 0 where others have one voxel more
                last = start + self.micro_batch >= longest
                with nullcontext() if last else self.team.apart(self.wrapped):
                    error, energy, rms = self._backward(chunk if len(chunk) else voxels[:1], share * self.team.size)
                data_loss, kinetic, latent = data_loss + share * error, kinetic + share * energy, max(latent, rms)
        return {"data_loss": data_loss, "kinetic_energy": kinetic, "latent": latent}

    def _hands(self, voxels: int) -> int:
        return 1 if self.team.size > 1 else sharing_threads(self.config, self.device, voxels)

    def _accumulated_side_by_side(self, voxels: NDArray[np.integer[Any]]) -> dict[str, float]:
        """As `_accumulated`, with the batch shared among threads, which together hold a micro-batch at a time."""
        size = part_size(self.micro_batch, self.hands)
        works = [
            partial(batch_part, self.field, self.task.source, part, size, len(voxels), self.kinetic_weight, self._go_on)
            for part in np.array_split(voxels, self.hands)
        ]
        parts = side_by_side(works)
        for parameter, *gradients in zip(self.field.parameters(), *(part.gradient for part in parts), strict=True):
            parameter.grad = summed(gradients)
        return {
            "data_loss": sum(part.data_loss for part in parts),
            "kinetic_energy": sum(part.kinetic_energy for part in parts),
            "latent": max(part.latent for part in parts),
        }

    def _go_on(self) -> None:
        if self.give_up():
            raise _Abandoned

    def _backward(self, chunk: NDArray[np.integer[Any]], weight: float) -> tuple[float, float, float]:
        """Adds the weighted gradient of some voxels; their data loss, kinetic energy, and size of the latent state."""
        samples = self.task.source.samples(chunk)
        prediction = self.wrapped(samples.coordinates.to(self.device))
        error = (prediction.values - samples.values.to(self.device)).square().mean()
        ((error + self.kinetic_weight * prediction.kinetic_energy) * weight).backward()
        return (
            float(error.detach()),
            float(prediction.kinetic_energy.detach()),
            root_mean_square(prediction.latent),
        )

    def _of_all(self, own: dict[str, float]) -> dict[str, float]:
        """The whole batch's losses from what every process reports of its own part."""
        table = self.team.gathered(own["data_loss"], own["kinetic_energy"], own["latent"], own["norm"])
        data_loss, kinetic = (float(column) for column in table[:, :2].sum(axis=0))
        total = data_loss + self.kinetic_weight * kinetic
        latent, norm = float(table[:, 2].max()), float(table[0, 3])
        return {"data_loss": data_loss, "kinetic_energy": kinetic, "total_loss": total, "latent": latent, "norm": norm}

    @contextmanager
    def _dropout_seeded(self) -> Iterator[None]:
        """Dropout masks that depend on seed and step alone, so that a resumed run draws the same ones."""
        if self.config.field.dropout == 0:
            yield
            return
        with torch.random.fork_rng():
            own = (self.team.rank,) if self.team.rank else ()
            torch.manual_seed(hash((self.config.training.seed, self.step, *own)) & (2**63 - 1))
            yield

    def _halve_micro_batch(self) -> None:
        if self.micro_batch == 1:
            raise MemoryShort("Memory does not suffice for a single voxel; choose a smaller width or fewer steps.")
        if self.team.size > 1:
            raise MemoryShort(
                f"Memory ran out in process {self.team.rank} of {self.team.size} with micro-batches of "
                f"{self.micro_batch} voxels; set micro_batch to {self.micro_batch // 2} or less.",
                self.micro_batch // 2,
            )
        self.micro_batch //= 2
        self._note(f"Memory ran out; going on with micro-batches of {self.micro_batch} voxels.")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _recover(self, fault: str) -> None:
        self._lower_the_rate(f"Step {self.step}: {fault}")
        self._load(self.good)
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
        own = self.team.share(voxels)
        hands = self._hands(len(own))
        squares = sum(side_by_side([partial(self._squares, part) for part in np.array_split(own, hands)]))
        error = float(self.team.gathered(squares).sum()) / (len(voxels) * self.task.volume.channels)
        if not math.isfinite(error):
            return -math.inf
        return -10 * math.log10(max(error, 1e-30))

    def _squares(self, voxels: NDArray[np.integer[Any]]) -> float:
        """Sum of squared errors, in units of the data's range."""
        squares = 0.0
        for start in range(0, len(voxels), EVALUATION_BATCH):
            chunk = voxels[start : start + EVALUATION_BATCH]
            difference = (self.predicted(chunk) - self.task.source.values(chunk)) / self.task.data_range
            squares += float(np.square(difference).sum())
        return squares

    def predicted(self, voxels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """The field's present values at flat voxel indices, (N, channels), in the data's unit."""
        self.field.eval()
        with torch.inference_mode():
            output = self.field(self.task.source.coordinates(voxels).to(self.device))
        return self.task.normalisation.to_values(output.float().cpu().numpy())

    def frozen(self) -> Weights:
        """A read-only copy of the present weights."""
        return frozen_weights(self.field)

    def _copied_weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.field.state_dict().items()}

    def _load(self, weights: dict[str, Tensor]) -> None:
        self.field.load_state_dict(weights)


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
