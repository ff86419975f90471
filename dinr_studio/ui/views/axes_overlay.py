"""Axes of the 3D view, drawn over the canvas: ticks in physical units along three edges of the box, and titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from dinr_studio.coordinates import Grid
from dinr_studio.ui.colours import number
from dinr_studio.ui.theme import small_font
from dinr_studio.ui.views.scale_bar import round_length

if TYPE_CHECKING:
    from dinr_studio.ui.views.volume_scene import VolumeScene

TICK, LABEL, TITLE = 4.0, 15.0, 34.0  # distances from the box's edge, in pixels
INK, SHADE = QColor("#d5d9df"), QColor(16, 18, 22, 170)
PARALLEL = (  # for z, y, x: the pairs of corners whose edges run along the axis
    ((0, 4), (1, 5), (2, 6), (3, 7)),
    ((0, 2), (1, 3), (4, 6), (5, 7)),
    ((0, 1), (2, 3), (4, 5), (6, 7)),
)


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round values between two ends, at most about `most` of them."""
    if not high > low:
        return []
    step = round_length((high - low) / most * 2)
    first = np.ceil(low / step - 1e-9)
    return [float(k * step) + 0.0 for k in np.arange(first, np.floor(high / step + 1e-9) + 1)]


class AxesOverlay(QWidget):
    """Lies over the canvas and lets the mouse through."""

    def __init__(self, scene: VolumeScene, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._scene = scene
        self._grid: Grid | None = None
        self.shows_axes = True
        self.names: Sequence[str] = ("",)
        scene.drawn.connect(self.update)

    def set_grid(self, grid: Grid | None) -> None:
        """The box whose edges bear the axes."""
        self._grid = grid
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws the axes and names of all halves."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(small_font())
        width = self.width() / len(self.names)
        for side, name in enumerate(self.names):
            half = QRectF(side * width, 0, width, self.height())
            painter.setClipRect(half)
            if self._grid is not None and self.shows_axes:
                self._draw_axes(painter, side, self._grid)
            self._write(painter, half.topLeft() + QPointF(8 + len(name) * 4, 13), name)
        painter.end()

    def _draw_axes(self, painter: QPainter, side: int, grid: Grid) -> None:
        corners = self._scene.corner_positions()
        if not len(corners):
            return
        places = self._scene.projected(side, corners)
        if not np.isfinite(places).all():
            return
        middle = places.mean(axis=0)
        for axis in range(3):
            pairs = PARALLEL[axis]
            height = [places[list(pair), 1].mean() for pair in pairs]
            left = [-places[list(pair), 0].mean() for pair in pairs]
            a, b = pairs[int(np.argmax(left if axis == 0 else height))]
            self._draw_axis(painter, places[a], places[b], middle, grid, axis)

    def _draw_axis(
        self,
        painter: QPainter,
        a: NDArray[np.float64],
        b: NDArray[np.float64],
        middle: NDArray[np.float64],
        grid: Grid,
        axis: int,
    ) -> None:
        along = b - a
        length = float(np.hypot(*along))
        if length < 40:
            return
        outward = np.array([-along[1], along[0]]) / length
        if np.dot(outward, (a + b) / 2 - middle) < 0:
            outward = -outward
        low = grid.origin[axis] - grid.voxel_size[axis] / 2
        painter.setPen(QPen(INK, 1))
        for value in ticks(low, low + grid.extent[axis], max(2, int(length // 60))):
            foot = a + (value - low) / grid.extent[axis] * along
            painter.setPen(QPen(INK, 1))
            painter.drawLine(QPointF(*foot), QPointF(*(foot + TICK * outward)))
            self._write(painter, QPointF(*(foot + LABEL * outward)), number(value, 3))
        unit = grid.units[axis] or "voxel units"
        self._write(painter, QPointF(*((a + b) / 2 + TITLE * outward)), f"{grid.axes[axis]} ({unit})")

    def _write(self, painter: QPainter, place: QPointF, text: str) -> None:
        if not text:
            return
        size = painter.fontMetrics().boundingRect(text).size()
        box = QRectF(place.x() - size.width() / 2 - 2, place.y() - size.height() / 2, size.width() + 4, size.height())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(SHADE)
        painter.drawRoundedRect(box, 2, 2)
        painter.setPen(INK)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
