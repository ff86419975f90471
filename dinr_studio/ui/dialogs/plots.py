"""Saving the monitor's plots as figures for print: SVG, PDF or PNG, black on white, at a size in millimetres."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice, QMarginsF, QPoint, QRect, QRectF, QSize, QSizeF
from PySide6.QtGui import QColor, QImage, QPageLayout, QPageSize, QPainter, QPdfWriter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QComboBox, QSpinBox, QWidget

from dinr_studio.ui.dialogs.paper import PAPER, redrawn
from dinr_studio.ui.dialogs.pictures import as_png
from dinr_studio.ui.dialogs.place import PlaceRow
from dinr_studio.ui.dialogs.plain_svg import Box, plain_svg
from dinr_studio.ui.dialogs.saving import SaveDialog, file_job, stem_of
from dinr_studio.ui.monitor.plots import Plot

if TYPE_CHECKING:
    from dinr_studio.ui.main_window import MainWindow

FORMATS = {".svg": "SVG", ".pdf": "PDF", ".png": "PNG"}
ALL = "All, side by side"
INCH = 25.4  # millimetres
PRINTED = 300  # pixels of a PNG per inch
MARGIN = 6  # pixels of the screen around each plot
WIDTH, HEIGHT = (60, 160, 600), (40, 90, 600)  # least, usual and greatest, in millimetres
NO_PLOT = "The {tab} tab holds no plot; choose another tab of the monitor first."


class PlotDialog(SaveDialog):
    """Asks which plots, how large, and where to."""

    def __init__(self, plots: Sequence[Plot], file: str, folder: Path, parent: QWidget | None = None) -> None:
        name = f"{stem_of(file)}_{plots[0].name.lower().replace(' ', '_')}.svg"
        super().__init__("Save a plot", PlaceRow(folder, name, FORMATS), parent)
        self._plots = list(plots)
        self.which, self.width_mm, self.height_mm = QComboBox(), QSpinBox(), QSpinBox()
        self.which.addItems([ALL] * (len(plots) > 1) + [plot.name for plot in plots])
        self.which.setAccessibleName("Which plot")
        for spin, name, (least, usual, most) in (
            (self.width_mm, "Width", WIDTH),
            (self.height_mm, "Height", HEIGHT),
        ):
            spin.setRange(least, most)
            spin.setValue(usual)
            spin.setSuffix(" mm")
            spin.setAccessibleName(name)
            spin.setToolTip(f"{name} on paper; the writing keeps its size")
        self.lay_out({"&Plot": self.which, "&Width": self.width_mm, "&Height": self.height_mm})

    @property
    def chosen(self) -> list[Plot]:
        """The plots of the figure, from left to right."""
        name = self.which.currentText()
        return [plot for plot in self._plots if name in (ALL, plot.name)]

    @property
    def size_mm(self) -> QSizeF:
        """The figure's size on paper."""
        return QSizeF(self.width_mm.value(), self.height_mm.value())


def as_svg(plots: Sequence[Plot], size_mm: QSizeF) -> bytes:
    """The plots as an SVG file."""
    size = _pixels(size_mm, plots[0].logicalDpiX())
    return plain_svg([_svg_of(plot, place, size) for plot, place in _places(plots, size)])


def _svg_of(plot: Plot, place: QRect, size: QSize) -> tuple[bytes, Box]:
    """A plot on its page as Qt writes it, and where its curves may be."""
    buffer = _buffer()
    generator = QSvgGenerator(QSvgGenerator.SvgVersion.Svg11)
    generator.setOutputDevice(buffer)
    generator.setResolution(plot.logicalDpiX())
    generator.setSize(size)
    generator.setViewBox(QRect(QPoint(), size))
    generator.setTitle(plot.name)
    generator.setDescription("Made with DINR Studio")
    painter = QPainter(generator)
    inside = _paint(painter, plot, place, 1.0)
    painter.end()
    return bytes(buffer.data().data()), (inside.x(), inside.y(), inside.width(), inside.height())


