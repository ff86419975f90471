"""Which dataset of a file to open, with a preview of each."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QListWidget, QVBoxLayout, QWidget

from dinr_studio.io.content import DatasetEntry
from dinr_studio.ui.colours import picture
from dinr_studio.ui.evaluator import Answer, Evaluator, Question
from dinr_studio.ui.opening import Choices, preview
from dinr_studio.volume import MAX_CHANNELS

ASKER = "preview"
EDGE = 220


class ChooseDataset(QDialog):
    """Asks once; `chosen` is the dataset's name, or the names of several, separated by commas."""

    def __init__(self, choices: Choices, evaluator: Evaluator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Choose a dataset")
        self._choices, self._evaluator = choices, evaluator
        self.list = QListWidget()
        self.list.setAccessibleName("Datasets")
        self.list.setSelectionMode(QListWidget.SelectionMode.ExtendedSelection)
        for entry in choices.entries:
            shape = " × ".join(map(str, entry.shape))
            self.list.addItem(f"{entry.name}    {shape}    {entry.dtype}    {entry.about}".rstrip())
        self.preview = QLabel("…")
        self.preview.setFixedSize(EDGE, EDGE)
        self.preview.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        row = QHBoxLayout()
        row.addWidget(self.list, 1)
        row.addWidget(self.preview)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(f"{Path(choices.file).name} holds several datasets. Which one do you want?"))
        layout.addLayout(row)
        layout.addWidget(self.hint)
        layout.addWidget(buttons)
        self._open = buttons.button(QDialogButtonBox.StandardButton.Open)
        self.list.itemDoubleClicked.connect(self.accept)
        self.list.itemSelectionChanged.connect(self._on_selection)
        self.list.currentRowChanged.connect(self._on_row)
        evaluator.answered.connect(self._on_answered)
        self.list.setCurrentRow(0)
        self.resize(800, 340)

    @property
    def chosen(self) -> str:
        """The name of the dataset in the file, or those of several in the order of the list."""
        return ",".join(entry.name for entry in self._selected)

    @property
    def _selected(self) -> list[DatasetEntry]:
        rows = sorted(index.row() for index in self.list.selectedIndexes())
        return [self._choices.entries[row] for row in rows]

    @Slot()
    def _on_selection(self) -> None:
        """Says what comes of several, and offers to open only what can be one field."""
        chosen = self._selected
        alike = len({entry.shape for entry in chosen}) == 1
        if len(chosen) < 2:
            self.hint.setText("Hold Ctrl to choose several of one shape, such as u, v and w: they become one field.")
        elif not alike:
            self.hint.setText("Those have different shapes and cannot be one field; choose some of one shape.")
        elif len(chosen) > MAX_CHANNELS:
            self.hint.setText(f"One field has at most {MAX_CHANNELS} channels; choose fewer.")
        else:
            self.hint.setText(f"One field with {len(chosen)} channels: {', '.join(entry.name for entry in chosen)}.")
        self._open.setEnabled(alike and len(chosen) <= MAX_CHANNELS)

    @Slot(int)
    def _on_row(self, row: int) -> None:
        self.preview.setText("…")
        file, name = self._choices.file, self._choices.entries[row].name
        self._evaluator.ask(ASKER, [Question(name, partial(preview, file, name))])

    @Slot(object)
    def _on_answered(self, answer: Answer) -> None:
        if answer.asker != ASKER or answer.key != self._choices.entries[max(0, self.list.currentRow())].name:
            return
        if answer.value is None:
            self.preview.setText("no preview")
            return
        image = picture(np.ascontiguousarray(answer.value.astype(np.float32)[::-1]), (0, 255), "gray")
        self.preview.setPixmap(QPixmap.fromImage(image).scaled(EDGE, EDGE, Qt.AspectRatioMode.KeepAspectRatio))
