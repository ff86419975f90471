"""The window of sweeps: settings against settings, by recipe or freely; the runs are made in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from dinr_studio.errors import ConfigError
from dinr_studio.experiments.sweeps.plan import DIMENSIONS, MEASURES, TERMS, SweepPlan
from dinr_studio.experiments.sweeps.recipes import RECIPES, Wish, free_plan, plan_of
from dinr_studio.experiments.sweeps.words import settings_from, settings_written, words_of
from dinr_studio.stages import Stages
from dinr_studio.ui.analysis.parts import choice, decimal_number, shell_command, whole_number
from dinr_studio.ui.analysis.sweep_form import AxesForm, FolderRow, Ticks, axes_of, recipe_titles
from dinr_studio.ui.analysis.sweep_view import Panels, ResultTable
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.panels.field_panel import PRESET_TIPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.sweeps.child import View
    from dinr_studio.io.csv_writing import Columns

NO_DATA = "Open a volume first: a sweep fits it again and again; only the recipe profile-2d-3d-4d needs none."
LINES, FRAME = 5, 6  # of the findings: lines that are in view, and pixels around them
NO_RESULTS = "What the sweep finds will be said here."


class SweepWindow(AnalysisWindow):
    """Many fits to the open data that differ in some settings, and what they are worth."""

    title = "Sweep"
    _view: View | None = None
    _words: tuple[str, ...] = ()
    _plan: SweepPlan | None = None
    _resuming: Path | None = None

    def controls(self) -> Mapping[str, QWidget]:
        """The recipe and what can be changed of it."""
        self.recipe = choice("Recipe", "A named sweep, or settings as chosen below", recipe_titles())
        self.question = QLabel()
        self.question.setWordWrap(True)
        self.question.setAccessibleName("What the recipe asks")
        self.axes = AxesForm()
        self.terms = Ticks("How runs are compared", TERMS)
        self.seconds = decimal_number(
            "Seconds for each run", "Processor time of training, of all threads", 0, 20, 1e6, "s"
        )
        self.seconds.setSpecialValueText("as the settings say")
        self.seeds = whole_number("Seeds", "Runs of each combination; their spread is shown", 1, 1, 100)
        self.preset = choice("Preset", "Where all other settings come from", {name: name for name in PRESET_TIPS})
        self.preset.setCurrentText("quick")
        self.changes = _settings_line()
        self.measures = Ticks("What else to measure", MEASURES)
        processors = os.cpu_count() or 1
        self.processes = whole_number("Processes", "Runs made at once, each with its threads", 1, 1, processors)
        self.keep = _keep_box()
        self.folder = FolderRow()
        self.folder.resume_asked.connect(self.resume_from)
        self.recipe.currentIndexChanged.connect(self._on_recipe)
        self._on_recipe()
        return {
            "R&ecipe": self.recipe,
            "": self.question,
            "&Vary": self.axes,
            "Compare &at equal": self.terms,
            "&Seconds for each run": self.seconds,
            "Seed&s": self.seeds,
            "&Preset": self.preset,
            "Se&t for all runs": self.changes,
            "Measure also": self.measures,
            "Processes": self.processes,
            " ": self.keep,
            "Folder of the results": self.folder,
        }

    def results(self) -> QWidget:
        """Plots above, the table and what was found below."""
        self.plotted = QComboBox()
        self.plotted.setAccessibleName("What is plotted")
        self.plotted.setToolTip("What is plotted")
        self.plotted.currentIndexChanged.connect(self._show_panels)
        self.panels, self.results_table = Panels(), ResultTable()
        self.results_table.itemSelectionChanged.connect(self._on_selected)
        self.results_table.itemDoubleClicked.connect(self.open_run)
        self.findings = QPlainTextEdit(NO_RESULTS)
        self.findings.setReadOnly(True)
        self.findings.setFixedHeight(LINES * self.findings.fontMetrics().lineSpacing() + 2 * FRAME)
        self.findings.setAccessibleName("What the sweep has found")
        self.open_button = QPushButton("&Open the kept run")
        self.open_button.setToolTip("Open the run of the selected row, where runs were kept")
        self.open_button.clicked.connect(self.open_run)
        self.open_button.setEnabled(False)
        halves = QSplitter(Qt.Orientation.Vertical)
        halves.addWidget(_stack([self.plotted], self.panels))
        halves.addWidget(_stack([self.findings, self.open_button], self.results_table))
        halves.setSizes([330, 330])
        return halves

    @Slot()
    def _on_recipe(self) -> None:
        """Fills the form with a recipe's own choices."""
        recipe = RECIPES.get(self.recipe.currentData())
        self.question.setText("" if recipe is None else recipe.question)
        self.question.setVisible(recipe is not None)
        self.axes.show_axes(axes_of("" if recipe is None else recipe.name))
        self.terms.tick(("seconds",) if recipe is None else recipe.terms)
        self.measures.tick(() if recipe is None else recipe.measures)
        self.seconds.setValue(20 if recipe is None else recipe.seconds)
        self.changes.setText("" if recipe is None else settings_written(recipe.changes))

    def fault(self) -> str:
        """Without data only a recipe of synthetic fields can be made."""
        recipe = RECIPES.get(self.recipe.currentData())
        if self._resuming is not None or (recipe is not None and not recipe.needs_file):
            return ""
        return "" if self.studio.volume is not None else NO_DATA

    def plan(self) -> SweepPlan:
        """What the form asks for; raises ConfigError in a sentence."""
        recipe, axes = self.recipe.currentData(), self.axes.axes()
        synthetic = any(axis.name == DIMENSIONS for axis in axes)
        file = "" if synthetic else self.studio.file
        wish = Wish(
            file=file if not file or file.startswith("sample:") else str(Path(file).absolute()),
            open_options={} if synthetic else _plain(self.studio.options),
            preset=self.preset.currentText(),
            axes=axes,
            changes=settings_from(self.changes.text()),
            terms=self.terms.ticked,
            measures=self.measures.ticked,
            seconds=self.seconds.value() or None,
            seeds=self.seeds.value(),
        )
        if not axes:
            raise ConfigError("Nothing is varied; choose a setting and its values, such as steps and 1, 5, 10.")
        if not wish.terms:
            raise ConfigError(f"Say how runs are to be compared: tick one of {', '.join(TERMS)}.")
        return plan_of(recipe, wish) if recipe else free_plan(wish)

    def prepare(self) -> Callable[[], Stages]:
        """The sweep in a process of its own."""
        folder, words = self._resuming, ["--resume", "-o", str(self._resuming)]
        if folder is None:
            plan = self.plan()
            if not self.folder.is_chosen and plan != self._plan:
                self.folder.propose(plan.file, plan.recipe)
            folder, self._plan = self.folder.path, plan
            words = words_of(plan, folder)
        words += ["--processes", str(self.processes.value())] + (["--keep-runs"] if self.keep.isChecked() else [])
        self._resuming, self._words, place = None, tuple(words), folder
        self.clear()

        def make() -> Stages:
            from dinr_studio.experiments.sweeps.child import follow

            place.parent.mkdir(parents=True, exist_ok=True)
            return follow(words, place)

        return make

    @Slot(object)
    def resume_from(self, folder: Path) -> None:
        """Goes on with the sweep in a folder, whatever the form says."""
        self._resuming = folder
        self.start()
        self._resuming = None

    def show_result(self, result: View) -> None:
        """Shows the sweep as far as it is."""
        self._view = result
        titles = [row[0].y_label for row in result.panels if row]
        if titles != [self.plotted.itemText(i) for i in range(self.plotted.count())]:
            self.plotted.clear()
            self.plotted.addItems(titles)
        self.plotted.setVisible(len(titles) > 1)
        self._show_panels()
        self.results_table.show_rows(result)
        self.findings.setPlainText("\n".join(result.findings) or NO_RESULTS)
        self._on_selected()
        self.follow()

    @Slot()
    def _show_panels(self) -> None:
        rows = () if self._view is None else self._view.panels
        chosen = self.plotted.currentIndex()
        self.panels.show_panels(rows[chosen] if 0 <= chosen < len(rows) else ())

    def clear(self) -> None:
        """Shows no results."""
        self._view = None
        self.panels.show_panels(())
        self.results_table.setRowCount(0)
        self.findings.setPlainText(NO_RESULTS)
        self._on_selected()

    @Slot()
    def _on_volume_opened(self) -> None:
        """A sweep reads its data by itself, so it goes on whatever is opened; one of its own runs, for instance."""
        self.follow()

    @Slot()
    def follow(self) -> None:
        """Says which data the next sweep is about."""
        super().follow()
        file = Path(self.studio.file.removeprefix("sample:")).name if self.studio.volume is not None else ""
        self.about.setText(f"Fits {file} again and again." if file else NO_DATA)
        self.about.show()

    @Slot()
    def _on_selected(self) -> None:
        self.open_button.setEnabled(self._selected() is not None)

    def _selected(self) -> Path | None:
        """The run file of the selected row, where it was kept."""
        return None if self._view is None else self._view.files.get(self.results_table.key)

    @Slot()
    def open_run(self) -> None:
        """Opens the kept run of the selected row in the main window."""
        path = self._selected()
        if path is not None:
            self.main.open(str(path))

    def figure(self) -> Callable[[], Figure] | None:
        """The figure of the sweep as far as it is."""
        view = self._view
        if view is None or not any(group.metrics for group in view.summary.groups):
            return None

        def draw() -> Figure:
            from dinr_studio.experiments.figures.sweep import draw_sweep

            return draw_sweep(view.summary)

        return draw

    def table(self) -> Columns | None:
        """The results as they stand in the table."""
        if self._view is None or not self._view.rows:
            return None
        return dict(zip(self._view.headings, map(list, zip(*self._view.rows, strict=True)), strict=True))

    def command(self) -> str:
        """The command that the last run is."""
        return shell_command("sweep", *self._words) if self._words else ""


def _settings_line() -> QLineEdit:
    line = QLineEdit()
    line.setAccessibleName("Settings of all runs")
    line.setPlaceholderText("width=32, batch=4096")
    line.setToolTip("Settings that all runs share, as NAME=VALUE with commas between them")
    return line


def _keep_box() -> QCheckBox:
    box = QCheckBox("&Keep a run file of each run")
    box.setAccessibleName("Keep a run file of each run")
    box.setToolTip("Kept runs can be opened from the table")
    return box


def _stack(above: list[QWidget], below: QWidget) -> QWidget:
    """Widgets in a row above one that takes the room."""
    whole = QWidget()
    layout, row = QVBoxLayout(whole), QHBoxLayout()
    layout.setContentsMargins(6, 4, 6, 4)
    for number, widget in enumerate(above):
        row.addWidget(widget, 1 if number == 0 else 0)
    layout.addLayout(row)
    layout.addWidget(below, 1)
    return whole


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """How the data was opened, of plain lists and numbers; whether it stays in its file is not a sweep's matter."""
    return {name: value for name, value in options.items() if value is not None and name != "stored"}
