"""What all plots of the monitor share: axes with units, a legend, the theme's colours, saving and copying."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from dinr_studio.ui.colours import number
from dinr_studio.ui.theme import CURVES, plot_colours, small_font

AXIS_HEIGHT = 32  # pixels, ticks and title
DECADE_PIXELS = 28  # that a decade of a logarithmic axis needs for its number
CLOCKS = {"step": "step", "epoch": "epoch", "seconds": "elapsed"}
LABELS = {"step": "optimiser step", "epoch": "epoch", "seconds": "time of training (s)"}


class DecadeAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis whose logarithmic ticks never crowd: whole decades, with 2 and 5 between them where there is room."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float | None, list[float]]]:
        """Levels of ticks as pyqtgraph wants them; in logarithmic mode positions are exponents of ten."""
        if not self.logMode:
            levels: list[tuple[float | None, list[float]]] = super().tickValues(low, high, size)
            return levels
        decades = np.arange(np.floor(low), np.ceil(high) + 1)
        room = size / max(high - low, 1e-9)  # pixels of a decade
        stride = max(1, int(np.ceil(DECADE_PIXELS / room)))
        digits = (1, 2, 5) if room > 3 * DECADE_PIXELS else (1,)
        shown = [d + np.log10(digit) for d in decades if d % stride == 0 for digit in digits]
        minor = [d + np.log10(digit) for d in decades for digit in range(2, 10)] if room > DECADE_PIXELS else []
        return [
            (1.0, [float(v) for v in shown if low <= v <= high]),
            (None, [float(v) for v in minor if low <= v <= high]),
        ]

    def tickStrings(self, values: list[float], scale: float, spacing: float | None) -> list[str]:
        """The numbers beside the ticks; none beside the small ones."""
        if not self.logMode:
            strings: list[str] = super().tickStrings(values, scale, spacing)
            return strings
        return ["" if spacing is None else number(10**value, 4) for value in values]


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """One plot with named curves; setting a curve again replaces it."""

    def __init__(self, name: str, x: str, y: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, axisItems={side: DecadeAxis(orientation=side) for side in ("left", "bottom")})
        self.setAccessibleName(name)
        self.name = name
        self.curves: dict[str, pg.PlotDataItem] = {}
        self.lines: dict[str, pg.InfiniteLine] = {}
        self._from_zero = False
        item = self.getPlotItem()
        item.setLabel("bottom", x)
        item.setLabel("left", y)
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
            item.getAxis(side).setStyle(tickFont=small_font(), tickTextOffset=2)
            item.getAxis(side).label.setFont(small_font())
        item.getAxis("bottom").setHeight(AXIS_HEIGHT)
        item.getViewBox().setDefaultPadding(0.12)  # room for the names of level lines at the edges
        item.showGrid(x=True, y=True, alpha=0.15)
        self.legend = item.addLegend(offset=(-8, 6), labelTextSize="8pt", verSpacing=-4)
        self.setMinimumSize(110, 60)
        self.restyle()

    def begin_at_zero(self) -> None:
        """Lets the bottom axis, which is not logarithmic, go from 0 to what the curves reach."""
        self._from_zero = True

    def curve(
        self,
        name: str,
        x: Sequence[float] | NDArray[np.float64],
        y: Sequence[float] | NDArray[np.float64],
        colour: str,
        *,
        width: float = 1.8,
        faint: float = 1.0,
        dashed: bool = False,
        listed: bool = True,
        dots: bool = False,
    ) -> None:
        """Draws a curve, without what is not finite."""
        shade = QColor(CURVES.get(colour, colour))
        shade.setAlphaF(faint)
        style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
        pen = pg.mkPen(shade, width=width, style=style)
        if name not in self.curves:
            self.curves[name] = self.plot([], [], name=name if listed else None)
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        logarithmic = self.getPlotItem().getAxis("left").logMode
        kept = np.isfinite(x) & np.isfinite(y) & ((y > 0) if logarithmic else True)
        if self.getPlotItem().getAxis("bottom").logMode:
            kept &= x > 0
        self.curves[name].setData(x[kept], y[kept], pen=pen, symbol="o" if dots else None, symbolSize=5,
                                  symbolBrush=shade, symbolPen=None)  # fmt: skip
        if self._from_zero:
            ends = [one.xData.max() for one in self.curves.values() if one.xData is not None and len(one.xData)]
            self.setXRange(0, 1.03 * max(ends, default=1.0), padding=0)

    def line(self, name: str, at: float, colour: str, *, angle: int = 0, named_at: float | None = None) -> None:
        """Draws a labelled straight line across the plot; named_at: how far along it its name is, from 0 to 1."""
        if name not in self.lines:
            anchor = (0, 1) if angle == 0 else (1, 1)  # above a level line, left of an upright one
            usual = 0.12 if angle == 0 else 0.8
            options = {
                "position": usual if named_at is None else named_at,
                "color": CURVES[colour],
                "anchors": [anchor, anchor],
            }
            pen = pg.mkPen(CURVES[colour], width=1.4, style=Qt.PenStyle.DashLine)
            self.lines[name] = pg.InfiniteLine(angle=angle, pen=pen, label=name, labelOpts=options)
            self.addItem(self.lines[name])
        axis = self.getPlotItem().getAxis("left" if angle == 0 else "bottom")
        self.lines[name].setPos(np.log10(at) if axis.logMode and at > 0 else at)

    def clear_all(self) -> None:
        """Removes all curves and lines."""
        for name in list(self.curves):
            self.remove(name)
        for line in self.lines.values():
            self.removeItem(line)
        self.lines.clear()

    def remove(self, name: str) -> None:
        """Removes one curve."""
        if name in self.curves:
            self.removeItem(self.curves.pop(name))

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        background, foreground = plot_colours()
        self.setBackground(background)
        for side in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(foreground)
            axis.setTextPen(foreground)
        self.legend.setLabelTextColor(foreground)
        for _, label in self.legend.items:  # pyqtgraph colours only those that come later
            label.setText(label.text, color=foreground)


def smoothed(values: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """An exponential mean that follows after about 1/(1 - strength) entries; what is not finite is passed over."""
    if strength <= 0 or not len(values):
        return values
    out = np.empty_like(values)
    mean = np.nan
    for i, value in enumerate(values):
        if np.isfinite(value):
            mean = value if not np.isfinite(mean) else strength * mean + (1 - strength) * value
        out[i] = mean
    return out
