"""The resolution of an export: factor, voxel size and number of voxels along each axis, of which one leads."""

from __future__ import annotations

import math

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QLineEdit, QWidget

from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError
from dinr_studio.sampling.target import Resolution, in_proportion, target_grid
from dinr_studio.ui.panels.settings_form import parsed

ROWS: dict[Resolution, tuple[str, str]] = {
    "factor": ("&Factor", "Voxels per voxel of the data"),
    "voxel_size": ("&Voxel size", "Distance of neighbouring voxels"),
    "shape": ("&Number of voxels", "Voxels along the axis"),
}
DIGITS = 7


class ResolutionForm(QWidget):
    """Edits a grid that fills the same box as a given one; what is edited last leads, the other two follow."""

    changed = Signal()

    def __init__(self, grid: Grid, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = grid
        self._leads: Resolution = "factor"
        self._numbers: tuple[float, ...] = (1.0,) * len(grid.shape)
        self.fault = ""
        self.edits: dict[tuple[Resolution, int], QLineEdit] = {}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(4)
        for axis, (name, unit) in enumerate(zip(grid.axes, grid.units, strict=True)):
            head = QLabel(f"{name} ({unit})" if unit else name)
            head.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            layout.addWidget(head, 0, axis + 1)
            layout.setColumnStretch(axis + 1, 1)
        for row, (what, (label, tip)) in enumerate(ROWS.items(), start=1):
            self._add_row(layout, row, what, label, tip)
        spatial = [grid.axes[i] for i in grid.spatial]
        named = " and ".join(part for part in (", ".join(spatial[:-1]), spatial[-1]) if part)
        self.alike = QCheckBox(f"Sa&me factor along {named}")
        self.alike.setToolTip("Keeps the proportions of the data's voxels")
        self.alike.setChecked(True)
        self.alike.setVisible(len(spatial) > 1)
        self.alike.toggled.connect(self._on_alike)
        layout.addWidget(self.alike, len(ROWS) + 1, 1, 1, len(grid.shape))
        self._show()

    def _add_row(self, layout: QGridLayout, row: int, what: Resolution, label: str, tip: str) -> None:
        name = QLabel(label)
        layout.addWidget(name, row, 0)
        for axis, letter in enumerate(self._grid.axes):
            edit = QLineEdit()
            edit.setMinimumWidth(72)
            edit.setAlignment(Qt.AlignmentFlag.AlignRight)
            edit.setAccessibleName(f"{label.replace('&', '')} along {letter}")
            edit.setToolTip(f"{tip}, along {letter}")
            edit.textEdited.connect(lambda text, what=what, axis=axis: self._on_edited(what, axis, text))
            edit.editingFinished.connect(self._on_finished)
            layout.addWidget(edit, row, axis + 1)
            self.edits[what, axis] = edit
        name.setBuddy(self.edits[what, 0])

    def set_grid(self, grid: Grid) -> None:
        """Another box, of the same axes: the voxel size stays."""
        if self._leads == "shape":
            self._leads, self._numbers = "voxel_size", self._target().voxel_size
        self._grid = grid
        self._show()

    def choice(self) -> dict[str, tuple[float, ...]]:
        """The keyword of target_grid that was chosen, with one number for each axis."""
        return {self._leads: self._numbers}

    def _target(self) -> Grid:
        return target_grid(self._grid, **self.choice())  # type: ignore[arg-type]

    def _present(self, what: Resolution) -> tuple[float, ...]:
        """The numbers of a row as they are."""
        target = self._target()
        if what == "factor":
            return tuple(old / new for old, new in zip(self._grid.voxel_size, target.voxel_size, strict=True))
        return target.voxel_size if what == "voxel_size" else target.shape

    def _on_edited(self, what: Resolution, axis: int, text: str) -> None:
        edit = self.edits[what, axis]
        number = parsed(text)
        whole = what == "shape"
        if (
            not isinstance(number, int | float)
            or not (math.isfinite(number) and number > 0)
            or (whole and number != int(number))
        ):
            self._refuse(
                edit, f"{edit.accessibleName()} is {text or 'empty'}; write a positive {'whole ' * whole}number."
            )
            return
        before = self._leads, self._numbers
        try:
            if self.alike.isChecked():
                numbers = in_proportion(self._grid, what, axis, number)
            else:
                numbers = tuple(number if i == axis else old for i, old in enumerate(self._present(what)))
            self._leads, self._numbers = what, numbers
            self._target()
        except (ConfigError, OverflowError) as error:
            self._leads, self._numbers = before
            self._refuse(edit, str(error))
            return
        self._show(edit)

    def _refuse(self, edit: QLineEdit, sentence: str) -> None:
        self.fault = sentence
        _mark(edit, wrong=True)
        self.changed.emit()

    @Slot()
    def _on_finished(self) -> None:
        if not self.fault:  # what is wrong stays to be seen, and Enter exports nothing else than what was typed
            self._show()

    @Slot(bool)
    def _on_alike(self, alike: bool) -> None:
        if alike:
            axis = self._grid.spatial[0]
            self._numbers = in_proportion(self._grid, self._leads, axis, self._numbers[axis])
            self._show()

    def _show(self, typed: QLineEdit | None = None) -> None:
        """Fills in all rows, but for the control that is being typed into."""
        self.fault = ""
        for what in ROWS:
            numbers = self._numbers if what == self._leads else self._present(what)
            for axis, number in enumerate(numbers):
                edit = self.edits[what, axis]
                _mark(edit, wrong=False)
                if edit is not typed:
                    with QSignalBlocker(edit):
                        edit.setText(str(int(number)) if what == "shape" else f"{number:.{DIGITS}g}")
        self.changed.emit()


def _mark(edit: QLineEdit, *, wrong: bool) -> None:
    if bool(edit.property("wrong")) != wrong:
        edit.setProperty("wrong", wrong)
        edit.style().unpolish(edit)
        edit.style().polish(edit)
