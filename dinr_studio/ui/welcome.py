"""What one sees when nothing is open: how to open something, recent files, and the samples as pictures."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPixmap
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from dinr_studio.resources import resource
from dinr_studio.samples import SAMPLES
from dinr_studio.ui.theme import logo

PICTURE, PIXELS = 132, 264  # edge of a sample's picture on the page, and of the drawing itself
LINKS_SHOWN = 6


class Card(QFrame):
    """A sample: its picture, what it is, and a click that opens it."""

    chosen = Signal(str)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        sample = SAMPLES[name]
        self._name = name
        self.setProperty("role", "card")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(f"Open the sample {sample.title}")
        self.setToolTip(f"Source: {sample.source}\nLicence: {sample.licence}")
        self.picture = QLabel()
        self.picture.setFixedSize(PICTURE, PICTURE)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        drawn = QPixmap()
        drawn.loadFromData(resource(f"pictures/samples/{name}.png").read_bytes())
        drawn.setDevicePixelRatio(PIXELS / PICTURE)
        self.picture.setPixmap(drawn)
        title, text = QLabel(sample.title), QLabel(sample.description)
        title.setProperty("role", "heading")
        text.setProperty("role", "quiet")
        words = QVBoxLayout()
        for label in (title, text):
            label.setWordWrap(True)
            words.addWidget(label)
        words.addStretch(1)
        layout = QHBoxLayout(self)
        layout.addWidget(self.picture)
        layout.addLayout(words, 1)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Opens the sample."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.chosen.emit(f"sample:{self._name}")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Opens the sample by Enter or Space."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(f"sample:{self._name}")
        else:
            super().keyPressEvent(event)


class Welcome(QScrollArea):
    """The first page."""

    chosen = Signal(str)
    open_asked = Signal()
    folder_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        page = QWidget()
        self.setWidget(page)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(48, 28, 48, 28)
        layout.addLayout(self._make_greeting())
        layout.addSpacing(14)
        layout.addWidget(_heading("Samples"))
        self.cards = {name: Card(name) for name in SAMPLES}
        grid = QGridLayout()
        grid.setSpacing(12)
        for i, card in enumerate(self.cards.values()):
            grid.addWidget(card, i // 2, i % 2)
            card.chosen.connect(self.chosen)
        layout.addLayout(grid)
        layout.addSpacing(10)
        self.recent_heading = _heading("Recent files")
        layout.addWidget(self.recent_heading)
        self.recent = QVBoxLayout()
        self.recent.setSpacing(2)
        layout.addLayout(self.recent)
        layout.addStretch(1)

    def _make_greeting(self) -> QHBoxLayout:
        row = QHBoxLayout()
        mark = QLabel()
        mark.setPixmap(logo(72))
        words = QVBoxLayout()
        title = QLabel("DINR Studio")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.9)
        title.setFont(font)
        text = QLabel(
            "Open a scientific volume, press Fit, and watch a continuous neural field learn it. "
            "Drop a file anywhere on this window (MRC, NIfTI, HDF5, TIFF, NPY and more, or a run file), or a folder: "
            "a DICOM series, numbered slices, or a Zarr store."
        )
        text.setWordWrap(True)
        words.addWidget(title)
        words.addWidget(text)
        buttons = QVBoxLayout()
        for name, asked in (("Open a file …", self.open_asked), ("Open a folder …", self.folder_asked)):
            button = QPushButton(name)
            button.setMinimumHeight(36)
            button.setDefault(asked is self.open_asked)
            button.clicked.connect(asked)
            buttons.addWidget(button)
        row.addWidget(mark)
        row.addSpacing(10)
        row.addLayout(words, 1)
        row.addSpacing(20)
        row.addLayout(buttons)
        return row

    def set_recent(self, files: list[str]) -> None:
        """Lists recent files as links."""
        while (item := self.recent.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self.recent_heading.setVisible(bool(files))
        for file in files[:LINKS_SHOWN]:
            button = QPushButton(f"{Path(file).name}    {Path(file).parent}")
            button.setFlat(True)
            button.setStyleSheet("text-align: left; padding: 3px;")
            button.clicked.connect(lambda _=False, file=file: self.chosen.emit(file))
            self.recent.addWidget(button)


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "heading")
    return label
