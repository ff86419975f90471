"""Plots in other colours and with heavier lines for a moment: as figures need them, whatever the theme."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pyqtgraph as pg
from PySide6.QtGui import QColor, QPen

Colours = tuple[str, str]  # background and foreground
PAPER: Colours = ("#ffffff", "#000000")


@contextmanager
def redrawn(view: pg.PlotWidget, colours: Colours, weight: float) -> Iterator[None]:
    """A plot in other colours, and with lines wider by a factor; on leaving everything is as it was.

    Lines on the screen are cosmetic: they stay as thin as a screen's pixel at any resolution, so that a picture at
    several pixels per screen pixel has to ask for wider ones.
    """
    with ExitStack() as back:
        before = view.backgroundBrush()
        view.setBackgroundBrush(QColor(colours[0]))
        back.callback(view.setBackgroundBrush, before)
        for item in view.scene().items():
            if isinstance(item, pg.AxisItem):
                _redraw_axis(item, colours[1], weight, back)
            elif isinstance(item, pg.LegendItem):
                _recolour_legend(item, colours[1], back)
            elif isinstance(item, pg.PlotDataItem):
                _widen(item, item.opts["pen"], weight, back)
            elif isinstance(item, pg.ScatterPlotItem):
                back.callback(item.setExportMode, False)
                item.setExportMode(True, {})  # dots as shapes instead of little pictures
            elif isinstance(item, pg.InfiniteLine):
                _widen(item, item.pen, weight, back)
            elif isinstance(item, pg.PlotCurveItem) and not isinstance(item.parentItem(), pg.PlotDataItem):
                _widen(item, item.opts["pen"], weight, back)
        yield


def _redraw_axis(axis: pg.AxisItem, colour: str, weight: float, back: ExitStack) -> None:
    pen, text = QPen(axis.pen()), QPen(axis.textPen())
    back.callback(axis.setTextPen, text)
    back.callback(axis.setPen, pen)
    axis.setPen(pg.mkPen(colour, width=weight * pen.widthF()))
    axis.setTextPen(colour)


def _recolour_legend(legend: pg.LegendItem, colour: str, back: ExitStack) -> None:
    for _, label in legend.items:
        back.callback(label.setText, label.text, color=label.opts["color"])
        label.setText(label.text, color=colour)


def _widen(item: Any, pen: object, weight: float, back: ExitStack) -> None:
    if pen is None or weight == 1:
        return
    before = pg.mkPen(pen)
    wider = QPen(before)
    wider.setWidthF(weight * max(1.0, before.widthF()))
    item.setPen(wider)
    back.callback(item.setPen, before)
