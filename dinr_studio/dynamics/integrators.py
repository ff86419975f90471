"""Integrators of dz/dt = f(z, t): fixed-step Runge-Kutta methods, and the adaptive dopri5 of torchdiffeq."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from dinr_studio.dynamics.kinetic import kinetic_power

VectorField = Callable[[Tensor, float | Tensor], Tensor]
Increment = Callable[[VectorField, Tensor, Tensor, float, float], Tensor]


class Moment(NamedTuple):
    """One point of a trajectory: latent time, latent state and velocity there, both (batch, latent)."""

    time: float
    latent: Tensor
    velocity: Tensor


class Solution(NamedTuple):
    """The end of a trajectory: latent state (batch, latent) and the kinetic energy spent on the way, a scalar."""

    latent: Tensor
    kinetic_energy: Tensor


def euler_increment(f: VectorField, z: Tensor, velocity: Tensor, t: float, dt: float) -> Tensor:
    """Dt times the velocity at the step's start: first order."""
    return dt * velocity


def midpoint_increment(f: VectorField, z: Tensor, velocity: Tensor, t: float, dt: float) -> Tensor:
    """Dt times the velocity at the explicit midpoint: second order."""
    return dt * f(z + (dt / 2) * velocity, t + dt / 2)


def rk4_increment(f: VectorField, z: Tensor, velocity: Tensor, t: float, dt: float) -> Tensor:
    """The classical Runge-Kutta increment: fourth order."""
    k2 = f(z + (dt / 2) * velocity, t + dt / 2)
    k3 = f(z + (dt / 2) * k2, t + dt / 2)
    k4 = f(z + dt * k3, t + dt)
    return (dt / 6) * (velocity + 2 * k2 + 2 * k3 + k4)


INCREMENTS: dict[str, Increment] = {
    "euler": euler_increment,
    "midpoint": midpoint_increment,
    "rk4": rk4_increment,
}

STAGES = {"euler": 1, "midpoint": 2, "rk4": 4}  # evaluations of the vector field in each step


def trajectory(f: VectorField, z: Tensor, *, integrator: str, steps: int, horizon: float) -> Iterator[Moment]:
    """Every state of a fixed-step solution, z(0) to z(T): steps + 1 moments, the last with the velocity at T."""
    increment, dt = INCREMENTS[integrator], horizon / steps
    for k in range(steps):
        velocity = f(z, k * dt)
        yield Moment(k * dt, z, velocity)
        z = z + increment(f, z, velocity, k * dt, dt)
    yield Moment(horizon, z, f(z, horizon))


def integrate(
    f: VectorField,
    z: Tensor,
    *,
    integrator: str,
    steps: int,
    horizon: float,
    tolerance: float,
    until: float | None = None,
) -> Solution:
    """The latent state at time `until` (the horizon T by default) and the kinetic energy from z(0), (batch, latent).

    Fixed-step integrators take `steps` steps of horizon/steps, the last of them cut short where `until` lies within it;
    `dopri5` chooses its own within `tolerance`.
    """
    end = horizon if until is None else min(max(until, 0.0), horizon)
    if end == 0:
        return Solution(z, z.new_zeros(()))
    if integrator == "dopri5":
        return _integrate_adaptively(f, z, end, tolerance)
    increment, dt = INCREMENTS[integrator], horizon / steps
    energy = z.new_zeros(())
    for k in range(steps):
        step = dt if until is None else min(dt, end - k * dt)
        if step <= 0:
            break
        velocity = f(z, k * dt)
        energy = energy + 0.5 * step * velocity.square().mean()
        z = z + increment(f, z, velocity, k * dt, step)
    return Solution(z, energy)


def _integrate_adaptively(f: VectorField, z: Tensor, horizon: float, tolerance: float) -> Solution:
    """dopri5 through torchdiffeq, with the kinetic energy of each sample as one more channel of the state."""
    from torchdiffeq import odeint

    def augmented(t: Tensor, state: Tensor) -> Tensor:
        velocity = f(state[:, :-1], t)  # t carries a gradient: the solver's steps depend on the state
        return torch.cat([velocity, kinetic_power(velocity)], dim=1)

    start = torch.cat([z, z.new_zeros(len(z), 1)], dim=1)
    times = torch.tensor([0.0, horizon], dtype=z.dtype, device=z.device)
    end = odeint(augmented, start, times, method="dopri5", rtol=tolerance, atol=tolerance)[-1]
    return Solution(end[:, :-1], end[:, -1].mean())
