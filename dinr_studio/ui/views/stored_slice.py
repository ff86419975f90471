"""A slice of data that stays in its file: read by a thread of its own, first coarsely, then some rows at a time."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from dinr_studio.channels import Component
from dinr_studio.sampling.plane import Plane, plane_part, row_pieces, thinning
from dinr_studio.ui.evaluator import Answer, Evaluator, Question
from dinr_studio.volume import Volume

Rows = tuple[int, int]


class StoredSlice(QObject):
    """Reads the plane that was asked for last. `changed` comes with every part of it.

    values: the plane so far, (rows, columns, channels), NaN where nothing is known yet; None before the first part.
    complete: whether all of it is there at the data's own resolution.
    """

    changed = Signal()

    def __init__(self, reader: Evaluator, parent: QObject) -> None:
        super().__init__(parent)
        self._reader = reader
        self._wanted = 0
        self._lacking = 0
        self._shape = (0, 0)
        self.values: NDArray[np.float32] | None = None
        self.complete = False
        self.fault = ""
        reader.answered.connect(self._on_answered)

    def read(self, volume: Volume, plane: Plane, channel: Component) -> None:
        """Asks for a plane; what was asked for before is no longer wanted."""
        self._wanted += 1
        self._shape = volume.grid.shape[plane.rows], volume.grid.shape[plane.columns]
        self.values, self.complete, self.fault = None, False, ""
        pieces, step = row_pieces(volume, plane), thinning(volume, plane)
        self._lacking = len(pieces)
        questions = [
            Question((self._wanted, rows, 1), partial(plane_part, volume, plane, channel, rows)) for rows in pieces
        ]
        if step > 1:
            whole = (0, self._shape[0])
            coarse = Question((self._wanted, whole, step), partial(plane_part, volume, plane, channel, whole, step))
            questions.insert(0, coarse)
        self._reader.ask("data", questions)

    def withdraw(self) -> None:
        """Nothing is wanted any more."""
        self._wanted += 1
        self.values, self.complete = None, False
        self._reader.ask("data", [])

    @Slot(object)
    def _on_answered(self, answer: Answer) -> None:
        wanted, rows, step = answer.key
        if wanted != self._wanted:
            return
        if answer.value is None:
            self.fault = answer.fault
        else:
            self._take(answer.value, rows, step)
        self.changed.emit()

    def _take(self, part: NDArray[np.float32], rows: Rows, step: int) -> None:
        if step > 1:
            part = part.repeat(step, axis=0)[: rows[1] - rows[0]].repeat(step, axis=1)[:, : self._shape[1]]
        if self.values is None:
            self.values = np.full((*self._shape, part.shape[-1]), np.nan, dtype=np.float32)
        self.values[rows[0] : rows[1]] = part
        self._lacking -= step == 1
        self.complete = self._lacking == 0
