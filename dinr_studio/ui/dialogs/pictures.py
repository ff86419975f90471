"""Saving what the slices and the 3D view show as a picture, at up to four times the screen's resolution."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice, QTimer, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QComboBox, QWidget

from dinr_studio.experiments.repeat import Repeat, slicing
from dinr_studio.ui.dialogs.figure import Part, figure, figure_size, open_tiles, parts, sharpen
from dinr_studio.ui.dialogs.paper import PAPER, Colours
from dinr_studio.ui.dialogs.place import PlaceRow
from dinr_studio.ui.dialogs.saving import SaveDialog, Step, stem_of, write_file
from dinr_studio.ui.exporting import ExportJob
from dinr_studio.ui.theme import plot_colours
from dinr_studio.ui.views.slices import Slices

if TYPE_CHECKING:
    from dinr_studio.ui.main_window import MainWindow

EVERYTHING = "Everything shown"
AS_SHOWN, ON_WHITE = "As on the screen", "Black on white"
SCALES = (1, 2, 3, 4)
USUAL_SCALE = 2
PATIENCE = 60.0  # seconds that a picture waits for the field at its resolution
SILENCE = 1.5  # seconds of waiting that nobody is told of: the notice takes room from what is to be drawn
SETTLE = 60  # milliseconds from the last tile's coming until the slice has it
GONE = "What was to be saved is not shown any more; show it and save the picture again."
TOO_LARGE = "The graphics card could not draw the 3D view that large ({error}); choose a smaller scale."


class PictureDialog(SaveDialog):
    """Asks what, how large, in which colours and where to."""

    def __init__(self, slices: Slices, folder: Path, parent: QWidget | None = None) -> None:
        name = f"{stem_of(slices.studio.file)}_picture.png"
        super().__init__("Save a picture", PlaceRow(folder, name, {".png": "PNG"}), parent)
        self._slices = slices
        self._parts = parts(slices)
        self.what, self.scale, self.colours = QComboBox(), QComboBox(), QComboBox()
        self.what.addItems([EVERYTHING, *(part.name for part in self._parts)])
        self.colours.addItems([AS_SHOWN, ON_WHITE])
        for scale in SCALES:
            self.scale.addItem("", scale)
        self.scale.setCurrentIndex(SCALES.index(USUAL_SCALE))
        for box, name, tip in (
            (self.what, "What", "All pictures as they are arranged, or one of them"),
            (self.scale, "Scale", "Drawn anew at a multiple of the screen's resolution, the field included"),
            (self.colours, "Colours", "Of axes and background; colour maps stay as they are"),
        ):
            box.setAccessibleName(name)
            box.setToolTip(tip)
        self.what.currentIndexChanged.connect(self._show_sizes)
        self._show_sizes()
        self.lay_out({"&What": self.what, "S&cale": self.scale, "C&olours": self.colours})

    @property
    def chosen(self) -> list[Part]:
        """The parts of the picture."""
        name = self.what.currentText()
        return [part for part in self._parts if name in (EVERYTHING, part.name)]

    @property
    def ratio(self) -> float:
        """Pixels of the picture for each of the screen's coordinates."""
        return float(self.scale.currentData()) * self._slices.devicePixelRatioF()

    @Slot()
    def _show_sizes(self) -> None:
        for i, scale in enumerate(SCALES):
            size = figure_size(self.chosen, scale * self._slices.devicePixelRatioF())
            self.scale.setItemText(i, f"{scale} ×    {size.width()} × {size.height()} pixels")

    def job(self) -> PictureJob:
        """The work of it."""
        colours = PAPER if self.colours.currentText() == ON_WHITE else plot_colours()
        names = [part.name for part in self.chosen]
        return PictureJob(self._slices, names, self.ratio, colours, self.place.path)


class PictureJob(ExportJob):
    """Waits for the field at the picture's resolution, draws, and writes off the window's thread."""

    def __init__(self, slices: Slices, names: Sequence[str], ratio: float, colours: Colours, path: Path) -> None:
        super().__init__(path, self._write, lambda report: f"The picture is in {path}.")
        self._slices, self._names, self._ratio, self._colours = slices, names, ratio, colours
        self._image = QImage()
        self._began = 0.0
        self._settled = 0
        self._wait = QTimer(self, interval=SETTLE)
        self._wait.timeout.connect(self._on_waited)

    def start(self) -> None:
        """Asks for the field; everything else follows."""
        self._began = time.monotonic()
        sharpen(self._slices, self._ratio / self._slices.devicePixelRatioF())
        self._wait.start()

    def cancel(self) -> None:
        """Gives up; no file is left behind."""
        if not self._wait.isActive():
            super().cancel()
            return
        self._wait.stop()
        sharpen(self._slices, 1.0)
        self.cancelled = True
        QTimer.singleShot(0, self._on_ended)  # not at once: who cancels may be going through all jobs

    @Slot()
    def _on_waited(self) -> None:
        waited = time.monotonic() - self._began
        self._settled = 0 if open_tiles(self._slices) else self._settled + 1
        if self._settled < 2 and waited < PATIENCE:
            if waited > SILENCE:
                self._tell("waiting for the field at the picture's resolution")
            return
        self._wait.stop()
        fault = self._draw()
        sharpen(self._slices, 1.0)
        if fault:
            self._on_failed(fault)
            self._on_ended()
        else:
            super().start()

    def _draw(self) -> str:
        """Draws the picture; what went wrong comes back, or nothing."""
        chosen = [part for part in parts(self._slices) if part.name in self._names]
        if not chosen:
            return GONE
        try:
            self._image = figure(chosen, self._ratio, self._colours)
        except RuntimeError as error:
            return TOO_LARGE.format(error=error)
        return ""

    def _write(self, threads: int) -> Iterator[Step]:
        yield from write_file(self.path, lambda: as_png(self._image))


def as_png(image: QImage) -> bytes:
    """A picture as the content of a PNG file."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())


def save_picture(window: MainWindow, slices: Slices, folder: Path) -> None:
    """Asks, then draws and writes."""
    dialog = PictureDialog(slices, folder, window)
    if dialog.exec():
        job = dialog.job()
        job.repeat = _repeat(window, slices, job.path)
        window.jobs.start(job)
    dialog.deleteLater()


def _repeat(window: MainWindow, slices: Slices, path: Path) -> Repeat | None:
    """The command that draws the first slice shown beside its data and residual; None without a run."""
    studio = window.studio
    planes = [pane.plane for pane in slices.shown if pane.plane is not None]
    if studio.run_path is None or studio.field is None or studio.volume is None or not planes:
        return None
    grid, plane = studio.volume.grid, planes[0]
    across = [axis for axis in grid.spatial if axis not in (plane.rows, plane.columns)]
    axis, index = (grid.axes[across[-1]], round(plane.at[across[-1]])) if across else (None, None)
    channel = studio.channel if isinstance(studio.channel, int) else 0
    return slicing(str(studio.run_path), str(path), axis=axis, index=index, channel=channel)
