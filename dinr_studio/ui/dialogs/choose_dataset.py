"""Which dataset of a file to open, with a preview of each."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QListWidget, QVBoxLayout, QWidget

from dinr_studio.ui.colours import picture
from dinr_studio.ui.evaluator import Answer, Evaluator, Question
from dinr_studio.ui.opening import Choices, preview

ASKER = "preview"
EDGE = 220


class ChooseDataset(QDialog):
    """Asks once; `chosen` is the dataset's name."""

    def __init__(self, choices: Choices, evaluator: Evaluator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Choose a dataset")
        self._choices, self._evaluator = choices, evaluator
        self.list = QListWidget()
        self.list.setAccessibleName("Datasets")
        for entry in choices.entries:
            shape = " × ".join(map(str, entry.shape))
            self.list.addItem(f"{entry.name}    {shape}    {entry.dtype}    {entry.about}".rstrip())
        self.preview = QLabel("…")
        self.preview.setFixedSize(EDGE, EDGE)
        self.preview.setAlignment(Qt.AlignmentFlag.AlignCenter)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        row = QHBoxLayout()
        row.addWidget(self.list, 1)
        row.addWidget(self.preview)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(f"{Path(choices.file).name} holds several datasets. Which one is the volume?"))
        layout.addLayout(row)
        layout.addWidget(buttons)
        self.list.itemDoubleClicked.connect(self.accept)
        self.list.currentRowChanged.connect(self._on_row)
        evaluator.answered.connect(self._on_answered)
        self.list.setCurrentRow(0)
        self.resize(800, 340)

    @property
    def chosen(self) -> str:
        """The name of the dataset in the file."""
        return self._choices.entries[max(0, self.list.currentRow())].name

    @Slot(int)
    def _on_row(self, row: int) -> None:
        self.preview.setText("…")
        file, name = self._choices.file, self._choices.entries[row].name
        self._evaluator.ask(ASKER, [Question(name, partial(preview, file, name))])

    @Slot(object)
    def _on_answered(self, answer: Answer) -> None:
        if answer.asker != ASKER or answer.key != self.chosen:
            return
        if answer.value is None:
            self.preview.setText("no preview")
            return
        image = picture(np.ascontiguousarray(answer.value.astype(np.float32)[::-1]), (0, 255), "gray")
        self.preview.setPixmap(QPixmap.fromImage(image).scaled(EDGE, EDGE, Qt.AspectRatioMode.KeepAspectRatio))
