"""The honest score: the field's error on voxels it never saw, over time, against what interpolation reaches there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from dinr_studio.analysis.judge import IN_WORDS, standing
from dinr_studio.analysis.scores import Scores
from dinr_studio.ui.colours import with_unit
from dinr_studio.ui.monitor.loss import OVERLAYS, Curve
from dinr_studio.ui.monitor.plots import CLOCKS, LABELS, Plot

MEASURES = ("PSNR", "relative error")
COLOURS = {"nearest": "grey", "linear": "green", "cubic": "red", "rbf": "red"}
CHANNELS_TIP = "Each channel by itself, by its own range, beside the best interpolation of it"
TOGETHER = "field with spline"


class HeldOutTab(QWidget):
    """Field against nearest-neighbour, linear and spline interpolation, with a verdict in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curve: Curve = {}
        self._rivals: Mapping[str, Scores] = {}
        self._overlaid: dict[str, Curve] = {}
        self._verdict = ""
        self._stacked: float | None = None
        self._judged, self._of = True, "voxels"
        self.plot = Plot("Held-out score", LABELS["step"], "PSNR (dB)")
        self.sentence = QLabel("Press Fit: some of the data is held out, and the field is judged on it.")
        self.sentence.setWordWrap(True)
        self.sentence.setProperty("role", "heading")
        self.measure, self.clock = QComboBox(), QComboBox()
        self.measure.addItems(MEASURES)
        self.clock.addItems(list(CLOCKS))
        self.measure.setAccessibleName("Measure")
        self.clock.setAccessibleName("Horizontal axis")
        for box in (self.measure, self.clock):
            box.currentTextChanged.connect(self._on_changed)
        bar = QHBoxLayout()
        bar.addWidget(self.measure)
        bar.addWidget(QLabel("by"))
        bar.addWidget(self.clock)
        bar.addWidget(self.sentence, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        self.channels = QLabel()
        self.channels.setWordWrap(True)
        self.channels.setProperty("role", "quiet")
        self.channels.hide()
        layout.addLayout(bar)
        layout.addWidget(self.channels)
        layout.addWidget(self.plot, 1)

    def show_curve(
        self,
        curve: Curve,
        rivals: Mapping[str, Scores],
        verdict: str,
        *,
        judged: bool,
        stacked: float | None = None,
        of: str = "voxels",
    ) -> None:
        """Draws the field's curve and the rivals' lines.

        verdict: the final sentence, once there is one. judged: whether any voxels are held out. stacked: PSNR in dB of
        field and cubic spline together, where that is better than each. of: what is held out, voxels or samples.
        """
        self._curve, self._rivals, self._verdict, self._judged = curve, rivals, verdict, judged
        self._stacked, self._of = stacked, of
        self._draw()

    def overlay(self, runs: Mapping[str, Curve]) -> None:
        """Draws the curves of other runs beside it."""
        for name in self._overlaid:
            self.plot.remove(name)
        self._overlaid = dict(runs)
        self._draw()

    def restart(self) -> None:
        """Forgets the curve and the rivals' lines."""
        self.plot.clear_all()
        self._curve, self._rivals, self._verdict, self._stacked = {}, {}, "", None
        self.sentence.setText("")
        self.show_channels(())

    def show_channels(self, channels: Sequence[Mapping[str, Any]]) -> None:
        """Scores of each channel, as `by_channel` of a judged run has them; none hides them."""
        parts = []
        for channel in channels:
            rivals = channel["interpolation"]
            best = max(rivals, key=lambda name: rivals[name]["psnr"])
            than = f"{IN_WORDS[best]} {rivals[best]['psnr']:.1f}"
            parts.append(f"<b>{escape(channel['name'])}</b> {channel['psnr']:.1f} dB ({than})")
        self.channels.setText(" &nbsp;·&nbsp; ".join(parts))
        errors = (f"{channel['name']}: {with_unit(channel['mae'], channel['unit'], 3)}" for channel in channels)
        self.channels.setToolTip(f"{CHANNELS_TIP}; mean absolute errors: {', '.join(errors)}")
        self.channels.setVisible(bool(parts))

    def _on_changed(self) -> None:
        self.plot.clear_all()
        error = self.measure.currentText() == MEASURES[1]
        self.plot.getPlotItem().setLabel("left", "relative L2 error" if error else "PSNR (dB)")
        self.plot.getPlotItem().setLabel("bottom", LABELS[self.clock.currentText()])
        self.plot.getPlotItem().enableAutoRange()
        self._draw()

    def _in_measure(self, psnr: np.ndarray) -> np.ndarray:
        """PSNRs as the chosen measure; on one set of voxels the relative error is a fixed multiple of 10^(-PSNR/20)."""
        if self.measure.currentText() == MEASURES[0] or not self._rivals:
            return psnr
        one = next(iter(self._rivals.values()))
        return one.relative_l2 / 10 ** (-one.psnr / 20) * 10 ** (-psnr / 20)

    def _draw(self) -> None:
        column = CLOCKS[self.clock.currentText()]
        for name, scores in self._rivals.items():
            value = float(self._in_measure(np.array([scores.psnr]))[0])
            self.plot.line(IN_WORDS[name], value, COLOURS[name])
        if self._stacked is not None:
            self.plot.line(TOGETHER, float(self._in_measure(np.array([self._stacked]))[0]), "violet")
        for (name, run), colour in zip(self._overlaid.items(), OVERLAYS * 9, strict=False):
            self.plot.curve(name, run[column], self._in_measure(run["held_out_psnr"]), colour, dashed=True)
        if not self._curve:
            return
        psnr = self._curve["held_out_psnr"]
        self.plot.curve("field", self._curve[column], self._in_measure(psnr), "blue", width=2.2, dots=True)
        seen = psnr[np.isfinite(psnr)]
        if self._verdict:
            self.sentence.setText(self._verdict)
        elif len(seen) and self._rivals:
            self.sentence.setText(f"So far: {standing(float(seen.max()), self._rivals, self._of)}")
        elif len(seen):
            self.sentence.setText(
                f"So far: {seen.max():.1f} dB on {self._of} it never saw; interpolation is being scored …"
            )
        elif not self._judged:
            self.sentence.setText(f"No {self._of} are held out, so nothing says how far to trust this field.")

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        self.plot.restyle()
