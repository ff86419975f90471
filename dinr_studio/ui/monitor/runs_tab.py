"""All runs in a table: open, resume, overlay, compare, rename, delete."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QInputDialog,
    QMessageBox,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dinr_studio.errors import DinrError
from dinr_studio.ui.background import Work
from dinr_studio.ui.runs import RunEntry, listed, renamed
from dinr_studio.words import seconds_in_words

COLUMNS = (
    "Run",
    "Data",
    "Begun",
    "Preset",
    "Family",
    "Width",
    "Steps",
    "Time",
    "Held-out (dB)",
    "Over best rival (dB)",
    "State",
)


class _Number(QTableWidgetItem):
    """A cell that sorts by its value."""

    def __init__(self, text: str, value: float | None) -> None:
        super().__init__(text)
        self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._value = float("-inf") if value is None else value

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return self._value < other._value if isinstance(other, _Number) else super().__lt__(other)


class RunsTab(QWidget):
    """The table and what can be done with its selected lines."""

    open_asked = Signal(str)
    resume_asked = Signal(str)
    compare_asked = Signal(str)
    overlay_changed = Signal(tuple)
    beside_asked = Signal(tuple)
    report_asked = Signal()
    listed = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.entries: tuple[RunEntry, ...] = ()
        self.busy: Path | None = None
        self._elsewhere: tuple[Path, ...] = ()
        self._work: Work | None = None
        self._again = False
        self._stopped = False
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(list(COLUMNS))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSortingEnabled(True)
        self.table.setAlternatingRowColors(True)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.setAccessibleName("Runs")
        self.table.itemDoubleClicked.connect(self._on_open)
        self.table.itemSelectionChanged.connect(self._on_selected)
        self.buttons: dict[str, QPushButton] = {}
        bar = QHBoxLayout()
        for name, tip, slot in (
            ("Open", "Open the run with the data that it was fitted to", self._on_open),
            ("Resume", "Go on with a run that was stopped", self._on_resume),
            ("Wipe", "Show this run as 'Other run' in the slices' wipe", self._on_compare),
            ("Overlay", "Draw the selected runs' curves in the plots", self._on_overlay),
            ("Compare …", "Put the selected runs beside each other: settings, scores, differences", self._on_beside),
            ("Report …", "Write up the selected runs as HTML or PDF", self.report_asked),
            ("Rename …", "Give the run file another name", self._on_rename),
            ("Delete …", "Delete the run file", self._on_delete),
        ):
            button = QPushButton(name)
            button.setToolTip(tip)
            button.clicked.connect(slot)
            self.buttons[name.rstrip(" …")] = button
            bar.addWidget(button)
        bar.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addLayout(bar)
        layout.addWidget(self.table, 1)
        self._on_selected()

    def refresh(self, also: Path | None = None) -> None:
        """Reads the runs' folder again, in the background; also: a run file that lies elsewhere."""
        if also is not None and also not in self._elsewhere:
            self._elsewhere = (*self._elsewhere, also)
        if self._stopped:
            return
        if self._work is not None:
            self._again = True
            return
        more = self._elsewhere
        self._work = Work(lambda: listed(more), self)
        self._work.made.connect(self._on_listed)
        self._work.ended.connect(self._on_ended)
        self._work.start()

    def stop(self) -> None:
        """Reads no more; for closing the window, after which a fit may still tell of its end."""
        self._stopped = True

    @Slot(object)
    def _on_listed(self, entries: tuple[RunEntry, ...]) -> None:
        self.entries = entries
        selected = {entry.path for entry in self.selected()}
        self.table.setSortingEnabled(False)
        self.table.setRowCount(len(entries))
        for row, entry in enumerate(entries):
            for column, cell in enumerate(_cells(entry)):
                cell.setData(Qt.ItemDataRole.UserRole, str(entry.path))
                if entry.fault:
                    cell.setToolTip(entry.fault)
                self.table.setItem(row, column, cell)
            if entry.path in selected:
                self.table.selectRow(row)
        self.table.setSortingEnabled(True)
        self._on_selected()
        self.listed.emit()

    @Slot()
    def _on_ended(self) -> None:
        self._work = None
        if self._again:
            self._again = False
            self.refresh()

    def selected(self) -> list[RunEntry]:
        """The entries of the selected lines."""
        rows = {index.row() for index in self.table.selectedIndexes()}
        cells = [self.table.item(row, 0) for row in sorted(rows)]
        paths = [cell.data(Qt.ItemDataRole.UserRole) for cell in cells if cell is not None]
        by_path = {str(entry.path): entry for entry in self.entries}
        return [by_path[path] for path in paths if path in by_path]

    @Slot()
    def _on_selected(self) -> None:
        chosen = self.selected()
        one = len(chosen) == 1 and not chosen[0].fault and chosen[0].path != self.busy
        sound = [entry for entry in chosen if not entry.fault and entry.path != self.busy]
        self.buttons["Compare"].setEnabled(len(sound) > 1)
        self.buttons["Report"].setEnabled(bool(sound))
        for name in ("Open", "Wipe", "Rename"):
            self.buttons[name].setEnabled(one)
        self.buttons["Resume"].setEnabled(one and not chosen[0].finished and self.busy is None)
        self.buttons["Overlay"].setEnabled(any(not entry.fault for entry in chosen))
        self.buttons["Delete"].setEnabled(bool(chosen) and all(entry.path != self.busy for entry in chosen))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens, Delete deletes (and asks)."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.buttons["Open"].isEnabled():
            self._on_open()
        elif event.key() == Qt.Key.Key_Delete and self.buttons["Delete"].isEnabled():
            self._on_delete()
        else:
            super().keyPressEvent(event)

    @Slot()
    def _on_open(self) -> None:
        if self.buttons["Open"].isEnabled():
            self.open_asked.emit(str(self.selected()[0].path))

    @Slot()
    def _on_resume(self) -> None:
        self.resume_asked.emit(str(self.selected()[0].path))

    @Slot()
    def _on_compare(self) -> None:
        self.compare_asked.emit(str(self.selected()[0].path))

    @Slot()
    def _on_beside(self) -> None:
        self.beside_asked.emit(tuple(str(entry.path) for entry in self.selected() if not entry.fault))

    @Slot()
    def _on_overlay(self) -> None:
        self.overlay_changed.emit(tuple(str(entry.path) for entry in self.selected() if not entry.fault))

    @Slot()
    def _on_rename(self) -> None:
        entry = self.selected()[0]
        name, ok = QInputDialog.getText(self, "Rename run", "New name of the run", text=entry.name)
        if ok:
            self.rename(entry, name)

    def rename(self, entry: RunEntry, name: str) -> None:
        """Gives a run file another name."""
        try:
            renamed(entry.path, name)
        except DinrError as error:
            self.failed.emit(str(error))
        self.refresh()

    @Slot()
    def _on_delete(self) -> None:
        chosen = self.selected()
        names = ", ".join(entry.name for entry in chosen)
        question = f"Delete {names}? The run file is removed from the disk; this cannot be undone."
        if QMessageBox.question(self, "Delete run", question) == QMessageBox.StandardButton.Yes:
            for entry in chosen:
                try:
                    entry.path.unlink(missing_ok=True)
                except OSError as error:
                    self.failed.emit(f"{entry.path.name} cannot be deleted ({error.strerror}).")
            self.refresh()


def _cells(entry: RunEntry) -> list[QTableWidgetItem]:
    state = "damaged" if entry.fault else "finished" if entry.finished else "stopped"
    texts = (
        entry.name,
        entry.data,
        entry.created,
        entry.preset,
        entry.family,
        (str(entry.width), entry.width),
        (str(entry.steps), entry.steps),
        ("–" if entry.seconds is None else seconds_in_words(entry.seconds), entry.seconds),
        ("–" if entry.psnr is None else f"{entry.psnr:.2f}", entry.psnr),
        ("–" if entry.gain is None else f"{entry.gain:+.2f}".replace("-", "−"), entry.gain),
        state,
    )
    return [_Number(*text) if isinstance(text, tuple) else QTableWidgetItem(text) for text in texts]
