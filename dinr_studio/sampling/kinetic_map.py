"""Where in the volume the dynamics work hardest: the kinetic energy of each point's trajectory, as a field."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from dinr_studio.dynamics.integrators import trajectory
from dinr_studio.dynamics.kinetic import kinetic_power
from dinr_studio.errors import ConfigError
from dinr_studio.fields.differentiated import in_full_precision
from dinr_studio.fields.dinr import DinrField
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.latent import FINE_STEPS

CHUNK = 2048  # points whose states are in memory at once


class KineticField(nn.Module):
    """Network coordinates (N, axes) -> kinetic energy of their trajectories, (N, 1).

    Half the sum over steps of dt times the mean of f^2 over latent channels, as the penalty of a fit has it; averaged
    over points it is `Prediction.kinetic_energy`. An adaptive integrator's is taken in FINE_STEPS steps of rk4.
    """

    def __init__(self, field: DinrField) -> None:
        super().__init__()
        self.field = field

    def forward(self, x: Tensor) -> Tensor:
        """The kinetic energy at coordinates."""
        return torch.cat([self._energy(part) for part in x.split(CHUNK)])  # type: ignore[no-untyped-call]

    def _energy(self, x: Tensor) -> Tensor:
        config, field = self.field.config, self.field
        adaptive = config.integrator == "dopri5"
        integrator, steps = ("rk4", FINE_STEPS) if adaptive else (config.integrator, field.steps)
        moments = trajectory(
            field.vector_field, field.embedding(x), integrator=integrator, steps=steps, horizon=config.horizon
        )
        powers = [kinetic_power(moment.velocity) for moment in moments][:-1]
        total = powers[0]
        for power in powers[1:]:
            total = total + power
        return config.horizon / steps * total


def check_has_dynamics(field: FieldOnGrid) -> None:
    """Raises ConfigError for a field without dynamics of its own."""
    if not isinstance(field.module, DinrField):
        raise ConfigError("Only a single field with dynamics has a kinetic energy; this one is static or of blocks.")


def kinetic_energy_field(field: FieldOnGrid) -> FieldOnGrid:
    """The kinetic energy of a field's dynamics as a field of one channel; ConfigError for a field that has none."""
    check_has_dynamics(field)
    module = in_full_precision(field.module)
    assert isinstance(module, DinrField)
    return replace(
        field,
        module=KineticField(module).to(field.device),
        normalisation=Normalisation((1.0,), (0.0,)),
        channels=1,
        channel_names=("kinetic energy",),
        value_unit="",
    )
