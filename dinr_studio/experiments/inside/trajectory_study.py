"""A run's latent trajectories: norms, speeds, curvature and energy by step, and how far the solver is from exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinr_studio.dynamics.integrators import INCREMENTS, Moment, trajectory
from dinr_studio.experiments.inside.kernel_places import places_of
from dinr_studio.experiments.inside.latent_probe import (
    check_dynamic,
    coordinates_at,
    dynamic_field,
    moments_of,
    scheme_of,
)
from dinr_studio.fields.dinr import DinrField
from dinr_studio.stages import Stage, Stages
from dinr_studio.training.run import Run

REFERENCE_STEPS = 256  # of rk4, at least; a multiple of the field's own steps
FINER = (1, 2, 4, 8)  # times the field's own steps: how the error falls with them
STILL = 1e-12  # speed below which a trajectory has no direction
EXACT = 1e-12  # relative error below which no order can be told


@dataclass(frozen=True)
class Spread:
    """A measure of each point's trajectory by moment: mean, 10th and 90th percentile over the points."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Solved:
    """The end of the trajectories with so many steps against the reference.

    latent: |z - z_ref| / |z_ref|, root mean squares over points. value: root mean square difference of the decoded
    values by channel, in the value's unit.
    """

    steps: int
    latent: float
    value: tuple[float, ...]


@dataclass(frozen=True)
class TrajectoryStudy:
    """What was seen of the trajectories of some points.

    norm: |z| and speed: |f|, root mean squares over latent channels, at each moment. curvature: of the paths in latent
    space, 1 over a length in the same measure. energy: kinetic energy of each step, over points and channels. path:
    mean length; straightness: displacement over length, mean. error: relative to the reference, at each moment. solved:
    with the field's own steps first, then with more. order: by which the error falls, or None where that cannot be
    told. unit: of the values.
    """

    points: int
    integrator: str
    steps: int
    times: NDArray[np.float64]
    norm: Spread
    speed: Spread
    curvature: Spread
    energy: NDArray[np.float64]
    path: float
    straightness: float
    reference: str
    error: NDArray[np.float64]
    solved: tuple[Solved, ...]
    order: float | None
    unit: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON; what is not finite is null."""
        spreads = {
            name: {"mean": _plain(one.mean), "p10": _plain(one.low), "p90": _plain(one.high)}
            for name, one in (("norm", self.norm), ("speed", self.speed), ("curvature", self.curvature))
        }
        return {
            "points": self.points,
            "integrator": self.integrator,
            "steps": self.steps,
            "times": _plain(self.times),
            **spreads,
            "energy": _plain(self.energy),
            "kinetic_energy": float(self.energy.sum()),
            "path_length": self.path,
            "straightness": self.straightness,
            "reference": self.reference,
            "error": _plain(self.error),
            "solver": [{"steps": s.steps, "latent_error": s.latent, "value_error": list(s.value)} for s in self.solved],
            "order": self.order,
            "value_unit": self.unit,
        }


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


def study_trajectories(run: Run, points: int = 512, where: str = "grid") -> Stages:
    """Follows trajectories from about `points` points; the last stage has the TrajectoryStudy. Raises ConfigError."""
    check_dynamic(run)
    places = places_of(run, where, points)
    field, x = dynamic_field(run), coordinates_at(run, places)
    yield Stage(0.0, "following trajectories")
    moments = moments_of(field, x)
    integrator, steps = scheme_of(field)
    horizon = field.config.horizon
    yield Stage(0.1, "curvature")
    curvature = torch.stack([_curvature(field, moment) for moment in moments])
    yield Stage(0.2, "solving finely")
    multiple = max(1, -(-REFERENCE_STEPS // steps))
    reference = _moments(field, x, "rk4", steps * multiple)[::multiple]
    solved = []
    for place, finer in enumerate(FINER):
        yield Stage(0.4 + 0.15 * place, f"solving with {finer * steps} steps")
        solved.append(_solved(field, x, integrator, finer * steps, reference[-1].latent, run.normalisation.scale))
    speeds = torch.stack([_sizes(moment.velocity) for moment in moments])
    path, straightness = _lengths(moments)
    yield Stage(1.0, "done", TrajectoryStudy(
        points=places.count, integrator=field.config.integrator, steps=steps,
        times=np.array([moment.time for moment in moments]),
        norm=_spread(torch.stack([_sizes(moment.latent) for moment in moments])),
        speed=_spread(speeds), curvature=_spread(curvature),
        energy=(0.5 * horizon / steps * speeds[:-1].square().mean(dim=1)).numpy(),
        path=path, straightness=straightness,
        reference=f"rk4 with {steps * multiple} steps",
        error=np.array([_relative(a.latent, b.latent) for a, b in zip(moments, reference, strict=True)]),
        solved=tuple(solved), order=_order(solved), unit=run.value_unit,
    ))  # fmt: skip


def _moments(field: DinrField, x: Tensor, integrator: str, steps: int) -> list[Moment]:
    with torch.no_grad():
        start = field.embedding(x)
        return list(
            trajectory(field.vector_field, start, integrator=integrator, steps=steps, horizon=field.config.horizon)
        )


def _curvature(field: DinrField, moment: Moment) -> Tensor:
    """Of each point's path, (N,): |a - (a.v) v / |v|^2| / |v|^2 with a = df/dt along the path; NaN where it stands."""
    velocity, acceleration = moment.velocity, _acceleration(field, moment)
    square = velocity.square().sum(dim=1, keepdim=True)
    across = acceleration - (acceleration * velocity).sum(dim=1, keepdim=True) / square.clamp_min(STILL**2) * velocity
    curved = math.sqrt(velocity.shape[1]) * across.norm(dim=1) / square[:, 0].clamp_min(STILL**2)
    return torch.where(square[:, 0] > STILL**2, curved, torch.full_like(curved, torch.nan))


