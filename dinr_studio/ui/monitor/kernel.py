"""The neural tangent kernel over time: its eigenvalues now and before, and what they amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSpinBox, QSplitter, QVBoxLayout, QWidget

from dinr_studio.ui.colours import number
from dinr_studio.ui.monitor.plots import Plot

if TYPE_CHECKING:
    from dinr_studio.training.monitor import KernelLook

MEASURES = {
    "effective rank": ("effective_rank", "effective rank"),
    "condition number": ("condition_number", "condition number"),
    "decay": ("decay", "decay exponent"),
}
EARLIER = 4  # spectra of earlier epochs that stay in view


class KernelTab(QWidget):
    """Spectrum on the left, its development on the right."""

    points_changed = Signal(int)

    def __init__(self, points: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._looks: list[tuple[float, KernelLook]] = []
        self._static: KernelLook | None = None
        self.spectrum = Plot("Kernel eigenvalues", "index", "eigenvalue")
        self.spectrum.getPlotItem().setLogMode(x=True, y=True)
        self.measures = Plot("Kernel measures", "epoch", MEASURES["effective rank"][1])
        self.measure = QComboBox()
        self.measure.addItems(list(MEASURES))
        self.measure.setAccessibleName("Measure of the kernel")
        self.measure.setToolTip(
            "Effective rank: participation ratio (Σλ)² / Σλ²; "
            "condition number: λ₁ over the last λ, taken no smaller than 10⁻⁷ λ₁; decay: slope of log λ over log index"
        )
        self.measure.currentTextChanged.connect(self._on_measure)
        self.points = QSpinBox()
        self.points.setRange(16, 1024)
        self.points.setSingleStep(64)
        self.points.setValue(points)
        self.points.setKeyboardTracking(False)
        self.points.setAccessibleName("Points of the kernel")
        self.points.setToolTip("The kernel is taken on an even sub-grid of at most so many points")
        self.points.valueChanged.connect(self.points_changed)
        self.cost = QLabel()
        self.cost.setProperty("role", "quiet")
        bar = QHBoxLayout()
        for widget in (QLabel("points"), self.points, self.cost):
            bar.addWidget(widget)
        bar.addStretch(1)
        bar.addWidget(self.measure)
        halves = QSplitter(Qt.Orientation.Horizontal)
        halves.addWidget(self.spectrum)
        halves.addWidget(self.measures)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addLayout(bar)
        layout.addWidget(halves, 1)

    def restart(self) -> None:
        """Forgets all looks."""
        self._looks, self._static = [], None
        self.spectrum.clear_all()
        self.measures.clear_all()
        self.cost.setText("")

    def explain(self, sentence: str) -> None:
        """Says why there is no kernel."""
        self.cost.setText(sentence)

    def add(self, epoch: float, look: KernelLook, share: float) -> None:
        """Takes in a look at the field's kernel; share: of the time that all looks have taken so far."""
        if self._looks and self._looks[-1][1].points != look.points:
            self._looks = []
        self._looks.append((epoch, look))
        self.cost.setText(
            f"{look.points} points took {look.seconds:.2f} s beside the fit; "
            f"all looks so far {100 * share:.1f} % of one thread"
        )
        self._draw()

    def add_static(self, look: KernelLook) -> None:
        """Takes in the static baseline's kernel at its beginning."""
        self._static = look
        self._draw()

    @property
    def ranks(self) -> tuple[float, float] | None:
        """Effective rank of the field's kernel now and of the static baseline's; None before both are known."""
        if not self._looks or self._static is None:
            return None
        return self._looks[-1][1].spectrum.effective_rank, self._static.spectrum.effective_rank

    def _on_measure(self) -> None:
        self.measures.clear_all()
        self.measures.getPlotItem().setLabel("left", MEASURES[self.measure.currentText()][1])
        self._draw()

    def _draw(self) -> None:
        attribute = MEASURES[self.measure.currentText()][0]
        self.spectrum.clear_all()
        count = len(self._looks)
        chosen = sorted({round(i * (count - 1) / EARLIER) for i in range(EARLIER + 1)}) if count else []
        for place, i in enumerate(chosen):
            epoch, look = self._looks[i]
            values = look.spectrum.eigenvalues
            last = i == count - 1
            name = f"now, epoch {number(epoch, 3)}" if last else f"epoch {number(epoch, 3)}"
            index = np.arange(1, len(values) + 1, dtype=np.float64)
            self.spectrum.curve(
                name, index, values, "blue", faint=1.0 if last else 0.25 + 0.12 * place, width=2.2 if last else 1.3
            )
        if self._static is not None:
            values = self._static.spectrum.eigenvalues
            index = np.arange(1, len(values) + 1, dtype=np.float64)
            self.spectrum.curve("static twin, untrained", index, values, "orange", dashed=True)
            self.measures.line("static twin, untrained", getattr(self._static.spectrum, attribute), "orange")
        epochs = [epoch for epoch, _ in self._looks]
        self.measures.curve(
            "field", epochs, [getattr(look.spectrum, attribute) for _, look in self._looks], "blue", dots=True
        )

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        self.spectrum.restyle()
        self.measures.restyle()
