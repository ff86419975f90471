"""Which columns of a table say where its samples were taken, and which hold their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dinr_studio.ui.opening import ColumnsWanted
from dinr_studio.volume import MAX_CHANNELS

NONE = "none"
AXES = {"t": "Time t", "z": "Position z", "y": "Position y", "x": "Position x"}
SEPARATORS = (",", "=")  # a name with one of these cannot be said


class ChooseColumns(QDialog):
    """Asks once; `options` are then those to open the table with."""

    def __init__(self, wanted: ColumnsWanted, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Choose columns")
        self._wanted, listing = wanted, wanted.listing
        usable = [
            (name, kind)
            for name, kind in zip(listing.names, listing.kinds, strict=True)
            if name and not any(mark in name for mark in SEPARATORS)
        ]
        self.axes: dict[str, QComboBox] = {}
        form = QFormLayout()
        for axis, label in AXES.items():
            kinds = ("number", "time") if axis == "t" else ("number",)
            box = QComboBox()
            box.addItems([NONE, *(name for name, kind in usable if kind in kinds)])
            box.setCurrentText(listing.axes.get(axis, NONE))
            box.setAccessibleName(label)
            box.currentTextChanged.connect(self._follow)
            form.addRow(label, box)
            self.axes[axis] = box
        self.values = QListWidget()
        self.values.setAccessibleName("Values")
        self.values.setToolTip("Several columns become the channels of one field")
        for name in (name for name, kind in usable if kind == "number"):
            item = QListWidgetItem(name, self.values)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            item.setCheckState(Qt.CheckState.Checked if name in listing.values else Qt.CheckState.Unchecked)
        self.values.itemChanged.connect(self._follow)
        form.addRow("Values", self.values)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        why = QLabel(wanted.why or f"Which columns of {Path(wanted.file).name} are positions, and which are values?")
        why.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(why)
        layout.addLayout(form)
        layout.addWidget(self.hint)
        layout.addWidget(self.buttons)
        self.resize(420, 420)
        self._follow()

    @property
    def chosen_axes(self) -> dict[str, str]:
        """Column of each axis that has one."""
        return {axis: box.currentText() for axis, box in self.axes.items() if box.currentText() != NONE}

    @property
    def chosen_values(self) -> list[str]:
        """Columns of values, in the order of the table."""
        items = (self.values.item(row) for row in range(self.values.count()))
        return [item.text() for item in items if item.checkState() == Qt.CheckState.Checked]

    @property
    def options(self) -> dict[str, Any]:
        """The keywords of open_volume: those of before, but for the grid that goes with other columns."""
        kept = {
            name: value for name, value in self._wanted.options.items() if name not in ("voxel_size", "crop", "channel")
        }
        positions = ",".join(f"{axis}={column}" for axis, column in self.chosen_axes.items())
        return {**kept, "position_columns": positions, "value_columns": ",".join(self.chosen_values)}

    @Slot()
    def _follow(self) -> None:
        """Says what is lacking, and offers to open only what can be a field."""
        positions, values = list(self.chosen_axes.values()), self.chosen_values
        twice = {name for name in [*positions, *values] if [*positions, *values].count(name) > 1}
        lacking = ""
        if twice:
            lacking = f"{sorted(twice)[0]} is chosen twice; a column is one position, or a value."
        elif not set(self.chosen_axes) & {"x", "y", "z"}:
            lacking = "Choose a column for one position at least."
        elif not values:
            lacking = "Tick one column of values at least."
        elif len(values) > MAX_CHANNELS:
            lacking = f"A field has at most {MAX_CHANNELS} channels; tick fewer columns."
        axes = ", ".join(self.chosen_axes)
        self.hint.setText(lacking or f"A field of {axes} with {len(values)} channel{'s' * (len(values) > 1)}.")
        self.buttons.button(QDialogButtonBox.StandardButton.Open).setEnabled(not lacking)
