"""Integrators against analytic solutions, torchdiffeq, and a kinetic energy worked out by hand."""

import itertools
import math

import pytest
import torch
from torchdiffeq import odeint

from dinr_studio.dynamics.integrators import INCREMENTS, integrate, trajectory
from dinr_studio.dynamics.kinetic import kinetic_energy

ORDERS = {"euler": 1, "midpoint": 2, "rk4": 4}


def solve(f, z, *, integrator, steps=1, horizon=1.0, tolerance=1e-9):
    return integrate(f, z, integrator=integrator, steps=steps, horizon=horizon, tolerance=tolerance)


def oscillator(z, t):
    """z'' = -z with a forcing in t: [position, velocity] -> its derivative."""
    return torch.stack([z[:, 1], -z[:, 0] + torch.cos(2 * torch.as_tensor(t, dtype=z.dtype))], dim=1)


def oscillation(t):
    """The solution of the oscillator from [1, 0]: 4/3 cos t - 1/3 cos 2t."""
    return torch.tensor(
        [[4 / 3 * math.cos(t) - math.cos(2 * t) / 3, -4 / 3 * math.sin(t) + 2 / 3 * math.sin(2 * t)]],
        dtype=torch.float64,
    )


@pytest.mark.parametrize(("integrator", "order"), ORDERS.items())
def test_halving_the_step_divides_the_error_by_two_to_the_order(integrator, order):
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    errors = [
        (solve(oscillator, start, integrator=integrator, steps=n, horizon=2.0).latent - oscillation(2.0)).norm().item()
        for n in (20, 40, 80)
    ]
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("integrator", [*INCREMENTS, "dopri5"])
def test_z_squared_has_the_solution_z_over_one_minus_t_z(integrator):
    start = torch.tensor([[0.5], [-1.0], [0.25]], dtype=torch.float64)
    end = solve(lambda z, t: z**2, start, integrator=integrator, steps=2000, horizon=1.0).latent
    torch.testing.assert_close(end, start / (1 - start), rtol=1e-3 if integrator == "euler" else 1e-6, atol=0)


@pytest.mark.parametrize("integrator", INCREMENTS)
def test_fixed_steps_agree_with_torchdiffeq(integrator):
    start = torch.randn(5, 2, dtype=torch.float64)
    times = torch.linspace(0, 1.5, 8, dtype=torch.float64)
    if integrator == "rk4":  # torchdiffeq's rk4 is the 3/8 rule: its adaptive dopri5 is the reference instead
        reference = {"method": "dopri5", "rtol": 1e-10, "atol": 1e-10}
        expected = odeint(lambda t, z: oscillator(z, t), start, times, **reference)[-1]
        ours = solve(oscillator, start, integrator=integrator, steps=200, horizon=1.5).latent
        torch.testing.assert_close(ours, expected, rtol=1e-7, atol=1e-8)
        return
    expected = odeint(lambda t, z: oscillator(z, t), start, times, method=integrator)[-1]
    torch.testing.assert_close(solve(oscillator, start, integrator=integrator, steps=7, horizon=1.5).latent, expected)


def test_the_adaptive_solution_agrees_with_a_fine_fixed_one():
    start = torch.randn(4, 2, dtype=torch.float64)
    fine = solve(oscillator, start, integrator="rk4", steps=400, horizon=3.0)
    adaptive = solve(oscillator, start, integrator="dopri5", horizon=3.0)
    torch.testing.assert_close(adaptive.latent, fine.latent, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("integrator", [*INCREMENTS, "dopri5"])
def test_gradients_through_an_integrator_pass_gradcheck(integrator):
    matrix = torch.randn(3, 3, dtype=torch.float64)

    def final(z):
        solution = solve(lambda s, t: torch.tanh(s @ matrix + t), z, integrator=integrator, steps=3, tolerance=1e-10)
        return torch.cat([solution.latent.flatten(), solution.kinetic_energy[None]])

    start = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(final, start, atol=1e-6, rtol=1e-4)


def test_the_kinetic_energy_of_z_prime_equals_z_is_that_worked_out_by_hand():
    # z' = z from z = 2 with two Euler steps of 1/2: velocities 2 and 3, so 0.5 * 0.5 * (4 + 9) = 3.25.
    solution = solve(lambda z, t: z, torch.tensor([[2.0]]), integrator="euler", steps=2)
    assert solution.kinetic_energy.item() == pytest.approx(3.25)
    assert solution.latent.item() == pytest.approx(4.5)
    assert kinetic_energy(torch.tensor([[[2.0]], [[3.0]]]), 0.5).item() == pytest.approx(3.25)


@pytest.mark.parametrize("integrator", [*INCREMENTS, "dopri5"])
def test_the_kinetic_energy_tends_to_its_integral(integrator):
    # z' = z from 1: half the integral of e^(2t) over [0, 1] is (e^2 - 1)/4.
    energy = solve(lambda z, t: z, torch.ones(3, 2, dtype=torch.float64), integrator=integrator, steps=4000)
    assert energy.kinetic_energy.item() == pytest.approx((math.e**2 - 1) / 4, rel=1e-3)


def test_a_trajectory_ends_where_the_solution_ends():
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    moments = list(trajectory(oscillator, start, integrator="midpoint", steps=5, horizon=2.0))
    end = solve(oscillator, start, integrator="midpoint", steps=5, horizon=2.0)
    torch.testing.assert_close(moments[-1].latent, end.latent)
    assert [moment.time for moment in moments] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6, 2.0])
    velocities = torch.stack([moment.velocity for moment in moments[:-1]])
    torch.testing.assert_close(kinetic_energy(velocities, 0.4), end.kinetic_energy)
