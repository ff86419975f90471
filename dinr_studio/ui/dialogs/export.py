"""What part of a field to export, how finely, as what and where; with size, time and losses before one begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from dinr_studio.analysis.stacking import in_words
from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.errors import DataNotFound, DinrError
from dinr_studio.io.atomic import free_bytes
from dinr_studio.io.unfinished import Left
from dinr_studio.io.writing import VolumeHeader, compressions, lost_by, types_for, writers
from dinr_studio.needs import Needs
from dinr_studio.sampling.preflight import export_needs, spline_bytes, written_bytes
from dinr_studio.sampling.target import target_grid
from dinr_studio.training.run import Run
from dinr_studio.training.stack_offer import fitted_part, stack_notes, stack_weights
from dinr_studio.ui.colours import number
from dinr_studio.ui.dialogs.beyond import BeyondNyquist
from dinr_studio.ui.dialogs.parts import add_row, buttons_of, fault_label, fill, in_tab_order, lines_label
from dinr_studio.ui.dialogs.place import PlaceRow, suggested_name
from dinr_studio.ui.dialogs.resolution import ResolutionForm
from dinr_studio.ui.dialogs.timing import Timing
from dinr_studio.ui.exporting import ExportJob, stacked_job, volume_job
from dinr_studio.volume import Volume
from dinr_studio.words import bytes_in_words

Box = tuple[tuple[float, float], ...]

KNOWN = {suffix: written.name for suffix, written in writers().items()}
FORMATS = {name: suffix for suffix, name in reversed(KNOWN.items())}  # the usual ending of each
FORMAT_TIP = "MRC for maps, TIFF or OME-Zarr for microscopy, NIfTI for scans, VTK for ParaView, HDF5 for everything"
MOST_SHARES = 2  # channels whose weights there is room for beside the tick
WHOLE, CROP, VIEW = "&Whole volume", "&Crop box", "What the &slices show"


class ExportDialog(QDialog):
    """Asks for all an export needs; `job` is the export then. Boxes are (low, high) in world units for each axis.

    volume: the open data, which the cubic spline goes through where field and spline are better together.
    """

    def __init__(
        self,
        run: Run,
        box: Box | None,
        view_box: Box | None,
        folder: Path,
        parent: QWidget | None = None,
        *,
        volume: Volume | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export the field")
        self._run = run
        self._boxes: dict[str, Box | None] = {WHOLE: None, CROP: box, VIEW: view_box}
        self._force = False
        self._left: Left = "refuse"
        self.extents = {name: QRadioButton(name) for name in self._boxes}
        self.resolution = ResolutionForm(run.grid)
        self.stack = QCheckBox("Combine with the cubic spli&ne")
        self._weights: tuple[float, ...] = ()
        self._data: Volume | None = None
        self.format, self.dtype, self.compression = QComboBox(), QComboBox(), QComboBox()
        self.place = PlaceRow(folder, suggested_name(run, "field", self._first_format()), KNOWN)
        self.summary, self.unconfirmed = QLabel(), lines_label(1)
        self.lost, self.fault = lines_label(2), fault_label()
        self.timing, self.beyond = Timing(run, self), BeyondNyquist(run, self)
        self._make_extents()
        self._make_times()
        self._make_format()
        self._make_stack(volume)
        self._lay_out()
        self.resolution.changed.connect(self._follow)
        self.place.changed.connect(self._on_place)
        self.timing.measured.connect(self._follow)
        self.beyond.found.connect(self._follow)
        self._on_place()
        self.resolution.edits["factor", run.grid.spatial[0]].setFocus()

    # Making

    def _make_extents(self) -> None:
        for name, button in self.extents.items():
            box = self._boxes[name]
            button.toggled.connect(self._on_extent)
            button.setToolTip("All of the fitted volume" if name == WHOLE else _box_in_words(self._run.grid, box))
        self.extents[WHOLE].setChecked(True)
        for name, lacking in (
            (CROP, "There is no crop box; set one in the Data panel"),
            (VIEW, "No slices are shown"),
        ):
            if self._boxes[name] is None:
                self.extents[name].setEnabled(False)
                self.extents[name].setToolTip(lacking)

    def _make_times(self) -> None:
        self.times = QLineEdit(self)
        self.times.setVisible(TIME_AXIS in self._run.grid.axes)
        self.times.setAccessibleName("Times")
        self.times.setPlaceholderText("as the resolution says, or 2x, 0:10:0.5, or single times")
        self.times.setToolTip(
            "Frames at other times: 2x for twice as many with the recorded ones among them, START:STOP:STEP, or times "
            "separated by commas; dates as 2001-01-31T06:00, with / in place of : between them"
        )
        self.times.textChanged.connect(self._follow)

    def _make_format(self) -> None:
        for name in dict.fromkeys(KNOWN.values()):
            self.format.addItem(name, FORMATS[name])
        for box, name, tip in (
            (
                self.format,
                "Format",
                FORMAT_TIP,
            ),
            (self.dtype, "Type", "Type of the numbers; float32 keeps all that the field knows, integers are rounded"),
            (
                self.compression,
                "Compression",
                "gzip makes the file smaller without loss, and the export a little slower",
            ),
        ):
            box.setAccessibleName(name)
            box.setToolTip(tip)
        self.format.currentIndexChanged.connect(self._on_format)
        self.dtype.currentIndexChanged.connect(self._follow)
        self.compression.currentIndexChanged.connect(self._follow)

    def _make_stack(self, volume: Volume | None) -> None:
        """Offers field and spline together where that was judged to be better, and says why not where it was not."""
        try:
            weights = stack_weights(self._run)
            if volume is None:
                raise DataNotFound("The data, which the spline goes through, is not open.")
            self._data = fitted_part(self._run, volume)
        except DinrError as error:
            self.stack.setEnabled(False)
            self.stack.setToolTip(str(error))
            return
        gain = self._run.scores["held_out"]["stacked"]["gain"]
        self._weights = weights
        shares = in_words(weights)
        if len(weights) <= MOST_SHARES:
            self.stack.setText(f"{self.stack.text()} ({shares})")
        self.stack.setToolTip(
            f"The weighted mean of the field and a spline through the data ({shares}) was {gain:.2f} dB better on "
            "held-out voxels than the best by itself"
        )
        self.stack.toggled.connect(self._follow)

    def _lay_out(self) -> None:
        extents, values = QHBoxLayout(), QHBoxLayout()
        for button in self.extents.values():
            extents.addWidget(button)
        extents.addStretch(1)
        for label, box in (("", self.format), ("&Type", self.dtype), ("Com&pression", self.compression)):
            if label:
                name = QLabel(label)
                name.setBuddy(box)
                values.addSpacing(12)
                values.addWidget(name)
            values.addWidget(box)
        values.addStretch(1)
        form = QFormLayout()
        form.setVerticalSpacing(10)
        form.addRow("Extent", extents)
        form.addRow("Resolution", self.resolution)
        if TIME_AXIS in self._run.grid.axes:
            add_row(form, "T&imes", self.times, self.times)
        form.addRow("Values", self.stack)
        add_row(form, "F&ormat", values, self.format)
        add_row(form, "F&ile", self.place, self.place.edit)
        self.buttons = buttons_of(self, "&Export")
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
        layout.addLayout(form)
        for widget in (self.summary, self.unconfirmed, self.lost, self.fault, self.buttons):
            layout.addWidget(widget)
        edits = self.resolution.edits.values()
        values_in_order = (self.format, self.dtype, self.compression, self.place.edit, self.place.browse)
        in_tab_order(*self.extents.values(), *edits, self.resolution.alike, self.times, self.stack, *values_in_order)
        self.resize(640, self.sizeHint().height())

    def _first_format(self) -> str:
        """The first format that can carry the field."""
        header = self._header(self._run.grid)
        return next((suffix for suffix in KNOWN if types_for(header, Path(f"a{suffix}"))), ".h5")

    # Following

    @Slot(bool)
    def _on_extent(self, chosen: bool) -> None:
        if chosen:
            try:
                self.resolution.set_grid(target_grid(self._run.grid, box=self._box()))
            except DinrError:  # `_follow` says why
                self._follow()

    @Slot(int)
    def _on_format(self, index: int) -> None:
        suffix = self.format.itemData(index)
        if KNOWN.get(self.place.suffix) != KNOWN[suffix]:
            self.place.set_suffix(suffix)

    @Slot()
    def _on_place(self) -> None:
        """The file's ending names the format, which has its types and compressions."""
        suffix = self.place.suffix
        if suffix in KNOWN:
            self.format.setCurrentText(KNOWN[suffix])
            header, path = self._header(self._run.grid), Path(f"a{suffix}")
            fill(self.dtype, types_for(header, path))
            fill(self.compression, compressions(path))
            self.compression.setEnabled(self.compression.count() > 1)
        self._follow()

    @Slot()
    def _follow(self) -> None:
        """Says what would be written, and what is in the way of it."""
        summary, lost, fault = "", "", self.resolution.fault or self.place.fault()
        try:
            grid = target_grid(self._run.grid, **self.target())
            header = self._header(grid)
            summary = self._in_words(header)
            self.beyond.ask(grid)
            if not fault:
                lost = " ".join(lost_by(header, self.place.path))
                self._needs(header).check()
        except DinrError as error:
            fault = fault or str(error)
        self.summary.setText(summary)
        self.unconfirmed.setText(self.beyond.in_words() if summary and not self.stack.isChecked() else "")
        self.lost.setText(lost)
        self.fault.setText(fault)
        ready = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        ready.setEnabled(not fault)
        ready.setToolTip(fault or "Write the file in the background")

    def _in_words(self, header: VolumeHeader) -> str:
        shape = " × ".join(map(str, header.grid.shape))
        path, most = self.place.path, "at most " if header.compression not in ("", "none") else ""
        size = written_bytes(header, path) if self.place.suffix in KNOWN else header.value_bytes
        parts = [
            f"{shape} voxels, {most}{bytes_in_words(size)}",
            self.timing.in_words(header.grid.size),
        ]
        try:
            parts.append(f"{bytes_in_words(free_bytes(path))} free on the disk")
        except DinrError:  # a folder that does not exist is told as a fault
            pass
        return "; ".join(parts)

    def _needs(self, header: VolumeHeader) -> Needs:
        path, own = self.place.path, self._run.grid
        beside = spline_bytes(header, path, own) if self.stack.isChecked() else 0
        return export_needs(header, path, own, beside=beside)

    # The outcome

    def _box(self) -> Box | None:
        return next((self._boxes[name] for name, button in self.extents.items() if button.isChecked()), None)

    def target(self) -> dict[str, Any]:
        """The arguments of target_grid that were chosen."""
        times = self.times.text().strip()
        return {**self.resolution.choice(), "box": self._box(), **({"times": times} if times else {})}

    def told(self) -> dict[str, Any]:
        """What else was chosen, as the command that repeats the export is told it."""
        usual = self.compression.currentIndex() <= 0
        compression = "" if usual else self.compression.currentText()
        return {"dtype": self.dtype.currentText(), "compression": compression, "stack": self.stack.isChecked()}

    def _header(self, grid: Grid) -> VolumeHeader:
        run = self._run
        dtype = np.dtype(self.dtype.currentText() or "float32")
        compression = self.compression.currentText()
        notes = stack_notes(run, self._weights) if self.stack.isChecked() else run.notes
        return VolumeHeader(grid, run.channels, dtype, run.channel_names, run.value_unit, notes, compression)

    def accept(self) -> None:
        """Asks where a file would be replaced."""
        if self.fault.text() or not self.place.may_write():
            return
        left = self.place.what_to_do_with_what_is_left()
        if left is None:
            return
        self._left = left
        self._force = self.place.path.exists()
        super().accept()

    def done(self, result: int) -> None:
        """Stops measuring first."""
        self.timing.stop()
        self.beyond.stop()
        super().done(result)

    def job(self) -> ExportJob:
        """The export as chosen, not yet begun."""
        target, path = self.target(), self.place.path
        options: dict[str, Any] = {
            "dtype": self.dtype.currentText(),
            "compression": self.compression.currentText(),
            "force": self._force,
            "left": self._left,
        }
        if self.stack.isChecked() and self._data is not None:
            return stacked_job(self._run, self._data, self._weights, target, path, options)
        return volume_job(self._run, target, path, options)


def _box_in_words(grid: Grid, box: Box | None) -> str:
    parts = [
        f"{name} {number(low)} to {number(high)} {unit}".rstrip()
        for name, unit, (low, high) in zip(grid.axes, grid.units, box or (), strict=False)
    ]
    return ", ".join(parts)
