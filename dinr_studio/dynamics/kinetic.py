"""The kinetic energy of a latent trajectory: what the penalty of a DINR fit weighs."""

from __future__ import annotations

from torch import Tensor


def kinetic_energy(velocities: Tensor, dt: float) -> Tensor:
    """Half the integral of |dz/dt|^2 over latent time, averaged over batch and latent channels; a scalar.

    velocities: the vector field at the start of each step, (steps, batch, latent).
    dt: step length in latent time.
    Source: DESIGN.md section 1, after arXiv 2511.21787.
    """
    return 0.5 * dt * velocities.square().mean(dim=(1, 2)).sum()


def kinetic_power(velocity: Tensor) -> Tensor:
    """Half of |dz/dt|^2 averaged over channels, (batch, 1), for a velocity of shape (batch, latent).

    Its integral over latent time, averaged over the batch, is the kinetic energy: what an adaptive integrator carries
    as one more state.
    """
    return 0.5 * velocity.square().mean(dim=1, keepdim=True)
