"""One slice: data, field, residual or a wipe between two of them, with crosshair, scale bar, colour bar and zoom."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QSignalBlocker, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeyEvent, QShowEvent, QWheelEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from dinr_studio.channels import COLOUR
from dinr_studio.sampling.plane import Plane
from dinr_studio.ui.colours import DIVERGING, with_unit
from dinr_studio.ui.panels.parts import enlarge_button
from dinr_studio.ui.studio import Studio
from dinr_studio.ui.theme import icon
from dinr_studio.ui.views.field_tiles import HIGHEST_LEVEL, Rectangle
from dinr_studio.ui.views.readout import readout, sign
from dinr_studio.ui.views.slice_content import SliceContent, from_the_top
from dinr_studio.ui.views.slice_plot import SlicePlot

MODES = ("Data", "Field", "Residual", "Wipe")
SIDES = ("Data", "Field", "Residual", "Other run")
REDRAW = 40  # milliseconds in which changes of the picture gather before it is drawn
DRAFT_SECONDS = 0.2  # that a pane may take for each new state of a field in training; a moved view is drawn wholly
SETTLE = 30  # milliseconds of rest before a moved view asks for tiles
ZOOM_STEP = 1.25


class SlicePane(QWidget):
    """A plane of the volume across one axis. mode: one of MODES; sides: what a wipe shows beside its line."""

    hovered = Signal(str)
    mode_changed = Signal(str)
    refined = Signal()

    def __init__(self, name: str, studio: Studio, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name, self.studio = name, studio
        self.content = SliceContent(name, studio, self)
        self.content.data_changed.connect(self._on_arrived)
        self.tiles, self.other_tiles = self.content.tiles, self.content.other_tiles
        self.across: int | None = None
        self.sides = ["Data", "Field"]
        self._sharpness = 1.0
        self._make_header()
        self._make_view()
        self._lay_out()
        self._settled = QTimer(self, singleShot=True, interval=SETTLE)
        self._settled.timeout.connect(self._ask_for_tiles)
        self._redraw = QTimer(self, singleShot=True, interval=REDRAW)
        self._redraw.timeout.connect(self._draw)
        for tiles in (self.tiles, self.other_tiles):
            tiles.changed.connect(self._on_arrived)

    @property
    def plane(self) -> Plane | None:
        """The plane that is shown; None where the open volume has no such slice."""
        return self.content.plane

    # Making

    def _make_header(self) -> None:
        self.title = QLabel(self.name)
        self.title.setProperty("role", "heading")
        self.place = QLabel()
        self.sign = QLabel()
        self.sign.setProperty("role", "quiet")
        self.sign.setToolTip(
            "How many times finer than the data's voxels the field is evaluated, and what is still to come"
        )
        self.mode = QComboBox()
        self.mode.addItems(MODES)
        self.mode.setAccessibleName(f"What the {self.name} slice shows")
        self.mode.setToolTip("Data as it was opened, the fitted field, their difference, or a wipe between two of them")
        self.mode.currentTextChanged.connect(self._on_mode)
        self.left, self.right = QComboBox(), QComboBox()
        for side, box in enumerate((self.left, self.right)):
            box.addItems(SIDES)
            box.setCurrentText(self.sides[side])
            box.setAccessibleName(f"{'Right' if side else 'Left'} of the wipe's line")
            box.currentTextChanged.connect(self._on_sides)
            box.hide()
        self.enlarge = enlarge_button(self.name)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(f"Slice of {self.name}")
        self.slider.valueChanged.connect(self._on_slider)

    def _make_view(self) -> None:
        self.view = SlicePlot(f"{self.name} slice")
        self.box = self.view.box
        self.view.wipe.sigPositionChanged.connect(self._on_wipe_moved)
        self.box.sigRangeChanged.connect(self._on_range)
        self.box.sigResized.connect(self._on_range)
        self.view.scene().sigMouseMoved.connect(self._on_hover)
        self.view.scene().sigMouseClicked.connect(self._on_click)
        self.view.installEventFilter(self)
        self.view.viewport().installEventFilter(self)

    def _lay_out(self) -> None:
        header = QHBoxLayout()
        header.setContentsMargins(6, 3, 6, 0)
        header.addWidget(self.title)
        header.addSpacing(8)
        header.addWidget(self.place)
        header.addStretch(1)
        header.addWidget(self.sign)
        for widget in (self.left, self.right, self.mode, self.enlarge):
            header.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addLayout(header)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.slider)
        self.setMinimumSize(140, 100)

    # What is shown

    def set_axes(self, rows: int, columns: int, across: int | None) -> None:
        """Chooses the two axes that are seen and the one that the slider moves along; fits the view."""
        volume = self.studio.volume
        assert volume is not None
        grid = volume.grid
        self.content.forget()
        self.content.plane, self.across = Plane(rows, columns, ()), across
        self.slider.setVisible(across is not None)
        if across is not None:
            with QSignalBlocker(self.slider):  # a shorter axis than before would move the crosshair to its end
                self.slider.setRange(0, grid.shape[across] - 1)
        self.title.setText(f"{grid.axes[columns]}{grid.axes[rows]}".upper())
        same = grid.units[rows] == grid.units[columns]
        self.box.setAspectLocked(same, 1)
        self.box.invertY(from_the_top(volume, rows))
        self.view.name_axes(*(f"{grid.axes[axis]} ({grid.units[axis] or 'voxel units'})" for axis in (columns, rows)))
        self.content.set_field()
        self.follow()
        self.fit_view()

    def forget(self) -> None:
        """The open volume has no such slice."""
        self.content.forget()
        self.content.withdraw()

    def showEvent(self, event: QShowEvent) -> None:
        """Asks for what was not asked for while nobody looked."""
        super().showEvent(event)
        self._settled.start()
        self._redraw.start()

    def fit_view(self) -> None:
        """Shows the whole slice."""
        self.box.setRange(self.content.bounds(), padding=0.02)

    def follow(self) -> None:
        """Follows the crosshair."""
        volume = self.studio.volume
        if volume is None or self.plane is None:
            return
        grid, at = volume.grid, self.studio.crosshair
        held = tuple(0.0 if i in (self.plane.rows, self.plane.columns) else at[i] for i in range(len(at)))
        self.content.plane = replace(self.plane, at=held)
        world = grid.world(np.array(at))
        self.view.lines[0].setPos(world[self.plane.columns])
        self.view.lines[1].setPos(world[self.plane.rows])
        if self.across is not None:
            self.slider.blockSignals(True)
            self.slider.setValue(round(at[self.across]))
            self.slider.blockSignals(False)
            axis = self.across
            place = with_unit(float(world[axis]), grid.units[axis])
            index = f"{grid.axes[axis]} {round(at[axis]) + 1}/{grid.shape[axis]}"
            self.place.setText(index if self.mode.currentText() == "Wipe" else f"{index}  ·  {place}")
            self.place.setToolTip(f"Slice across {grid.axes[axis]} at {place}")
        else:
            self.place.setText("")
        self.content.read_data()
        self._ask_for_tiles()
        self._redraw.start()

    def field_changed(self) -> None:
        """Takes over another field, or the same one further on."""
        self.content.set_field()
        training = self.studio.fit.running and not self.studio.fit.paused
        self._ask(DRAFT_SECONDS if training else math.inf)
        self._redraw.start()

    def recolour(self) -> None:
        """Takes over contrast, colours or channel."""
        self.content.forget_images()
        self.content.read_data()
        self._redraw.start()

    def grid_changed(self) -> None:
        """Takes over another voxel size or unit."""
        if self.plane is not None:
            self.set_axes(self.plane.rows, self.plane.columns, self.across)

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        self.enlarge.setIcon(icon("enlarge", self))
        self.view.restyle()

    def _contents(self) -> list[str]:
        """What is drawn left and right of the wipe's line; one of them alone otherwise."""
        return self.sides if self.mode.currentText() == "Wipe" else [self.mode.currentText()]

    def _rectangle(self) -> Rectangle | None:
        """The visible part of the plane as ranges of row and column index of the field's grid."""
        run = None if self.studio.field is None else self.studio.field.run
        if self.plane is None or run is None:
            return None
        ((left, right), (low, high)) = self.box.viewRange()
        ranges = []
        for axis, (a, b) in ((self.plane.rows, (low, high)), (self.plane.columns, (left, right))):
            start, step = run.grid.origin[axis], run.grid.voxel_size[axis]
            ranges.append((min(a, b) / step - start / step, max(a, b) / step - start / step))
        return ranges[0], ranges[1]

    def pixels_per_voxel(self) -> float:
        """Pixels along a voxel's longer edge, of the screen or of a sharper picture of it."""
        volume = self.studio.volume
        if volume is None or self.plane is None:
            return 1.0
        width, height = self.box.viewPixelSize()
        sizes = volume.grid.voxel_size
        ratio = max(sizes[self.plane.columns] / max(width, 1e-30), sizes[self.plane.rows] / max(height, 1e-30))
        return float(ratio * self.view.devicePixelRatioF() * self._sharpness)

    def sharpen(self, factor: float) -> None:
        """Wants the field at a multiple of the screen's resolution, as a picture of more pixels does; 1 ends that."""
        self._sharpness = factor
        self._ask_for_tiles()

    @Slot()
    def _ask_for_tiles(self) -> None:
        """At the screen's resolution."""
        self._ask(math.inf)

    def _ask(self, seconds: float) -> None:
        rectangle, plane = self._rectangle(), self.content.field_plane()
        contents = self._contents()
        pixels = self.pixels_per_voxel()
        for tiles, name in ((self.tiles, "Field"), (self.other_tiles, "Other run")):
            wanted = name in contents or (name == "Field" and "Residual" in contents)
            if not wanted or rectangle is None or plane is None or not self.isVisible():
                tiles.withdraw()
            else:
                finest = HIGHEST_LEVEL if name in contents else 0
                pixels = max(pixels, 1.0) if finest == 0 else pixels
                tiles.want(plane, rectangle, pixels, finest=finest, seconds=math.inf if finest == 0 else seconds)
        self._show_sign()

    @Slot()
    def _on_arrived(self) -> None:
        """Tiles of a field, or a part of the data."""
        if not self._redraw.isActive():
            self._redraw.start()
        self._show_sign()
        if self.tiles.open_tiles == 0 and self.other_tiles.open_tiles == 0 and not self.content.reading:
            self.refined.emit()

    def _show_sign(self) -> None:
        self.sign.setText(sign(self.content, self._contents()))

    # Drawing

    @Slot()
    def _draw(self) -> None:
        volume, contents = self.studio.volume, self._contents()
        if volume is None or self.plane is None:
            return
        for layer, content in zip(self.view.layers, [*contents, ""], strict=False):
            layer.set_pictures(self.content.pictures(content), self.content.bounds_of(content))
            layer.smooth = content == "Field" and self.tiles.level < self.tiles.wish
        self.view.show_wipe(wiping=len(contents) == 2)
        limit = self.content.residual_limit
        if contents[0] == "Residual":
            self.view.show_bar(DIVERGING, (-limit, limit), self.studio.value_label("difference"))
        else:
            colours = "gray" if self.studio.channel == COLOUR else self.studio.colormap
            self.view.show_bar(colours, self.studio.limits, self.studio.value_label())
        self.view.show_frame(self.content.frame())
        self.view.place_scale_bar(volume.grid.units[self.plane.columns])

    # The user's doings

    @Slot(str)
    def _on_mode(self, mode: str) -> None:
        wiping = mode == "Wipe"
        for box in (self.left, self.right):
            box.setVisible(wiping)
        if wiping:
            (left, right), _ = self.box.viewRange()
            self.view.wipe.setValue((left + right) / 2)
        self.follow()
        self._ask_for_tiles()
        self._redraw.start()
        self.mode_changed.emit(mode)

    @Slot()
    def _on_sides(self) -> None:
        self.sides = [self.left.currentText(), self.right.currentText()]
        self._ask_for_tiles()
        self._redraw.start()

    @Slot()
    def _on_wipe_moved(self) -> None:
        self.view.part_layers(self.view.wipe.value())

    @Slot(int)
    def _on_slider(self, index: int) -> None:
        if self.across is not None:
            self.studio.move_crosshair({self.across: float(index)})

    @Slot()
    def _on_range(self) -> None:
        volume = self.studio.volume
        if volume is None or self.plane is None:
            return
        self.view.place_scale_bar(volume.grid.units[self.plane.columns])
        self._settled.start()

    def _index_at(self, position: object) -> tuple[float, float] | None:
        """Row and column index at a scene position, or None outside the slice."""
        volume = self.studio.volume
        if volume is None or self.plane is None:
            return None
        point = self.box.mapSceneToView(position)
        if not self.content.bounds().contains(point):
            return None
        grid = volume.grid
        rows, columns = self.plane.rows, self.plane.columns
        return (
            (point.y() - grid.origin[rows]) / grid.voxel_size[rows],
            (point.x() - grid.origin[columns]) / grid.voxel_size[columns],
        )

    @Slot(object)
    def _on_hover(self, position: object) -> None:
        found, volume = self._index_at(position), self.studio.volume
        if found is None or volume is None or self.plane is None:
            self.hovered.emit("")
            return
        looks_at_field = bool({"Field", "Residual"} & set(self._contents()))
        self.hovered.emit(readout(self.content, found, looks_at_field=looks_at_field))

    @Slot(object)
    def _on_click(self, event: object) -> None:
        found = self._index_at(event.scenePos())  # type: ignore[attr-defined]
        if found is not None and self.plane is not None and event.button() == Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            self.studio.move_crosshair({self.plane.rows: found[0], self.plane.columns: found[1]})

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        """Shift and wheel moves through the slices; keys move, zoom and fit."""
        if isinstance(event, QWheelEvent) and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            turned = event.angleDelta().y() or event.angleDelta().x()
            self.step(1 if turned > 0 else -1)
            return True
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and watched is self.view:
            return self._on_key(event.key())
        return False

    def step(self, by: int) -> None:
        """Moves to a neighbouring slice."""
        if self.across is not None:
            self.studio.move_crosshair({self.across: round(self.studio.crosshair[self.across]) + by})

    def zoom(self, factor: float) -> None:
        """Zooms about the crosshair (above 1: closer)."""
        centre = pg.Point(self.view.lines[0].value(), self.view.lines[1].value())
        self.box.scaleBy((1 / factor, 1 / factor), center=centre)

    def _on_key(self, key: int) -> bool:
        if self.plane is None:
            return False
        up = -1.0 if self.box.yInverted() else 1.0
        at, rows, columns = self.studio.crosshair, self.plane.rows, self.plane.columns
        moves = {
            Qt.Key.Key_Left: (columns, -1.0), Qt.Key.Key_Right: (columns, 1.0),
            Qt.Key.Key_Up: (rows, up), Qt.Key.Key_Down: (rows, -up),
        }  # fmt: skip
        if key in moves:
            axis, by = moves[Qt.Key(key)]
            self.studio.move_crosshair({axis: round(at[axis]) + by})
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.step(1 if key == Qt.Key.Key_PageUp else -1)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(ZOOM_STEP)
        elif key == Qt.Key.Key_Minus:
            self.zoom(1 / ZOOM_STEP)
        elif key == Qt.Key.Key_Home:
            self.fit_view()
        else:
            return False
        return True
