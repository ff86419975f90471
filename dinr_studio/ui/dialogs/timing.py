"""How fast a run's field is evaluated here, measured once while a dialog is open."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QObject, Signal, Slot

from dinr_studio.needs import span_in_words
from dinr_studio.training.run import Run
from dinr_studio.ui.background import Work


def measuring(run: Run) -> Iterator[float]:
    """Coordinates per second by one thread; runs in a work's thread."""
    from dinr_studio.sampling.export import coordinates_per_second
    from dinr_studio.ui.exporting import field_in_thread

    yield coordinates_per_second(field_in_thread(run, 1))


class Timing(QObject):
    """Measures in the background; `measured` comes once, where it worked."""

    measured = Signal()

    def __init__(self, run: Run, parent: QObject) -> None:
        super().__init__(parent)
        self.rate = 0.0
        self._work: Work | None = Work(lambda: measuring(run), self)
        self._work.made.connect(self._on_made)
        self._work.ended.connect(self._on_ended)
        self._work.start()

    def in_words(self, coordinates: int) -> str:
        """How long so many coordinates take."""
        if self.rate > 0:
            return span_in_words(coordinates / self.rate)
        return "measuring the time it takes …" if self._work is not None else "time unknown"

    def stop(self) -> None:
        """Ends it; before the dialog goes away."""
        if self._work is not None:
            self._work.cancel()
            self._work.wait()

    @Slot(object)
    def _on_made(self, rate: float) -> None:
        self.rate = rate
        self.measured.emit()

    @Slot()
    def _on_ended(self) -> None:
        self._work = None
        self.measured.emit()
