"""A field's way through latent time: how far and how fast states move, and what an unfinished state decodes to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dinr_studio.dynamics.integrators import trajectory
from dinr_studio.fields.blended import BlendedField
from dinr_studio.fields.dinr import DinrField
from dinr_studio.fields.stopped import StoppedField
from dinr_studio.sampling.evaluate import FieldOnGrid

FINE_STEPS = 32  # Runge-Kutta steps that stand for an adaptive integrator's own ones


@dataclass(frozen=True)
class LatentProfile:
    """A trajectory in numbers, averaged over points and latent channels.

    times, latent and speed: (steps + 1,), root mean square of z_k and f(z_k, t_k) at latent time t_k. energy: (steps,),
    kinetic energy spent in each step.
    """

    times: NDArray[np.float64]
    latent: NDArray[np.float64]
    speed: NDArray[np.float64]
    energy: NDArray[np.float64]


def latent_profile(field: FieldOnGrid, coordinates: NDArray[np.floating]) -> LatentProfile | None:
    """The profile over network coordinates (N, axes); None for a static field, which has no latent time."""
    module = field.module
    if not isinstance(module, DinrField):
        return None
    config = module.config
    integrator, steps = (config.integrator, config.steps) if config.integrator != "dopri5" else ("rk4", FINE_STEPS)
    x = torch.from_numpy(np.ascontiguousarray(coordinates, dtype=np.float32)).to(field.device)
    with torch.inference_mode():
        moments = [
            (moment.time, _root_mean_square(moment.latent), _root_mean_square(moment.velocity))
            for moment in trajectory(
                module.vector_field, module.embedding(x), integrator=integrator, steps=steps, horizon=config.horizon
            )
        ]
    times, latent, speed = (np.array(column) for column in zip(*moments, strict=True))
    return LatentProfile(times, latent, speed, 0.5 * config.horizon / steps * speed[:-1] ** 2)


def at_latent_time(field: FieldOnGrid, time: float) -> FieldOnGrid:
    """The field whose dynamics stop at a latent time in [0, T]: what z(t) decodes to; a static field as it is."""
    module = field.module
    if isinstance(module, BlendedField):
        return replace(field, module=module.mapped(lambda block: _stopped(block, time)))
    return replace(field, module=_stopped(module, time))


def _stopped(module: nn.Module, time: float) -> nn.Module:
    return StoppedField(module, time) if isinstance(module, DinrField) else module


def _root_mean_square(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
