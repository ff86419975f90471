"""The main window: menus and toolbar, the panels around the pictures, and how it opens, asks and closes."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from PySide6.QtCore import QByteArray, QEvent, QSettings, Qt, QTimer, Slot
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QUndoStack
from PySide6.QtWidgets import (
    QDockWidget,
    QMainWindow,
    QMenu,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from dinr_studio.samples import SAMPLES
from dinr_studio.ui.analysis.catalogue import Analyses
from dinr_studio.ui.availability import possible_commands
from dinr_studio.ui.commands import Commands
from dinr_studio.ui.dialogs.choose_columns import ChooseColumns
from dinr_studio.ui.dialogs.choose_dataset import ChooseDataset
from dinr_studio.ui.jobs import Jobs
from dinr_studio.ui.menus import build_actions, build_menus, build_toolbar
from dinr_studio.ui.monitor.panel import Monitor
from dinr_studio.ui.notice import Notice
from dinr_studio.ui.opening import Choices, ColumnsWanted, DataWanted
from dinr_studio.ui.panels.data_panel import DataPanel
from dinr_studio.ui.panels.field_panel import FieldPanel
from dinr_studio.ui.panels.parts import scrolling
from dinr_studio.ui.status import StatusBar
from dinr_studio.ui.studio import Studio
from dinr_studio.ui.theme import apply_theme, is_dark, logo
from dinr_studio.ui.views.slices import Slices
from dinr_studio.ui.views.volume_view import VolumeView
from dinr_studio.ui.welcome import Welcome

log = logging.getLogger(__name__)

MOST_RECENT = 10
STATE_EVERY = 250  # milliseconds between changes of the status bar during a fit


class MainWindow(QMainWindow):
    """The window. It owns the studio, whose threads end when it closes."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("DINR Studio")
        self.setWindowIcon(logo())
        self.setAcceptDrops(True)
        self.settings = QSettings()
        self.studio = Studio(self)
        self.undo = QUndoStack(self)
        self.volume_view = VolumeView(self.studio)
        self.slices = Slices(self.studio, self.volume_view)
        self.welcome, self.notice, self.job_notice = Welcome(), Notice(), Notice()
        self.resume_when_opened = ""
        self.threads_ended = True
        self._stating = QTimer(self, singleShot=True, interval=STATE_EVERY)
        self._stating.timeout.connect(self._show_progress)
        self.data_panel = DataPanel(self.studio, self.undo)
        self.field_panel = FieldPanel(self.studio, self.undo)
        self.monitor = Monitor(self.studio)
        self.status = StatusBar()
        self.setStatusBar(self.status)
        self._lay_out()
        self.jobs = Jobs(self.studio, self.job_notice, self.settings, self)
        self.analyses = Analyses(self)
        self.commands = Commands(self)
        self.actions_by_name = build_actions(self, self.commands)
        self.recent_menu = QMenu("Open &recent", self)
        self.sample_menu = QMenu("Open &sample", self)
        build_menus(self, self.actions_by_name, {"open-folder": (self.recent_menu, self.sample_menu)})
        self.toolbar = build_toolbar(self, self.actions_by_name, self.field_panel)
        self._fill_sample_menu()
        self._connect()
        self._first_layout = self.saveState()
        self._restore()
        self._away: list[QDockWidget] = []
        self._show_docks(False)
        self.restyle()
        self._follow()
        QTimer.singleShot(0, self._after_first_paint)

    # Making

    def _lay_out(self) -> None:
        self.pages = QStackedWidget()
        self.pages.addWidget(self.welcome)
        self.pages.addWidget(self.slices)
        centre = QWidget()
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.notice)
        layout.addWidget(self.job_notice)
        layout.addWidget(self.pages, 1)
        self.setCentralWidget(centre)
        self.docks = {}
        for name, widget, area in (
            ("Data", self.data_panel, Qt.DockWidgetArea.LeftDockWidgetArea),
            ("Field", self.field_panel, Qt.DockWidgetArea.RightDockWidgetArea),
            ("Monitor", self.monitor, Qt.DockWidgetArea.BottomDockWidgetArea),
        ):
            dock = QDockWidget(name, self)
            dock.setObjectName(name)
            dock.setWidget(scrolling(widget) if widget is self.data_panel else widget)
            self.addDockWidget(area, dock)
            self.docks[name] = dock
        self.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        self.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        room = self.screen().availableGeometry()
        self.resize(min(1600, room.width()), min(960, room.height()))
        self._size_docks()

    def _size_docks(self) -> None:
        self.resizeDocks([self.docks["Data"], self.docks["Field"]], [250, 250], Qt.Orientation.Horizontal)
        self.resizeDocks([self.docks["Monitor"]], [max(210, self.height() * 27 // 100)], Qt.Orientation.Vertical)

    def _fill_sample_menu(self) -> None:
        self.sample_menu.setToolTipsVisible(True)
        for name, sample in SAMPLES.items():
            action = QAction(sample.title, self)
            action.setToolTip(sample.description)
            action.setStatusTip(sample.description)
            action.triggered.connect(lambda _=False, name=name: self.open(f"sample:{name}"))
            self.sample_menu.addAction(action)

    def _connect(self) -> None:
        studio = self.studio
        studio.volume_opened.connect(self._on_volume)
        studio.grid_changed.connect(self.volume_view.show_volume)
        studio.field_changed.connect(self._follow)
        studio.fit.state_changed.connect(self._follow)
        studio.fit.progressed.connect(self._on_progressed)
        studio.fit.ended.connect(self._on_fit_ended)
        studio.reading_changed.connect(self._on_reading)
        studio.choice_needed.connect(self._on_choice)
        studio.columns_wanted.connect(self._on_columns_wanted)
        studio.data_wanted.connect(self._on_data_wanted)
        studio.failed.connect(self.notice.warn)
        studio.told.connect(self._on_told)
        self.welcome.chosen.connect(self.open)
        self.welcome.open_asked.connect(self.commands.open)
        self.welcome.folder_asked.connect(self.commands.open_folder)
        self.data_panel.mask_row.asked.connect(self.commands.mask)
        self.slices.hovered.connect(self.status.place.setText)
        self.field_panel.config_changed.connect(self._follow)
        self.monitor.remedy_chosen.connect(self.commands.take_remedy)
        self.monitor.watch.rivals_known.connect(self._show_score)
        self.monitor.runs.open_asked.connect(self.open)
        self.monitor.runs.resume_asked.connect(self.commands.resume_file)
        self.monitor.runs.report_asked.connect(self.commands.report)
        self.monitor.runs.beside_asked.connect(self.commands.compare_runs)

    def _restore(self) -> None:
        geometry, state = self.settings.value("geometry"), self.settings.value("state")
        if isinstance(geometry, QByteArray) and isinstance(state, QByteArray):
            self.restoreGeometry(geometry)
            self.restoreState(state)
        self._show_recent()

    def _after_first_paint(self) -> None:
        self.monitor.runs.refresh()
        left = str(self.settings.value("fit in progress") or "")
        if left and Path(left).exists():
            self.notice.tell(
                f"A fit was cut off when the program last ended; its run was saved ({Path(left).stem}).",
                "Open it",
                lambda: self.open(left),
            )
        self.settings.remove("fit in progress")

    # Opening

    @Slot(str)
    def open(self, file: str) -> None:
        """Opens a file, sample or run; asks first where a fit is in progress."""
        self.commands.ask_about_fit("Open another file", lambda: self.studio.open(file))

    @Slot()
    def _on_volume(self) -> None:
        volume = self.studio.volume
        self.undo.clear()
        self.pages.setCurrentWidget(self.welcome if volume is None else self.slices)
        self._show_docks(volume is not None)
        if volume is None:
            self.setWindowTitle("DINR Studio")
        else:
            name = self.studio.file if self.studio.file.startswith("sample:") else Path(self.studio.file).name
            self.setWindowTitle(f"{name} – DINR Studio")
            self.notice.hide()
            self.slices.show_volume()
            self.slices.set_mode("Field" if self.studio.field is not None else "Data")
            self._remember(str(self.studio.run_path or self.studio.file))
        self.volume_view.show_volume()
        self._show_score()
        self._follow()
        wanted, self.resume_when_opened = self.resume_when_opened, ""
        if wanted and str(self.studio.run_path) == wanted:
            self.studio.resume_fit()

    def _show_docks(self, opened: bool) -> None:
        """Panels have nothing to show on the welcome page; those that the user has closed stay closed after it."""
        if opened:
            for dock in self._away:
                dock.show()
            self._away = []
        elif not self._away:
            self._away = [dock for dock in self.docks.values() if not dock.isHidden()]
            for dock in self._away:
                dock.hide()

    def _remember(self, file: str) -> None:
        recent = [file, *(other for other in self.recent_files() if other != file)][:MOST_RECENT]
        self.settings.setValue("recent", recent)
        self._show_recent()

    def _remember_session(self) -> None:
        """What `restore` brings back: the open file or run, and the settings chosen for a fit."""
        if self.studio.volume is not None:
            file = str(self.studio.run_path or self.studio.file)
            self.settings.setValue("session", json.dumps({"file": file, "chosen": self.field_panel.chosen()}))

    def recent_files(self) -> list[str]:
        """Files opened lately, newest first."""
        found = self.settings.value("recent") or []
        return [found] if isinstance(found, str) else [str(file) for file in found]

    def _show_recent(self) -> None:
        files = self.recent_files()
        self.recent_menu.clear()
        for file in files:
            action = self.recent_menu.addAction(file)
            action.triggered.connect(lambda _=False, file=file: self.open(file))
        self.recent_menu.setEnabled(bool(files))
        self.welcome.set_recent([file for file in files if not file.startswith("sample:")])

    @Slot(object)
    def _on_choice(self, choices: Choices) -> None:
        dialog = ChooseDataset(choices, self.studio.analyses, self)
        if dialog.exec():
            self.studio.open(choices.file, {"dataset": dialog.chosen})
        dialog.deleteLater()

    @Slot(object)
    def _on_columns_wanted(self, wanted: ColumnsWanted) -> None:
        dialog = ChooseColumns(wanted, self)
        if dialog.exec():
            self.studio.open(wanted.file, dialog.options)
        dialog.deleteLater()

    @Slot(object)
    def _on_data_wanted(self, wanted: DataWanted) -> None:
        """Offers to look for the data of a run."""

        def find() -> None:
            ask = self.commands.ask_for_folder if wanted.folder else self.commands.ask_for_file
            if data := ask(f"The data of {wanted.run_path.name}"):
                self.studio.open_run(wanted.run_path, data)

        QTimer.singleShot(0, lambda: self.notice.tell(wanted.why, "Find the data …", find))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Takes files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Opens the first file or folder that was dropped."""
        files = [str(Path(url.toLocalFile())) for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            self.open(files[0])

    # Following

    @Slot()
    def _follow(self) -> None:
        """Switches commands on and off by what is possible now."""
        session = bool(self.settings.value("session"))
        possible = possible_commands(self.studio, deep=self.volume_view.usable, session=session)
        if self.field_panel.config is None:
            possible["fit"] = False
        for name, allowed in possible.items():
            self.actions_by_name[name].setEnabled(allowed)
        self.commands.name_pause()
        if self.studio.fit.running:
            self.settings.setValue("fit in progress", str(self.studio.fit.path))

    @Slot()
    def _on_progressed(self) -> None:
        if not self._stating.isActive():
            self._stating.start()

    @Slot()
    def _show_progress(self) -> None:
        fit = self.studio.fit
        if fit.running and fit.config is not None and fit.last is not None:
            self.status.follow(fit.last, fit.config.training.max_epochs, paused=fit.paused)
            self._show_score()

    @Slot()
    def _show_score(self) -> None:
        fit, run = self.studio.fit, self.studio.run
        psnr = None
        if run is not None and isinstance(run.scores.get("held_out"), dict):
            psnr = float(run.scores["held_out"]["psnr"])
        elif fit.last is not None and fit.run is not None and run is not None and fit.run.run_id == run.run_id:
            psnr = fit.last.best_psnr
        self.status.show_score(psnr, self.monitor.watch.rivals)

    @Slot(str)
    def _on_fit_ended(self, outcome: str) -> None:
        self.settings.remove("fit in progress")
        self.status.rest()
        self._show_score()
        self._follow()

    @Slot(str)
    def _on_reading(self, doing: str) -> None:
        if doing:
            self.notice.work(doing, self.studio.cancel_reading)
        else:
            self.notice.end_work()

    @Slot(str)
    def _on_told(self, sentence: str) -> None:
        self.notice.tell(sentence)
        log.info(sentence)

    def reset_layout(self) -> None:
        """All panels where they were at first."""
        self.restoreState(self._first_layout)
        for dock in self.docks.values():
            dock.show()
        self._size_docks()

    def set_theme(self, name: str) -> None:
        """Light, dark or the system's."""
        self.settings.setValue("theme", name)
        apply_theme(name)

    def changeEvent(self, event: QEvent) -> None:
        """Lets everything that draws itself follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "toolbar"):
            self.restyle()

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        for part in (self.slices, self.monitor, self.data_panel, self.volume_view, self.commands):
            part.restyle()
        log.debug("theme: %s", "dark" if is_dark() else "light")

    def closeEvent(self, event: QCloseEvent) -> None:
        """Asks where a fit is in progress; then stops every thread, so that nothing is lost and nothing left behind."""
        if self.studio.fit.running and not self.commands.may_end_fit("Close the program"):
            event.ignore()
            return
        self._show_docks(True)
        self.settings.setValue("geometry", self.saveGeometry())
        self.settings.setValue("state", self.saveState())
        self._remember_session()
        self.hide()
        self.analyses.close()
        self.jobs.cancel_all()
        self.monitor.runs.stop()
        self.threads_ended = self.studio.stop()
        for work in self.commands.works():
            self.threads_ended &= work.wait()
        self.settings.remove("fit in progress")
        self.monitor.log.stop()
        self.volume_view.stop()
        event.accept()
