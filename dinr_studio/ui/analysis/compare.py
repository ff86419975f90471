"""The window that puts runs beside each other: table, curves, spectra, and what their fields differ by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFileDialog, QLabel, QListWidget, QListWidgetItem, QPushButton, QSplitter, QWidget

from dinr_studio.errors import plain
from dinr_studio.experiments.repeat import comparing
from dinr_studio.stages import Stages
from dinr_studio.ui.analysis.parts import MeasureTable, PictureStrip
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.colours import number
from dinr_studio.ui.dialogs.place import PlaceRow
from dinr_studio.ui.dialogs.saving import SaveDialog
from dinr_studio.ui.exporting import ExportJob, volume_in_words
from dinr_studio.ui.monitor.plots import Plot
from dinr_studio.ui.runs import RunEntry
from dinr_studio.words import seconds_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from dinr_studio.experiments.compare import Comparison
    from dinr_studio.experiments.run_facts import RunFacts
    from dinr_studio.io.csv_writing import Columns

COLOURS = ("blue", "orange", "green", "violet", "red", "grey")
FEWEST, MOST = 2, 12
TOO_FEW = "Tick two runs or more in the list, or add run files, then press Run."
DIFFERENCES = {".mrc": "MRC", ".h5": "HDF5", ".tif": "TIFF", ".npy": "NPY", ".nii.gz": "NIfTI"}


class CompareWindow(AnalysisWindow):
    """Runs beside each other; it needs none to be open."""

    title = "Compare runs"
    _found: Comparison | None = None

    def controls(self) -> Mapping[str, QWidget]:
        """The runs to tick, and what adds others."""
        self._others: list[str] = []
        self.runs = QListWidget()
        self.runs.setAccessibleName("Runs to compare")
        self.runs.setToolTip("The first ticked one is what the others are held against")
        self.runs.setMinimumHeight(180)
        self.runs.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.runs.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.runs.itemChanged.connect(lambda: self.follow())
        self.add = QPushButton("&Add run files …")
        self.add.setToolTip("Compare runs that lie elsewhere")
        self.add.clicked.connect(self._on_add)
        self.export_button = QPushButton("Save &difference …")
        self.export_button.setToolTip("Write the second field less the first as a volume")
        self.export_button.clicked.connect(self._on_export)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.main.monitor.runs.listed.connect(self._on_listed)
        self.list_runs()
        return {"R&uns": self.runs, "": self.add, " ": self.export_button, "  ": self.said}

    def results(self) -> QWidget:
        """Curves above, table and differences below."""
        self.loss = Plot("Data loss", "optimiser steps", "data loss (normalised units²)")
        self.loss.getPlotItem().setLogMode(x=False, y=True)
        self.score = Plot("Held-out score", "training time (s)", "held-out PSNR (dB)")
        self.score.begin_at_zero()
        self.spectra = Plot("Power spectra", "frequency", "power")
        self.spectra.getPlotItem().setLogMode(x=True, y=True)
        self.measures, self.slices = (
            MeasureTable("The runs beside each other"),
            PictureStrip("Difference of the fields"),
        )
        halves = QSplitter(Qt.Orientation.Vertical)
        for widgets, sizes in (
            ((self.loss, self.score, self.spectra), [330, 330, 330]),
            ((self.measures, self.slices), [640, 350]),
        ):
            row = QSplitter(Qt.Orientation.Horizontal)
            for widget in widgets:
                row.addWidget(widget)
            row.setSizes(sizes)
            halves.addWidget(row)
        halves.setSizes([280, 340])
        self.clear()
        return halves

    # Choosing

    @Slot()
    def _on_listed(self) -> None:
        self.list_runs()
        self.follow()

    def list_runs(self) -> None:
        """Lists the runs that the Runs tab knows, and those added by hand; ticks stay."""
        ticked = set(self.chosen())
        entries = [entry for entry in self.main.monitor.runs.entries if not entry.fault]
        known = {str(entry.path): _entry_in_words(entry) for entry in entries}
        known |= {path: Path(path).stem for path in self._others if path not in known}
        self.runs.clear()
        for path, text in known.items():
            item = QListWidgetItem(plain(text))
            item.setData(Qt.ItemDataRole.UserRole, path)
            item.setToolTip(plain(path))
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if path in ticked else Qt.CheckState.Unchecked)
            self.runs.addItem(item)

    def chosen(self) -> list[str]:
        """The files of the ticked runs."""
        items = [self.runs.item(row) for row in range(self.runs.count())]
        checked = Qt.CheckState.Checked
        return [str(item.data(Qt.ItemDataRole.UserRole)) for item in items if item.checkState() == checked]

    def choose(self, paths: Sequence[str]) -> None:
        """Ticks just these runs, adding those that are not listed."""
        self._others += [path for path in paths if path not in self._others]
        self.list_runs()
        for row in range(self.runs.count()):
            item = self.runs.item(row)
            wanted = item.data(Qt.ItemDataRole.UserRole) in paths
            item.setCheckState(Qt.CheckState.Checked if wanted else Qt.CheckState.Unchecked)

    @Slot()
    def _on_add(self) -> None:
        folder = str(self.main.settings.value("folder") or Path.home())
        files, _ = QFileDialog.getOpenFileNames(self, "Add run files", folder, "Runs (*.dinr)")
        if files:
            self.choose([*self.chosen(), *files])

    def fault(self) -> str:
        """Why it cannot run now."""
        count = len(self.chosen())
        if count > MOST:
            return f"{count} runs are ticked; {MOST} can be compared at once."
        return "" if count >= FEWEST else TOO_FEW

    def follow(self) -> None:
        """Also whether there is a difference to save."""
        super().follow()
        self.about.setText(self.fault())
        self.about.setVisible(bool(self.fault()))
        found = self._found
        self.export_button.setEnabled(found is not None and len(found.runs) == 2 and bool(found.differences))

    @Slot()
    def _on_volume_opened(self) -> None:
        """What is compared does not depend on what is open."""
        self.follow()

    # Running

    def prepare(self) -> Callable[[], Stages]:
        """The comparison of the ticked runs."""
        paths = [Path(path) for path in self.chosen()]

        def make() -> Stages:
            from dinr_studio.experiments.compare import read_and_compare
            from dinr_studio.experiments.steps import told

            return told(read_and_compare(paths, "auto"))

        return make

    def show_result(self, result: Comparison) -> None:
        """Draws the comparison."""
        self.clear()
        self._found = result
        for place, run in enumerate(result.runs):
            colour, dashed = COLOURS[place % len(COLOURS)], place >= len(COLOURS)
            for plot, along, column in ((self.loss, "step", "data_loss"), (self.score, "elapsed", "held_out_psnr")):
                x, y = run.curve(along), run.curve(column)
                known = np.isfinite(y) & (y > 0) if len(x) == len(y) else np.empty(0, dtype=bool)
                if known.any():
                    plot.curve(plain(run.name), x[known], y[known], colour, dashed=dashed)
        self._draw_spectra(result)
        rows, columns = _table(result)
        self.measures.show_measures(rows, columns)
        if result.plane is not None and result.plane.differences:
            names = [f"{plain(name)} less {plain(result.runs[0].name)}" for name in result.plane.differences]
            self.slices.show_signed(list(result.plane.differences.values()), names)
        else:
            self.slices.say("There is no difference to show.")
        self.said.setText("\n\n".join(_sentences(result)))
        self.follow()

    def _draw_spectra(self, result: Comparison) -> None:
        item = self.spectra.getPlotItem()
        item.setLabel("bottom", f"frequency (cycles per {plain(result.frequency_unit)})")
        colours = iter(COLOURS * 3)
        for name, spectrum in result.spectra.items():
            known = (spectrum.frequency > 0) & (spectrum.power > 0)
            colour = "grey" if name == "data" else next(colours)
            self.spectra.curve(plain(name), spectrum.frequency[known], spectrum.power[known], colour)

    def clear(self) -> None:
        """Shows nothing."""
        self._found = None
        for plot in (self.loss, self.score, self.spectra):
            plot.clear_all()
        self.slices.say("Where the fields differ comes here.")
        self.measures.show_measures([], {})
        self.said.setText("")

    # Taking out

    def figure(self) -> Callable[[], Figure] | None:
        """Draws the comparison for print."""
        found = self._found
        return None if found is None else partial(_figure, found)

    def table(self) -> Columns | None:
        """What the table shows."""
        if self._found is None:
            return None
        rows, columns = _table(self._found)
        return {"": rows, **columns}

    def command(self) -> str:
        """`dinr-studio compare` with the same runs."""
        paths = self.chosen()
        return comparing(paths).shell if FEWEST <= len(paths) <= MOST else ""

    @Slot()
    def _on_export(self) -> None:
        """Asks where to, and writes the difference in the background."""
        found = self._found
        if found is None:
            return
        folder = Path(str(self.main.settings.value("export folder") or Path.home()))
        dialog = SaveDialog("Save the difference", PlaceRow(folder, "difference.mrc", DIFFERENCES), self)
        dialog.lay_out({})
        if dialog.exec():
            self.main.jobs.start(difference_job(found.runs, dialog.place.path))
        dialog.deleteLater()


def difference_job(runs: tuple[RunFacts, ...], path: Path) -> ExportJob:
    """Writes what the second of two runs' fields has more than the first one's."""

    def make(threads: int) -> Iterator[Any]:
        import torch

        torch.set_num_threads(threads)
        from dinr_studio.experiments.compare import difference_export

        return difference_export(runs, path, torch.device("cpu"), force=True)

    return ExportJob(path, make, volume_in_words)


def _entry_in_words(entry: RunEntry) -> str:
    score = "not judged" if entry.psnr is None else f"{entry.psnr:.2f} dB"
    return f"{entry.name} ({score}, {entry.family})"


def _table(found: Comparison) -> tuple[list[str], dict[str, list[str]]]:
    """Titles of rows, and by run what stands in each."""
    unit = plain(found.runs[0].run.value_unit or "value")
    measures: dict[str, Callable[[RunFacts], str]] = {
        "held-out PSNR (dB)": lambda run: _score(run, "psnr", ".2f"),
        "over interpolation (dB)": lambda run: "–" if run.gain is None else f"{run.gain:+.2f}",
        "SSIM": lambda run: _score(run, "ssim", ".4f"),
        f"mean absolute error ({unit})": lambda run: _score(run, "mae", ".4g"),
        "parameters": lambda run: f"{run.parameters:,}",
        "optimiser steps": lambda run: f"{run.steps:,}",
        "training time": lambda run: seconds_in_words(run.seconds),
    }
    columns = {plain(run.name): [read(run) for read in measures.values()] for run in found.runs}
    rows = list(measures)
    for name, values in found.settings.items():
        rows.append(name)
        for column, value in zip(columns.values(), values, strict=True):
            column.append(_cell(value))
    rows.append("field less the first one's, RMS")
    for run, column in zip(found.runs, columns.values(), strict=True):
        difference = found.differences.get(run.name)
        column.append("–" if difference is None else number(difference.rms, 4))
    return rows, columns


def _score(run: RunFacts, name: str, form: str) -> str:
    value = run.held_out.get(name)
    return "–" if value is None else format(value, form)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return number(value, 6)
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return "–" if value is None else plain(str(value))


def _sentences(found: Comparison) -> list[str]:
    """What is to be said of the runs' scores and of their fields' differences."""
    said = [found.held_out]
    for name, difference in found.differences.items():
        unit = found.runs[0].run.value_unit
        at = ", ".join(f"{x:.4g} {u}".rstrip() for x, u in zip(difference.at, difference.grid.units, strict=True))
        sentence = f"{name} less {found.runs[0].name}: RMS {difference.rms:.4g} {unit}".rstrip()
        sentence += f" ({difference.psnr:.1f} dB below the data's range), largest {difference.largest:.4g} at {at}."
        said.append(f"{sentence} Compared {difference.where}." if difference.where else sentence)
    return [plain(sentence) for sentence in (*said, *(f"Not compared: {one}" for one in found.refused))]


def _figure(found: Comparison) -> Figure:
    from dinr_studio.experiments.figures.runs import comparison_figure

    return comparison_figure(found)
