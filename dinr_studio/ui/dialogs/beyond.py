"""How much of an export lies beyond the data's Nyquist frequency, found in the background while a dialog is open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from dinr_studio.coordinates import Grid
from dinr_studio.training.run import Run
from dinr_studio.ui.background import Work

if TYPE_CHECKING:
    from dinr_studio.sampling.beyond import Beyond

PAUSE = 400  # ms without a change before it is looked for
LOOKING = "looking for energy beyond the data's Nyquist frequency …"


def looking(run: Run, grid: Grid) -> Iterator[Beyond | None]:
    """Yields the share, or None where there is none to find, last; runs in a work's thread."""
    from dinr_studio.sampling.beyond import beyond_nyquist
    from dinr_studio.ui.exporting import field_in_thread

    yield from beyond_nyquist(field_in_thread(run, 1), grid)


class BeyondNyquist(QObject):
    """Looks for what was last asked for; `found` comes with each answer."""

    found = Signal()

    def __init__(self, run: Run, parent: QObject) -> None:
        super().__init__(parent)
        self._run, self._asked = run, run.grid
        self._answer: Beyond | None = None
        self._work: Work | None = None
        self._works: list[Work] = []
        self._timer = QTimer(self, singleShot=True, interval=PAUSE)
        self._timer.timeout.connect(self._begin)

    def ask(self, grid: Grid) -> None:
        """Asks for the share of an export to a grid; an earlier question is dropped."""
        if grid == self._asked:
            return
        self._asked, self._answer = grid, None
        self._drop()
        self._timer.start()

    def in_words(self) -> str:
        """The answer, in a sentence; nothing where the grid is no finer than the data."""
        if self._timer.isActive() or self._work is not None:
            return LOOKING if self._is_finer() else ""
        return "" if self._answer is None else self._answer.in_words

    def stop(self) -> None:
        """Ends it; before the dialog goes away."""
        self._timer.stop()
        self._drop()
        for work in self._works:
            work.wait()

    def _is_finer(self) -> bool:
        return any(new < old for new, old in zip(self._asked.voxel_size, self._run.grid.voxel_size, strict=True))

    def _drop(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._work = None

    @Slot()
    def _begin(self) -> None:
        run, grid = self._run, self._asked
        self._work = Work(lambda: looking(run, grid), self)
        self._works.append(self._work)
        self._work.made.connect(self._on_made)
        self._work.ended.connect(self._on_ended)
        self._work.start()

    @Slot(object)
    def _on_made(self, answer: Beyond | None) -> None:
        if answer is not None:
            self._answer = answer

    @Slot()
    def _on_ended(self) -> None:
        ended = self.sender()
        self._works = [work for work in self._works if work is not ended]
        if ended is self._work:
            self._work = None
            self.found.emit()
