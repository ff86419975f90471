"""Which mask leaves out voxels of the open volume: its name, and the ways to another one and to none."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from dinr_studio.errors import plain
from dinr_studio.ui.edits import MaskEdit
from dinr_studio.ui.opening import Masked
from dinr_studio.ui.studio import Studio

NONE = "none"


class MaskRow(QWidget):
    """Asks for a mask, or takes the present one away; what comes of it goes through the undo stack."""

    asked = Signal()

    def __init__(self, studio: Studio, undo: QUndoStack, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._studio, self._undo = studio, undo
        self.name = QLabel(NONE)
        self.name.setWordWrap(True)
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.choose, self.remove = QPushButton("Use …"), QPushButton("None")
        self.choose.setAccessibleName("Use a mask")
        self.choose.setToolTip("Leave out voxels that are 0 in a second file on the same grid")
        self.remove.setAccessibleName("Use no mask")
        self.remove.setToolTip("Take the mask away, so that all voxels with a value are used again")
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self.choose, self.remove):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            buttons.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.name)
        layout.addLayout(buttons)
        self.choose.clicked.connect(self.asked)
        self.remove.clicked.connect(self._on_remove)
        studio.mask_read.connect(self._on_read)
        studio.volume_opened.connect(self.follow)
        studio.grid_changed.connect(self.follow)
        studio.fit.state_changed.connect(self.follow)
        self.follow()

    @Slot()
    def follow(self) -> None:
        """Shows the present mask; a fit in progress keeps its own, and scattered samples take none."""
        mask, free = str(self._studio.options.get("mask") or ""), self._studio.takes_mask
        self.name.setText(Path(mask).name or NONE)
        self.name.setToolTip(plain(mask))
        self.choose.setEnabled(free)
        self.remove.setEnabled(free and bool(mask))

    @Slot()
    def _on_remove(self) -> None:
        self._studio.read_mask("")

    @Slot(object)
    def _on_read(self, masked: Masked) -> None:
        self._undo.push(MaskEdit(self._studio, masked))
