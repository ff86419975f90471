"""The data panel: what was opened, its voxel size (which may be put right), contrast, channel and crop box."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSignalBlocker, Qt, Slot
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from dinr_studio.channels import COLOUR, label_of
from dinr_studio.coordinates import TIME_AXIS
from dinr_studio.errors import DinrError, plain
from dinr_studio.ui.colours import COLORMAPS, number, with_unit
from dinr_studio.ui.edits import LimitsEdit, VoxelSizeEdit
from dinr_studio.ui.panels.mask_row import MaskRow
from dinr_studio.ui.panels.part_form import PartForm
from dinr_studio.ui.panels.parts import heading
from dinr_studio.ui.studio import Studio
from dinr_studio.ui.theme import CURVES, plot_colours


class DataPanel(QWidget):
    """All about the volume; edits go through the undo stack."""

    def __init__(self, studio: Studio, undo: QUndoStack, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.studio, self.undo = studio, undo
        self._before_drag: tuple[float, float] | None = None
        self.facts: dict[str, QLabel] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addLayout(self._make_facts())
        layout.addWidget(heading("Voxel size"))
        layout.addLayout(self._make_voxel_size())
        layout.addWidget(heading("Contrast"))
        layout.addWidget(self._make_histogram())
        layout.addLayout(self._make_limits())
        layout.addWidget(heading("Part to fit and export"))
        self.part = PartForm(self.studio, undo)
        self.ends, self.whole = self.part.ends, self.part.whole
        layout.addWidget(self.part)
        layout.addStretch(1)
        studio.volume_opened.connect(self._on_volume)
        studio.grid_changed.connect(self._on_grid)
        studio.limits_changed.connect(self._on_limits)
        studio.channel_changed.connect(self._on_channel)
        studio.colormap_changed.connect(self._on_colormap)
        studio.fit.state_changed.connect(self._on_fit_state)
        self.restyle()

    # Making

    def _make_facts(self) -> QFormLayout:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(3)
        for name in ("File", "Shape", "Type", "Size", "Range", "Missing", "Source"):
            label = QLabel("–")
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            self.facts[name] = label
            form.addRow(name, label)
        self.mask_row = MaskRow(self.studio, self.undo)
        form.insertRow(6, "Mask", self.mask_row)
        self.columns = QPushButton("Choose …")
        self.columns.setAccessibleName("Choose columns")
        self.columns.setToolTip("Which columns of the table are positions, and which are values")
        self.columns.clicked.connect(self.studio.ask_columns)
        form.addRow("Columns", self.columns)
        self.facts_form = form
        self.axes = QLineEdit()
        self.axes.setAccessibleName("Axes")
        self.axes.setToolTip(
            "Letters t, z, y, x and c (channel) of the stored array's dimensions, slowest first; "
            "change them where the file says nothing of them, or lies"
        )
        self.axes.editingFinished.connect(self._on_axes)
        form.addRow("Axes", self.axes)
        self.channel = QComboBox()
        self.channel.setAccessibleName("Channel")
        self.channel.setToolTip("Which of the values of each voxel is shown")
        self.channel.currentIndexChanged.connect(self._on_channel_chosen)
        self.channel_label = QLabel("Channel")
        form.addRow(self.channel_label, self.channel)
        return form

    def _make_voxel_size(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(4)
        self.sizes: list[tuple[QLabel, QLineEdit]] = []
        for i in range(4):
            label, edit = QLabel(), QLineEdit()
            edit.setToolTip("Files lie: put the voxel size right here, and every length and export follows")
            edit.editingFinished.connect(self._on_voxel_size)
            grid.addWidget(label, 0, i)
            grid.addWidget(edit, 1, i)
            self.sizes.append((label, edit))
        self.unit = QComboBox(editable=True)
        self.unit.addItems(["angstrom", "nm", "um", "mm", "m", "km", ""])
        self.unit.setAccessibleName("Unit of the voxel size")
        self.unit.setToolTip("Unit of the voxel size along the spatial axes")
        typed = QLineEdit()
        typed.editingFinished.connect(self._on_voxel_size)
        self.unit.setLineEdit(typed)
        self.unit.activated.connect(self._on_voxel_size)
        self.unit.setMinimumContentsLength(6)
        grid.addWidget(QLabel("unit"), 2, 0)
        grid.addWidget(self.unit, 2, 1, 1, 3)
        self.size_fault = QLabel()
        self.size_fault.setProperty("role", "fault")
        self.size_fault.setWordWrap(True)
        self.size_fault.hide()
        grid.addWidget(self.size_fault, 3, 0, 1, 4)
        return grid

    def _make_histogram(self) -> pg.PlotWidget:
        self.plot = pg.PlotWidget()
        self.plot.setFixedHeight(110)
        self.plot.setAccessibleName("Histogram of the values")
        self.plot.setToolTip("How often each value occurs; drag the edges of the coloured region to set the contrast")
        item = self.plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.hideAxis("left")
        item.setMouseEnabled(x=False, y=False)
        self.counts = pg.PlotCurveItem(
            [0.0, 1.0], [0.0], stepMode="center", fillLevel=0, brush=(120, 130, 145, 130), pen=None
        )
        self.region = pg.LinearRegionItem(
            brush=(61, 132, 216, 50), pen=pg.mkPen(CURVES["blue"], width=2), swapMode="block"
        )
        self.region.sigRegionChanged.connect(self._on_region)
        self.region.sigRegionChangeFinished.connect(self._on_region_finished)
        item.addItem(self.counts)
        item.addItem(self.region)
        return self.plot

    def _make_limits(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(4)
        self.low, self.high = QLineEdit(), QLineEdit()
        for edit, name in ((self.low, "Lower contrast limit"), (self.high, "Upper contrast limit")):
            edit.setAccessibleName(name)
            edit.setToolTip(f"{name}, in the value's unit")
            edit.editingFinished.connect(self._on_limits_typed)
        grid.addWidget(self.low, 0, 0)
        grid.addWidget(self.high, 0, 1)
        auto = QPushButton("Auto")
        auto.setToolTip("Contrast from the 0.5 to the 99.5 percentile of the values")
        auto.clicked.connect(self.auto_contrast)
        grid.addWidget(auto, 1, 0)
        self.colours = QComboBox()
        self.colours.addItems(list(COLORMAPS))
        self.colours.setAccessibleName("Colours")
        self.colours.setToolTip("Colours of data and field")
        self.colours.setMinimumContentsLength(5)
        self.colours.currentTextChanged.connect(self.studio.set_colormap)
        grid.addWidget(self.colours, 1, 1)
        return grid

    # Following the studio

    @Slot()
    def _on_volume(self) -> None:
        volume = self.studio.volume
        self.setEnabled(volume is not None)
        if volume is None:
            return
        with QSignalBlocker(self.channel):
            self.channel.clear()
            for one in self.studio.components:
                self.channel.addItem(label_of(volume.channel_names, one), one)
        for widget in (self.channel, self.channel_label):
            widget.setVisible(volume.channels > 1)
        self.facts_form.setRowVisible(self.columns, volume.samples is not None)
        self.facts_form.setRowVisible(self.axes, volume.samples is None)
        self._on_grid()
        self._on_channel()
        self._on_fit_state()
        self._on_colormap()

    @Slot()
    def _on_grid(self) -> None:
        volume = self.studio.volume
        if volume is None:
            return
        grid = volume.grid
        alike = len(set(grid.units)) == 1
        name = Path(volume.provenance.file).name
        self._state("File", name + (f"  ({volume.provenance.dataset})" if volume.provenance.dataset else ""))
        self.facts["File"].setToolTip(plain(volume.provenance.file))
        self._state("Shape", " × ".join(f"{axis} {n}" for axis, n in zip(grid.axes, grid.shape, strict=True)))
        samples = "" if volume.samples is None else f" of {volume.samples.count:,} samples"
        self._state("Type", f"{volume.values.dtype}, {grid.size:,} voxels{samples}")
        lengths = [
            number(extent) if alike else with_unit(extent, unit)
            for extent, unit in zip(grid.extent, grid.units, strict=True)
        ]
        self._state("Size", f"{' × '.join(lengths)} {grid.units[0] if alike else ''}".rstrip())
        self.axes.setText(self.studio.stored_axes)
        sampled = " (of a sample)" * volume.is_stored
        self._show_range()
        missing = f"{100 * volume.missing_share:.3g} % of the voxels" if volume.missing_share else "nothing"
        self._state("Missing", missing + sampled)
        self._state("Source", volume.provenance.reader)
        self.facts["Source"].setToolTip("\n".join(volume.provenance.notes))
        for i, (label, edit) in enumerate(self.sizes):
            used = i < len(grid.shape)
            label.setVisible(used)
            edit.setVisible(used)
            if used:
                label.setText(f"t ({grid.units[i]})" if grid.axes[i] == TIME_AXIS and grid.units[i] else grid.axes[i])
                edit.setText(f"{grid.voxel_size[i]:.5g}")
                edit.setAccessibleName(f"Voxel size along {grid.axes[i]}")
        units = {grid.units[i] for i in grid.spatial}
        with QSignalBlocker(self.unit):
            self.unit.setCurrentText(units.pop() if len(units) == 1 else "")
        self.size_fault.hide()

    def _show_range(self) -> None:
        """Least and greatest value of what is shown."""
        volume, (low, high) = self.studio.volume, self.studio.span
        sampled = " (of a sample)" * (volume is not None and volume.is_stored)
        self._state("Range", f"{number(low)} to {with_unit(high, self.studio.unit)}{sampled}")

    def _state(self, name: str, text: str) -> None:
        self.facts[name].setText(text)

    @Slot()
    def _on_channel(self) -> None:
        if self.studio.volume is None:
            return
        with QSignalBlocker(self.channel):
            self.channel.setCurrentIndex(self.studio.components.index(self.studio.channel))
        found = self.studio.histogram
        self._show_range()
        self.colours.setEnabled(self.studio.channel != COLOUR)
        self.counts.setData(found.edges, np.log1p(found.counts.astype(np.float64)))
        axis = self.plot.getPlotItem().getAxis("bottom")
        axis.enableAutoSIPrefix(False)
        unit = self.studio.unit
        several = self.studio.volume.channels > 1
        axis.setLabel(self.studio.value_label() if several else f"value ({unit})" if unit else "value")
        self.plot.getPlotItem().setXRange(float(found.edges[0]), float(found.edges[-1]), padding=0.02)
        self._on_limits()

    @Slot()
    def _on_limits(self) -> None:
        low, high = self.studio.limits
        with QSignalBlocker(self.region):
            self.region.setRegion((low, high))
        self.low.setText(f"{low:.5g}")
        self.high.setText(f"{high:.5g}")

    @Slot()
    def _on_colormap(self) -> None:
        with QSignalBlocker(self.colours):
            self.colours.setCurrentText(self.studio.colormap)

    @Slot()
    def _on_fit_state(self) -> None:
        """What a fit stands on may not change under it."""
        free = not self.studio.fit.running
        for _, edit in self.sizes:
            edit.setEnabled(free)
        self.unit.setEnabled(free)
        self.columns.setEnabled(free)
        self.axes.setEnabled(free and self.studio.run is None)

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        background, foreground = plot_colours()
        self.plot.setBackground(background)
        axis = self.plot.getPlotItem().getAxis("bottom")
        axis.setPen(foreground)
        axis.setTextPen(foreground)

    # The user's doings

    @Slot(int)
    def _on_channel_chosen(self, index: int) -> None:
        if index >= 0:
            self.studio.set_channel(self.studio.components[index])

    @Slot()
    def _on_axes(self) -> None:
        text, known = self.axes.text().strip().lower(), self.studio.stored_axes
        self.axes.setText(known)  # until the file has been read anew
        if text and text != known:
            self.studio.open_with_axes(text)

    @Slot()
    def _on_voxel_size(self) -> None:
        volume = self.studio.volume
        if volume is None:
            return
        old = volume.grid.voxel_size
        texts = [edit.text().replace(",", ".") for _, edit in self.sizes[: len(old)]]
        try:  # a size that was not touched keeps all its digits
            new = tuple(o if text == f"{o:.5g}" else float(text) for o, text in zip(old, texts, strict=True))
            unit = self.unit.currentText().strip()
            units = {volume.grid.units[i] for i in volume.grid.spatial}
            if new == old and unit == (units.pop() if len(units) == 1 else ""):
                self.size_fault.hide()
                return
            volume.grid.rescaled(new)
        except (ValueError, DinrError):
            self.size_fault.setText("A voxel size is a positive number, such as 1.5.")
            self.size_fault.show()
            return
        self.undo.push(VoxelSizeEdit(self.studio, new, unit))

    @Slot()
    def _on_region(self) -> None:
        self._before_drag = self._before_drag or self.studio.limits
        self.studio.set_limits(*self.region.getRegion())

    @Slot()
    def _on_region_finished(self) -> None:
        self.undo.push(LimitsEdit(self.studio, self.studio.limits, self._before_drag))
        self._before_drag = None

    @Slot()
    def _on_limits_typed(self) -> None:
        try:
            limits = float(self.low.text().replace(",", ".")), float(self.high.text().replace(",", "."))
        except ValueError:
            self._on_limits()
            return
        if limits[0] < limits[1]:
            if [f"{limit:.5g}" for limit in limits] != [f"{limit:.5g}" for limit in self.studio.limits]:
                self.undo.push(LimitsEdit(self.studio, limits))
        else:
            self._on_limits()

    @Slot()
    def auto_contrast(self) -> None:
        """Contrast limits from percentiles of the values."""
        if self.studio.volume is not None:
            self.undo.push(LimitsEdit(self.studio, self.studio.histogram.contrast))
