"""The dynamical field: embedding -> latent ODE with shared weights -> decoder."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dinr_studio.config import FieldConfig
from dinr_studio.dynamics.integrators import Solution, integrate
from dinr_studio.fields.embeddings import EMBEDDINGS
from dinr_studio.fields.vector_fields import VECTOR_FIELDS


class Prediction(NamedTuple):
    """What training needs of a field: values (batch, channels), kinetic energy (scalar), last latent (batch, width)."""

    values: Tensor
    kinetic_energy: Tensor
    latent: Tensor


class DinrField(nn.Module):
    """coordinates (batch, axes) -> normalised values (batch, channels), by integrating dz/dt = f(z, t) over [0, T].

    `steps` is how many steps the integrator takes now: config.steps, unless training has them grow.
    In bf16 only the vector field's products run in 16 bits: embedding, latent state, decoder and kinetic energy stay in
    32 (the phases 2 pi B x would lose 14 % otherwise).
    """

    def __init__(self, config: FieldConfig, axes: int, channels: int, *, precision: str = "fp32") -> None:
        super().__init__()
        self.config, self.precision, self.steps = config, precision, config.steps
        self.embedding = EMBEDDINGS[config.embedding](config, axes)
        self.vector_field = VECTOR_FIELDS[config.family.removeprefix("dinr-")](config)
        self.decoder = nn.Linear(config.width, channels)

    def solve(self, x: Tensor, until: float | None = None) -> Solution:
        """Latent state at latent time `until` (T by default) and the kinetic energy spent to reach it."""
        config = self.config
        latent = self.embedding(x)
        half = self.precision == "bf16"
        # weights kept in 16 bits between steps would have their gradients summed in 16 bits over the steps
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half, cache_enabled=not torch.is_grad_enabled()):
            return integrate(
                self.vector_field,
                latent,
                integrator=config.integrator,
                steps=self.steps,
                horizon=config.horizon,
                tolerance=config.tolerance,
                until=until,
            )

    def predict(self, x: Tensor) -> Prediction:
        """Values with the kinetic energy and the last latent state."""
        latent, energy = self.solve(x)
        return Prediction(self.decoder(latent), energy, latent)

    def forward(self, x: Tensor) -> Tensor:
        """Values at coordinates."""
        return self.predict(x).values
