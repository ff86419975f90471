"""The losses over time: of the data, of the kinetic energy, both together, and the learning rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QSlider, QSplitter, QVBoxLayout, QWidget

from dinr_studio.ui.monitor.plots import CLOCKS, LABELS, Plot, smoothed

Curve = Mapping[str, NDArray[np.float64]]
COLOURS = {"data loss": "blue", "kinetic term": "violet", "total": "orange"}
OVERLAYS = ("green", "red", "grey", "violet", "orange", "blue")


class LossTab(QWidget):
    """Raw curves stay visible, faintly, behind smoothed ones."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curve: Curve = {}
        self._weight = 0.0
        self._overlaid: dict[str, Curve] = {}
        self.plot = Plot("Losses", LABELS["step"], "loss")
        self.plot.setToolTip("Mean squared error in normalised units: the data's range is scaled to [-1, 1]")
        self.rate = Plot("Learning rate", LABELS["step"], "rate")
        self.rate.setXLink(self.plot)
        self.clock = QComboBox()
        self.clock.addItems(list(CLOCKS))
        self.clock.setAccessibleName("Horizontal axis")
        self.logarithmic = QCheckBox("logarithmic")
        self.logarithmic.setChecked(True)
        self.smoothing = QSlider(Qt.Orientation.Horizontal)
        self.smoothing.setRange(0, 98)
        self.smoothing.setValue(60)
        self.smoothing.setMaximumWidth(140)
        self.smoothing.setAccessibleName("Smoothing")
        self.smoothing.setToolTip("Smooths the curves; the raw ones stay visible behind")
        self.clock.currentTextChanged.connect(self._on_changed)
        self.logarithmic.toggled.connect(self._on_changed)
        self.smoothing.valueChanged.connect(self._on_changed)
        bar = QHBoxLayout()
        for widget in (QLabel("by"), self.clock, self.logarithmic, QLabel("smoothing"), self.smoothing):
            bar.addWidget(widget)
        bar.addStretch(1)
        halves = QSplitter(Qt.Orientation.Horizontal)
        halves.addWidget(self.plot)
        halves.addWidget(self.rate)
        halves.setSizes([700, 300])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addLayout(bar)
        layout.addWidget(halves, 1)
        self._on_changed()

    def show_curve(self, curve: Curve, kinetic_weight: float) -> None:
        """Draws the curve of the fit in progress, or of the run that is open."""
        self._curve, self._weight = curve, kinetic_weight
        self._draw()

    def restart(self) -> None:
        """Forgets the curves; those of overlaid runs stay."""
        self._curve = {}
        self.plot.clear_all()
        self.rate.clear_all()
        self._draw()

    def overlay(self, runs: Mapping[str, Curve]) -> None:
        """Draws the data losses of other runs beside it."""
        for name in self._overlaid:
            self.plot.remove(name)
        self._overlaid = dict(runs)
        self._draw()

    def _on_changed(self) -> None:
        logarithmic = self.logarithmic.isChecked()
        for plot in (self.plot, self.rate):
            plot.getPlotItem().setLogMode(y=logarithmic)
            plot.getPlotItem().setLabel("bottom", LABELS[self.clock.currentText()])
            plot.getPlotItem().enableAutoRange()
        self._draw()

    def _draw(self) -> None:
        column = CLOCKS[self.clock.currentText()]
        strength = self.smoothing.value() / 100
        if self._curve:
            x = self._curve[column]
            kinetic = self._weight * self._curve["kinetic_energy"]
            series = {
                "data loss": self._curve["data_loss"],
                "kinetic term": kinetic if self._weight else np.full_like(kinetic, np.nan),
                "total": self._curve["total_loss"] if self._weight else np.full_like(kinetic, np.nan),
            }
            for name, values in series.items():
                if not np.isfinite(values).any():
                    self.plot.remove(name)
                    self.plot.remove(f"{name}, raw")
                    continue
                self.plot.curve(f"{name}, raw", x, values, COLOURS[name], width=1, faint=0.35, listed=False)
                self.plot.curve(name, x, smoothed(values, strength), COLOURS[name])
            self.rate.curve("learning rate", x, self._curve["learning_rate"], "green")
        for (name, run), colour in zip(self._overlaid.items(), OVERLAYS * 9, strict=False):
            self.plot.curve(name, run[column], run["data_loss"], colour, dashed=True)

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        self.plot.restyle()
        self.rate.restyle()
