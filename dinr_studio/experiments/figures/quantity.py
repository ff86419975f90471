"""The figure of one slice of a quantity derived of a field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinr_studio.experiments.figures.style import figure_style, new_figure
from dinr_studio.sampling.picture import draw_pane, scale_bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.sampling.quantity_slice import QuantitySlice

WIDTH = 5.0  # inches


def quantity_figure(found: QuantitySlice, name: str) -> Figure:
    """A slice with axes, scale bar and colour bar in physical units; name: of the data, for the title."""
    aspect = found.plane.extent[0] / found.plane.extent[1] if found.plane.units[0] == found.plane.units[1] else 1.0
    with figure_style():
        figure = new_figure(WIDTH, max(2.4, min(7.0, 0.9 + (WIDTH - 1.6) * aspect)))
        pane = figure.add_subplot()
        colours = "RdBu_r" if found.signed else "viridis"
        draw_pane(figure, pane, found.plane, found.values, found.title, *found.limits, colours, found.label)
        scale_bar(pane, found.plane)
        figure.suptitle(", ".join(part for part in (name, found.where) if part), fontsize=8)
    return figure
