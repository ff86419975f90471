"""Figures of power spectra: over shells and along each axis, on logarithmic scales, to the Nyquist frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dinr_studio.experiments.belief.spectra import DATA, FIELD, RESIDUAL, density_unit
from dinr_studio.experiments.figures.style import BLUE, COLUMN, GREEN, ORANGE, RED, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.analysis.power import PowerCurve
    from dinr_studio.experiments.belief.spectra import Spectra

COLOURS = {DATA: "#555555", FIELD: BLUE, RESIDUAL: RED}
FINER = GREEN
RADIAL = "all directions"
SHOWN = 1e-10  # of the greatest power: what lies below is rounding


def panels_of(found: Spectra) -> dict[str, dict[str, PowerCurve]]:
    """For each panel, over shells and along each axis: the curves by what they are of."""
    panels: dict[str, dict[str, PowerCurve]] = {}
    radial = {name: one.radial for name, one in found.maps.items() if one.radial is not None}
    if radial:
        panels[RADIAL] = radial
    for axis in found.by_axis:
        panels[axis] = {name: one.axes[axis] for name, one in found.maps.items()}
    return panels


def spectra_figure(found: Spectra) -> Figure:
    """One panel over shells and one for each axis."""
    panels = panels_of(found)
    with figure_style():
        columns = min(2, len(panels))
        rows = -(-len(panels) // columns)
        figure = new_figure(COLUMN * columns, 2.5 * rows)
        for number, (name, curves) in enumerate(panels.items()):
            _draw(figure.add_subplot(rows, columns, number + 1), found, name, curves)
        return figure


def _draw(axes: Any, found: Spectra, name: str, curves: dict[str, PowerCurve]) -> None:
    for of, curve in curves.items():
        axes.loglog(curve.frequency[1:], curve.density[1:], color=COLOURS.get(of, FINER), label=of)
    data = curves[DATA]
    axes.set_ylim(bottom=max(axes.get_ylim()[0], SHOWN * float(data.density[1:].max())))
    axes.axvline(data.nyquist, color=ORANGE, linewidth=0.8, linestyle="--", label="data's Nyquist frequency")
    unit = found.unit if name == RADIAL else found.by_axis[name]
    axes.set(
        xlabel=f"spatial frequency (cycles per {unit or 'unit'})",
        ylabel=f"power density ({density_unit(found.value_unit, unit, data.axes)})",
        title=name if name == RADIAL else f"along {name}",
    )
    axes.legend()
