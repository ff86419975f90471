"""The window of uncertainty: deviations of one run's last layer or of an ensemble, and whether they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from dinr_studio.errors import ConfigError
from dinr_studio.experiments.repeat import ensembling
from dinr_studio.stages import Stages
from dinr_studio.ui.analysis.belief_parts import FileRow, Pictures, asked_fault, asked_of, data_of, middle
from dinr_studio.ui.analysis.parts import MeasureTable, choice, shell_command, whole_number
from dinr_studio.ui.analysis.volumes import save_volume_of
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.monitor.plots import Plot
from dinr_studio.words import capitalised

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.belief.uncertainty import Looked, Uncertainty
    from dinr_studio.io.csv_writing import Columns

LAST_LAYER, FOLDER, FITTED = "last-layer", "folder", "fitted"
SOURCES = {"this run's last layer": LAST_LAYER, "an ensemble's folder": FOLDER, "an ensemble, fitted now": FITTED}
FACTORS = {"as fine as the data": 1.0, "1.5 times finer": 1.5, "2 times finer": 2.0, "3 times finer": 3.0}


class UncertaintyWindow(AnalysisWindow):
    """How sure the field is, place by place, and how far that is to be believed."""

    title = "Uncertainty"
    _found: Uncertainty | None = None

    def controls(self) -> Mapping[str, QWidget]:
        """Where the uncertainty comes from, and how fine it is saved."""
        self.source = choice(
            "Uncertainty from", "The last layer's posterior at once, or the spread of an ensemble", SOURCES
        )
        self.folder = FileRow(
            "Ensemble folder", "A folder of an ensemble; what is in it already is not fitted again", folder=True
        )
        self.members = whole_number("Members", "Fits as the Field panel says, each from a seed of its own", 2, 5, 100)
        self.factor = choice("Saved on a grid", "How fine mean and deviation are saved", FACTORS)
        self.source.currentIndexChanged.connect(self.follow)
        return {
            "&From": self.source,
            "&Ensemble's folder": self.folder,
            "&Members": self.members,
            "Saved on a &grid": self.factor,
        }

    def results(self) -> QWidget:
        """Reliability and coverage above, slices below."""
        self.plot = Plot("Reliability", "promised share", "share of held-out values within")
        self.plot.begin_at_zero()
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setContentsMargins(8, 8, 8, 4)
        self.coverage = MeasureTable("Coverage of intervals")
        self.slices = Pictures("Field and deviation, slices through the middle")
        self.save_volumes = QPushButton("Save &mean and deviation …")
        self.save_volumes.setToolTip("Save the deviation as a volume, and the mean beside it as NAME-mean")
        self.save_volumes.clicked.connect(self._on_save)
        row = QSplitter(Qt.Orientation.Horizontal)
        row.addWidget(self.plot)
        row.addWidget(self.coverage)
        row.setSizes([520, 340])
        lower = QWidget()
        layout = QVBoxLayout(lower)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slices, 1)
        layout.addWidget(self.save_volumes)
        halves, side = QSplitter(Qt.Orientation.Vertical), QWidget()
        halves.addWidget(row)
        halves.addWidget(lower)
        halves.setSizes([330, 270])
        whole = QVBoxLayout(side)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.verdict)
        whole.addWidget(halves, 1)
        self.clear()
        return side

    @Slot()
    def follow(self) -> None:
        """Switches what depends on other choices, too."""
        self.folder.setEnabled(self.source.currentData() != LAST_LAYER)
        self.members.setEnabled(self.source.currentData() == FITTED)
        self.save_volumes.setEnabled(self._found is not None)
        super().follow()

    def fault(self) -> str:
        """An ensemble needs only data; all else a field."""
        return asked_fault(self.main) if self.source.currentData() == FITTED else super().fault()

    def prepare(self) -> Callable[[], Stages]:
        """The uncertainty of the present weights, of the folder's runs, or of an ensemble that is fitted first."""
        if self.source.currentData() == FITTED:
            return self._prepare_fits()
        run = self.run
        assert run is not None
        folder = None if self.source.currentData() == LAST_LAYER else self.folder.text
        if folder == "":
            raise ConfigError("Name the ensemble's folder first; dinr-studio ensemble FILE -o FOLDER fills one.")
        volume = data_of(self.studio, run)

        def make() -> Stages:
            from dinr_studio.experiments.belief.uncertainty import uncertainty_open
            from dinr_studio.experiments.steps import told

            return told(uncertainty_open(run, volume, None if folder is None else Path(folder)))

        return make

    def _prepare_fits(self) -> Callable[[], Stages]:
        folder, members, asked = self.folder.text, self.members.value(), asked_of(self.main)
        if not folder:
            raise ConfigError("Name the folder first that the ensemble's run files are to be in.")
        volume, options = self.studio.fitted_volume, self.studio.fitted_options
        assert volume is not None

        def make() -> Stages:
            from dinr_studio.experiments.belief.ensembles import Asked
            from dinr_studio.experiments.belief.uncertainty import ensemble_open
            from dinr_studio.experiments.steps import told

            return told(ensemble_open(volume, Path(folder), members, Asked(*asked), options))

        return make

    def show_result(self, result: Looked) -> None:
        """Draws reliability, coverage and slices."""
        from dinr_studio.analysis.calibration import CURVE, LEVELS, verdict

        found = result.uncertainty
        self.clear()
        self._found, held = found, found.calibration
        self.plot.curve("ideal", (0.0, 1.0), (0.0, 1.0), "grey", width=1.0, dashed=True)
        self.plot.curve("as they stand", CURVE, held.raw_curve, "orange")
        self.plot.curve(f"times {held.factor:.3g}", CURVE, held.scaled_curve, "blue")
        of = f"{found.method} of {found.members}" if found.members > 1 else found.method
        self.verdict.setText(f"{capitalised(of)}, on {held.count:,} held-out values. {verdict(held)}")
        cells = {
            name: [f"{100 * share:.1f} %" for share in shares]
            for name, shares in (("as they stand", held.raw), (f"times {held.factor:.3g}", held.scaled))
        }
        self.coverage.show_measures([f"{100 * level:.0f} % interval" for level in LEVELS], cells)
        slices = [middle(one) for one in (result.mean, result.deviation)]
        self.slices.show_slices(slices, ("field" if found.members == 1 else "mean", "deviation"), found.run.value_unit)
        self.follow()

    def clear(self) -> None:
        """Shows nothing."""
        self._found = None
        self.plot.clear_all()
        self.verdict.setText("")
        self.coverage.show_measures([], {})
        self.slices.say("Slices of field and deviation come here.")
        self.save_volumes.setEnabled(False)

    def figure(self) -> Callable[[], Figure] | None:
        """Reliability and coverage for print."""
        return None if self._found is None else partial(_figure, self._found)

    def table(self) -> Columns | None:
        """The reliability curve."""
        if self._found is None:
            return None
        from dinr_studio.analysis.calibration import CURVE

        held = self._found.calibration
        return {"promised share": CURVE, "as they stand": held.raw_curve, f"times {held.factor:.6g}": held.scaled_curve}

    def command(self) -> str:
        """`dinr-studio uncertainty` with the same choices, or the `ensemble` that comes first."""
        if self.source.currentData() == FITTED:
            return self._ensemble_command()
        source = self.studio.run_path if self.source.currentData() == LAST_LAYER else self.folder.text
        if not source or self.run is None:
            return ""
        factor = self.factor.currentData()
        finer = ["--factor", f"{factor:g}"] if factor != 1 else []
        return shell_command("uncertainty", source, "-o", "deviation.mrc", *finer)

    def _ensemble_command(self) -> str:
        panel = self.main.field_panel
        if panel.config is None or self.studio.volume is None or not self.folder.text:
            return ""
        options, members = self.studio.fitted_options, self.members.value()
        return ensembling(self.studio.file, self.folder.text, members, options, panel.config, panel.usual).shell

    @Slot()
    def _on_save(self) -> None:
        found = self._found
        if found is not None:
            grid = found.run.grid
            factor = tuple(self.factor.currentData() if i in grid.spatial else 1.0 for i in range(len(grid.shape)))
            finer = grid.upsampled(factor)
            write = partial(_write, found, finer)
            save_volume_of(self, "Save mean and deviation", "deviation", finer, write, found.run.channels)


def _write(found: Uncertainty, grid: Any, path: Path) -> None:
    from dinr_studio.experiments.belief.uncertainty import write_uncertainty

    for _ in write_uncertainty(found, grid, path, force=True):
        pass


def _figure(found: Uncertainty) -> Figure:
    from dinr_studio.experiments.figures.uncertainty import calibration_figure

    return calibration_figure(found.calibration, found.method)