def _acceleration(field: DinrField, moment: Moment) -> Tensor:
    """J f + df/dt, (N, width): the derivative by u of u.J f + u.df/dt, which takes reverse passes alone."""
    with torch.enable_grad():
        z = moment.latent.detach().clone().requires_grad_(True)
        t = torch.tensor(moment.time, dtype=z.dtype, requires_grad=True)
        velocity = field.vector_field(z, t)
        u = torch.zeros_like(velocity, requires_grad=True)
        backward = torch.autograd.grad(velocity, (z, t), u, create_graph=True, materialize_grads=True)
        along = (backward[0] * moment.velocity).sum() + backward[1]
        return torch.autograd.grad(along, u, materialize_grads=True)[0]


def _solved(
    field: DinrField, x: Tensor, integrator: str, steps: int, exact: Tensor, scale: tuple[float, ...]
) -> Solved:
    """The field's own end where it has so many steps or chooses them, and that of another number of steps."""
    with torch.no_grad():
        adaptive = field.config.integrator == "dopri5" and steps == scheme_of(field)[1]
        latent = field.solve(x).latent if adaptive else _end(field, x, integrator, steps)
        off = (field.decoder(latent) - field.decoder(exact)).square().mean(dim=0).sqrt().tolist()
    return Solved(steps, _relative(latent, exact), tuple(value * abs(s) for value, s in zip(off, scale, strict=True)))


def _end(field: DinrField, x: Tensor, integrator: str, steps: int) -> Tensor:
    z: Tensor = field.embedding(x)
    dt = field.config.horizon / steps
    for k in range(steps):
        z = z + INCREMENTS[integrator](field.vector_field, z, field.vector_field(z, k * dt), k * dt, dt)
    return z


def _order(solved: list[Solved]) -> float | None:
    """The order at which the error falls with the steps, from the two finest of the solutions that can tell it."""
    told = [one for one in solved if one.latent > EXACT]
    if len(told) < 2:
        return None
    a, b = told[-2:]
    return math.log(a.latent / b.latent) / math.log(b.steps / a.steps)


def _lengths(moments: list[Moment]) -> tuple[float, float]:
    """Mean length of the paths and mean of displacement over length, where a path has one."""
    states = torch.stack([moment.latent for moment in moments])
    lengths = (_sizes_of(states[1:] - states[:-1])).sum(dim=0)
    moved = lengths > STILL
    straight = _sizes(states[-1] - states[0])[moved] / lengths[moved]
    return float(lengths.mean()), float(straight.mean()) if bool(moved.any()) else 1.0


def _sizes(values: Tensor) -> Tensor:
    """Root mean square over latent channels, (N,)."""
    return values.square().mean(dim=1).sqrt()


def _sizes_of(values: Tensor) -> Tensor:
    return values.square().mean(dim=2).sqrt()


def _relative(latent: Tensor, exact: Tensor) -> float:
    return float((latent - exact).norm() / exact.norm().clamp_min(STILL))


def _spread(values: Tensor) -> Spread:
    """Over points, of (moments, N); NaN where there is none."""
    rows = [row[np.isfinite(row)] for row in values.numpy()]
    measures = [(row.mean(), *np.percentile(row, (10, 90))) if len(row) else (math.nan,) * 3 for row in rows]
    return Spread(*(np.array(column) for column in zip(*measures, strict=True)))
