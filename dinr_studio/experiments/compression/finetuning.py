"""Training on for a moment with weights rounded to their steps, so that the others make up for what rounding loses.

The steps stay; each weight moves on behind its rounding, through which gradients pass as if it were not there
(Bengio et al., Estimating or Propagating Gradients Through Stochastic Neurons, 2013).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from dinr_studio.errors import ConfigError
from dinr_studio.experiments.compression.quantising import Candidate
from dinr_studio.experiments.steps import Steps
from dinr_studio.fields.build import load_field
from dinr_studio.fields.quantised import Quantised, Stored, restored
from dinr_studio.stages import Stage
from dinr_studio.training.run import Run
from dinr_studio.training.task import prepare_as_fitted
from dinr_studio.volume import Volume

RATE = 1e-4  # of Adam at first: three times as much gained less
SHOWN = 20  # steps between two stages


def finetuned(run: Run, candidate: Candidate, volume: Volume, seconds: float) -> Steps[Candidate]:
    """The candidate after so many seconds of training with rounded weights, on the voxels that the run trains on.

    run: with the weights before rounding. Raises ConfigError for floats, which have no steps, and runs of blocks.
    """
    codes = {name: one for name, one in candidate.stored.items() if isinstance(one, Quantised)}
    if len(codes) < len(candidate.stored) or run.partition is not None:
        raise ConfigError("Only weights in few bits, of a run without blocks, can be finetuned; leave --finetune out.")
    task = prepare_as_fitted(volume, run.config.training, run.open_options)
    batches = task.batches(run.config.training.batch, run.config.training.seed)
    field = load_field(candidate.run.config.field, len(run.grid.shape), run.channels, candidate.run.best)
    weights = {name: torch.from_numpy(np.array(run.best[name])).requires_grad_(True) for name in codes}
    steps = {name: _steps_of(one) for name, one in codes.items()}
    optimiser = torch.optim.Adam(list(weights.values()), lr=RATE)
    began, done, number = time.perf_counter(), 0.0, 0
    while done < 1:
        for group in optimiser.param_groups:
            group["lr"] = 0.5 * RATE * (1 + math.cos(math.pi * done))
        samples = task.source.samples(batches.voxels(number))
        values = functional_call(field, _rounded(weights, steps), (samples.coordinates,))
        optimiser.zero_grad()
        (values - samples.values).square().mean().backward()
        optimiser.step()
        number += 1
        done = (time.perf_counter() - began) / seconds
        if number % SHOWN == 0:
            yield Stage(min(1.0, done), "training with rounded weights")
    return _with(candidate, {name: _codes_of(weights[name], steps[name], one) for name, one in codes.items()})


def _rounded(weights: Mapping[str, Tensor], steps: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value + (torch.round(value / steps[name]) * steps[name] - value).detach()
        for name, value in weights.items()
    }


def _steps_of(stored: Quantised) -> Tensor:
    """The steps, in a shape that goes with the tensor's."""
    one = len(stored.steps) == 1
    return torch.from_numpy(stored.steps.reshape(() if one else (*stored.codes.shape[:-1], 1)))


def _codes_of(value: Tensor, step: Tensor, before: Quantised) -> Quantised:
    """The codes of weights, none larger than any was before."""
    most = int(np.abs(before.codes.astype(np.int32)).max(initial=0))
    codes = torch.round(value.detach() / step).clamp(-most, most)
    return replace(before, codes=codes.numpy().astype(np.int16))


def _with(candidate: Candidate, stored: Mapping[str, Stored]) -> Candidate:
    return replace(candidate, stored=stored, run=candidate.run.updated(best=restored(stored)))
