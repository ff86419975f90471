"""Parts that analysis windows are made of: number fields, choices, tables of measures, and strips of pictures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDoubleSpinBox,
    QHeaderView,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from dinr_studio.ui.colours import DIVERGING, picture
from dinr_studio.ui.theme import small_font


def whole_number(name: str, tip: str, least: int, usual: int, most: int, unit: str = "") -> QSpinBox:
    """A field for a whole number."""
    spin = QSpinBox(minimum=least, maximum=most)
    spin.setSuffix(f" {unit}" if unit else "")
    spin.setValue(usual)
    spin.setAccessibleName(name)
    spin.setToolTip(tip)
    return spin


def decimal_number(name: str, tip: str, least: float, usual: float, most: float, unit: str = "") -> QDoubleSpinBox:
    """A field for a number."""
    spin = QDoubleSpinBox(minimum=least, maximum=most)
    spin.setSuffix(f" {unit}" if unit else "")
    spin.setValue(usual)
    spin.setAccessibleName(name)
    spin.setToolTip(tip)
    return spin


def choice(name: str, tip: str, entries: Mapping[str, Any]) -> QComboBox:
    """A choice of entries by their titles; `currentData` is what was chosen."""
    box = QComboBox()
    for title, value in entries.items():
        box.addItem(title, value)
    box.setAccessibleName(name)
    box.setToolTip(tip)
    return box


def course_looks() -> QSpinBox:
    """A field for how often to look while the run is trained again."""
    tip = "Looks over training, evenly in log of steps. Trains the run again, for as long as its fit took; 0: none"
    spin = whole_number("Course: looks", tip, 0, 0, 100)
    spin.setSpecialValueText("none")
    return spin


def shell_command(*words: object) -> str:
    """The words as a command of the shell, quoted where that is needed."""
    return shlex.join(["dinr-studio", *(str(word) for word in words)])


class MeasureTable(QTableWidget):
    """Named numbers in rows, one column for each thing that was measured; for reading and copying only."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)

    def show_measures(self, rows: Sequence[str], columns: Mapping[str, Sequence[str]]) -> None:
        """Fills the table: titles of rows, and by title of its column what stands in each."""
        self.setRowCount(len(rows))
        self.setColumnCount(len(columns))
        self.setVerticalHeaderLabels(list(rows))
        self.setHorizontalHeaderLabels(list(columns))
        for column, cells in enumerate(columns.values()):
            for row, cell in enumerate(cells):
                item = QTableWidgetItem(cell)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(row, column, item)


class PictureStrip(QWidget):
    """Small pictures side by side, each with a caption below; says why where there are none."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setMinimumSize(QSize(200, 90))
        self._images: list[tuple[QImage, str]] = []
        self._instead = ""

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self._images)

    def show_signed(self, pictures: Sequence[NDArray[np.float64]], captions: Sequence[str]) -> None:
        """Values about zero, each picture (rows, columns) by its own greatest size, in a diverging colour map."""
        self._images, self._instead = [], ""
        for values, caption in zip(pictures, captions, strict=True):
            limit = float(np.abs(values).max()) or 1.0
            self._images.append((picture(values.astype(np.float32), (-limit, limit), DIVERGING), caption))
        self.update()

    def say(self, sentence: str) -> None:
        """Shows a sentence instead of pictures."""
        self._images, self._instead = [], sentence
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws the pictures as large as there is room, without smoothing: a pixel is a point."""
        painter = QPainter(self)
        painter.setFont(small_font())
        if not self._images:
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(8, 8, -8, -8), flags, self._instead)
            return
        line = painter.fontMetrics().lineSpacing()
        columns = self._columns(line)
        rows = -(-len(self._images) // columns)
        width, height = self.width() // columns, self.height() // rows
        for place, (image, caption) in enumerate(self._images):
            left, top = place % columns * width, place // columns * height
            size = image.size().scaled(QSize(width - 6, height - line - 4), Qt.AspectRatioMode.KeepAspectRatio)
            painter.drawImage(QRect(left + (width - size.width()) // 2, top + 2, size.width(), size.height()), image)
            text = QRect(left, top + 2 + size.height(), width, line)
            painter.drawText(text, Qt.AlignmentFlag.AlignHCenter, caption)

    def _columns(self, line: int) -> int:
        """How many pictures in a row make them largest."""
        image = self._images[0][0].size()

        def scale(columns: int) -> float:
            rows = -(-len(self._images) // columns)
            room = (self.width() / columns - 6) / image.width(), (self.height() / rows - line - 4) / image.height()
            return min(room)

        return max(range(1, len(self._images) + 1), key=scale)
