"""A scale bar of round length over a picture."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from dinr_studio.ui.colours import with_unit
from dinr_studio.ui.theme import small_font

LOWEST = 90  # pixels of height below which the bar would hide the picture
SHARE = 0.22  # of the picture's width, at most


def round_length(most: float) -> float:
    """The greatest of 1, 2 and 5 times a power of ten that is not above `most`."""
    step: float = 10.0 ** math.floor(math.log10(most))
    return max(m * step for m in (1, 2, 5) if m * step <= most * (1 + 1e-9))


class ScaleBar(QWidget):
    """Lies over a view and lets the mouse through; told how many world units a pixel is."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._per_pixel, self._unit, self._right = 0.0, "", 0.0

    def set_scale(self, units_per_pixel: float, unit: str, right: float) -> None:
        """units_per_pixel: world length of one pixel; right: where the picture ends, in pixels from the left."""
        if (units_per_pixel, unit, right) != (self._per_pixel, self._unit, self._right):
            self._per_pixel, self._unit, self._right = units_per_pixel, unit, right
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws bar and length at the bottom right of the picture."""
        if not (self._per_pixel > 0 and math.isfinite(self._per_pixel)) or self.height() < LOWEST:
            return
        length = round_length(self._per_pixel * self._right * SHARE)
        width = length / self._per_pixel
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = with_unit(length, self._unit or "voxels")
        painter.setFont(small_font())
        metrics = painter.fontMetrics()
        wide = max(width, metrics.horizontalAdvance(text)) + 14
        back = QRectF(self._right - wide - 8, self.height() - metrics.height() - 20, wide, metrics.height() + 13)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawRoundedRect(back, 4, 4)
        painter.setPen(QPen(QColor("white"), 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        middle, low = back.center().x(), back.bottom() - 6
        painter.drawLine(QPointF(middle - width / 2, low), QPointF(middle + width / 2, low))
        painter.setPen(QColor("white"))
        painter.drawText(back.adjusted(0, 1, 0, -9), Qt.AlignmentFlag.AlignCenter, text)
        painter.end()
