"""The window of power spectra: data, field and residual in physical units, and what a finer grid adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from dinr_studio.stages import Stages
from dinr_studio.ui.analysis.belief_parts import WhichPart, data_of
from dinr_studio.ui.analysis.parts import choice, shell_command
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.monitor.plots import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.belief.spectra import Spectra
    from dinr_studio.io.csv_writing import Columns

FACTORS = {"no finer grid": 0.0, "1.5 times finer": 1.5, "2 times finer": 2.0, "3 times finer": 3.0}
COLOURS = {"data": "grey", "field": "blue", "residual": "red"}
NOTHING_OPEN = "Nothing is open yet: open a volume or a run, then press Run."


class SpectraWindow(AnalysisWindow):
    """Which detail the data has, which the field has, and which an export would add."""

    title = "Power spectra"
    _found: Spectra | None = None

    def controls(self) -> Mapping[str, QWidget]:
        """Which part, how fine, and along what."""
        self.part = WhichPart()
        self.factor = choice("Field on a finer grid", "Also the spectrum of an export to a finer grid", FACTORS)
        self.along = choice("Show", "Frequencies in all directions, or along one axis", {})
        self.along.currentIndexChanged.connect(self._draw)
        return {
            "&Channel": self.part.channel,
            "F&rame": self.part.frame,
            "Field on a &finer grid": self.factor,
            "&Show": self.along,
        }

    def results(self) -> QWidget:
        """The plot with a sentence above."""
        self.plot = Plot("Power spectra", "spatial frequency", "power density")
        self.plot.getPlotItem().setLogMode(x=True, y=True)
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setContentsMargins(8, 8, 8, 4)
        side = QWidget()
        layout = QVBoxLayout(side)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.verdict)
        layout.addWidget(self.plot, 1)
        self.clear()
        return side

    def fault(self) -> str:
        """A volume alone will do."""
        return "" if self.studio.volume is not None else NOTHING_OPEN

    def follow(self) -> None:
        """Switches what depends on the open volume, too."""
        self.part.follow(self.studio.volume)
        self.factor.setEnabled(self.run is not None)
        super().follow()

    def prepare(self) -> Callable[[], Stages]:
        """The spectra of the volume, or of data and field with the present weights."""
        run, chosen = self.run, self.part.choice()
        factor = (self.factor.currentData(),) if self.factor.currentData() and run is not None else None
        volume = self.studio.volume if run is None else data_of(self.studio, run)
        name = (self.studio.file and Path(self.studio.file).name) or "data"
        assert volume is not None

        def make() -> Stages:
            from dinr_studio.experiments.belief.spectra import spectra_of_open
            from dinr_studio.experiments.steps import told

            return told(spectra_of_open(name, volume, run, chosen, factor))

        return make

    def show_result(self, result: Spectra) -> None:
        """Draws the spectra."""
        from dinr_studio.experiments.belief.spectra import verdict
        from dinr_studio.experiments.figures.spectra import panels_of

        self._found, self._panels = result, panels_of(result)
        self.along.blockSignals(True)
        self.along.clear()
        for name in self._panels:
            self.along.addItem(name if len(name) > 1 else f"along {name}", name)
        self.along.blockSignals(False)
        self.verdict.setText(" ".join([verdict(result), *result.notes]))
        self._draw()

    def _draw(self) -> None:
        found = self._found
        if found is None or self.along.currentData() is None:
            return
        from dinr_studio.experiments.belief.spectra import DATA, density_unit
        from dinr_studio.experiments.figures.spectra import RADIAL, SHOWN

        self.plot.clear_all()
        name = self.along.currentData()
        curves = self._panels[name]
        unit = found.unit if name == RADIAL else found.by_axis[name]
        floor = SHOWN * float(curves[DATA].density[1:].max())
        for of, curve in curves.items():
            shown = np.flatnonzero(curve.density[1:] >= floor) + 1
            self.plot.curve(of, curve.frequency[shown], curve.density[shown], COLOURS.get(of, "green"))
        self.plot.line("data's Nyquist frequency", curves[DATA].nyquist, "orange", angle=90)
        self.plot.getPlotItem().setLabel("bottom", f"spatial frequency (cycles per {unit or 'unit'})")
        density = density_unit(found.value_unit, unit, curves[DATA].axes)
        self.plot.getPlotItem().setLabel("left", f"power density ({density})")

    def clear(self) -> None:
        """Shows nothing."""
        self._found = None
        self.plot.clear_all()
        self.verdict.setText("")

    def figure(self) -> Callable[[], Figure] | None:
        """All panels for print."""
        return None if self._found is None else partial(_figure, self._found)

    def table(self) -> Columns | None:
        """Frequencies and densities of all curves."""
        if self._found is None:
            return None
        columns: dict[str, Any] = {}
        for name, curves in self._panels.items():
            for of, curve in curves.items():
                columns[f"{of}, {name}: frequency"] = curve.frequency.tolist()
                columns[f"{of}, {name}: density"] = curve.density.tolist()
        return columns

    def command(self) -> str:
        """`dinr-studio spectra` with the same choices."""
        source = self.studio.file if self.run is None else self.studio.run_path
        if not source:
            return ""
        factor = self.factor.currentData() if self.run is not None else 0
        return shell_command("spectra", source, *self.part.words(), *(["--factor", f"{factor:g}"] if factor else []))


def _figure(found: Spectra) -> Figure:
    from dinr_studio.experiments.figures.spectra import spectra_figure

    return spectra_figure(found)
