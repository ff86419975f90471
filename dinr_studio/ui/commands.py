"""What every command of the window does."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from dinr_studio.io.reading import SUFFIXES
from dinr_studio.ui.actions import COMMANDS
from dinr_studio.ui.analysis.catalogue import ANALYSES
from dinr_studio.ui.background import Work
from dinr_studio.ui.dialogs import help as help_dialogs
from dinr_studio.ui.dialogs.asking import question
from dinr_studio.ui.edits import MASK_EDIT, SettingsEdit
from dinr_studio.ui.saving_commands import SavingCommands
from dinr_studio.ui.theme import icon, is_dark

if TYPE_CHECKING:
    from dinr_studio.analysis.diagnosis import Change
    from dinr_studio.needs import Needs
    from dinr_studio.ui.main_window import MainWindow

log = logging.getLogger(__name__)

KEEP, DISCARD, CANCEL = "Stop and keep", "Discard", "Cancel"
ALL_THE_SAME = "Fit all the same"
ZOOM = 1.5


class Commands(SavingCommands):
    """The window's commands; each method is called as its command in COMMANDS is named, with - as _."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)

    def runner(self, name: str) -> Callable[[], None]:
        """What a command does: a method of its name, or its analysis window."""
        if name in ANALYSES:
            return lambda: self._analyse(name)
        method: Callable[[], None] = getattr(self, name.replace("-", "_"))
        return method

    # File

    @Slot()
    def open(self) -> None:
        """Asks for a file, and opens it."""
        if file := self.ask_for_file("Open a volume or a run"):
            self.window.open(file)

    @Slot()
    def open_folder(self) -> None:
        """Asks for a folder, and opens what is in it as one volume."""
        if folder := self.ask_for_folder("Open a folder"):
            self.window.open(folder)

    @Slot()
    def mask(self) -> None:
        """Asks for a mask, and leaves out what it marks."""
        if mask := self.ask_for_file("Use a mask"):
            self.studio.read_mask(mask)

    def ask_for_folder(self, title: str) -> str:
        """The folder that the user chooses, or nothing."""
        before = str(self.window.settings.value("folder") or Path.home())
        folder = QFileDialog.getExistingDirectory(self.window, title, before)
        if folder:
            self.window.settings.setValue("folder", str(Path(folder).parent))
        return folder

    def ask_for_file(self, title: str) -> str:
        """The file that the user chooses, or nothing."""
        endings = " ".join(f"*{suffix}" for suffix in sorted(SUFFIXES))
        file, _ = QFileDialog.getOpenFileName(
            self.window,
            title,
            str(self.window.settings.value("folder") or Path.home()),
            f"Volumes and runs ({endings} *.dinr *.gz *.bz2);;All files (*)",
        )
        if file:
            self.window.settings.setValue("folder", str(Path(file).parent))
        return file

    @Slot()
    def restore(self) -> None:
        """The last session's file and settings."""
        try:
            session = json.loads(str(self.window.settings.value("session")))
            self.window.field_panel.apply(session["chosen"])
            self.window.open(session["file"])
        except (ValueError, KeyError, TypeError):  # settings of another version, or damaged
            self.studio.failed.emit("The last session could not be read; open its file by hand.")

    @Slot()
    def close(self) -> None:
        """Back to the welcome page."""
        self.ask_about_fit("Close the volume", self.studio.close_volume)

    @Slot()
    def quit(self) -> None:
        """Closes the window, which asks where it must."""
        self.window.close()

    # Edit and view

    @Slot()
    def undo(self) -> None:
        """Takes back the last edit."""
        if self._may_change(self.window.undo.undoText()):
            self.window.undo.undo()

    @Slot()
    def redo(self) -> None:
        """Does it again."""
        if self._may_change(self.window.undo.redoText()):
            self.window.undo.redo()

    def _may_change(self, edit: str) -> bool:
        """Whether an edit may be taken back or done now: the data of a fit in progress stay."""
        if self.studio.fit.running and edit == MASK_EDIT:
            self.studio.told.emit("The mask stays as it is while a fit works with it.")
            return False
        return True

    @Slot()
    def auto_contrast(self) -> None:
        """Contrast from percentiles."""
        self.window.data_panel.auto_contrast()

    @Slot()
    def settings_reset(self) -> None:
        """Forgets settings changed by hand."""
        panel = self.window.field_panel
        self.window.undo.push(SettingsEdit(panel.apply, panel.chosen(), {**panel.chosen(), "changes": {}}))

    @Slot()
    def show_data(self) -> None:
        """All slices show the data."""
        self.window.slices.set_mode("Data")

    @Slot()
    def show_field(self) -> None:
        """All slices show the field."""
        self.window.slices.set_mode("Field")

    @Slot()
    def show_residual(self) -> None:
        """All slices show field less data."""
        self.window.slices.set_mode("Residual")

    @Slot()
    def show_wipe(self) -> None:
        """All slices wipe."""
        self.window.slices.set_mode("Wipe")

    @Slot()
    def fit_view(self) -> None:
        """Whole slices."""
        self.window.slices.fit_view()

    @Slot()
    def zoom_in(self) -> None:
        """Closer."""
        self.window.slices.zoom(ZOOM)

    @Slot()
    def zoom_out(self) -> None:
        """Further away."""
        self.window.slices.zoom(1 / ZOOM)

    @Slot()
    def enlarge(self) -> None:
        """One pane alone, or all."""
        self.window.slices.toggle_alone()

    @Slot()
    def play(self) -> None:
        """Plays or stops."""
        self.window.slices.time.play.toggle()

    @Slot()
    def best(self) -> None:
        """Best or latest weights."""
        self.studio.show_best(self.window.actions_by_name["best"].isChecked())

    # Fit

    @Slot()
    def fit(self) -> None:
        """Begins a fit with the panel's settings; slices that show the data turn to the field."""
        config = self.window.field_panel.config
        if config is None or self.studio.fit.running or not self._may_fit(self.window.field_panel.needs):
            return
        self.window.actions_by_name["best"].setChecked(False)
        self.studio.start_fit(config, self.window.field_panel.usual)
        if all(pane.mode.currentText() == "Data" for pane in self.window.slices.shown):
            self.window.slices.set_mode("Field")

    def _may_fit(self, needs: Needs | None) -> bool:
        """Refuses a fit that the disk has no room for; asks about one that memory, by estimate, does not hold."""
        if needs is None or needs.fits:
            return True
        if not needs.memory_short:
            self.studio.failed.emit(needs.fault)
            return False
        return question(self.window, "Fit all the same", needs.fault, (ALL_THE_SAME, CANCEL)) == ALL_THE_SAME

    @Slot()
    def pause(self) -> None:
        """Pauses or resumes."""
        fit = self.studio.fit
        fit.resume() if fit.paused else fit.pause()

    def name_pause(self) -> None:
        """The pause command says what it would do."""
        paused = self.studio.fit.paused
        action = self.window.actions_by_name["pause"]
        action.setText("&Resume" if paused else "&Pause")
        action.setIconText("Resume" if paused else "Pause")
        action.setIcon(icon("resume" if paused else "pause"))

    @Slot()
    def done(self) -> None:
        """Ends the fit, judges and keeps it."""
        self.studio.fit.finish()

    @Slot()
    def discard(self) -> None:
        """Asks, then throws the fit away."""
        text = "Throw this fit away? Its run file is deleted; this cannot be undone."
        if question(self.window, "Discard the fit", text, (DISCARD, CANCEL)) == DISCARD:
            self.studio.fit.discard()

    @Slot()
    def resume(self) -> None:
        """Goes on with the open run."""
        self.studio.resume_fit()

    def resume_file(self, file: str) -> None:
        """Opens a run and goes on with it."""
        self.window.resume_when_opened = file
        self.window.open(file)

    def take_remedy(self, changes: dict[str, Change]) -> None:
        """Takes a warning's settings over for the next fit."""
        self.window.field_panel.change(**changes)
        self.studio.told.emit("The settings are taken over for the next fit; end this one and press Fit.")

    def may_end_fit(self, what: str) -> bool:
        """Asks what is to become of the fit in progress, and sees to it; False where the user thinks better of it."""
        text = f"{what}? A fit is in progress. Kept, its run file can be resumed at any time."
        answer = question(self.window, what, text, (KEEP, DISCARD, CANCEL))
        if answer == CANCEL:
            return False
        self.studio.fit.suspend() if answer == KEEP else self.studio.fit.discard()
        return True

    def ask_about_fit(self, what: str, then: Callable[[], None]) -> None:
        """Does what a fit in progress would be in the way of, once the user has agreed and the fit has ended."""
        if self.studio.fit.running and not self.may_end_fit(what):
            return
        if not self.studio.fit.running:  # it may also have ended by itself while the user was asked
            then()
            return
        self._then = then
        self.studio.fit.ended.connect(self._on_fit_out_of_the_way)

    @Slot()
    def _on_fit_out_of_the_way(self) -> None:
        self.studio.fit.ended.disconnect(self._on_fit_out_of_the_way)
        QTimer.singleShot(0, self._then)

    # Analyse

    @Slot()
    def look(self) -> None:
        """Kernel, spectrum and trajectory of the present field."""
        self.window.monitor.watch.look_again()
        self.studio.told.emit("Looking at kernel, spectrum and trajectory …")

    def _analyse(self, name: str) -> None:
        self.window.analyses.show(name)

    def _show_tab(self, tab: object) -> None:
        self.window.docks["Monitor"].show()
        self.window.monitor.setCurrentWidget(tab)  # type: ignore[arg-type]

    @Slot()
    def tab_loss(self) -> None:
        """Shows a tab of the monitor."""
        self._show_tab(self.window.monitor.loss)

    @Slot()
    def tab_held_out(self) -> None:
        """Shows a tab of the monitor."""
        self._show_tab(self.window.monitor.held_out)

    @Slot()
    def tab_kernel(self) -> None:
        """Shows a tab of the monitor."""
        self._show_tab(self.window.monitor.kernel)

    @Slot()
    def tab_spectrum(self) -> None:
        """Shows a tab of the monitor."""
        self._show_tab(self.window.monitor.spectrum)

    @Slot()
    def tab_trajectory(self) -> None:
        """Shows a tab of the monitor."""
        self._show_tab(self.window.monitor.trajectory)

    @Slot()
    def tab_runs(self) -> None:
        """Shows a tab of the monitor."""
        self._show_tab(self.window.monitor.runs)

    @Slot()
    def tab_log(self) -> None:
        """Shows a tab of the monitor."""
        self._show_tab(self.window.monitor.log)

    # Window and help

    @Slot()
    def theme(self) -> None:
        """Light to dark and back."""
        self.window.set_theme("light" if is_dark() else "dark")

    @Slot()
    def theme_system(self) -> None:
        """As the system has it."""
        self.window.set_theme("system")

    @Slot()
    def reset_layout(self) -> None:
        """Panels back in place."""
        self.window.reset_layout()

    @Slot()
    def guide(self) -> None:
        """The guide."""
        help_dialogs.guide(self.window).open()

    @Slot()
    def what(self) -> None:
        """Explains the panel in front."""
        monitor = self.window.monitor
        in_front = monitor.tabText(monitor.currentIndex()).rstrip(" ⚠")
        focus = QApplication.focusWidget()
        places: dict[str, QWidget] = {
            "Data": self.window.data_panel, "Field": self.window.field_panel,
            "3D": self.window.volume_view, "Slices": self.window.slices,
        }  # fmt: skip
        inside = (name for name, place in places.items() if focus is not None and place.isAncestorOf(focus))
        help_dialogs.what(next(inside, in_front), self.window).open()

    @Slot()
    def shortcuts(self) -> None:
        """All shortcuts."""
        help_dialogs.shortcuts(self.window.actions_by_name, self.window).open()

    @Slot()
    def palette(self) -> None:
        """Finds a command by typing."""
        dialog = help_dialogs.CommandPalette(self.window.actions_by_name, self.window)
        if dialog.exec() and dialog.chosen is not None:
            QTimer.singleShot(0, dialog.chosen.trigger)
        dialog.deleteLater()

    @Slot()
    def about(self) -> None:
        """Version and libraries."""
        help_dialogs.about(self.window).open()

    # Theme and end

    def restyle(self) -> None:
        """Icons in the theme's colour."""
        for command in COMMANDS:
            if command.icon:
                self.window.actions_by_name[command.name].setIcon(icon(command.icon))
        self.name_pause()

    def works(self) -> Iterator[Work]:
        """All works of the window that may still run."""
        for work in self.window.findChildren(Work):
            if work.running:
                yield work
