"""What the dialogs that save pictures, plots and movies share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QVBoxLayout, QWidget

from dinr_studio.io.atomic import atomic_output
from dinr_studio.ui.dialogs.parts import add_row, buttons_of, fault_label
from dinr_studio.ui.dialogs.place import PlaceRow
from dinr_studio.ui.exporting import ExportJob


@dataclass(frozen=True)
class Step:
    """How far a job is; report comes with the last step. remaining: seconds."""

    done: int
    total: int
    remaining: float
    report: Path | None = None
    phase: str = ""


def stem_of(file: str) -> str:
    """The name that files about some data begin with."""
    return Path(file.replace("sample:", "")).name.split(".")[0] or "volume"


def write_file(path: Path, content: Callable[[], bytes]) -> Iterator[Step]:
    """Makes and writes a file wholly or not at all; the last step reports it."""
    made = content()
    with atomic_output(path, force=True) as temporary:
        temporary.write_bytes(made)
    yield Step(1, 1, 0.0, path)


def file_job(path: Path, content: Callable[[], bytes], said: str) -> ExportJob:
    """Writes a file off the window's thread, and then says so."""
    return ExportJob(path, lambda threads: write_file(path, content), lambda report: said)


class SaveDialog(QDialog):
    """A form whose last row is the file; what is wrong stands below it and keeps Save from being pressed."""

    def __init__(self, title: str, place: PlaceRow, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.place = place
        self.form = QFormLayout()
        self.form.setVerticalSpacing(10)
        self.wrong = fault_label()
        self.buttons = buttons_of(self, "&Save")
        self.place.changed.connect(self.follow)

    def lay_out(self, rows: dict[str, QWidget]) -> None:
        """Fills the form: each row's text (with a letter to jump to it) and control, then the file."""
        for text, control in rows.items():
            add_row(self.form, text, control, control)
        add_row(self.form, "F&ile", self.place, self.place.edit)
        layout = QVBoxLayout(self)
        layout.addLayout(self.form)
        layout.addWidget(self.wrong)
        layout.addWidget(self.buttons)
        self.follow()

    def fault(self) -> str:
        """What is wrong in a sentence, or nothing."""
        return self.place.fault()

    @Slot()
    def follow(self) -> None:
        """Says what is wrong."""
        fault = self.fault()
        self.wrong.setText(fault)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not fault)

    def accept(self) -> None:
        """Asks where a file would be replaced, then closes."""
        if not self.fault() and self.place.may_write():
            super().accept()
