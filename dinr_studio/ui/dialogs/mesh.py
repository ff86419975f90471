"""At which level and how finely to make an isosurface, and where to write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from dinr_studio.analysis.histogram import Histogram
from dinr_studio.channels import Component, label_of
from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.errors import DinrError
from dinr_studio.io.meshes import MESH_FORMATS
from dinr_studio.sampling.preflight import mesh_needs
from dinr_studio.sampling.surface import check_meshable
from dinr_studio.sampling.target import frame_of, target_grid
from dinr_studio.training.run import Run
from dinr_studio.ui.colours import number, with_unit
from dinr_studio.ui.dialogs.parts import add_row, buttons_of, fault_label, in_tab_order, lines_label
from dinr_studio.ui.dialogs.place import PlaceRow, suggested_name
from dinr_studio.ui.dialogs.timing import Timing
from dinr_studio.ui.exporting import ExportJob, mesh_job
from dinr_studio.ui.panels.settings_form import parsed
from dinr_studio.words import bytes_in_words

USUAL_SIGMA = 2.0
DIGITS = 6


class MeshDialog(QDialog):
    """Asks for all a mesh needs; `job` is the export then.

    histogram: of the data's channel, for its range, mean and deviation. level: the one to begin with, in its unit.
    """

    def __init__(
        self,
        run: Run,
        histogram: Histogram,
        channel: Component,
        level: float,
        folder: Path,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export an isosurface")
        self._run, self._histogram, self._channel = run, histogram, channel
        self._force = False
        self._low, self._high = float(histogram.edges[0]), float(histogram.edges[-1])
        usual = min(histogram.mean + USUAL_SIGMA * histogram.deviation, (histogram.mean + self._high) / 2)
        self.level_value: float | None = level if self._low < level < self._high else usual
        self.level, self.sigma, self.factor, self.frame = QLineEdit(), QLineEdit(), QDoubleSpinBox(), QSpinBox()
        self.format = QComboBox()
        formats = {suffix: chosen.name for suffix, chosen in MESH_FORMATS.items()}
        for suffix, name in formats.items():
            self.format.addItem(name, suffix)
        self.place = PlaceRow(folder, suggested_name(run, "surface", ".ply"), formats)
        self.time, self.summary, self.fault = QLabel(), lines_label(2), fault_label()
        self.summary.setProperty("role", "")
        self.timing = Timing(run, self)
        self._prepare()
        self._lay_out()
        self._show_level()
        self._follow()
        self.level.setFocus()

    # Making

    def _prepare(self) -> None:
        unit = self._run.value_unit
        for control, name, tip in (
            (self.level, "Level", f"Value on the surface, between {number(self._low)} and {number(self._high)} {unit}"),
            (self.sigma, "Level in sigma", "The same, in standard deviations above the mean of the data"),
            (
                self.factor,
                "Factor",
                "Voxels per voxel of the data along each axis: the finer, the smoother the surface",
            ),
            (self.frame, "Frame", "Which frame of the field, counted from 1"),
            (self.format, "Format", "PLY for ChimeraX, Blender and MeshLab, STL for printing, OBJ for everything else"),
        ):
            control.setAccessibleName(name)
            control.setToolTip(tip.rstrip())
        self.factor.setRange(0.1, 32.0)
        self.factor.setSingleStep(0.5)
        self.factor.setValue(1.0)
        self.factor.setSuffix(" ×")
        self.frame.setRange(1, self._frames)
        self.level.textEdited.connect(self._on_level)
        self.sigma.textEdited.connect(self._on_sigma)
        self.factor.valueChanged.connect(self._follow)
        self.frame.valueChanged.connect(self._follow)
        self.format.currentIndexChanged.connect(self._on_format)
        self.place.changed.connect(self._on_place)
        self.timing.measured.connect(self._follow)

    @property
    def _frames(self) -> int:
        grid = self._run.grid
        return grid.shape[grid.axes.index(TIME_AXIS)] if TIME_AXIS in grid.axes else 1

    def _lay_out(self) -> None:
        level = QHBoxLayout()
        for edit in (self.level, self.sigma):
            edit.setAlignment(Qt.AlignmentFlag.AlignRight)
            edit.setMaximumWidth(130)
        sigma = QLabel("σ above the &mean")
        sigma.setBuddy(self.sigma)
        unit = self._run.value_unit
        for widget in (self.level, QLabel(unit), self.sigma, sigma):
            level.addWidget(widget)
        level.addStretch(1)
        form = QFormLayout()
        form.setVerticalSpacing(10)
        if self._run.channels > 1:
            form.addRow("Channel", QLabel(label_of(self._run.channel_names, self._channel)))
        add_row(form, "&Level", level, self.level)
        frame = QHBoxLayout()
        frame.addWidget(self.frame)
        frame.addWidget(self.time, 1)
        add_row(form, "F&rame", frame, self.frame)
        form.setRowVisible(frame, self._frames > 1)
        for label, control in (("&Factor", self.factor), ("F&ormat", self.format)):
            control.setMaximumWidth(130)
            add_row(form, label, control, control)
        add_row(form, "F&ile", self.place, self.place.edit)
        self.buttons = buttons_of(self, "&Export")
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
        layout.addLayout(form)
        for part in (self.summary, self.fault, self.buttons):
            layout.addWidget(part)
        in_tab_order(self.level, self.sigma, self.frame, self.factor, self.format, self.place.edit, self.place.browse)
        self.resize(600, self.sizeHint().height())

    # Following

    @Slot(str)
    def _on_level(self, text: str) -> None:
        value = parsed(text)
        self.level_value = float(value) if isinstance(value, int | float) else None
        self._show_level(self.level)
        self._follow()

    @Slot(str)
    def _on_sigma(self, text: str) -> None:
        value = parsed(text)
        spread = self._histogram
        self.level_value = spread.mean + value * spread.deviation if isinstance(value, int | float) else None
        self._show_level(self.sigma)
        self._follow()

    def _show_level(self, typed: QLineEdit | None = None) -> None:
        """Fills in level and sigma, but for the one that is being typed into."""
        if self.level_value is None:
            return
        sigma = (self.level_value - self._histogram.mean) / max(self._histogram.deviation, 1e-300)
        for edit, value, digits in ((self.level, self.level_value, DIGITS), (self.sigma, sigma, 4)):
            if edit is not typed:
                with QSignalBlocker(edit):
                    edit.setText(f"{value:.{digits}g}")

    @Slot(int)
    def _on_format(self, index: int) -> None:
        if self.place.suffix != self.format.itemData(index):
            self.place.set_suffix(self.format.itemData(index))

    @Slot()
    def _on_place(self) -> None:
        if self.place.suffix in MESH_FORMATS:
            self.format.setCurrentIndex(self.format.findData(self.place.suffix))
        self._follow()

    @Slot()
    def _follow(self) -> None:
        """Says what would be made, and what is in the way of it."""
        summary, fault = "", self._level_fault() or self.place.fault()
        try:
            grid = self._grid()
            summary = self._in_words(grid)
            check_meshable(grid)
            mesh_needs(grid).check()
        except DinrError as error:
            fault = fault or str(error)
        self.summary.setText(summary)
        self.fault.setText(fault)
        ready = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        ready.setEnabled(not fault)
        ready.setToolTip(fault or "Write the mesh in the background")

    def _level_fault(self) -> str:
        between = f"between {number(self._low)} and {with_unit(self._high, self._run.value_unit)}"
        if self.level_value is None:
            return f"The level is no number; write one {between}."
        if not self._low < self.level_value < self._high:
            return f"The level {number(self.level_value)} lies outside of the data's range; write one {between}."
        return ""

    def _grid(self) -> Grid:
        grid = frame_of(self._run.grid, self.frame.value() - 1)
        if self._frames > 1:
            axis = grid.axes.index(TIME_AXIS)
            self.time.setText(f"t = {with_unit(grid.origin[axis], grid.units[axis])}")
        return target_grid(grid, factor=(self.factor.value(),))

    def _in_words(self, grid: Grid) -> str:
        shape = " × ".join(str(grid.shape[i]) for i in grid.spatial)
        size = " × ".join(number(grid.voxel_size[i]) for i in grid.spatial)
        units = {grid.units[i] for i in grid.spatial}
        unit = units.pop() if len(units) == 1 else ""
        return (
            f"Evaluated on {shape} voxels of {f'{size} {unit}'.rstrip()}; {self.timing.in_words(grid.size)}; "
            f"about {bytes_in_words(mesh_needs(grid).memory)} of memory. Positions in the file are x, y, z"
            + (f" in {unit}." if unit else ".")
        )

    # The outcome

    def accept(self) -> None:
        """Asks where a file would be replaced."""
        if self.fault.text() or not self.place.may_write():
            return
        self._force = self.place.path.exists()
        super().accept()

    def done(self, result: int) -> None:
        """Stops measuring first."""
        self.timing.stop()
        super().done(result)

    def told(self) -> dict[str, Any]:
        """What was chosen, as the command that repeats it is told it."""
        frame = self.frame.value() - 1 if self._frames > 1 else None
        return {
            "target": {"factor": (self.factor.value(),)},
            "level": self.level_value,
            "channel": self._channel,
            "frame": frame,
        }

    def job(self) -> ExportJob:
        """The mesh as chosen, not yet begun."""
        assert self.level_value is not None
        return mesh_job(
            self._run,
            {"factor": (self.factor.value(),)},
            self.place.path,
            level=self.level_value,
            channel=self._channel,
            frame=self.frame.value() - 1,
            force=self._force,
        )
