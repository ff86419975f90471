"""The plot of one slice: picture layers, crosshair, the wipe's line, the frame of a part, colour bar and scale bar."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRect, Qt
from PySide6.QtWidgets import QWidget

from dinr_studio.ui.colours import colormap
from dinr_studio.ui.theme import CURVES, plot_colours, small_font
from dinr_studio.ui.views.layers import PictureLayer
from dinr_studio.ui.views.scale_bar import ScaleBar

AXIS_HEIGHT = 32  # pixels, ticks and title

Range = tuple[float, float]


class SlicePlot(pg.PlotWidget):  # type: ignore[misc]
    """Knows nothing of volumes and fields. lines: crosshair, upright and level. box: pyqtgraph's view box."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        self.box = item.getViewBox()
        self.box.setDefaultPadding(0.02)
        self.layers = (PictureLayer(), PictureLayer())
        pen = pg.mkPen(CURVES["orange"], width=1)
        self.lines = (pg.InfiniteLine(angle=90, pen=pen), pg.InfiniteLine(angle=0, pen=pen))
        self.wipe = pg.InfiniteLine(angle=90, movable=True, pen=pg.mkPen("w", width=3), hoverPen=pg.mkPen("y", width=5))
        self.frame = pg.PlotCurveItem(pen=pg.mkPen(CURVES["green"], width=2, style=Qt.PenStyle.DashLine))
        for part in (*self.layers, *self.lines, self.wipe, self.frame):
            self.addItem(part)
        self.wipe.hide()
        self.bar = pg.ColorBarItem(interactive=False, width=12, colorMap=colormap("gray"))
        self.bar.getAxis("right").setStyle(maxTickLevel=0)
        for axis in self._axes():
            axis.enableAutoSIPrefix(False)
            axis.setStyle(tickFont=small_font(), tickTextOffset=2)
            axis.label.setFont(small_font())
        item.layout.addItem(self.bar, 2, 5)
        item.getAxis("bottom").setHeight(AXIS_HEIGHT)
        self.scale_bar = ScaleBar(self)
        self._bar_shown: tuple[str, Range, str] | None = None
        self._frame_shown: tuple[Range, Range] | None = None

    def _axes(self) -> tuple[pg.AxisItem, ...]:
        item = self.getPlotItem()
        return item.getAxis("left"), item.getAxis("bottom"), self.bar.getAxis("right")

    def name_axes(self, across: str, up: str) -> None:
        """Titles of the two axes, units included."""
        for side, title in (("bottom", across), ("left", up)):
            self.getPlotItem().getAxis(side).setLabel(title)
            self.getPlotItem().getAxis(side).enableAutoSIPrefix(False)

    def show_wipe(self, *, wiping: bool) -> None:
        """The first layer left of the line, the second right of it; or the first one alone."""
        self.wipe.setVisible(wiping)
        self.part_layers(self.wipe.value() if wiping else np.inf)

    def part_layers(self, x: float) -> None:
        """Ends the first layer and begins the second at a position."""
        self.layers[0].set_between(-np.inf, x)
        self.layers[1].set_between(x, np.inf)

    def show_bar(self, colours: str, limits: Range, title: str) -> None:
        """The colour bar: a colour map's name, and the values at its ends."""
        if (colours, limits, title) == self._bar_shown:  # drawing it again costs more than the picture
            return
        self._bar_shown = (colours, limits, title)
        self.bar.setColorMap(colormap(colours))
        self.bar.setLevels(values=limits)
        self.bar.getAxis("right").setLabel(title)

    def show_frame(self, ranges: tuple[Range, Range] | None) -> None:
        """A dashed frame about ranges across and up, or none."""
        if ranges == self._frame_shown:
            return
        self._frame_shown = ranges
        if ranges is None:
            self.frame.setData([], [])
            return
        (left, right), (low, high) = ranges
        self.frame.setData([left, right, right, left, left], [low, low, high, high, low])

    def place_scale_bar(self, unit: str) -> None:
        """Follows the view's scale."""
        area = self.box.sceneBoundingRect()
        place = QRect(0, 0, self.width(), int(area.bottom()))
        if place != self.scale_bar.geometry():
            self.scale_bar.setGeometry(place)
        self.scale_bar.set_scale(self.box.viewPixelSize()[0], unit, area.right())

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        background, foreground = plot_colours()
        self.setBackground(background)
        for axis in self._axes():
            axis.setPen(foreground)
            axis.setTextPen(foreground)
