"""The figure of a kernel study: spectra, cumulative shares, the course of training, and leading eigenfunctions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dinr_studio.analysis.kernel_spectrum import FLOOR
from dinr_studio.experiments.figures.course import draw_course
from dinr_studio.experiments.figures.style import COLOURS, figure_style, logarithmic, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.inside.course import Course
    from dinr_studio.experiments.inside.kernel_forecast import Forecast
    from dinr_studio.experiments.inside.kernel_study import KernelStudy

PICTURES = 8


def kernel_figure(study: KernelStudy) -> Figure:
    """Eigenvalues and cumulative shares of all kernels of a study, and the field's leading eigenfunctions."""
    with figure_style():
        pictured = study.places.pictured
        heights = [1.5, *([1.5] if study.course else []), *([1.0] if pictured else [])]
        figure = new_figure(7.2, 0.4 + 1.6 * sum(heights))
        rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        plots = rows[0].subgridspec(1, 2 if study.forecast is None else 3)
        spectrum = figure.add_subplot(plots[0], xlabel="index i", ylabel="eigenvalue")
        share = figure.add_subplot(plots[1], xlabel="index i", ylabel="cumulative share of the trace")
        for one, colour in zip(study.all, COLOURS, strict=False):
            index = np.arange(1, len(one.spectrum.eigenvalues) + 1)
            above = one.spectrum.eigenvalues > 0
            label = f"{one.name}: rank {one.spectrum.effective_rank:.1f}, decay {one.spectrum.decay:.2f}"
            spectrum.loglog(index[above], one.spectrum.eigenvalues[above], color=colour, label=label)
            share.semilogx(index, one.spectrum.cumulative_share, color=colour, label=one.name)
        spectrum.axhline(study.now.spectrum.floor, color="grey", linewidth=0.8, linestyle=":")
        highest = max(float(one.spectrum.eigenvalues[0]) for one in study.all)
        spectrum.set_ylim(bottom=max(spectrum.get_ylim()[0], 0.1 * FLOOR * highest))  # below is rounding
        note = f"{study.places.count} points; dotted: floor of 32 bits, {FLOOR:g} of the largest eigenvalue"
        if study.forecast is not None:
            note += "; right: errors that the kernel at the start forecasts"
        figure.suptitle(note, fontsize=8)
        spectrum.legend(fontsize=5)
        share.set_ylim(0, 1.02)
        if study.forecast is not None:
            _draw_forecast(figure.add_subplot(plots[2]), study.forecast)
        if study.course is not None:
            _draw_course(figure, rows[1], study.course)
        if pictured:
            cells = rows[len(heights) - 1].subgridspec(1, PICTURES)
            for i, mode in enumerate(study.now.modes[:PICTURES]):
                picture = study.places.picture(mode)
                limit = float(np.abs(picture).max()) or 1.0
                axes = figure.add_subplot(cells[i], xticks=[], yticks=[], title=f"mode {i + 1}")
                axes.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    return figure


def _draw_course(figure: Figure, row: Any, course: Course) -> None:
    """Ranks, condition number and decay over training."""
    ranks, condition, decay = (figure.add_subplot(cell) for cell in row.subgridspec(1, 3))
    draw_course(ranks, course, ("effective_rank", "entropy_rank"), "effective rank")
    draw_course(condition, course, ("condition_number",), "condition number")
    logarithmic(condition, "y")
    draw_course(decay, course, ("decay",), "decay exponent")


def _draw_forecast(axes: Any, forecast: Forecast) -> None:
    """Errors by band: at the start, as the kernel at the start forecasts them, and as measured."""
    title, bands = forecast.shown
    middles = [(band.low + band.high) / 2 for band in bands]
    for name, colour, values in (
        ("at the start", COLOURS[4], [band.before for band in bands]),
        ("forecast", COLOURS[1], [band.forecast for band in bands]),
        ("measured", COLOURS[0], [band.measured for band in bands]),
    ):
        axes.semilogy(middles, values, "o-", color=colour, label=name)
    axes.set(xlabel=title, ylabel="mean squared error")
    axes.legend()
