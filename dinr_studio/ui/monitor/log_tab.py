"""What the program did, with levels, to read and to copy: as it stands, as shell commands or as lines of Python."""

from __future__ import annotations

import logging
from datetime import datetime

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from dinr_studio.experiments.repeat import Repeat, together

LEVELS = {
    "everything": logging.DEBUG,
    "information": logging.INFO,
    "warnings": logging.WARNING,
    "errors": logging.ERROR,
}
KEPT_LINES = 5000


class _Bridge(QObject):
    """Brings log records from any thread to the GUI thread."""

    logged = Signal(int, str, object)


class _Handler(logging.Handler):
    def __init__(self, bridge: _Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def emit(self, record: logging.LogRecord) -> None:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        text = f"{time}  {record.levelname.lower():<8} {self.format(record)}"
        try:
            self._bridge.logged.emit(record.levelno, text, getattr(record, "repeat", None))
        except RuntimeError:  # the window is gone
            pass


class LogTab(QWidget):
    """Listens to the program's own logger while it exists.

    A record whose `repeat` is a Repeat can be copied as what does it again.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: list[tuple[int, str, Repeat | None]] = []
        self.text = QPlainTextEdit(readOnly=True)
        self.text.setMaximumBlockCount(KEPT_LINES)
        self.text.setAccessibleName("Log")
        self.level = QComboBox()
        self.level.addItems(list(LEVELS))
        self.level.setCurrentText("information")
        self.level.setAccessibleName("Least level shown")
        self.level.currentTextChanged.connect(self._on_level)
        self.copy = QPushButton("Copy all")
        self.copy_shell, self.copy_python = QPushButton("Copy as shell &command"), QPushButton("Copy as P&ython")
        of = "of the selected lines, or of all where none are selected"
        self.copy_shell.setToolTip(f"Copy the shell commands that do again what was done: {of}")
        self.copy_python.setToolTip(f"Copy the lines of Python that do again what was done: {of}")
        self.copied = QLabel()
        self.copied.setProperty("role", "quiet")
        bar = QHBoxLayout()
        bar.addWidget(QLabel("show"))
        bar.addWidget(self.level)
        bar.addWidget(self.copied, 1)
        for button, act in (
            (self.copy_shell, self._on_copy_shell),
            (self.copy_python, self._on_copy_python),
            (self.copy, self._on_copy),
        ):
            button.clicked.connect(act)
            bar.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addLayout(bar)
        layout.addWidget(self.text, 1)
        self.text.selectionChanged.connect(self._follow)
        self._bridge = _Bridge(self)
        self._bridge.logged.connect(self._on_logged)
        self._handler = _Handler(self._bridge)
        logger = logging.getLogger("dinr_studio")
        logger.setLevel(logging.INFO)
        logger.addHandler(self._handler)
        self._follow()

    def stop(self) -> None:
        """Stops listening; for closing the window."""
        logging.getLogger("dinr_studio").removeHandler(self._handler)

    @Slot(int, str, object)
    def _on_logged(self, level: int, text: str, repeat: Repeat | None) -> None:
        self._lines = [*self._lines[1 - KEPT_LINES :], (level, text, repeat)]
        if level >= LEVELS[self.level.currentText()]:
            self.text.appendPlainText(text)
        self._follow()

    @Slot()
    def _on_level(self) -> None:
        self.text.setPlainText("\n".join(text for _, text, _ in self._shown()))
        self._follow()

    def _shown(self) -> list[tuple[int, str, Repeat | None]]:
        least = LEVELS[self.level.currentText()]
        return [line for line in self._lines if line[0] >= least]

    @Slot()
    def _follow(self) -> None:
        """Offers only what there is to copy."""
        shell, python = together(self._chosen())
        self.copy_shell.setEnabled(bool(shell))
        self.copy_python.setEnabled(bool(python))

    def _chosen(self) -> list[Repeat]:
        """What the selected lines repeat, or all that are shown where none are selected."""
        shown, cursor, document = self._shown(), self.text.textCursor(), self.text.document()
        if cursor.hasSelection():
            first, last = (document.findBlock(end) for end in (cursor.selectionStart(), cursor.selectionEnd()))
            count = document.blockCount()
            behind = len(shown) - count  # lines that the view has dropped at its top
            shown = shown[max(0, behind + first.blockNumber()) : max(0, behind + last.blockNumber() + 1)]
        return [repeat for _, _, repeat in shown if repeat is not None]

    @Slot()
    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text.toPlainText())
        self.copied.setText("The log is on the clipboard.")

    @Slot()
    def _on_copy_shell(self) -> None:
        self._put(together(self._chosen())[0], "shell command")

    @Slot()
    def _on_copy_python(self) -> None:
        self._put(together(self._chosen())[1], "line of Python")

    def _put(self, text: str, what: str) -> None:
        QGuiApplication.clipboard().setText(text)
        count = len(text.splitlines())
        what = what if count == 1 else what.replace("command", "commands").replace("line", "lines")
        self.copied.setText(f"{count} {what} on the clipboard.")
