"""The window of twin fits: two half maps fitted independently, and up to which resolution the fields agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from dinr_studio.errors import ConfigError
from dinr_studio.experiments.repeat import twinning
from dinr_studio.stages import Stages
from dinr_studio.ui.analysis.belief_parts import FileRow, MaskChoice, WhichPart, asked_fault, asked_of
from dinr_studio.ui.analysis.parts import MeasureTable, choice, shell_command
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.monitor.plots import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.belief.correlation import Correlated
    from dinr_studio.experiments.belief.twins import Twins
    from dinr_studio.io.csv_writing import Columns

FILE, SPLIT = "file", "split"
SECONDS = {"a file": FILE, "none: split the open volume": SPLIT}
FIELDS, HALVES, CROSS = "fields", "half maps", "field against the other half map"


class TwinWindow(AnalysisWindow):
    """Two fits with the Field panel's settings, and the fields' correlation beside that of the half maps."""

    title = "Twin fit"
    _found: Twins | None = None

    def controls(self) -> Mapping[str, QWidget]:
        """The second half map, the mask, and where the runs go."""
        self.part = WhichPart()
        self.second = choice("Second half map", "The open volume is the first half map", SECONDS)
        self.other = FileRow("Second half map's file", "The half map with the other half of the measurements")
        self.masking = MaskChoice()
        self.folder = FileRow("Folder of the runs", "What is in it already is not fitted again", folder=True)
        for box in (self.second, self.masking.kind):
            box.currentIndexChanged.connect(self.follow)
        return {
            "Second &half map": self.second,
            "Its f&ile": self.other,
            "&Mask": self.masking.kind,
            "Mas&k file": self.masking.file,
            "Fol&der of the runs": self.folder,
            "Channe&l": self.part.channel,
            "Fr&ame": self.part.frame,
        }

    def results(self) -> QWidget:
        """Verdict and curves above, resolutions below."""
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setContentsMargins(8, 8, 8, 4)
        self.plot = Plot("Fourier shell correlation", "spatial frequency", "correlation")
        self.plot.begin_at_zero()
        self.resolutions = MeasureTable("Resolutions")
        upper = QWidget()
        layout = QVBoxLayout(upper)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.verdict)
        layout.addWidget(self.plot, 1)
        halves = QSplitter(Qt.Orientation.Vertical)
        halves.addWidget(upper)
        halves.addWidget(self.resolutions)
        halves.setSizes([480, 140])
        self.clear()
        return halves

    def fault(self) -> str:
        """Data and settings are needed."""
        return asked_fault(self.main)

    @Slot()
    def follow(self) -> None:
        """Switches what depends on other choices, and says what is fitted."""
        self.part.follow(self.studio.volume)
        self.other.setEnabled(self.second.currentData() == FILE)
        self.masking.follow()
        super().follow()
        name = Path(self.studio.file.removeprefix("sample:")).name if self.studio.volume is not None else ""
        self.about.setText(f"Fits {name} and its twin as the Field panel says." if name else self.fault())
        self.about.show()

    def prepare(self) -> Callable[[], Stages]:
        """Both fits and their correlation."""
        asked, options, volume = asked_of(self.main), self.studio.fitted_options, self.studio.fitted_volume
        chosen, mask, folder = self.part.choice(), self.masking.wanted, self.folder.text
        other = self.other.text if self.second.currentData() == FILE else None
        assert volume is not None
        if other == "":
            raise ConfigError("Name the second half map's file first, or have the open volume split.")
        if not mask:
            raise ConfigError("Name the mask's file first, or choose another mask.")
        if not folder:
            raise ConfigError("Name the folder first that the two run files are to be in.")

        def make() -> Stages:
            from dinr_studio.experiments.belief.ensembles import Asked
            from dinr_studio.experiments.belief.twins import Half, fit_twins, half_maps, split
            from dinr_studio.experiments.steps import told
            from dinr_studio.io import open_volume

            if other is None:
                first, second = split(volume, int(asked[2].get("seed", 0)))
                halves = Half(first, options), Half(second, options)
            else:
                twin = open_volume(other, **_for_twin(options))
                halves = half_maps(Half(volume, options), Half(twin, _for_twin(options)))
            return told(fit_twins(halves, Path(folder), Asked(*asked), chosen, mask))

        return make

    def show_result(self, result: Twins) -> None:
        """Draws the curves, with resolutions and verdict."""
        from dinr_studio.analysis.fsc import THRESHOLDS
        from dinr_studio.experiments.belief.twins import CROSS_THRESHOLD, verdict

        self.clear()
        self._found, found = result, result.fields.fsc
        rows = {FIELDS: result.fields} | ({} if result.halves is None else {HALVES: result.halves})
        for (name, one), colour in zip(rows.items(), ("blue", "orange"), strict=False):
            self.plot.curve(name, one.fsc.frequency, one.fsc.curves[one.fsc.best], colour)
        if result.cross is not None:
            self.plot.curve(CROSS, found.frequency, result.cross, "green")
            self.plot.line(f"{CROSS_THRESHOLD:.3f}", CROSS_THRESHOLD, "green")
        for name, level in THRESHOLDS.items():
            self.plot.line(name, level, "grey")
        self.plot.getPlotItem().setLabel("bottom", f"spatial frequency (1/{found.unit or 'unit'})")
        self.verdict.setText(" ".join([verdict(result), *result.notes]))
        cells = {f"at {at} ({found.unit or 'unit'})": [_cell(one, at) for one in rows.values()] for at in THRESHOLDS}
        self.resolutions.show_measures(list(rows), cells)
        self.follow()

    def clear(self) -> None:
        """Shows nothing."""
        self._found = None
        self.plot.clear_all()
        self.verdict.setText("")
        self.resolutions.show_measures([], {})

    def figure(self) -> Callable[[], Figure] | None:
        """The curves for print."""
        return None if self._found is None else partial(_figure, self._found)

    def table(self) -> Columns | None:
        """The curves."""
        if self._found is None:
            return None
        found = self._found.fields.fsc
        columns: dict[str, Any] = {f"frequency (1/{found.unit or 'unit'})": found.frequency.tolist()}
        for name, one in ((FIELDS, self._found.fields), (HALVES, self._found.halves)):
            if one is not None:
                columns |= {f"{name}, {curve}": values.tolist() for curve, values in one.fsc.curves.items()}
        return columns if self._found.cross is None else {**columns, CROSS: self._found.cross.tolist()}

    def command(self) -> str:
        """`dinr-studio twin-fit` with the same choices."""
        panel, other = self.main.field_panel, self.other.text if self.second.currentData() == FILE else None
        if (
            panel.config is None
            or self.studio.volume is None
            or other == ""
            or not (self.folder.text and self.masking.wanted)
        ):
            return ""
        given = self.studio.fitted_options
        options, files = _for_twin(given), (self.studio.file, other)
        if any(given[name] not in (None, False) for name in given.keys() - options.keys()):
            return ""  # the shell's twin-fit has no words for it
        words = twinning(files, self.folder.text, self.masking.wanted, options, panel.config, panel.usual).words
        return shell_command(*words, *self.part.words())


def _for_twin(options: Mapping[str, Any]) -> dict[str, Any]:
    """How the open volume was opened, as far as that goes for its twin."""
    return {name: options[name] for name in ("dataset", "voxel_size", "unit", "crop") if options.get(name) is not None}


def _cell(found: Correlated, threshold: str) -> str:
    length = found.fsc.resolution(threshold).length
    return f"< {1 / found.fsc.nyquist:.4g}" if length is None else f"{length:.4g}"


def _figure(found: Twins) -> Figure:
    from dinr_studio.experiments.figures.fsc import twin_figure

    return twin_figure(found.fields, found.halves, found.cross)
