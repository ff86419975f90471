"""The part of the volume to fit and export: first and last voxel along each axis."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QSpinBox, QWidget

from dinr_studio.ui.edits import BoxEdit
from dinr_studio.ui.looking import Box
from dinr_studio.ui.studio import Studio

MOST_AXES = 4


class PartForm(QWidget):
    """ends: label, first and last voxel of each axis, counted from 1. Edits go through the undo stack."""

    def __init__(self, studio: Studio, undo: QUndoStack, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._studio, self._undo = studio, undo
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(4)
        self.ends: list[tuple[QLabel, QSpinBox, QSpinBox]] = [self._add_row(i) for i in range(MOST_AXES)]
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(3, 1)
        self.whole = QPushButton("Whole volume")
        self.whole.setToolTip("Fit and export all of the volume again")
        self.whole.clicked.connect(self._on_whole)
        self._grid.addWidget(self.whole, MOST_AXES, 1, 1, 3)
        studio.volume_opened.connect(self._on_volume)
        studio.box_changed.connect(self._on_box)
        studio.fit.state_changed.connect(self._on_fit_state)

    def _add_row(self, row: int) -> tuple[QLabel, QSpinBox, QSpinBox]:
        label, first, last = QLabel(), QSpinBox(), QSpinBox()
        for spin, name in ((first, "First"), (last, "Last")):
            spin.setToolTip(f"{name} voxel of the part, counted from 1")
            spin.editingFinished.connect(self._on_edited)
        for column, widget in enumerate((label, first, QLabel("to"), last)):
            self._grid.addWidget(widget, row, column)
        return label, first, last

    @Slot()
    def _on_volume(self) -> None:
        volume = self._studio.volume
        if volume is None:
            return
        for i, (label, first, last) in enumerate(self.ends):
            used = i < len(volume.grid.shape)
            for column in range(4):
                item = self._grid.itemAtPosition(i, column)
                if item is not None and (part := item.widget()) is not None:
                    part.setVisible(used)
            if not used:
                continue
            label.setText(volume.grid.axes[i])
            for spin, name in ((first, "First"), (last, "Last")):
                with QSignalBlocker(spin):
                    spin.setRange(1, volume.grid.shape[i])
                spin.setAccessibleName(f"{name} voxel along {volume.grid.axes[i]}")
        self._on_fit_state()

    @Slot()
    def _on_box(self) -> None:
        volume = self._studio.volume
        if volume is None:
            return
        box = self._studio.box or tuple((0, n) for n in volume.grid.shape)
        for (_, first, last), (start, stop) in zip(self.ends, box, strict=False):
            for spin, value in ((first, start + 1), (last, stop)):
                with QSignalBlocker(spin):
                    spin.setValue(value)
        self.whole.setEnabled(self._studio.box is not None and not self._studio.fit.running)

    @Slot()
    def _on_fit_state(self) -> None:
        """What a fit stands on may not change under it."""
        for _, first, last in self.ends:
            first.setEnabled(not self._studio.fit.running)
            last.setEnabled(not self._studio.fit.running)
        self._on_box()

    @Slot()
    def _on_edited(self) -> None:
        volume = self._studio.volume
        if volume is None:
            return
        box: Box = tuple(
            (min(first.value(), last.value()) - 1, max(first.value(), last.value()))
            for _, first, last in self.ends[: len(volume.grid.shape)]
        )
        if box != (self._studio.box or tuple((0, n) for n in volume.grid.shape)):
            self._undo.push(BoxEdit(self._studio, box))

    @Slot()
    def _on_whole(self) -> None:
        self._undo.push(BoxEdit(self._studio, None))
