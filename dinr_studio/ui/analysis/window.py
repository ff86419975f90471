"""The base of all analysis windows: controls left, results right, below them what runs and what can be taken out."""

from __future__ import annotations

import logging
import math
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QEvent, Qt, Slot
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from dinr_studio.experiments.repeat import of_command
from dinr_studio.stages import Stage, Stages
from dinr_studio.training.run import Run
from dinr_studio.ui.analysis.saving import save_figure_of, save_table_of
from dinr_studio.ui.background import Work, spare_threads
from dinr_studio.ui.monitor.plots import Plot
from dinr_studio.ui.panels.parts import heading, scrolling
from dinr_studio.words import capitalised, seconds_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.io.csv_writing import Columns
    from dinr_studio.ui.main_window import MainWindow

log = logging.getLogger(__name__)

EVERY = 0.05  # seconds between two stages that are told, at least
NICENESS = 10  # pictures and the fit come first
LEFT_WIDTH = 270  # pixels
STEPS = 1000  # of the progress bar
NO_RUN = "There is no field yet: fit one or open a run, then press Run."


class AnalysisWindow(QWidget):
    """What a kind of analysis derives from; `title` names it, and the methods below say what it is."""

    title = ""

    @abstractmethod
    def controls(self) -> Mapping[str, QWidget]:
        """Controls from top to bottom, each with its label ("" for none; & before the letter that leads to it)."""

    @abstractmethod
    def results(self) -> QWidget:
        """What is on the right: plots, pictures, tables."""

    @abstractmethod
    def prepare(self) -> Callable[[], Stages]:
        """The work, made in the window's thread from frozen values; what it returns is called and drained in another.

        Import torch, and what does, within it. Raises DinrError where the choices make no sense.
        """

    @abstractmethod
    def show_result(self, result: Any) -> None:
        """Shows a result; a work may have several, each more complete."""

    @abstractmethod
    def clear(self) -> None:
        """Shows nothing: another file or run is open."""

    def fault(self) -> str:
        """Why it cannot run now, in a sentence, or nothing."""
        return "" if self.run is not None else NO_RUN

    def figure(self) -> Callable[[], Figure] | None:
        """What draws the figure of the result, in another thread; None where there is no result yet."""
        return None

    def table(self) -> Columns | None:
        """The result as a table; None where there is none yet."""
        return None

    def command(self) -> str:
        """The shell command that repeats it, or nothing."""
        return ""

    # What the base does

    def __init__(self, name: str, main: MainWindow) -> None:
        super().__init__(main, Qt.WindowType.Window)
        self.name, self.main, self.studio = name, main, main.studio
        self.setObjectName(name)
        self.setWindowTitle(f"{self.title} – DINR Studio")
        self._work: Work | None = None
        self._began = 0.0
        self._lay_out()
        self._restore()
        self.studio.volume_opened.connect(self._on_volume_opened)
        self.studio.field_changed.connect(self.follow)
        self.studio.fit.state_changed.connect(self.follow)
        for keys, act in (("Ctrl+Return", self.start), ("Ctrl+W", self.close), ("Esc", self.cancel)):
            QShortcut(QKeySequence(keys), self).activated.connect(act)
        self.follow()

    @property
    def run(self) -> Run | None:
        """The open run with the weights that are shown now, frozen."""
        return self.studio.present_run()

    @property
    def running(self) -> bool:
        """Whether a work is under way."""
        return self._work is not None

    def _lay_out(self) -> None:
        left = QWidget()
        self._form = QVBoxLayout(left)
        self._form.setContentsMargins(8, 8, 8, 8)
        self.about = QLabel()
        self.about.setProperty("role", "quiet")
        self.about.setWordWrap(True)
        self._form.addWidget(heading(self.title))
        self._form.addWidget(self.about)
        self._form.addSpacing(6)
        self.controls_shown: list[QWidget] = []
        for text, control in self.controls().items():
            self.controls_shown.append(control)
            if text.strip():
                label = QLabel(text)
                label.setBuddy(control)
                self._form.addWidget(label)
            self._form.addWidget(control)
        self._form.addStretch(1)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        area = scrolling(left)
        area.setMinimumWidth(LEFT_WIDTH)
        self.splitter.addWidget(area)
        self.splitter.addWidget(self.results())
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setCollapsible(1, False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter, 1)
        layout.addLayout(self._bottom())

    def _bottom(self) -> QHBoxLayout:
        self.run_button = QPushButton("&Run")
        self.run_button.setToolTip("Run it with these choices (Ctrl+Return)")
        self.cancel_button = QPushButton("&Cancel")
        self.cancel_button.setToolTip("Stop what is running (Esc)")
        self.bar = QProgressBar(maximum=STEPS)
        self.bar.setFixedWidth(140)
        self.bar.setAccessibleName("Progress")
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.state.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.state.setMinimumHeight(2 * self.state.fontMetrics().lineSpacing())
        self.state.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.figure_button = QPushButton("Save &figure …")
        self.figure_button.setToolTip("Save the result as a figure for print: SVG, PDF or PNG")
        self.table_button = QPushButton("Save &table …")
        self.table_button.setToolTip("Save the numbers as CSV")
        self.copy_button = QPushButton("Copy c&ommand")
        self.copy_button.setToolTip("Copy the shell command that repeats this")
        row = QHBoxLayout()
        row.setContentsMargins(8, 4, 8, 8)
        for button, act in (
            (self.run_button, self.start),
            (self.cancel_button, self.cancel),
            (self.figure_button, self.save_figure),
            (self.table_button, self.save_table),
            (self.copy_button, self.copy_command),
        ):
            button.clicked.connect(act)
        for widget in (self.run_button, self.cancel_button, self.bar):
            row.addWidget(widget)
        row.addWidget(self.state, 1)
        for widget in (self.figure_button, self.table_button, self.copy_button):
            row.addWidget(widget)
        return row

    # Running

    @Slot()
    def start(self) -> None:
        """Runs with the present choices; what ran before is given up."""
        from dinr_studio.errors import DinrError

        self._give_up()
        fault = self.fault()
        if fault:
            self.say(fault, "fault")
            return
        try:
            make = self.prepare()
        except DinrError as error:
            self.say(str(error), "fault")
            return
        threads = 1 if self.studio.fit.running else spare_threads()
        self._work = Work(lambda: _in_thread(make, threads), self, niceness=NICENESS)
        self._work.made.connect(self._on_made)
        self._work.failed.connect(self._on_failed)
        self._work.ended.connect(self._on_ended)
        self._began = time.perf_counter()
        self.say("Beginning …")
        self.bar.setMaximum(0)
        self._work.start()
        self.follow()

    @Slot()
    def cancel(self) -> None:
        """Gives up what is running."""
        if self._work is not None:
            self._give_up()
            self.say("Cancelled.")
            self.follow()

    def _give_up(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._work = None

    @Slot(object)
    def _on_made(self, stage: Stage) -> None:
        if self.sender() is not self._work:
            return
        if stage.result is not None:
            self.show_result(stage.result)
        known = not math.isnan(stage.share)
        self.bar.setMaximum(STEPS if known else 0)
        if known:
            self.bar.setValue(round(STEPS * stage.share))
        elapsed = time.perf_counter() - self._began
        left = elapsed * (1 - stage.share) / stage.share if known and stage.share > 0 else math.nan
        doing = capitalised(stage.doing)
        self.say(doing if math.isnan(left) else f"{doing}, {seconds_in_words(left)} left")

    @Slot(str)
    def _on_failed(self, sentence: str) -> None:
        if self.sender() is self._work:
            log.error("%s: %s", self.title, sentence)
            self.say(sentence, "fault")

    @Slot()
    def _on_ended(self) -> None:
        if self.sender() is self._work:
            self._work = None
            if self.state.property("role") != "fault":
                self.say(f"Done in {seconds_in_words(time.perf_counter() - self._began)}.")
                command = self.command()
                log.info("%s: done; %s", self.title, command or "no command", extra={"repeat": of_command(command)})
            self.follow()

    def say(self, sentence: str, role: str = "quiet") -> None:
        """Shows a sentence on the state of things; role: quiet or fault."""
        self.state.setText(sentence)
        if self.state.property("role") != role:
            self.state.setProperty("role", role)
            self.state.style().polish(self.state)

    @Slot()
    def follow(self) -> None:
        """Switches the buttons by what is possible now, and says what it is about."""
        run = self.run
        self.about.setText(NO_RUN if run is None else run_in_words(run))
        self.about.setVisible(run is not None or self.fault() != "")
        self.run_button.setEnabled(not self.running)
        self.cancel_button.setEnabled(self.running)
        self.bar.setVisible(self.running)
        self.figure_button.setEnabled(self.figure() is not None)
        self.table_button.setEnabled(self.table() is not None)
        self.copy_button.setEnabled(bool(self.command()))

    @Slot()
    def _on_volume_opened(self) -> None:
        self._give_up()
        self.clear()
        self.say("")
        self.follow()

    # Taking out

    @Slot()
    def save_figure(self) -> None:
        """Asks for a file and writes the figure in the background."""
        if (draw := self.figure()) is not None:
            save_figure_of(self, draw)

    @Slot()
    def save_table(self) -> None:
        """Asks for a file and writes the table in the background."""
        if (columns := self.table()) is not None:
            save_table_of(self, columns)

    @Slot()
    def copy_command(self) -> None:
        """Puts the command on the clipboard."""
        QGuiApplication.clipboard().setText(self.command())
        self.say(f"On the clipboard: {self.command()}")

    # Place and theme

    def _restore(self) -> None:
        place = self.main.settings.value(f"{self.name}/geometry")
        sides = self.main.settings.value(f"{self.name}/sides")
        if isinstance(place, QByteArray):
            self.restoreGeometry(place)
        else:
            room = self.screen().availableGeometry()
            self.resize(min(1160, room.width() - 60), min(680, room.height() - 60))
        if isinstance(sides, QByteArray):
            self.splitter.restoreState(sides)
        else:
            self.splitter.setSizes([LEFT_WIDTH, self.width() - LEFT_WIDTH])

    def changeEvent(self, event: QEvent) -> None:
        """Lets plots follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.restyle()

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        for plot in self.findChildren(Plot):
            plot.restyle()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Gives up what is running, and remembers its place."""
        self.cancel()
        self.main.settings.setValue(f"{self.name}/geometry", self.saveGeometry())
        self.main.settings.setValue(f"{self.name}/sides", self.splitter.saveState())
        event.accept()


def run_in_words(run: Run) -> str:
    """Which run it is, and what its field is."""
    field = run.config.field
    steps = f", {field.steps} {'step' if field.steps == 1 else 'steps'}" if field.family.startswith("dinr-") else ""
    data = run.provenance.file.replace("\\", "/").rsplit("/", 1)[-1]
    return f"{data}, run {run.run_id[:8]}: {field.family}, width {field.width}{steps}"


def _in_thread(make: Callable[[], Stages], threads: int) -> Stages:
    """The work in its own thread, with so many processors; of stages without a result, no more than can be shown."""
    import torch

    torch.set_num_threads(threads)
    told = 0.0
    with closing(make()) as stages:
        for stage in stages:
            now = time.perf_counter()
            if stage.result is not None or now - told >= EVERY:
                told = now
                yield stage
