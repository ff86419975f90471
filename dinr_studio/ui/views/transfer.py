"""The transfer function: which value of a volume is how opaque, drawn over the histogram and edited with the mouse."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QLinearGradient, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from dinr_studio.analysis.histogram import Histogram
from dinr_studio.ui.colours import ENTRIES, colormap

RADIUS, REACH = 4.0, 9.0  # of a point, and how near the mouse must come to it, in pixels
NUDGE = 0.02
MARGIN = 8


@dataclass(frozen=True)
class TransferFunction:
    """Points (position, opacity) by rising position, both 0 to 1; position is measured between the contrast limits."""

    points: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.2, 0.0), (1.0, 0.85))

    def opacities(self) -> NDArray[np.float64]:
        """(ENTRIES,) opacities at even positions."""
        positions, opacities = zip(*self.points, strict=True)
        return np.asarray(np.interp(np.linspace(0, 1, ENTRIES), positions, opacities), dtype=np.float64)

    def colours(self, name: str) -> NDArray[np.float32]:
        """(ENTRIES, 4) red, green, blue and opacity, 0 to 1, with the colours of a colour map."""
        table = np.ones((ENTRIES, 4), dtype=np.float32)
        table[:, :3] = colormap(name).getLookupTable(nPts=ENTRIES, alpha=False)[:, :3] / 255.0
        table[:, 3] = self.opacities()
        return table

    def with_point(self, position: float, opacity: float) -> TransferFunction:
        """One point more."""
        return TransferFunction(tuple(sorted((*self.points, (_unit(position), _unit(opacity))))))

    def moved(self, index: int, position: float, opacity: float) -> TransferFunction:
        """A point elsewhere, between its neighbours; the first and the last stay at their ends."""
        points = list(self.points)
        last = len(points) - 1
        low = 0.0 if index == 0 else points[index - 1][0]
        high = 1.0 if index == last else points[index + 1][0]
        place = 0.0 if index == 0 else 1.0 if index == last else min(max(position, low), high)
        points[index] = (place, _unit(opacity))
        return replace(self, points=tuple(points))

    def without(self, index: int) -> TransferFunction:
        """One point fewer; the first and the last stay."""
        if index in (0, len(self.points) - 1):
            return self
        return TransferFunction(self.points[:index] + self.points[index + 1 :])


class TransferEditor(QWidget):
    """Drag a point to move it, double-click to add one, right-click (or Delete) to take one away."""

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.function = TransferFunction()
        self._heights: NDArray[np.float64] = np.zeros(0)
        self._colours = "gray"
        self._held = 0
        self.setMinimumSize(240, 110)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Transfer function")
        self.setToolTip(
            "Opacity (upwards) by value (rightwards, between the contrast limits).\n"
            "Drag a point, double-click to add one, right-click to take one away.\n"
            "By keyboard: [ and ] choose a point, arrows move it, Delete takes it away."
        )

    def show_values(self, found: Histogram, limits: tuple[float, float], colours: str) -> None:
        """Takes over the histogram between the contrast limits, and the colours."""
        middles = (found.edges[1:] + found.edges[:-1]) / 2
        inside = (middles >= limits[0]) & (middles <= limits[1])
        counts = np.log1p(found.counts[inside].astype(np.float64))
        self._heights = counts / counts.max() if counts.size and counts.max() > 0 else np.zeros(0)
        self._colours = colours
        self.update()

    def set_function(self, function: TransferFunction) -> None:
        """Replaces the function and tells of it."""
        if function != self.function:
            self.function = function
            self._held = min(self._held, len(function.points) - 1)
            self.changed.emit(function)
        self.update()

    def _area(self) -> QRectF:
        return QRectF(self.rect()).adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)

    def place_of(self, index: int) -> QPointF:
        """Where a point lies in the widget."""
        area, (position, opacity) = self._area(), self.function.points[index]
        return QPointF(area.left() + position * area.width(), area.bottom() - opacity * area.height())

    def _value_at(self, place: QPointF) -> tuple[float, float]:
        area = self._area()
        return (place.x() - area.left()) / area.width(), (area.bottom() - place.y()) / area.height()

    def _near(self, place: QPointF) -> int | None:
        distances = [(self.place_of(i) - place).manhattanLength() for i in range(len(self.function.points))]
        nearest = int(np.argmin(distances))
        return nearest if distances[nearest] <= REACH else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Takes hold of a point, or takes it away."""
        found = self._near(event.position())
        self._held = self._held if found is None else found
        if found is not None and event.button() == Qt.MouseButton.RightButton:
            self.set_function(self.function.without(found))
        self._dragging = found is not None and event.button() == Qt.MouseButton.LeftButton
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Moves the held point."""
        if event.buttons() & Qt.MouseButton.LeftButton and self._dragging:
            self.set_function(self.function.moved(self._held, *self._value_at(event.position())))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Adds a point."""
        if self._near(event.position()) is None:
            self.set_function(self.function.with_point(*self._value_at(event.position())))
        self._dragging = False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Moves the held point by arrows, changes which is held by brackets."""
        x, y = self.function.points[self._held]
        steps = {
            Qt.Key.Key_Left: (-NUDGE, 0.0),
            Qt.Key.Key_Right: (NUDGE, 0.0),
            Qt.Key.Key_Up: (0.0, NUDGE),
            Qt.Key.Key_Down: (0.0, -NUDGE),
        }
        key = event.key()
        if key in steps:
            dx, dy = steps[Qt.Key(key)]
            self.set_function(self.function.moved(self._held, x + dx, y + dy))
        elif key in (Qt.Key.Key_BracketLeft, Qt.Key.Key_BracketRight):
            by = 1 if key == Qt.Key.Key_BracketRight else -1
            self._held = (self._held + by) % len(self.function.points)
            self.update()
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.set_function(self.function.without(self._held))
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws histogram, colours and the line of points."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self._area()
        painter.fillRect(self.rect(), QColor("#101216"))
        gradient = QLinearGradient(area.left(), 0, area.right(), 0)
        for x, (red, green, blue, _) in zip(
            np.linspace(0, 1, 16), self.function.colours(self._colours)[:: ENTRIES // 16], strict=False
        ):
            gradient.setColorAt(float(x), QColor.fromRgbF(float(red), float(green), float(blue)))
        if len(self._heights):
            steps = [
                QPointF(area.left() + (i + 0.5) / len(self._heights) * area.width(), area.bottom() - h * area.height())
                for i, h in enumerate(self._heights)
            ]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(150, 158, 170, 90))
            painter.drawPolygon(QPolygonF([area.bottomLeft(), *steps, area.bottomRight()]))
        painter.fillRect(QRectF(area.left(), area.bottom() + 2, area.width(), 5), gradient)
        places = [self.place_of(i) for i in range(len(self.function.points))]
        painter.setPen(QPen(QColor("#e6e8eb"), 1.6))
        painter.drawPolyline(QPolygonF(places))
        for i, place in enumerate(places):
            held = i == self._held and self.hasFocus()
            painter.setBrush(QColor("#e08214") if held else QColor("#3d84d8"))
            painter.drawEllipse(place, RADIUS, RADIUS)
        painter.end()


def _unit(value: float) -> float:
    return float(min(1.0, max(0.0, value)))
