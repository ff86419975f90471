"""A slice of a quantity in physical coordinates, with its colour bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QRectF

from dinr_studio.ui.colours import colormap
from dinr_studio.ui.monitor.plots import Plot
from dinr_studio.ui.theme import plot_colours

if TYPE_CHECKING:
    from dinr_studio.sampling.quantity_slice import QuantitySlice

SIGNED, POSITIVE = "blue-red (diverging)", "viridis"


class QuantityView(Plot):
    """Shows one QuantitySlice, or nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "", "")
        self.shown: QuantitySlice | None = None
        self._image = pg.ImageItem(axisOrder="row-major")
        self._image.setVisible(False)
        self.addItem(self._image)
        self.getPlotItem().getViewBox().setDefaultPadding(0.02)
        self.getPlotItem().showGrid(x=False, y=False)
        self._bar: pg.ColorBarItem | None = None

    def show_slice(self, found: QuantitySlice) -> None:
        """Draws a slice; a place is where it is in the world."""
        self.clear_slice()
        self.shown = found
        plane, item = found.plane, self.getPlotItem()
        corner = [o - v / 2 for o, v in zip(plane.origin, plane.voxel_size, strict=True)]
        self._image.setImage(found.values, autoLevels=False, levels=found.limits)
        self._image.setRect(QRectF(corner[1], corner[0], plane.extent[1], plane.extent[0]))
        self._image.setVisible(True)
        item.getViewBox().setAspectLocked(plane.units[0] == plane.units[1])
        for side, axis in (("bottom", 1), ("left", 0)):
            item.setLabel(side, f"{plane.axes[axis]} ({plane.units[axis] or 'voxel units'})")
        item.setTitle(found.where or None, size="9pt", color=plot_colours()[1])
        colours = colormap(SIGNED if found.signed else POSITIVE)
        self._bar = pg.ColorBarItem(
            values=found.limits, colorMap=colours, label=found.label, interactive=False, width=16
        )
        self._bar.setImageItem(self._image, insert_in=item)
        self.restyle()
        item.getViewBox().autoRange()

    def clear_slice(self) -> None:
        """Shows nothing."""
        self.shown = None
        self._image.setVisible(False)
        self.getPlotItem().setTitle(None)
        if self._bar is not None:
            self.getPlotItem().layout.removeItem(self._bar)
            self._bar.scene().removeItem(self._bar)
            self._bar = None

    def restyle(self) -> None:
        """Takes over the theme's colours, for the colour bar too."""
        super().restyle()
        foreground = plot_colours()[1]
        bar, shown = getattr(self, "_bar", None), getattr(self, "shown", None)
        if bar is not None:
            for side in ("left", "right", "top", "bottom"):
                bar.getAxis(side).setTextPen(foreground)
                bar.getAxis(side).setPen(foreground)
        if shown is not None:
            self.getPlotItem().titleLabel.setText(shown.where, color=foreground, size="9pt")
