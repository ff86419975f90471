"""What a slice pane draws: pictures at their places in the world, cut at the line of a wipe."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QWidget

Placed = tuple[QImage, QRectF]


class PictureLayer(pg.GraphicsObject):  # type: ignore[misc]
    """Draws images, first to last, each filling a rectangle of the world; only what lies between two x positions.

    An image's first row lies at its rectangle's least y. smooth: whether pixels larger than the screen's are blended.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pictures: Sequence[Placed] = ()
        self._bounds = QRectF()
        self._between = (-math.inf, math.inf)
        self.smooth = False

    def set_pictures(self, pictures: Sequence[Placed], bounds: QRectF) -> None:
        """Replaces all images; bounds is the rectangle that they stay within."""
        self._pictures = pictures
        if bounds != self._bounds:
            self.prepareGeometryChange()
            self._bounds = bounds
        self.update()

    def set_between(self, left: float, right: float) -> None:
        """Shows only what lies between two x positions."""
        if (left, right) != self._between:
            self._between = (left, right)
            self.update()

    def boundingRect(self) -> QRectF:
        """The layer's extent in the world."""
        return self._bounds

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        """Draws what is seen."""
        left, right = (min(max(x, self._bounds.left()), self._bounds.right()) for x in self._between)
        if right <= left:
            return
        painter.save()
        painter.setClipRect(
            QRectF(left, self._bounds.top(), right - left, self._bounds.height()), Qt.ClipOperation.IntersectClip
        )
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.smooth)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for image, rectangle in self._pictures:
            painter.drawImage(rectangle, image)
        painter.restore()
