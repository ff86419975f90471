"""Figures of structure: error and correlation by band of frequency, and similarity by region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dinr_studio.experiments.figures.style import BLUE, COLUMN, GREEN, ORANGE, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.analysis.structure import Structure


def structure_figure(found: Structure) -> Figure:
    """Bands left, regions right."""
    with figure_style():
        figure = new_figure(2 * COLUMN, 2.8)
        bands: Any = figure.add_subplot(1, 2, 1)
        edges = [band.low for band in found.bands] + [found.bands[-1].high]
        bands.stairs([band.error for band in found.bands], edges, color=ORANGE, label="power missed / data's power")
        bands.stairs([band.correlation for band in found.bands], edges, color=BLUE, label="correlation")
        bands.stairs([band.share for band in found.bands], edges, color=GREEN, label="share of the data's power")
        bands.set(xlabel=f"spatial frequency (cycles per {found.unit or 'unit'})", ylabel="share", xlim=(0, edges[-1]))
        bands.legend()
        regions: Any = figure.add_subplot(1, 2, 2)
        names = ["whole", *found.regions]
        rows = [found.whole, *found.regions.values()]
        regions.barh(names, [row.gradient_error for row in rows], color=BLUE, height=0.7)
        regions.invert_yaxis()
        regions.set(xlabel="gradient error |grad f - grad d| / |grad d|")
        return figure
