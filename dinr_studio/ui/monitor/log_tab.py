"""What the program did, with levels, to read and to copy."""

from __future__ import annotations

import logging
from datetime import datetime

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

LEVELS = {
    "everything": logging.DEBUG,
    "information": logging.INFO,
    "warnings": logging.WARNING,
    "errors": logging.ERROR,
}
KEPT_LINES = 5000


class _Bridge(QObject):
    """Brings log records from any thread to the GUI thread."""

    logged = Signal(int, str)


class _Handler(logging.Handler):
    def __init__(self, bridge: _Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def emit(self, record: logging.LogRecord) -> None:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        text = f"{time}  {record.levelname.lower():<8} {self.format(record)}"
        try:
            self._bridge.logged.emit(record.levelno, text)
        except RuntimeError:  # the window is gone
            pass


class LogTab(QWidget):
    """Listens to the program's own logger while it exists."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: list[tuple[int, str]] = []
        self.text = QPlainTextEdit(readOnly=True)
        self.text.setMaximumBlockCount(KEPT_LINES)
        self.text.setAccessibleName("Log")
        self.level = QComboBox()
        self.level.addItems(list(LEVELS))
        self.level.setCurrentText("information")
        self.level.setAccessibleName("Least level shown")
        self.level.currentTextChanged.connect(self._on_level)
        copy = QPushButton("Copy all")
        copy.clicked.connect(self._on_copy)
        bar = QHBoxLayout()
        bar.addWidget(QLabel("show"))
        bar.addWidget(self.level)
        bar.addStretch(1)
        bar.addWidget(copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addLayout(bar)
        layout.addWidget(self.text, 1)
        self._bridge = _Bridge(self)
        self._bridge.logged.connect(self._on_logged)
        self._handler = _Handler(self._bridge)
        logger = logging.getLogger("dinr_studio")
        logger.setLevel(logging.INFO)
        logger.addHandler(self._handler)

    def stop(self) -> None:
        """Stops listening; for closing the window."""
        logging.getLogger("dinr_studio").removeHandler(self._handler)

    @Slot(int, str)
    def _on_logged(self, level: int, text: str) -> None:
        self._lines = [*self._lines[-KEPT_LINES:], (level, text)]
        if level >= LEVELS[self.level.currentText()]:
            self.text.appendPlainText(text)

    @Slot()
    def _on_level(self) -> None:
        least = LEVELS[self.level.currentText()]
        self.text.setPlainText("\n".join(text for level, text in self._lines if level >= least))

    @Slot()
    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text.toPlainText())
