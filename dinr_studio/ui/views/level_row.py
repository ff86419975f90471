"""The isosurface's level: a slider, the value in its unit, and the same in standard deviations above the mean."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QSlider, QWidget

from dinr_studio.ui.colours import number

TICKS = 1000


class LevelRow(QWidget):
    """Three controls that follow each other; `changed` comes with every other level."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.level = 0.0
        self._low, self._high, self._mean, self._deviation = 0.0, 1.0, 0.0, 1.0
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, TICKS)
        self.slider.setAccessibleName("Level of the isosurface")
        self.slider.setToolTip("Level of the isosurface, between the least and the greatest value")
        self.slider.valueChanged.connect(self._on_slider)
        self.value, self.sigma = QLineEdit(), QLineEdit()
        for edit, name, slot in (
            (self.value, "Level in the value's unit", self._on_value_typed),
            (self.sigma, "Level in standard deviations above the mean", self._on_sigma_typed),
        ):
            edit.setMaximumWidth(76)
            edit.setAccessibleName(name)
            edit.setToolTip(name)
            edit.editingFinished.connect(slot)
        self.unit = QLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 0, 6, 0)
        for widget in (QLabel("level"), self.slider, self.value, self.unit, self.sigma, QLabel("σ")):
            row.addWidget(widget, 1 if widget is self.slider else 0)

    def set_values(self, span: tuple[float, float], mean: float, deviation: float, unit: str) -> None:
        """Takes over the least and greatest value, mean, standard deviation and unit of what is shown."""
        (self._low, self._high), self._mean, self._deviation = span, mean, deviation or 1.0
        self.unit.setText(unit)

    def set_level(self, level: float) -> None:
        """Another level, in the value's unit."""
        self.level = float(level)
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(TICKS * (level - self._low) / ((self._high - self._low) or 1.0)))
        self.value.setText(_typed(level, 4))
        self.sigma.setText(_typed((level - self._mean) / self._deviation, 3))
        self.changed.emit()

    @Slot(int)
    def _on_slider(self, tick: int) -> None:
        self.set_level(self._low + tick / TICKS * (self._high - self._low))

    @Slot()
    def _on_value_typed(self) -> None:
        self._take(self.value, 0.0, 1.0)

    @Slot()
    def _on_sigma_typed(self) -> None:
        self._take(self.sigma, self._mean, self._deviation)

    def _take(self, edit: QLineEdit, offset: float, scale: float) -> None:
        if not edit.isModified():  # only passed through: the text has fewer digits than the level
            return
        try:
            self.set_level(offset + scale * float(edit.text().replace(",", ".").replace("−", "-")))
        except ValueError:
            self.set_level(self.level)


def _typed(value: float, digits: int) -> str:
    """A number as one would type it."""
    return number(value, digits).replace("−", "-")
