"""The window of shell correlations: up to which resolution two maps agree, whole, by direction and by place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QCheckBox, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from dinr_studio.errors import ConfigError
from dinr_studio.stages import Stages
from dinr_studio.ui.analysis.belief_parts import FileRow, MaskChoice, Pictures, WhichPart, data_of
from dinr_studio.ui.analysis.parts import MeasureTable, choice, shell_command, whole_number
from dinr_studio.ui.analysis.spectra import NOTHING_OPEN
from dinr_studio.ui.analysis.volumes import save_volume_of
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.monitor.plots import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.belief.correlation import Correlated
    from dinr_studio.io.csv_writing import Columns

OWN, FIELD_FILE, DATA_FILE = "own", "field-file", "data-file"
PAIRS = {"the field and its data": OWN, "the field and a file": FIELD_FILE, "the data and a file": DATA_FILE}
COLOURS = {"unmasked": "blue", "masked": "orange", "randomised": "red", "corrected": "green"}


class FscWindow(AnalysisWindow):
    """The Fourier shell correlation of two maps, with mask, control, directions and local resolution."""

    title = "Fourier shell correlation"
    _found: Correlated | None = None

    def controls(self) -> Mapping[str, QWidget]:
        """What is compared, under which mask, and what else is asked for."""
        self.part = WhichPart()
        self.pair = choice("Compare", "Two half maps: open one, and name the other file", PAIRS)
        self.other = FileRow("Other file", "A map on the same grid, or a run file")
        self.masking = MaskChoice()
        self.directional = QCheckBox("Resolution by &direction")
        self.directional.setAccessibleName("Resolution by direction")
        self.directional.setToolTip("The correlation within cones of 20°")
        self.local = QCheckBox("&Local resolution")
        self.local.setAccessibleName("Local resolution")
        self.local.setToolTip("The correlation within a window that moves over the maps")
        self.window_size = whole_number(
            "Window", "Edge of the moving window; 7: a fifth of the map", 7, 7, 128, "voxels"
        )
        self.window_size.setSpecialValueText("by the map")
        for box in (self.pair, self.masking.kind):
            box.currentIndexChanged.connect(self.follow)
        self.local.toggled.connect(self.follow)
        return {
            "C&ompare": self.pair,
            "Other f&ile": self.other,
            "&Mask": self.masking.kind,
            "Mas&k file": self.masking.file,
            "C&hannel": self.part.channel,
            "F&rame": self.part.frame,
            "": self.directional,
            " ": self.local,
            "&Window": self.window_size,
        }

    def results(self) -> QWidget:
        """Curves and verdict above; resolutions, and slices of the local resolution, below."""
        self.plot = Plot("Fourier shell correlation", "spatial frequency", "correlation")
        self.plot.begin_at_zero()
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setContentsMargins(8, 8, 8, 4)
        self.resolutions = MeasureTable("Resolutions")
        self.slices = Pictures("Local resolution, slices through the middle")
        self.save_local = QPushButton("Save l&ocal resolution …")
        self.save_local.setToolTip("Save the local resolution as a volume on the maps' grid")
        self.save_local.clicked.connect(self._on_save_local)
        upper, lower, pictures = QWidget(), QSplitter(Qt.Orientation.Horizontal), QWidget()
        for side, widgets in ((upper, (self.verdict, self.plot)), (pictures, (self.slices, self.save_local))):
            layout = QVBoxLayout(side)
            layout.setContentsMargins(0, 0, 0, 0)
            for widget in widgets:
                layout.addWidget(widget, 1 if widget in (self.plot, self.slices) else 0)
        lower.addWidget(self.resolutions)
        lower.addWidget(pictures)
        lower.setSizes([430, 430])
        halves = QSplitter(Qt.Orientation.Vertical)
        halves.addWidget(upper)
        halves.addWidget(lower)
        halves.setSizes([400, 220])
        self.clear()
        return halves

    def fault(self) -> str:
        """Two maps are needed."""
        return "" if self.studio.volume is not None else NOTHING_OPEN

    @Slot()
    def follow(self) -> None:
        """Switches what depends on other choices, too."""
        self.part.follow(self.studio.volume)
        self.other.setEnabled(self.pair.currentData() != OWN)
        self.masking.follow()
        self.window_size.setEnabled(self.local.isChecked())
        self.save_local.setEnabled(self._found is not None and self._found.local is not None)
        super().follow()

    def prepare(self) -> Callable[[], Stages]:
        """The correlation as chosen, by the present weights."""
        pair, run, chosen = self.pair.currentData(), self.run, self.part.choice()
        mask = self.masking.wanted
        if pair != DATA_FILE and run is None:
            raise ConfigError("There is no field yet; fit one, or compare the data and a file.")
        if pair != OWN and not self.other.text:
            raise ConfigError("Name the other file first, a map on the same grid or a run file.")
        if not mask:
            raise ConfigError("Name the mask's file first, or choose another mask.")
        volume = self.studio.volume if run is None or pair == DATA_FILE else data_of(self.studio, run)
        assert volume is not None
        window = self.window_size.value() if self.window_size.value() > self.window_size.minimum() else None
        other = None if pair == OWN else self.other.text
        field = None if pair == DATA_FILE else run
        name = Path(self.studio.file or "data").name

        def make() -> Stages:
            from dinr_studio.experiments.belief.correlation import Wish, correlated_open
            from dinr_studio.experiments.steps import told

            wish = Wish(mask, self_directional, local_wanted=self_local, window=window)
            return told(correlated_open(name, volume, field, other, chosen, wish))

        self_directional, self_local = self.directional.isChecked(), self.local.isChecked()
        return make

    def show_result(self, result: Correlated) -> None:
        """Draws curves, resolutions and slices."""
        from dinr_studio.analysis.directional import verdict as directions_in_words
        from dinr_studio.analysis.fsc import HALF_BIT, THRESHOLDS, verdict
        from dinr_studio.experiments.figures.fsc import LABELS

        self.clear()
        self._found, found = result, result.fsc
        for name, curve in found.curves.items():
            self.plot.curve(LABELS[name], found.frequency, curve, COLOURS[name])
        self.plot.curve(HALF_BIT, found.frequency[1:], found.half_bit[1:], "violet", width=1.0, dashed=True)
        for name, level in THRESHOLDS.items():
            self.plot.line(name, level, "grey")
        self.plot.getPlotItem().setLabel("bottom", f"spatial frequency (1/{found.unit or 'unit'})")
        told = [verdict(found), *found.notes]
        if result.directional is not None:
            told.append(directions_in_words(result.directional))
        self.verdict.setText(" ".join(told))
        names = (*THRESHOLDS, HALF_BIT)
        curves = [name for name in found.curves if name != "randomised"]
        cells = {f"at {at} ({found.unit or 'unit'})": [_cell(found, at, name) for name in curves] for at in names}
        self.resolutions.show_measures([LABELS[name] for name in curves], cells)
        if result.local is not None:
            self._show_local(result)
        self.follow()

    def _show_local(self, result: Correlated) -> None:
        local = result.local
        assert local is not None
        values = local.values.astype(np.float64)
        slices = [np.take(values, values.shape[axis] // 2, axis) for axis in range(3)] if values.ndim == 3 else [values]
        names = ["z", "y", "x"] if values.ndim == 3 else ["map"]
        self.slices.show_slices(slices, [f"across {name}" for name in names], local.unit)

    def clear(self) -> None:
        """Shows nothing."""
        self._found = None
        self.plot.clear_all()
        self.verdict.setText("")
        self.resolutions.show_measures([], {})
        self.slices.say("Slices of the local resolution come here, where that is asked for.")
        self.save_local.setEnabled(False)

    def figure(self) -> Callable[[], Figure] | None:
        """Curves, and directions, for print."""
        return None if self._found is None else partial(_figure, self._found)

    def table(self) -> Columns | None:
        """The curves."""
        if self._found is None:
            return None
        found = self._found.fsc
        columns: dict[str, Any] = {f"frequency (1/{found.unit or 'unit'})": found.frequency.tolist()}
        columns["modes"] = found.modes.tolist()
        columns |= {name: curve.tolist() for name, curve in found.curves.items()}
        return {**columns, "half-bit": found.half_bit.tolist()}

    def command(self) -> str:
        """`dinr-studio fsc` with the same choices."""
        pair = self.pair.currentData()
        first = self.studio.file if pair == DATA_FILE else self.studio.run_path
        if not first or (pair != OWN and not self.other.text):
            return ""
        words: list[object] = ["fsc", first, *([] if pair == OWN else [self.other.text])]
        mask = self.masking.wanted
        words += ["--mask", mask] if mask not in ("", "none") else []
        words += ["--directional"] if self.directional.isChecked() else []
        words += ["--local", "local.mrc"] if self.local.isChecked() else []
        return shell_command(*words, *self.part.words())

    @Slot()
    def _on_save_local(self) -> None:
        found = self._found
        if found is not None and found.local is not None and found.grid is not None:
            local, grid, name = found.local, found.grid, found.first
            save_volume_of(self, "Save the local resolution", "local", grid, partial(_write_local, local, grid, name))


def _write_local(local: Any, grid: Any, name: str, path: Path) -> None:
    from dinr_studio.experiments.belief.correlation import write_local

    write_local(local, grid, name, path, force=True)


def _cell(found: Any, threshold: str, curve: str) -> str:
    length = found.resolution(threshold, curve).length
    return f"< {1 / found.nyquist:.4g}" if length is None else f"{length:.4g}"


def _figure(found: Correlated) -> Figure:
    from dinr_studio.experiments.figures.fsc import fsc_figure

    return fsc_figure(found)
