"""What a sweep is asked for: the recipe or what is varied, how runs are compared, and where the results go."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dinr_studio.config import FieldConfig, TrainingConfig
from dinr_studio.experiments.sweeps.plan import CONDITIONS, ENDS, Axis
from dinr_studio.experiments.sweeps.recipes import RECIPES
from dinr_studio.experiments.sweeps.words import axis_from, written
from dinr_studio.ui.runs import NOT_IN_NAMES, runs_folder
from dinr_studio.words import capitalised

DESCRIPTIONS = {
    **CONDITIONS,
    **{name: str(field.description) for name, field in FieldConfig.model_fields.items()},
    **{name: str(field.description) for name, field in TrainingConfig.model_fields.items() if name not in ENDS},
}
NOTHING = "nothing"
ROWS = 3
FREE = ("steps", "noise", NOTHING)  # what is varied at first without a recipe
FREE_VALUES = {"steps": "1, 4", "noise": "0, 20"}


class Ticks(QWidget):
    """Boxes to tick, each for a name."""

    def __init__(self, name: str, entries: Mapping[str, str], columns: int = 2) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.boxes: dict[str, QCheckBox] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for number, (entry, tip) in enumerate(entries.items()):
            box = QCheckBox(entry)
            box.setToolTip(capitalised(tip))
            self.boxes[entry] = box
            grid.addWidget(box, number // columns, number % columns)

    @property
    def ticked(self) -> tuple[str, ...]:
        """The names that are ticked."""
        return tuple(name for name, box in self.boxes.items() if box.isChecked())

    def tick(self, names: tuple[str, ...]) -> None:
        """Ticks these and no others."""
        for name, box in self.boxes.items():
            box.setChecked(name in names)


class AxesForm(QWidget):
    """Up to three things that are varied, each with its values, and what the last one touched means."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("What is varied")
        self.names: list[QComboBox] = []
        self.values: list[QLineEdit] = []
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.about.setProperty("role", "quiet")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for row in range(ROWS):
            layout.addLayout(self._row(row))
        layout.addWidget(self.about)

    def _row(self, row: int) -> QHBoxLayout:
        name, values = QComboBox(), QLineEdit()
        name.addItems([NOTHING, *DESCRIPTIONS])
        name.setAccessibleName(f"Varied setting {row + 1}")
        name.setMinimumContentsLength(9)
        name.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        values.setAccessibleName(f"Values of varied setting {row + 1}")
        values.setPlaceholderText("values: 1, 5, 10")
        values.setToolTip("Values with commas between them; all axes are combined")
        for item, described in enumerate(["Nothing more is varied", *DESCRIPTIONS.values()]):
            name.setItemData(item, described, 3)  # Qt.ItemDataRole.ToolTipRole
        name.currentTextChanged.connect(lambda chosen, row=row: self._on_name(row, chosen))
        self.names.append(name)
        self.values.append(values)
        line = QHBoxLayout()
        line.addWidget(name, 1)
        line.addWidget(values, 1)
        return line

    def _on_name(self, row: int, chosen: str) -> None:
        self.values[row].setEnabled(chosen != NOTHING)
        self.about.setText("" if chosen == NOTHING else f"{chosen}: {DESCRIPTIONS[chosen]}")

    def show_axes(self, axes: Mapping[str, str]) -> None:
        """Fills the rows: values as text by name."""
        listed = [*axes.items(), *[(NOTHING, "")] * ROWS]
        for (name, values), box, edit in zip(listed, self.names, self.values, strict=False):
            edit.setText(values)
            box.setCurrentText(name)
            edit.setEnabled(name != NOTHING)
        first = next(iter(axes), NOTHING)
        self.about.setText(f"{first}: {DESCRIPTIONS[first]}" if first in DESCRIPTIONS else "")

    def axes(self) -> tuple[Axis, ...]:
        """What is varied; raises ConfigError where that is not understood."""
        pairs = zip(self.names, self.values, strict=True)
        return tuple(
            axis_from(f"{name.currentText()}={values.text()}")
            for name, values in pairs
            if name.currentText() != NOTHING
        )


class FolderRow(QWidget):
    """The folder of the results, and going on with one that there is."""

    resume_asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Folder of the results")
        self.edit = QLineEdit()
        self.edit.setAccessibleName("Folder")
        self.edit.setToolTip("The folder of tables, figure and kept runs; a sweep that it holds part of goes on")
        self.browse, self.resume = QPushButton("&Browse …"), QPushButton("Resu&me …")
        self.browse.setToolTip("Choose an empty folder for the results")
        self.resume.setToolTip("Choose the folder of a sweep that was stopped, and go on with it")
        self.browse.clicked.connect(self._on_browse)
        self.resume.clicked.connect(self._on_resume)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.edit)
        row = QHBoxLayout()
        row.addWidget(self.browse)
        row.addWidget(self.resume)
        layout.addLayout(row)

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.edit.text().strip()).expanduser().absolute()

    @property
    def is_chosen(self) -> bool:
        """Whether the user has named it."""
        return self.edit.isModified()

    def propose(self, file: str, recipe: str) -> None:
        """Names a new folder beside the window's runs."""
        stem = PurePath(file.removeprefix("sample:")).name.split(".")[0] or "synthetic"
        stem = "".join(letter for letter in stem if letter not in NOT_IN_NAMES)
        stamp = datetime.now().strftime("%Y-%m-%d %H.%M.%S")
        self.edit.setText(str(runs_folder().parent / "sweeps" / f"{stem} {recipe or 'sweep'} {stamp}"))
        self.edit.setModified(False)

    def choose(self, folder: str) -> None:
        """Takes a folder that the user named."""
        self.edit.setText(folder)
        self.edit.setModified(True)

    @Slot()
    def _on_browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "An empty folder for the results", str(self.path.parent))
        if folder:
            self.choose(folder)

    @Slot()
    def _on_resume(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "The folder of a sweep", str(self.path.parent))
        if folder:
            self.choose(folder)
            self.resume_asked.emit(Path(folder))


def axes_of(recipe: str) -> dict[str, str]:
    """What a recipe varies, values as text; a first suggestion where there is none."""
    if recipe in RECIPES:
        return {axis.name: ", ".join(written(value) for value in axis.values) for axis in RECIPES[recipe].axes}
    return {name: FREE_VALUES.get(name, "") for name in FREE if name != NOTHING}


def recipe_titles() -> dict[str, Any]:
    """Titles of the recipes to their names, a free choice first."""
    return {"none: settings as chosen below": "", **{name: name for name in RECIPES}}
