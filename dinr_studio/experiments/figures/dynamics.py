"""Figures of the latent dynamics: Jacobians by step, and trajectories with the solver's error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dinr_studio.experiments.figures.course import draw_course
from dinr_studio.experiments.figures.style import (
    BLUE,
    COLOURS,
    GREEN,
    ORANGE,
    PURPLE,
    figure_style,
    logarithmic,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.inside.jacobian_study import JacobianStudy
    from dinr_studio.experiments.inside.trajectory_study import TrajectoryStudy

WIDTH, HEIGHT = 7.2, 4.6  # inches
COURSE_SHARES = ("alignment_next", "alignment_first", "change", "displacement")
COURSE_SIZES = ("product_rank", "norm")
NAMED_STEPS = 12  # of the angles, at most; of more steps some are drawn


def jacobian_figure(study: JacobianStudy) -> Figure:
    """Alignment, principal angles, ranks and norms by step, of all fields of a study."""
    with figure_style():
        rows = 2 if study.course is None else 3
        figure = new_figure(WIDTH, HEIGHT * rows / 2)
        align, angles, ranks, norms, *over = figure.subplots(rows, 2).ravel()
        for one, colour in zip(study.all, COLOURS, strict=False):
            steps = np.arange(1, len(one.norm) + 1)
            align.plot(steps[:-1], one.alignment_next, "o-", color=colour, label=f"{one.name}: with the next step")
            align.plot(steps[1:], one.alignment_first, "s--", color=colour, label=f"{one.name}: with the first step")
            ranks.plot(steps, one.product_rank, "o-", color=colour, label=f"{one.name}: product up to the step")
            ranks.plot(steps, one.step_rank, "s--", color=colour, label=f"{one.name}: I + dt J")
            ranks.plot(steps, one.jacobian_rank, "^:", color=colour, label=f"{one.name}: J")
            norms.plot(steps, one.norm, "o-", color=colour, label=one.name)
        align.axhline(study.chance, color="grey", linestyle=":", label="by chance")
        _draw_angles(angles, study)
        align.set(xlabel="step", ylabel="mean squared cosine", ylim=(0, 1.05))
        angles.set(xlabel="principal angle", ylabel="angle to the next step (°)", ylim=(0, 92))
        ranks.set(xlabel="step", ylabel="effective rank", yscale="log")
        norms.set(xlabel="step", ylabel="|J| (spectral norm)")
        for axes in (align, ranks, norms):
            axes.legend(fontsize=5)
        if study.course is not None:
            draw_course(over[0], study.course, COURSE_SHARES, "share")
            draw_course(over[1], study.course, COURSE_SIZES, "rank, and norm")
            logarithmic(over[1], "y")
        title = f"{study.points} points, latent width {study.width}, {study.leading} leading directions"
        figure.suptitle(title, fontsize=8)
    return figure


def _draw_angles(axes: object, study: JacobianStudy) -> None:
    """The angles between each step and the next, of the run's own field."""
    rows = study.now.angles_next
    for k in (
        sorted({round(i) for i in np.linspace(0, len(rows) - 1, min(len(rows), NAMED_STEPS))}) if len(rows) else ()
    ):
        shade = 0.25 + 0.75 * (k + 1) / len(rows)
        index = np.arange(1, rows.shape[1] + 1)
        axes.plot(index, rows[k], "o-", color=BLUE, alpha=shade, markersize=3)  # type: ignore[attr-defined]


def trajectory_figure(study: TrajectoryStudy) -> Figure:
    """Norms and speeds, curvature, energy by step, and the solver's error by time and by steps."""
    with figure_style():
        figure = new_figure(WIDTH, HEIGHT)
        way, curvature, energy, error = figure.subplots(2, 2).ravel()
        for axes, spread, colour, label in (
            (way, study.norm, BLUE, "|z|"),
            (way, study.speed, ORANGE, "|f|"),
            (curvature, study.curvature, GREEN, "curvature"),
        ):
            axes.plot(study.times, spread.mean, "o-", color=colour, markersize=3, label=label)
            axes.fill_between(study.times, spread.low, spread.high, color=colour, alpha=0.2, linewidth=0)
        way.set(xlabel="latent time t", ylabel="root mean square")
        way.legend(title="mean, 10 to 90 %", title_fontsize=7)
        curvature.set(xlabel="latent time t", ylabel="curvature of the path")
        energy.bar(np.arange(1, len(study.energy) + 1), study.energy, color=PURPLE)
        energy.set(xlabel="step", ylabel="kinetic energy")
        steps = [one.steps for one in study.solved]
        error.loglog(steps, [one.latent for one in study.solved], "o-", color=BLUE, label="latent state, of its norm")
        for channel in range(len(study.solved[0].value)):
            values = [one.value[channel] for one in study.solved]
            name = f"values{f', channel {channel}' if len(study.solved[0].value) > 1 else ''}"
            error.loglog(steps, values, "s--", label=f"{name} ({study.unit})" if study.unit else name)
        error.set(xlabel="steps of the integrator", ylabel=f"error against {study.reference}")
        error.legend()
        figure.suptitle(f"{study.points} points, {study.integrator}, {study.steps} steps", fontsize=8)
    return figure
