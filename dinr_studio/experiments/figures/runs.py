"""Figures of runs: curves, spectra and slices, of one run or of several beside each other; each draws on given axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.fsc import THRESHOLDS, Fsc
from dinr_studio.analysis.spectrum import Spectrum
from dinr_studio.coordinates import Grid
from dinr_studio.experiments.figures.style import COLOURS, figure_style, logarithmic, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dinr_studio.experiments.compare import Comparison, Plane
    from dinr_studio.experiments.run_facts import RunFacts

LABELS = {
    "step": "optimiser steps",
    "elapsed": "training time (s)",
    "data_loss": "data loss (normalised units²)",
    "held_out_psnr": "held-out PSNR (dB)",
    "kinetic_energy": "kinetic energy (normalised)",
    "learning_rate": "learning rate",
}
LOGARITHMIC = ("data_loss", "kinetic_energy", "learning_rate")
DATA_COLOUR = "0.45"
LOW, HIGH = 0.5, 99.5  # percentiles that the colours of a slice span
CURVES_HEIGHT = 4.2  # inches
LONGEST_NAME = 34  # letters of a run's name in a legend
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.")


def short(name: str) -> str:
    """A run's name for a legend: its beginning and end where it is long."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


def line_style(number: int) -> dict[str, Any]:
    """Colour and dashes of the line of a run, by its number."""
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number // len(COLOURS) % len(DASHES)]}


def draw_curve(axes: Axes, runs: Sequence[RunFacts], along: str, column: str) -> None:
    """A column of the history of each run, by step or by time; rows in which it was not measured are left out."""
    drawn = False
    for number, run in enumerate(runs):
        x, y = run.curve(along), run.curve(column)
        known = np.isfinite(y) & (y > 0 if column in LOGARITHMIC else True) if len(x) == len(y) else np.empty(0, bool)
        if known.any():
            drawn = True
            mark = "." if np.count_nonzero(known) == 1 else None
            axes.plot(x[known], y[known], label=short(run.name), marker=mark, **line_style(number))
    if column in LOGARITHMIC and drawn:
        logarithmic(axes, "y")
    axes.set_xlabel(LABELS[along])
    axes.set_ylabel(LABELS[column])
    axes.grid(alpha=0.25, linewidth=0.5)
    if not drawn:
        axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes, color="0.4")


def draw_rivals(axes: Axes, run: RunFacts) -> None:
    """Horizontal lines at the scores of the interpolations, behind the field's held-out curve."""
    for number, (name, scores) in enumerate(run.rivals.items()):
        axes.axhline(float(scores["psnr"]), color="0.55", linestyle=DASHES[1 + number % 3], linewidth=0.9, label=name)


def draw_spectra(axes: Axes, spectra: Mapping[str, Spectrum], unit: str, value_unit: str, data: str = "data") -> None:
    """Radial power by frequency, both logarithmic; the data in grey, each other line in a colour of its own."""
    number = 0
    for name, spectrum in spectra.items():
        known = (spectrum.frequency > 0) & (spectrum.power > 0)
        if name == data:
            axes.plot(spectrum.frequency[known], spectrum.power[known], color=DATA_COLOUR, linewidth=2.2, label=name)
            continue
        axes.plot(spectrum.frequency[known], spectrum.power[known], label=short(name), **line_style(number))
        number += 1
    if any(((one.frequency > 0) & (one.power > 0)).any() for one in spectra.values()):
        logarithmic(axes, "x", "y")
    axes.set_xlabel(f"frequency (cycles per {unit})")
    axes.set_ylabel(f"power ({value_unit}²)" if value_unit else "power (value²)")
    axes.grid(alpha=0.25, linewidth=0.5)


def draw_slice(
    axes: Axes, values: NDArray[np.float64], plane: Grid, title: str, unit: str, like: NDArray[np.float64] | None = None
) -> None:
    """A slice in grey, with its colour bar and lengths in the axes' units.

    The greys span the 0.5 to 99.5 percentiles of `like`, which is the slice itself by default.
    """
    compared = values if like is None else like
    known = compared[np.isfinite(compared)]
    low, high = np.percentile(known, (LOW, HIGH)) if known.size else (0.0, 1.0)
    draw_image(axes, values, plane, title, unit, (float(low), float(high)), "gray")


def draw_residual(axes: Axes, values: NDArray[np.float64], plane: Grid, title: str, unit: str) -> None:
    """A slice of signed differences, blue below and red above 0."""
    known = np.abs(values[np.isfinite(values)])
    far = float(np.percentile(known, HIGH)) if known.size else 1.0
    draw_image(axes, values, plane, title, unit, (-far, far), "RdBu_r")


