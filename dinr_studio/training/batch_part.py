"""One thread's part of a batch: its losses and its gradient, without touching what the parameters hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinr_studio.config import FitConfig
from dinr_studio.fields.build import Field
from dinr_studio.threads import usable_threads
from dinr_studio.training.task import Source

Gradient = list[Tensor | None]
LEAST_PART = 256  # voxels that a thread takes of a batch: fewer are not worth its while


def sharing_threads(config: FitConfig, device: torch.device, voxels: int) -> int:
    """How many threads share so many voxels of a batch, or of what is judged, in a process that trains alone."""
    if device.type != "cpu" or config.field.dropout:  # masks are drawn one after the other
        return 1
    return max(1, min(usable_threads(), -(-voxels // LEAST_PART)))


def part_size(micro_batch: int, threads: int) -> int:
    """Voxels that each thread runs at once: together no more than one thread alone would."""
    return max(min(LEAST_PART, micro_batch), micro_batch // threads)


class BatchPart(NamedTuple):
    """Shares of the batch's data loss and kinetic energy, the latent state's greatest size, gradients by parameter."""

    data_loss: float
    kinetic_energy: float
    latent: float
    gradient: Gradient


def batch_part(
    field: Field,
    source: Source,
    voxels: NDArray[np.integer[Any]],
    micro_batch: int,
    batch: int,
    kinetic_weight: float,
    between: Callable[[], None],
) -> BatchPart:
    """The part of a batch of `batch` voxels that some of its voxels make, in micro-batches; for any thread.

    between: called between two micro-batches; what it raises ends the work.
    """
    data_loss = kinetic = latent = 0.0
    parameters = list(field.parameters())
    gradient: Gradient = []
    for start in range(0, len(voxels), micro_batch):
        if start:
            between()
        samples = source.samples(voxels[start : start + micro_batch])
        share = len(samples.values) / batch
        prediction = field.predict(samples.coordinates)
        error = (prediction.values - samples.values).square().mean()
        loss = (error + kinetic_weight * prediction.kinetic_energy) * share
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        gradient = [summed(pair) for pair in zip(gradient, found, strict=True)] if start else list(found)
        data_loss += share * float(error.detach())
        kinetic += share * float(prediction.kinetic_energy.detach())
        latent = max(latent, root_mean_square(prediction.latent))
    return BatchPart(data_loss, kinetic, latent, gradient)


def summed(gradients: Sequence[Tensor | None]) -> Tensor | None:
    """The sum of the gradients of one parameter, kept in the first; None where the loss does not depend on it."""
    total: Tensor | None = None
    for gradient in gradients:
        if gradient is not None:
            total = gradient if total is None else total.add_(gradient)
    return total


def root_mean_square(latent: Tensor) -> float:
    """The size of latent states (batch, width), infinite where it is no number."""
    value = float(latent.detach().square().mean().sqrt())
    return value if math.isfinite(value) else math.inf