def as_pdf(plots: Sequence[Plot], size_mm: QSizeF) -> bytes:
    """The plots as a PDF file of one page."""
    buffer, resolution = _buffer(), plots[0].logicalDpiX()
    writer = QPdfWriter(buffer)
    writer.setTitle(", ".join(plot.name for plot in plots))
    writer.setCreator("DINR Studio")
    writer.setResolution(resolution)  # axes are recorded at the screen's, and would not fit at another
    page = QPageSize(size_mm, QPageSize.Unit.Millimeter, "figure", QPageSize.SizeMatchPolicy.ExactMatch)
    writer.setPageLayout(QPageLayout(page, QPageLayout.Orientation.Portrait, QMarginsF()))
    painter = QPainter(writer)
    for plot, place in _places(plots, _pixels(size_mm, resolution)):
        _paint(painter, plot, place, 1.0)
    painter.end()
    return bytes(buffer.data().data())


def as_image(plots: Sequence[Plot], size_mm: QSizeF) -> QImage:
    """The plots as a picture for print."""
    resolution = plots[0].logicalDpiX()
    ratio = PRINTED / resolution
    image = QImage(_pixels(size_mm, PRINTED), QImage.Format.Format_RGB32)
    image.fill(PAPER[0])
    image.setDotsPerMeterX(round(1000 * resolution / INCH))
    image.setDotsPerMeterY(round(1000 * resolution / INCH))
    image.setDevicePixelRatio(ratio)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for plot, place in _places(plots, _pixels(size_mm, resolution)):
        _paint(painter, plot, place, ratio)
    painter.end()
    image.setDevicePixelRatio(1.0)
    image.setDotsPerMeterX(round(1000 * PRINTED / INCH))
    image.setDotsPerMeterY(round(1000 * PRINTED / INCH))
    return image


def content_of(suffix: str, plots: Sequence[Plot], size_mm: QSizeF) -> Callable[[], bytes]:
    """Draws at once, in the window's thread; what comes back may be called in another one."""
    if suffix == ".png":
        image = as_image(plots, size_mm)
        return lambda: as_png(image)
    drawn = {".svg": as_svg, ".pdf": as_pdf}[suffix](plots, size_mm)
    return lambda: drawn


def plots_of(tab: QWidget) -> list[Plot]:
    """The plots of a tab from left to right."""
    return sorted(tab.findChildren(Plot), key=lambda plot: plot.mapTo(tab, plot.rect().topLeft()).x())


def save_plot(window: MainWindow, tab: QWidget, folder: Path) -> None:
    """Asks, then draws and writes; a tab without plots is told of."""
    plots = plots_of(tab)
    if not plots:
        name = window.monitor.tabText(window.monitor.indexOf(tab)).rstrip(" ⚠")
        window.studio.failed.emit(NO_PLOT.format(tab=name))
        return
    dialog = PlotDialog(plots, window.studio.file, folder, window)
    if dialog.exec():
        path = dialog.place.path
        content = content_of(dialog.place.suffix, dialog.chosen, dialog.size_mm)
        window.jobs.start(file_job(path, content, f"The plot is in {path}."))
    dialog.deleteLater()


def _places(plots: Sequence[Plot], size: QSize) -> list[tuple[Plot, QRect]]:
    """All plots side by side on a page; in the screen's pixels."""
    width = size.width() // len(plots)
    page = QRect(0, 0, width, size.height()).adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
    return [(plot, page.translated(i * width, 0)) for i, plot in enumerate(plots)]


def _paint(painter: QPainter, plot: Plot, place: QRect, weight: float) -> QRectF:
    """A plot on its place, black on white; where its curves are comes back."""
    painter.fillRect(place.adjusted(-MARGIN, -MARGIN, MARGIN, MARGIN), QColor(PAPER[0]))
    with redrawn(plot, PAPER, weight), _resized(plot, place.size()):
        plot.render(painter, QRectF(place), plot.viewport().rect())
        box: QRectF = plot.getPlotItem().getViewBox().sceneBoundingRect()
        return box.translated(place.topLeft())


@contextmanager
def _resized(plot: Plot, size: QSize) -> Iterator[None]:
    """A plot at another size for a moment, too short to be seen, with its axes laid out anew."""
    with ExitStack() as back:
        back.callback(plot.setGeometry, plot.geometry())
        plot.resize(size)
        for _ in range(2):  # an axis learns how wide its numbers are when it is painted
            plot.grab()
        yield


def _buffer() -> QBuffer:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    return buffer


def _pixels(size_mm: QSizeF, resolution: int) -> QSize:
    return QSize(round(size_mm.width() / INCH * resolution), round(size_mm.height() / INCH * resolution))
