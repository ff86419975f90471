"""The slices and the 3D view as figures: painted anew at any scale, with titles and without the controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QImage, QPainter, QRegion
from PySide6.QtWidgets import QApplication, QWidget

from dinr_studio.ui.colours import with_unit
from dinr_studio.ui.dialogs.paper import Colours, redrawn
from dinr_studio.ui.theme import plot_colours
from dinr_studio.ui.views.slice_pane import SlicePane
from dinr_studio.ui.views.slices import Slices
from dinr_studio.ui.views.volume_view import VolumeView

SMALLEST = 30  # pixels on the screen below which a pane counts as closed


@dataclass(frozen=True)
class Part:
    """One picture of a figure.

    title: name, place, and what is shown; area: on the screen, in the slices' coordinates; paint(ratio, colours): the
    picture with so many pixels for each of the screen's.
    """

    name: str
    title: tuple[str, str, str]
    area: QRect
    paint: Callable[[float, Colours], QImage]


def parts(slices: Slices) -> list[Part]:
    """All pictures that are shown now."""
    found = [_slice_part(slices, pane) for pane in slices.shown]
    view = slices.corner
    if not view.isHidden() and view.usable and view.scene is not None:
        found.append(_volume_part(slices, view))
    return [part for part in found if min(part.area.width(), part.area.height()) >= SMALLEST]


def figure_size(chosen: Sequence[Part], ratio: float) -> QSize:
    """The size in pixels of a figure of these parts."""
    area = _area(chosen)
    return QSize(math.ceil(area.width() * ratio), math.ceil(area.height() * ratio))


def figure(chosen: Sequence[Part], ratio: float, colours: Colours) -> QImage:
    """Parts where they are on the screen, at so many pixels for each of the screen's."""
    area = _area(chosen)
    image = QImage(figure_size(chosen, ratio), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    image.fill(colours[0])
    painter = QPainter(image)
    painter.translate(-area.topLeft())
    for part in chosen:
        _write_title(painter, part, colours[1])
        painter.drawImage(part.area.topLeft(), part.paint(ratio, colours))
    painter.end()
    image.setDevicePixelRatio(1.0)
    return image


def grabbed(slices: Slices, scale: float) -> QImage:
    """All that is shown, in the theme's colours, at a multiple of the screen's resolution."""
    return figure(parts(slices), scale * slices.devicePixelRatioF(), plot_colours())


def volume_picture(view: VolumeView, size: QSize, ratio: float) -> QImage:
    """The 3D view with its axes at a size in pixels, drawn as if the screen had so many pixels for each of its own."""
    if view.scene is None or view.overlay is None:
        return QImage()
    image = view.picture(size.width(), size.height())
    if image is None:
        return QImage()
    image.setDevicePixelRatio(ratio)
    QWidget.render(view.overlay, image, QPoint(), QRegion(), QWidget.RenderFlag.DrawChildren)
    return image


@contextmanager
def stretched(view: VolumeView, size: QSize) -> Iterator[None]:
    """The 3D canvas at another size for a moment, too short to be seen."""
    before = view.holder.geometry()
    view.holder.resize(size)
    try:
        yield
    finally:
        view.holder.setGeometry(before)


def sharpen(slices: Slices, factor: float) -> None:
    """From now on slices want the field at a multiple of the screen's resolution."""
    for pane in slices.shown:
        pane.sharpen(factor)


def open_tiles(slices: Slices) -> int:
    """How many pieces of the field are still to come."""
    return sum(pane.tiles.open_tiles + pane.other_tiles.open_tiles + int(pane.content.reading) for pane in slices.shown)


def _slice_part(slices: Slices, pane: SlicePane) -> Part:
    def paint(ratio: float, colours: Colours) -> QImage:
        image = QImage(pane.view.size() * ratio, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        image.fill(colours[0])
        with redrawn(pane.view, colours, ratio / pane.devicePixelRatioF()):
            QWidget.render(pane.view, image)
        return image

    area = QRect(pane.view.mapTo(slices, QPoint()), pane.view.size())
    time = "" if slices.time.isHidden() else f"t {slices.time.label.text()}"
    place = "    ".join(filter(None, (pane.place.text(), time)))
    return Part(pane.title.text(), (pane.title.text(), place, _shown_in(pane)), area, paint)


def _shown_in(pane: SlicePane) -> str:
    mode = pane.mode.currentText()
    if mode == "Residual":
        return "Residual (field − data)"
    if mode == "Wipe":
        other = pane.studio.compared_name or "Other run"
        return " | ".join(other if side == "Other run" else side for side in pane.sides)
    return mode


def _volume_part(slices: Slices, view: VolumeView) -> Part:
    def paint(ratio: float, colours: Colours) -> QImage:
        return volume_picture(view, view.holder.size() * ratio, ratio)

    area = QRect(view.holder.mapTo(slices, QPoint()), view.holder.size())
    method, volume = view.method.currentText(), view.studio.volume
    if method == "Isosurface" and volume is not None:
        method += f" at {with_unit(view.level, volume.value_unit)}"
    return Part("3D", ("3D", "", f"{view.shown.currentText()}, {method}"), area, paint)


def _area(chosen: Sequence[Part]) -> QRect:
    area = QRect()
    for part in chosen:
        area = area.united(part.area.adjusted(0, -_title_height(), 0, 0))
    return area


def _title_height() -> int:
    return QFontMetrics(QApplication.font()).height() + 6


def _write_title(painter: QPainter, part: Part, colour: str) -> None:
    """Name and place at the left, what is shown at the right, cut where there is no room."""
    font = QFont(QApplication.font())
    bold = QFont(font)
    bold.setWeight(QFont.Weight.DemiBold)
    line = QRectF(part.area.left() + 6, part.area.top() - _title_height(), part.area.width() - 12, _title_height())
    painter.setPen(colour)
    for text, style, side in zip(part.title, (bold, font, font), ("left", "left", "right"), strict=True):
        painter.setFont(style)
        metrics = painter.fontMetrics()
        cut = metrics.elidedText(text, Qt.TextElideMode.ElideRight, int(line.width()))
        end = Qt.AlignmentFlag.AlignLeft if side == "left" else Qt.AlignmentFlag.AlignRight
        painter.drawText(line, end | Qt.AlignmentFlag.AlignVCenter, cut)
        if side == "left":
            line.setLeft(line.left() + metrics.horizontalAdvance(cut) + 12)