def draw_image(
    axes: Axes,
    values: NDArray[np.float64],
    plane: Grid,
    title: str,
    unit: str,
    limits: tuple[float, float],
    colours: str,
) -> None:
    """A slice (rows, columns) on a grid of two axes, in colours between two values."""
    low, high = limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
    corners: list[float] = []
    for axis in (1, 0):
        first = plane.origin[axis] - plane.voxel_size[axis] / 2
        corners += [first, first + plane.extent[axis]]
    shown = axes.imshow(
        values, cmap=colours, vmin=low, vmax=high, extent=(corners[0], corners[1], corners[2], corners[3]),
        origin="lower", interpolation="nearest", aspect="equal" if plane.units[0] == plane.units[1] else "auto",
    )  # fmt: skip
    axes.set_facecolor("0.75")
    axes.set_title(title)
    axes.set_xlabel(f"{plane.axes[1]} ({plane.units[1] or 'voxel units'})")
    axes.set_ylabel(f"{plane.axes[0]} ({plane.units[0] or 'voxel units'})")
    axes.locator_params(nbins=4)
    for spine in axes.spines.values():
        spine.set_visible(True)
    bar = axes.figure.colorbar(shown, cax=axes.inset_axes((1.04, 0, 0.05, 1)), extend="both")
    bar.set_label(unit)
    bar.locator = _few_ticks()
    bar.update_ticks()


def draw_named_spectra(axes: Axes, spectra: Mapping[str, Spectrum], unit: str, value_unit: str) -> None:
    """As `draw_spectra`, with its legend."""
    draw_spectra(axes, spectra, unit, value_unit)
    axes.legend(loc="lower left")


def draw_eigenvalues(axes: Axes, values: NDArray[np.float64]) -> None:
    """Eigenvalues, largest first, by index; both logarithmic."""
    known = values > 0
    axes.plot(np.arange(1, len(values) + 1)[known], values[known], color=COLOURS[0])
    if known.any():
        logarithmic(axes, "x", "y")
    axes.set_xlabel("index")
    axes.set_ylabel("eigenvalue")
    axes.grid(alpha=0.25, linewidth=0.5)


def draw_trajectory(
    axes: Axes, times: NDArray[np.float64], latent: NDArray[np.float64], speed: NDArray[np.float64]
) -> None:
    """Sizes of state and velocity by latent time."""
    axes.plot(times, latent, color=COLOURS[0], marker=".", label="state z")
    axes.plot(times, speed, color=COLOURS[1], marker=".", linestyle="--", label="velocity f(z, t)")
    axes.set_xlabel("latent time t")
    axes.set_ylabel("root mean square")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.legend()


def draw_correlation(axes: Axes, found: Fsc) -> None:
    """The best curve of a Fourier shell correlation with its thresholds."""
    axes.plot(found.frequency, found.curves[found.best], color=COLOURS[0], label="field and data")
    for number, (name, level) in enumerate(THRESHOLDS.items()):
        axes.axhline(level, color="0.5", linewidth=0.8, linestyle=DASHES[1 + number], label=name)
    axes.set_xlabel(f"frequency (cycles per {found.unit or 'unit'})")
    axes.set_ylabel("Fourier shell correlation")
    axes.set_xlim(0, found.nyquist)
    axes.set_ylim(min(0.0, float(np.min(found.curves[found.best])) - 0.05), 1.03)
    axes.legend(loc="lower left")


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)


def draw_plane(axes: Iterable[Axes], plane: Plane) -> None:
    """The first field's slice and each other one's difference from it, on one axes each."""
    panes = iter(axes)
    for name, values in plane.fields.items():
        draw_slice(next(panes), values, plane.grid, short(name), plane.value_unit)
    for (name, values), pane in zip(plane.differences.items(), panes, strict=False):
        draw_residual(pane, values, plane.grid, f"{short(name)}: difference", plane.value_unit)


def comparison_figure(found: Comparison) -> Figure:
    """Losses and held-out scores by step and by time, spectra, and the middle slice of the fields' difference."""
    shown = 0 if found.plane is None else min(3, 1 + len(found.plane.differences))
    with figure_style():
        slices = 0.9 + 1.3 * min(2.0, found.plane.grid.extent[0] / found.plane.grid.extent[1]) if found.plane else 0.0
        figure = new_figure(7.2, CURVES_HEIGHT + (slices if shown > 1 else 0))
        parts: Any = figure.subfigures(2, 1, height_ratios=[CURVES_HEIGHT, slices]) if shown > 1 else (figure, None)
        top, below = parts
        axes = top.subplots(2, 3)
        for row, column in enumerate(("data_loss", "held_out_psnr")):
            for place, along in enumerate(("step", "elapsed")):
                draw_curve(axes[row, place], found.runs, along, column)
        if found.spectra:
            draw_spectra(axes[0, 2], found.spectra, found.frequency_unit, found.runs[0].run.value_unit)
        legend = axes[1, 2]
        legend.axis("off")
        handles: dict[str, Any] = {}
        for one in (axes[0, 0], axes[1, 0], axes[0, 2]):
            handles |= dict(zip(*reversed(one.get_legend_handles_labels()), strict=True))
        box = legend.legend(handles.values(), handles.keys(), loc="upper left", borderaxespad=0, handlelength=2.6)
        box.set_in_layout(False)
        if below is not None and found.plane is not None:
            draw_plane(np.atleast_1d(below.subplots(1, shown)), found.plane)
    return figure
