"""How the local Jacobians along latent trajectories are aligned, and what rank their product has.

J_k = df/dz at (z_k, t_k). Leading subspaces are spanned by the first right singular vectors: the latent directions
that a step moves most. The product P_k = (I + dt J_(k-1)) ... (I + dt J_0) is how the state after k steps answers to a
change of z(0): exactly so for Euler's steps, to first order in dt for others. Ranks are participation ratios of
squared singular values, (sum s^2)^2 / sum s^4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinr_studio.dynamics.integrators import Moment
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.inside.course import Course, Measures, check_course, course_data, course_of, course_share
from dinr_studio.experiments.inside.kernel_places import places_of
from dinr_studio.experiments.inside.latent_probe import (
    Data,
    check_dynamic,
    coordinates_at,
    dynamic_field,
    field_of_weights,
    fresh_field,
    moments_of,
    trained_weights,
)
from dinr_studio.experiments.steps import Steps, part
from dinr_studio.fields.dinr import DinrField
from dinr_studio.stages import Stage, Stages, within
from dinr_studio.training.run import Run, Weights

LEADING = 8  # dimensions of the subspaces, at most
CHUNK = 16  # points whose Jacobians are in memory at once
MOST_POINTS = 4096
STILL, ALIKE, ALIGNED = 0.01, 0.05, 0.95  # see `verdict_on`
COURSE = {
    "alignment_next": "alignment with the next step (mean)",
    "alignment_first": "alignment with the first step (least)",
    "change": "change of Jacobians (largest, of the first)",
    "displacement": "displacement of states (of their norm)",
    "product_rank": "effective rank of the product",
    "norm": "|J| (spectral norm, largest)",
}  # what is measured over training, and what it is in words


@dataclass(frozen=True)
class Aligned:
    """One field's Jacobians, means over points.

    norm: |J_k| (spectral). jacobian_rank, step_rank: of J_k and of I + dt J_k, by step. product_rank: of P_1 .. P_N.
    angles_next: principal angles in degrees between the leading subspaces of J_k and J_(k+1), (steps - 1, r);
    angles_first: of J_0 and J_k, (steps - 1, r), k from 1. change: |J_k - J_0| / |J_0| (Frobenius), k from 1.
    displacement: |z(T) - z(0)| / |z(0)|. NaN where Jacobians are zero.
    """

    name: str
    norm: NDArray[np.float64]
    jacobian_rank: NDArray[np.float64]
    step_rank: NDArray[np.float64]
    product_rank: NDArray[np.float64]
    angles_next: NDArray[np.float64]
    angles_first: NDArray[np.float64]
    change: NDArray[np.float64]
    displacement: float

    @property
    def alignment_next(self) -> NDArray[np.float64]:
        """Mean squared cosine of the angles from each step to the next: 1 for the same subspace, r/d by chance."""
        return np.asarray(np.square(np.cos(np.radians(self.angles_next))).mean(axis=1))

    @property
    def alignment_first(self) -> NDArray[np.float64]:
        """The same with the first step."""
        return np.asarray(np.square(np.cos(np.radians(self.angles_first))).mean(axis=1))

    def as_dict(self) -> dict[str, Any]:
        """For JSON; what is not finite is null."""
        names = ("norm", "jacobian_rank", "step_rank", "product_rank", "angles_next", "angles_first", "alignment_next",
                 "alignment_first", "change")  # fmt: skip
        measures = {name: _plain(getattr(self, name)) for name in names}
        return {"name": self.name, **measures, "displacement": self.displacement}


@dataclass(frozen=True)
class JacobianStudy:
    """Jacobians now, at the start, and of fields of other seeds; dt: latent time of a step; verdict: in words."""

    points: int
    width: int
    leading: int
    dt: float
    times: NDArray[np.float64]
    now: Aligned
    start: Aligned
    seeds: tuple[Aligned, ...]
    verdict: str
    course: Course | None = None

    @property
    def all(self) -> tuple[Aligned, ...]:
        """All fields that were looked at."""
        return (self.now, self.start, *self.seeds)

    @property
    def chance(self) -> float:
        """The mean squared cosine between subspaces at random."""
        return self.leading / self.width

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "points": self.points,
            "width": self.width,
            "leading": self.leading,
            "chance": self.chance,
            "dt": self.dt,
            "times": _plain(self.times),
            **self.now.as_dict(),
            "start": self.start.as_dict(),
            "seeds": [one.as_dict() for one in self.seeds],
            "verdict": self.verdict,
            **({} if self.course is None else self.course.as_dict()),
        }


def _plain(values: NDArray[np.float64]) -> list[Any]:
    return [_plain(v) if isinstance(v, np.ndarray) else float(v) if np.isfinite(v) else None for v in values]


def study_jacobians(
    run: Run,
    points: int = 32,
    *,
    seeds: tuple[int, ...] = (),
    train: float = 0.0,
    data: Data | None = None,
    course: int = 0,
) -> Stages:
    """Takes the Jacobians at some points of an even sub-grid; the last stage has the JacobianStudy.

    seeds: of other fields with the same settings, as they begin, or trained for `train` seconds each on `data`.
    course: looks over training, which trains the run again. Raises ConfigError, and DataNotFound for a course.
    """
    check_dynamic(run)
    if train and not seeds:
        raise ConfigError("--train is for fields of other seeds; name some with --seeds, such as --seeds 1,2.")
    if points > MOST_POINTS:
        raise ConfigError(f"{points} points are asked for; at most {MOST_POINTS} are allowed.")
    check_course(run, course)
    if not course:
        study = yield from _fields(run, points, seeds, train, data)
        yield Stage(1.0, "done", study)
        return
    volume = course_data(run, data)
    start = 1 - course_share(run, course, 2 + len(seeds), train * len(seeds))
    study = yield from part(_fields(run, points, seeds, train, data), 0, start)
    yield Stage(start, "training again", study)
    x = coordinates_at(run, places_of(run, "grid", points))
    looks = yield from part(course_of(run, volume, course, COURSE, partial(_look, run, x)), start, 1)
    yield Stage(1.0, "done", replace(study, course=looks))


def _look(run: Run, x: Tensor, weights: Weights, name: str) -> Steps[Measures]:
    """The measures over training of some weights."""
    one = yield from within(_aligned(name, field_of_weights(run, run.config.field, weights), x), 0, 1)
    return measures_of(one)


def _fields(run: Run, points: int, seeds: tuple[int, ...], train: float, data: Data | None) -> Steps[JacobianStudy]:
    """All but the course."""
    places = places_of(run, "grid", points)
    x, field = coordinates_at(run, places), dynamic_field(run)
    parts = 2 + len(seeds) * (2 if train else 1)
    now = yield from within(_aligned("field", field, x), 0, 1 / parts)
    begun = fresh_field(run, run.config.training.seed)
    start = yield from within(_aligned("field at its start", begun, x), 1 / parts, 2 / parts)
    others, place = [], 2
    for seed in seeds:
        other, name = fresh_field(run, seed), f"seed {seed} at its start"
        if train:
            assert data is not None
            training = trained_weights(run, field.config, data, train, seed=seed, doing=f"training seed {seed}")
            weights = yield from within(training, place / parts, (place + 1) / parts)
            other, name, place = field_of_weights(run, field.config, weights), f"seed {seed}, trained", place + 1
        others.append((yield from within(_aligned(name, other, x), place / parts, (place + 1) / parts)))
        place += 1
    moments = moments_of(field, x[:1])
    times = np.array([moment.time for moment in moments[:-1]])
    width = field.config.width
    dt, leading = float(moments[1].time), min(LEADING, width)
    return JacobianStudy(places.count, width, leading, dt, times, now, start, tuple(others), verdict_on(now))


def measures_of(one: Aligned) -> Measures:
    """What is followed over training; see COURSE. collapsed: whether the verdict is a static map."""
    change, aligned = _finite(one.change).max(initial=0.0), _finite(one.alignment_first)
    least = float(aligned.min()) if len(aligned) else math.nan
    still = one.displacement < STILL or len(one.norm) == 1
    following = _finite(one.alignment_next)
    return {
        "alignment_next": float(following.mean()) if len(following) else math.nan,
        "alignment_first": least,
        "change": float(change),
        "displacement": one.displacement,
        "product_rank": float(one.product_rank[-1]),
        "norm": float(one.norm.max()),
        "collapsed": bool(still or (change < ALIKE and least > ALIGNED)),
    }


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]


def verdict_on(one: Aligned) -> str:
    """Whether the dynamics are more than a static map, and by which criterion."""
    steps = len(one.norm)
    if one.displacement < STILL:
        return (
            f"The dynamics collapse to a static map: states move by {100 * one.displacement:.2g} % of their norm "
            f"(criterion: less than {100 * STILL:g} %), so the field is hardly more than its embedding and decoder."
        )
    if steps == 1:
        return "With one step the dynamics are a static map by construction: one residual layer; fit with more steps."
    change, aligned = float(np.nanmax(one.change)), float(np.nanmin(one.alignment_first))
    if change < ALIKE and aligned > ALIGNED:
        return (
            f"The dynamics collapse to a static map: all Jacobians are the first one within {100 * change:.2g} % and "
            f"their leading subspaces agree by {aligned:.3f} (criterion: within {100 * ALIKE:g} % and above {ALIGNED})."
        )
    return (
        f"The dynamics are more than a static map: Jacobians change by up to {100 * change:.3g} % of the first one, "
        f"their leading subspaces agree with its by {aligned:.2f} at least (1: the same), and states move by "
        f"{100 * one.displacement:.3g} % of their norm."
    )


def _aligned(name: str, field: DinrField, x: Tensor) -> Stages:
    """Works through the points in chunks; the last stage has the Aligned."""
    parts: list[dict[str, Tensor]] = []
    chunks = x.split(CHUNK)  # type: ignore[no-untyped-call]
    for done, chunk in enumerate(chunks):
        moments = moments_of(field, chunk)
        measured: dict[str, list[Tensor]] = {}
        before = _Before()
        for k, moment in enumerate(moments[:-1]):
            yield Stage((done + k / (len(moments) - 1)) / len(chunks), f"Jacobians of the {name}")
            dt = moments[k + 1].time - moment.time
            for key, value in before.taken(_jacobians(field, moment), dt).items():
                measured.setdefault(key, []).append(value)
        moved = (moments[-1].latent - moments[0].latent).norm(dim=1) / moments[0].latent.norm(dim=1).clamp_min(1e-300)
        parts.append({key: torch.stack(values) for key, values in measured.items()} | {"displacement": moved[None]})
    joined = {key: torch.cat([part[key] for part in parts], dim=1) for key in parts[0]}
    mean = {key: _mean_over_points(value.numpy()) for key, value in joined.items()}
    none, no_angles = np.empty(0), np.empty((0, min(LEADING, field.config.width)))
    yield Stage(1.0, "done", Aligned(
        name, mean["norm"], mean["jacobian_rank"], mean["step_rank"], mean["product_rank"],
        mean.get("angles_next", no_angles), mean.get("angles_first", no_angles), mean.get("change", none),
        float(mean["displacement"][0]),
    ))  # fmt: skip


def _mean_over_points(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over axis 1 of what is finite; NaN where nothing is."""
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    total = np.where(finite, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class _Before:
    """What earlier steps have left: the first Jacobian, subspaces, and the running product; one for some points."""

    def __init__(self) -> None:
        self.product: Tensor | None = None
        self.first: Tensor | None = None
        self.first_space: Tensor | None = None
        self.last_space: Tensor | None = None

    def taken(self, jacobians: Tensor, dt: float) -> dict[str, Tensor]:
        """Measures of one more step's Jacobians (points, width, width), each (points, ...)."""
        values, space = _leading(jacobians)
        step = torch.eye(jacobians.shape[1], dtype=jacobians.dtype) + dt * jacobians
        self.product = step if self.product is None else step @ self.product
        measures = {
            "norm": values[:, 0],
            "jacobian_rank": _rank(values),
            "step_rank": _rank(torch.linalg.svdvals(step)),
            "product_rank": _rank(torch.linalg.svdvals(self.product)),
        }
        if self.first is None or self.first_space is None or self.last_space is None:
            self.first, self.first_space = jacobians, space
        else:
            measures["angles_next"] = _angles(self.last_space, space)
            measures["angles_first"] = _angles(self.first_space, space)
            size = torch.linalg.matrix_norm(self.first)
            measures["change"] = torch.linalg.matrix_norm(jacobians - self.first) / size
        self.last_space = space
        return measures


def _jacobians(field: DinrField, moment: Moment) -> Tensor:
    """df/dz at each point's state, (points, width, width)."""

    def velocity(z: Tensor) -> Tensor:
        found: Tensor = field.vector_field(z[None], moment.time)[0]
        return found

    found: Tensor = torch.func.vmap(torch.func.jacrev(velocity))(moment.latent)
    return found.detach()


def _leading(jacobians: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values (points, width), and the leading right singular vectors as columns; NaN for a zero Jacobian."""
    _, values, right = torch.linalg.svd(jacobians)
    space = right[:, :LEADING].transpose(1, 2)
    zero = values[:, 0] == 0
    return values, torch.where(zero[:, None, None], torch.full_like(space, torch.nan), space)


def _angles(one: Tensor, other: Tensor) -> Tensor:
    """Principal angles in degrees between subspaces (points, width, r) with orthonormal columns, smallest first."""
    overlap = one.transpose(1, 2) @ other
    known = overlap.isfinite().all(dim=2).all(dim=1)
    cosines = torch.linalg.svdvals(torch.where(known[:, None, None], overlap, torch.zeros_like(overlap))).clamp(0, 1)
    return torch.where(known[:, None], torch.rad2deg(torch.arccos(cosines)), torch.full_like(cosines, torch.nan))


def _rank(values: Tensor) -> Tensor:
    """Participation ratio of squared singular values, (points,); NaN where all are zero."""
    squares = values.square()
    return squares.sum(dim=1) ** 2 / squares.square().sum(dim=1)
