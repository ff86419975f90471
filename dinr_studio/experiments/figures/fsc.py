"""Figures of Fourier shell correlations: curves with their thresholds, and the resolution by direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.fsc import HALF_BIT, THRESHOLDS, Fsc, length_in_words
from dinr_studio.experiments.figures.style import BLUE, COLUMN, GREEN, ORANGE, PURPLE, RED, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.analysis.directional import Directional
    from dinr_studio.experiments.belief.correlation import Correlated

COLOURS = {"unmasked": BLUE, "masked": ORANGE, "randomised": RED, "corrected": GREEN}
LABELS = {
    "unmasked": "without mask",
    "masked": "with mask",
    "randomised": "phases randomised",
    "corrected": "corrected for the mask",
}


def fsc_figure(found: Correlated) -> Figure:
    """The curves, and beside them the resolution by direction where it was asked for."""
    with figure_style():
        wide = found.directional is not None
        figure = new_figure(2 * COLUMN if wide else COLUMN, 3.2)
        axes: Any = figure.add_subplot(1, 2 if wide else 1, 1)
        draw_curves(axes, {LABELS[name]: (found.fsc, name) for name in found.fsc.curves}, COLOURS.values())
        axes.set_title(f"{found.first}, {found.second}" if len(found.first + found.second) < 60 else "")
        if found.directional is not None:
            _draw_directions(figure.add_subplot(1, 2, 2, projection="polar"), found.directional)
        return figure


def twin_figure(fields: Correlated, halves: Correlated | None, cross: NDArray[np.float64] | None) -> Figure:
    """The correlation of two fields beside that of the half maps that they were fitted to, where there are any."""
    with figure_style():
        figure = new_figure(COLUMN, 3.2)
        axes: Any = figure.add_subplot()
        rows = {"fields": (fields.fsc, fields.fsc.best)}
        if halves is not None:
            rows["half maps"] = (halves.fsc, halves.fsc.best)
        if cross is not None:
            label = "field against the other half map"
            axes.plot(fields.fsc.frequency, cross, color=GREEN, label=f"{label} (0.378 is as 0.143)")
        draw_curves(axes, rows, (BLUE, ORANGE))
        return figure


def draw_curves(axes: Any, rows: dict[str, tuple[Fsc, str]], colours: Any) -> None:
    """Curves by their label, each a result and the name of one of its curves, with thresholds and resolutions."""
    for (label, (found, name)), colour in zip(rows.items(), colours, strict=False):
        at = ""
        if name != "randomised":
            length = found.resolution("0.143", name).length
            at = f": {length_in_words(length, found.unit, found.nyquist)} at 0.143"
        axes.plot(found.frequency, found.curves[name], color=colour, label=f"{label}{at}")
    found = next(iter(rows.values()))[0]
    axes.plot(found.frequency[1:], found.half_bit[1:], color=PURPLE, linewidth=0.8, linestyle=":", label=HALF_BIT)
    for level in THRESHOLDS.values():
        axes.axhline(level, color="#666666", linewidth=0.6, linestyle="--")
    axes.axhline(0, color="#000000", linewidth=0.5)
    name = "shell" if found.axes == 3 else "ring"
    lowest = min(0.0, *(float(one.curves[curve].min()) for one, curve in rows.values()))
    axes.set(
        xlabel=f"spatial frequency (1/{found.unit or 'unit'})",
        ylabel=f"Fourier {name} correlation",
        xlim=(0, found.nyquist),
        ylim=(max(-0.3, lowest - 0.05), 1.02),
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=1)


def _draw_directions(axes: Any, found: Directional) -> None:
    """Frequency reached by direction: in 2D by angle; in 3D by the angle to the first axis, all around it."""
    flat = found.directions.shape[1] == 2
    up = found.directions[:, 0]
    angle = np.arctan2(up, found.directions[:, 1]) if flat else np.arccos(np.clip(up, -1, 1))
    for turn in (0, np.pi):
        axes.plot(angle + turn, found.frequency, ".", color=BLUE, markersize=4)
        if not flat:
            axes.plot(-angle + turn, found.frequency, ".", color=BLUE, markersize=4)
    name = f"to the {'x' if flat else 'z'} axis"
    axes.set_title(f"frequency at {found.threshold:g} by angle {name} (1/{found.unit or 'unit'})")
    axes.set_ylim(0, found.nyquist)
    axes.set_yticks([found.nyquist / 2, found.nyquist], [f"{found.nyquist / 2:.3g}", f"{found.nyquist:.3g}"])
    axes.set_rlabel_position(20)
