"""The status bar: device, speed and memory, progress, time left, and the score."""

from __future__ import annotations

import os
from collections.abc import Mapping

import psutil
from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QLabel, QProgressBar, QStatusBar, QWidget

from dinr_studio.analysis.scores import Scores
from dinr_studio.training.snapshot import Snapshot
from dinr_studio.ui.background import spare_threads
from dinr_studio.words import bytes_in_words, seconds_in_words

MEMORY_EVERY = 2000  # milliseconds


class StatusBar(QStatusBar):
    """Left: what lies under the cursor; right: the fit."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.place = QLabel()
        self.machine, self.epoch, self.left, self.score = QLabel(), QLabel(), QLabel(), QLabel()
        self.progress = QProgressBar()
        self.progress.setMaximumWidth(160)
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("Progress of the fit")
        self.addWidget(self.place, 1)
        for widget in (self.machine, self.epoch, self.progress, self.left, self.score):
            self.addPermanentWidget(widget)
        self._rate = ""
        self._process = psutil.Process()
        self._timer = QTimer(self, interval=MEMORY_EVERY)
        self._timer.timeout.connect(self._on_memory)
        self._timer.start()
        self.rest()

    def rest(self) -> None:
        """No fit is in progress."""
        self._rate = ""
        self.epoch.setText("")
        self.left.setText("")
        self.progress.hide()
        self._on_memory()

    def show_score(self, psnr: float | None, rivals: Mapping[str, Scores]) -> None:
        """The held-out score, and by how much it beats the best interpolation."""
        if psnr is None:
            self.score.setText("")
            return
        gain = ""
        if rivals:
            over = psnr - max(scores.psnr for scores in rivals.values())
            gain = f" ({over:+.1f} over interpolation)".replace("-", "−")
        self.score.setText(f"{psnr:.1f} dB held-out{gain}")

    def follow(self, snapshot: Snapshot, max_epochs: int, *, paused: bool) -> None:
        """One moment of the fit."""
        self.progress.show()
        if snapshot.phase in ("preparing", "judging"):
            self.progress.setRange(0, 0)
            self.epoch.setText("preparing the data" if snapshot.phase == "preparing" else "judging on held-out voxels")
            self.left.setText("")
            return
        self.progress.setRange(0, 1000)
        whole = snapshot.elapsed + snapshot.remaining
        share = snapshot.elapsed / whole if whole > 0 else 0.0
        self.progress.setValue(round(1000 * share) if share == share else 0)
        self._rate = f"{snapshot.device}, {snapshot.coordinates_per_second:,.0f} coordinates/s, "
        self.epoch.setText(f"epoch {snapshot.epoch:.1f}/{max_epochs}")
        self.left.setText("paused" if paused else f"{seconds_in_words(snapshot.remaining)} left")
        self._on_memory()

    @Slot()
    def _on_memory(self) -> None:
        used = bytes_in_words(self._process.memory_info().rss)
        threads = spare_threads()
        idle = "" if self._rate else f"fits use {threads} of {os.cpu_count()} threads, "
        self.machine.setText(f"{self._rate}{idle}{used}")
