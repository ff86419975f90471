"""What the commands do that write a file: fields, meshes, pictures, plots and movies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QGuiApplication

from dinr_studio.experiments import repeat

if TYPE_CHECKING:
    from dinr_studio.ui.main_window import MainWindow


class SavingCommands(QObject):
    """The part of the window's commands that takes something out of the program."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window = window
        self.studio = window.studio

    @Slot()
    def export(self) -> None:
        """Asks where to and how, and writes in the background."""
        from dinr_studio.ui.dialogs.export import ExportDialog

        run = self.studio.present_run()
        if run is None:
            return
        boxes = self.studio.box_in_world(), self._view_box()
        dialog = ExportDialog(run, *boxes, self._folder(), self.window, volume=self.studio.volume)
        if dialog.exec():
            job = dialog.job()
            if self.studio.run_path is not None:
                job.repeat = repeat.exporting(str(self.studio.run_path), str(job.path), dialog.target(), dialog.told())
            self.window.jobs.start(job)
        dialog.deleteLater()

    @Slot()
    def mesh(self) -> None:
        """Asks for level and file, and writes an isosurface in the background."""
        from dinr_studio.ui.dialogs.mesh import MeshDialog

        run, volume = self.studio.present_run(), self.studio.volume
        if run is None or volume is None:
            return
        spread = self.studio.histogram
        dialog = MeshDialog(
            run, spread, self.studio.channel, self.window.volume_view.level, self._folder(), self.window
        )
        if dialog.exec():
            job = dialog.job()
            if self.studio.run_path is not None and isinstance(self.studio.channel, int):
                job.repeat = repeat.meshing(str(self.studio.run_path), str(job.path), **dialog.told())
            self.window.jobs.start(job)
        dialog.deleteLater()

    @Slot(tuple)
    def compare_runs(self, paths: tuple[str, ...]) -> None:
        """Puts runs beside each other in the window for that."""
        from dinr_studio.ui.analysis.compare import CompareWindow

        shown = self.window.analyses.show("analyse-compare")
        if isinstance(shown, CompareWindow):
            shown.choose(paths)
            shown.start()

    @Slot()
    def report(self) -> None:
        """Asks where to, and writes up the runs selected under Runs, or the open one, in the background."""
        from dinr_studio.ui.dialogs.report import save_report

        runs = [entry.path for entry in self.window.monitor.runs.selected() if not entry.fault]
        if not runs and self.studio.run_path is not None and self.studio.run_path.exists():
            runs = [self.studio.run_path]
        if not runs:
            self.studio.failed.emit("There is no run to report on; open one, or select some under Runs.")
            return
        save_report(self.window, runs, self._folder())

    def _folder(self) -> Path:
        return Path(str(self.window.settings.value("export folder") or Path.home()))

    def _view_box(self) -> tuple[tuple[float, float], ...] | None:
        """What the slices show, in world units along each axis, or None where there are none."""
        volume = self.studio.volume
        if volume is None:
            return None
        grid = volume.grid
        box = [
            (grid.origin[i] - grid.voxel_size[i] / 2, grid.origin[i] - grid.voxel_size[i] / 2 + grid.extent[i])
            for i in range(len(grid.shape))
        ]
        for pane in self.window.slices.shown:
            if pane.plane is not None:
                (left, right), (low, high) = pane.box.viewRange()
                for axis, (a, b) in ((pane.plane.columns, (left, right)), (pane.plane.rows, (low, high))):
                    box[axis] = (max(box[axis][0], min(a, b)), min(box[axis][1], max(a, b)))
        return tuple(box)

    @Slot()
    def picture(self) -> None:
        """Saves what the pictures show."""
        from dinr_studio.ui.dialogs.pictures import save_picture

        save_picture(self.window, self.window.slices, self._folder())

    @Slot()
    def plot(self) -> None:
        """Saves the plot in front."""
        from dinr_studio.ui.dialogs.plots import save_plot

        save_plot(self.window, self.window.monitor.currentWidget(), self._folder())

    @Slot()
    def copy(self) -> None:
        """Copies what the pictures show."""
        from dinr_studio.ui.dialogs.figure import grabbed

        QGuiApplication.clipboard().setImage(grabbed(self.window.slices, 1))
        self.studio.told.emit("The picture is on the clipboard.")

    @Slot()
    def movie(self) -> None:
        """Saves a turn around the volume."""
        from dinr_studio.ui.dialogs.movie import save_movie

        save_movie(self.window, self.window.volume_view, self._folder())
