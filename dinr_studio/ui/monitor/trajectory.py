"""The way through latent time: how far states move, the energy that takes, what goes wrong, and a slider along it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QSplitter, QVBoxLayout, QWidget

from dinr_studio.analysis.diagnosis import Finding
from dinr_studio.ui.monitor.plots import Plot
from dinr_studio.ui.theme import CURVES

if TYPE_CHECKING:
    from dinr_studio.sampling.latent import LatentProfile

TICKS = 200


class TrajectoryTab(QWidget):
    """|z| and |f| along latent time, kinetic energy by step, warnings with remedies, and the latent time slider."""

    time_chosen = Signal(object)
    remedy_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._horizon = 1.0
        self.way = Plot("Latent trajectory", "latent time t", "root mean square")
        self.energy = Plot("Kinetic energy", "step", "kinetic energy")
        self.bars = pg.BarGraphItem(x=[], height=[], width=0.7, brush=CURVES["violet"])
        self.energy.addItem(self.bars)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, TICKS)
        self.slider.setValue(TICKS)
        self.slider.setEnabled(False)
        self.slider.setAccessibleName("Latent time")
        self.slider.setToolTip(
            "Slices and volume show what the state decodes to at this latent time: the field as it forms"
        )
        self.slider.valueChanged.connect(self._on_slider)
        self.time = QLabel("t = T")
        self.time.setMinimumWidth(110)
        row = QHBoxLayout()
        row.addWidget(QLabel("Show the field at latent time"))
        row.addWidget(self.slider, 1)
        row.addWidget(self.time)
        self.warnings = QVBoxLayout()
        self.warnings.setSpacing(2)
        halves = QSplitter(Qt.Orientation.Horizontal)
        halves.addWidget(self.way)
        halves.addWidget(self.energy)
        halves.setSizes([600, 400])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addLayout(row)
        layout.addLayout(self.warnings)
        layout.addWidget(halves, 1)

    def restart(self, horizon: float | None) -> None:
        """Forgets everything; horizon: T of the field's dynamics, None for a static field."""
        self.way.clear_all()
        self.bars.setOpts(x=[], height=[])
        self.slider.setEnabled(horizon is not None)
        self._horizon = horizon or 1.0
        self.slider.blockSignals(True)
        self.slider.setValue(TICKS)
        self.slider.blockSignals(False)
        self._name_time()
        self.warn(())

    def show_profile(self, profile: LatentProfile) -> None:
        """Draws a trajectory."""
        self.way.curve("|z|", profile.times, profile.latent, "blue", dots=True)
        self.way.curve("|f|", profile.times, profile.speed, "orange", dots=True)
        self.bars.setOpts(x=np.arange(1, len(profile.energy) + 1), height=profile.energy)

    def warn(self, findings: Sequence[Finding]) -> None:
        """Shows what goes wrong, each with a button for its remedy."""
        while (item := self.warnings.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        for finding in findings:
            line = QWidget()
            row = QHBoxLayout(line)
            row.setContentsMargins(0, 0, 0, 0)
            sentence = QLabel(f"⚠ {finding.sentence}")
            sentence.setProperty("role", "warning")
            sentence.setWordWrap(True)
            remedy = QPushButton(finding.remedy)
            remedy.setToolTip("Takes these settings over for the next fit")
            remedy.clicked.connect(lambda _=False, finding=finding: self.remedy_chosen.emit(finding))
            row.addWidget(sentence, 1)
            row.addWidget(remedy)
            self.warnings.addWidget(line)

    @Slot(int)
    def _on_slider(self, tick: int) -> None:
        self._name_time()
        self.time_chosen.emit(None if tick == TICKS else self._horizon * tick / TICKS)

    def _name_time(self) -> None:
        tick = self.slider.value()
        self.time.setText(
            "t = T (the field)" if tick == TICKS else f"t = {self._horizon * tick / TICKS:.3g} of {self._horizon:g}"
        )

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        self.way.restyle()
        self.energy.restyle()
