"""Where a file is to be written: its name, a way to look for a folder, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import check_place
from dinr_studio.io.unfinished import Left, part_of, share_done
from dinr_studio.training.run import Run
from dinr_studio.ui.dialogs.asking import question

REPLACE, CANCEL = "Replace", "Cancel"
GO_ON, ANEW = "Go on", "Begin anew"
LEFT: dict[str, Left | None] = {GO_ON: "resume", ANEW: "discard", CANCEL: None}


class PlaceRow(QWidget):
    """A file name in a folder. formats: suffix to name, of what can be written."""

    changed = Signal()

    def __init__(self, folder: Path, name: str, formats: dict[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder, self._formats = folder, formats
        self.edit = QLineEdit(str(_free(folder / name)))
        self.edit.setAccessibleName("File")
        self.edit.setToolTip("The file to write; its ending names the format")
        self.edit.setMinimumWidth(320)
        self.browse = QPushButton("&Browse …")
        self.browse.setToolTip("Look for a folder and a name")
        self.browse.setAutoDefault(False)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.edit, 1)
        layout.addWidget(self.browse)
        self.edit.textChanged.connect(self._on_text)
        self.browse.clicked.connect(self._on_browse)

    @property
    def path(self) -> Path:
        """The file; a name alone is one in the folder."""
        return self._folder / Path(self.edit.text().strip()).expanduser()

    @property
    def suffix(self) -> str:
        """The file's ending, in small letters: the longest known one, which may have two parts (.nii.gz)."""
        name = self.path.name.lower()
        known = [suffix for suffix in self._formats if suffix and name.endswith(suffix)]
        return max(known, key=len, default=self.path.suffix.lower())

    def set_suffix(self, suffix: str) -> None:
        """Gives the file another ending."""
        typed = self.edit.text().strip()
        stem = typed[: len(typed) - len(self.suffix)] if self.suffix in self._formats else typed
        self.edit.setText(f"{stem}{suffix}")

    def fault(self) -> str:
        """What is wrong with the file in a sentence, or nothing."""
        if not self.edit.text().strip():
            return "There is no file name; type one, or browse."
        if self.suffix not in self._formats:
            return f"{self.path.name} names no format that can be written; end it in {', '.join(self._formats)}."
        try:
            check_place(self.path)
        except OutputError as error:
            return str(error)
        return ""

    def may_write(self) -> bool:
        """Asks where a file would be replaced."""
        if not self.path.exists():
            return True
        text = f"{self.path.name} exists already in {self.path.parent}. Replace it?"
        return question(self, "Replace the file", text, (REPLACE, CANCEL)) == REPLACE

    def what_to_do_with_what_is_left(self) -> Left | None:
        """Asks where an interrupted export could be gone on with; None where the user thinks better of it."""
        done = share_done(self.path)
        if done is None:
            return "discard" if self.path.exists() else "refuse"
        text = f"{part_of(self.path).name} holds {100 * done:.0f} % of an export to {self.path.name}. Go on with it?"
        answer = question(self, "Go on with an export", text, tuple(LEFT))
        return LEFT[answer]

    @Slot()
    def _on_text(self) -> None:
        self.changed.emit()

    @Slot()
    def _on_browse(self) -> None:
        patterns = ";;".join(f"{name} (*{suffix})" for suffix, name in self._formats.items())
        file, _ = QFileDialog.getSaveFileName(
            self,
            "Where to write it",
            str(self.path),
            f"{patterns};;All files (*)",
            self._formats.get(self.suffix, "") and f"{self._formats[self.suffix]} (*{self.suffix})",
            QFileDialog.Option.DontConfirmOverwrite,  # asked when it is written
        )
        if file:
            self.edit.setText(file if Path(file).suffix else f"{file}{self.suffix}")


def suggested_name(run: Run, what: str, suffix: str) -> str:
    """A file's name from that of the data."""
    stem = Path(run.provenance.file).name.replace("sample:", "").split(".")[0] or "volume"
    return f"{stem}_{what}{suffix}"


def _free(path: Path) -> Path:
    """A name that no file has yet."""
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        stem, dot, ending = path.name.partition(".")
        candidate = path.with_name(f"{stem}_{count}{dot}{ending}")
    return candidate
