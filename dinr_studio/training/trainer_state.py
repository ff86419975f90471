"""What a trainer hands to a later process, so that it goes on exactly where this one stopped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinr_studio.config import STEPS
from dinr_studio.fields.build import frozen_weights, set_weights
from dinr_studio.fields.dinr import DinrField
from dinr_studio.training.means import Means
from dinr_studio.training.run import TrainerState
from dinr_studio.training.schedules import Plateau
from dinr_studio.training.trainer import Trainer, Weights

OPTIMISER_KINDS = ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")


def state_of(trainer: Trainer) -> TrainerState:
    """All that a later process needs to go on exactly where this one is."""
    return TrainerState(
        step=trainer.step,
        elapsed=trainer.elapsed,
        weights=frozen_weights(trainer.field),
        optimiser=dict(_optimiser_state(trainer)),
        scalars={
            "rate_share": trainer.rate_share,
            "recoveries": trainer.recoveries,
            "learned": int(trainer.learned),
            "best_psnr": trainer.best_psnr if math.isfinite(trainer.best_psnr) else None,
            "best_step": trainer.best_step,
            "looks_without_gain": trainer.looks_without_gain,
            "micro_batch": trainer.micro_batch,
            "plateau_share": trainer.plateau.share,
            "plateau_best": trainer.plateau.best if math.isfinite(trainer.plateau.best) else None,
            "plateau_waited": trainer.plateau.waited,
            **trainer.since_look.as_scalars("since_look"),
            **trainer.since_epoch.as_scalars("since_epoch"),
        },
        good={name: value.cpu().numpy() for name, value in trainer.good.items()},
    )


def restore(trainer: Trainer, state: TrainerState, best: Weights, events: list[tuple[int, str]]) -> None:
    """Takes up a stored state; the steps from there on are those of a run that was never stopped."""
    scalars: dict[str, Any] = dict(state.scalars)
    trainer.step, trainer.elapsed, trainer.best, trainer.events = state.step, state.elapsed, dict(best), list(events)
    set_weights(trainer.field, state.weights)
    if isinstance(trainer.field, DinrField):
        trainer.field.steps = int(state.weights.get(STEPS, trainer.config.field.steps))
    trainer.good = {name: torch.from_numpy(np.array(value)) for name, value in state.good.items()}
    _load_optimiser(trainer, state.optimiser)
    trainer.rate_share, trainer.recoveries = scalars["rate_share"], int(scalars["recoveries"])
    trainer.learned, trainer.micro_batch = bool(scalars["learned"]), int(scalars["micro_batch"])
    best_psnr = scalars["best_psnr"]
    trainer.best_psnr = -math.inf if best_psnr is None else best_psnr
    trainer.best_step, trainer.looks_without_gain = int(scalars["best_step"]), int(scalars["looks_without_gain"])
    plateau_best = scalars["plateau_best"]
    trainer.plateau = Plateau(
        scalars["plateau_share"], math.inf if plateau_best is None else plateau_best, scalars["plateau_waited"]
    )
    trainer.since_look = Means.from_scalars("since_look", scalars)
    trainer.since_epoch = Means.from_scalars("since_epoch", scalars)


def _optimiser_state(trainer: Trainer) -> Iterator[tuple[str, NDArray[Any]]]:
    names: dict[Tensor, str] = {parameter: name for name, parameter in trainer.field.named_parameters()}
    for parameter, state in trainer.optimisers.state():
        for key, value in state.items():
            yield f"{key}/{names[parameter]}", value.detach().cpu().numpy().copy()


def _load_optimiser(trainer: Trainer, arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, parameter in trainer.field.named_parameters():
        state = {
            key: torch.from_numpy(np.array(arrays[f"{key}/{name}"]))
            for key in OPTIMISER_KINDS
            if f"{key}/{name}" in arrays
        }
        if state:
            on_device = {
                key: value.to(trainer.device) if key != "step" or trainer.device.type == "cuda" else value
                for key, value in state.items()
            }
            trainer.optimisers.remember(parameter, on_device)
