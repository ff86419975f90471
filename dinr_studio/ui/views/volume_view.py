"""The 3D view: data, field or both, and how they are drawn."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPoint, QSignalBlocker, Qt, QTimer, Slot
from PySide6.QtGui import QImage, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from dinr_studio.sampling.block import Block, spatial_grid
from dinr_studio.ui.panels.parts import enlarge_button
from dinr_studio.ui.studio import Studio
from dinr_studio.ui.theme import icon
from dinr_studio.ui.views.axes_overlay import AxesOverlay
from dinr_studio.ui.views.canvas_holder import CanvasHolder
from dinr_studio.ui.views.level_row import LevelRow
from dinr_studio.ui.views.transfer import TransferFunction
from dinr_studio.ui.views.volume_look import METHODS, Look
from dinr_studio.ui.views.volume_options import FINE, VolumeOptions
from dinr_studio.ui.views.volume_source import VolumeSource

if TYPE_CHECKING:
    from dinr_studio.ui.views.volume_scene import VolumeScene

log = logging.getLogger(__name__)

SOURCES = ("Data", "Field", "Both")
TURN = 5.0  # degrees of an arrow key
NO_OPENGL = "3D needs OpenGL 2.1 or later, which this display does not offer ({error}); the slices work without it."


class VolumeView(QWidget):
    """The fourth pane; its scene is made when it is first needed."""

    def __init__(self, studio: Studio, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.studio = studio
        self.scene: VolumeScene | None = None
        self.overlay: AxesOverlay | None = None
        self.source = VolumeSource(studio, self)
        self.options = VolumeOptions(self)
        self._blocks: dict[str, Block] = {}
        self._make_header()
        self.level_row = LevelRow()
        self.level_row.hide()
        self.level_row.changed.connect(self._restyle_scene)
        self._lay_out()
        self._late = QTimer(self, singleShot=True, interval=60)
        self._late.timeout.connect(self._ask)
        self.source.data_ready.connect(self._on_data)
        self.source.field_ready.connect(self._on_field_ready)
        self.source.progressed.connect(self._show_sign)
        self.options.changed.connect(self._on_options)
        self.options.camera_chosen.connect(self._on_camera)
        self.options.reset_asked.connect(self._on_reset)
        studio.field_changed.connect(self._on_field)
        studio.crosshair_moved.connect(self._on_crosshair)
        studio.limits_changed.connect(self._on_colours)
        studio.colormap_changed.connect(self._on_colours)
        studio.channel_changed.connect(self._on_channel)
        studio.fit.state_changed.connect(self._on_fit_state)

    # Making

    def _make_header(self) -> None:
        self.title, self.sign = QLabel("3D"), QLabel()
        self.title.setProperty("role", "heading")
        self.sign.setProperty("role", "quiet")
        self.shown = QComboBox()
        self.shown.addItems(SOURCES)
        self.shown.setAccessibleName("What the 3D view shows")
        self.shown.setToolTip("Data, field, or both side by side under one camera")
        self.shown.currentTextChanged.connect(self._on_shown)
        self.method = QComboBox()
        self.method.addItems(list(METHODS))
        self.method.setAccessibleName("How the volume is drawn")
        self.method.setToolTip(
            "MIP: the greatest value along each ray; attenuated MIP fades with depth; translucent follows the transfer "
            "function; average; isosurface at a level; a slicing plane at the crosshair"
        )
        self.method.currentTextChanged.connect(self._on_method)
        self.more = QToolButton()
        self.more.setToolTip("Transfer function, clip box, plane, camera, axes")
        self.more.setAccessibleName("Options of the 3D view")
        self.more.clicked.connect(self._on_more)

    def _lay_out(self) -> None:
        header = QHBoxLayout()
        header.setContentsMargins(6, 3, 6, 0)
        header.addWidget(self.title)
        header.addSpacing(8)
        header.addWidget(self.sign)
        header.addStretch(1)
        self.enlarge = enlarge_button("3D")
        for widget in (self.shown, self.method, self.more, self.enlarge):
            header.addWidget(widget)
        self.holder = CanvasHolder()
        self.holder.setAccessibleName("3D view")
        self.holder.installEventFilter(self)
        self.fault = QLabel(self.holder)
        self.fault.setWordWrap(True)
        self.fault.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addLayout(header)
        layout.addWidget(self.level_row)
        layout.addWidget(self.holder, 1)
        self.setMinimumSize(140, 100)

    def _make_scene(self) -> None:
        try:
            import vispy

            vispy.use(app="pyside6")
            from dinr_studio.ui.views.volume_scene import VolumeScene

            self.scene = VolumeScene(self)
        except Exception as error:  # a display without OpenGL fails in many ways, and slices must go on
            log.exception("no 3D view")
            self.fault.setText(NO_OPENGL.format(error=type(error).__name__))
            self.scene = None
            return
        self.fault.hide()
        canvas = self.scene.widget
        canvas.setParent(self.holder)
        canvas.setFocusProxy(self.holder)
        canvas.setGeometry(self.holder.rect())
        canvas.show()
        self.overlay = AxesOverlay(self.scene, self.holder)
        self.overlay.setGeometry(self.holder.rect())
        self.overlay.show()

    # What is shown

    @property
    def usable(self) -> bool:
        """Whether the open volume has three axes in space."""
        volume = self.studio.volume
        return volume is not None and sum(volume.grid.shape[i] > 1 for i in volume.grid.spatial) >= 3

    def showEvent(self, event: QShowEvent) -> None:
        """Draws what was put off while nobody looked."""
        super().showEvent(event)
        self._late.start()

    @Slot()
    def show_volume(self) -> None:
        """Takes over another volume, or the same one with its grid put right."""
        self.source.forget()
        self._blocks.clear()
        volume = self.studio.volume
        if volume is None or not self.usable:
            return
        if self.scene is None and not self.fault.text():
            self._make_scene()
        if self.scene is None or self.overlay is None:
            return
        grid = spatial_grid(volume.grid)
        self.scene.set_grid(grid)
        self.overlay.set_grid(grid)
        for label, axis in zip(self.options.clip_labels, grid.axes, strict=True):
            label.setText(f"Clip {axis}")
        for i, axis in enumerate(grid.axes):
            self.options.axis.setItemText(i, axis)
        self._show_level(3.0)
        self._on_colours()
        self._on_crosshair()
        with QSignalBlocker(self.shown):
            self.shown.setCurrentText("Data" if self.studio.field is None else "Field")
        self._on_shown()

    def look(self) -> Look:
        """How the volume is drawn now."""
        return Look(
            method=self.method.currentText(),
            span=self.studio.span,
            limits=self.studio.limits,
            level=self.level,
            attenuation=4.0 * self.options.attenuation.value() / FINE,
            colours=self.studio.colormap,
            transfer=self.options.transfer.function,
            clip=self.options.clip,
            plane_axis=self.options.axis.currentIndex(),
            plane_thickness=float(self.options.thickness.value()),
        )

    def _frame(self) -> int:
        axis = self.studio.time_axis
        return 0 if axis is None else round(self.studio.crosshair[axis])

    @Slot()
    def _ask(self) -> None:
        """Asks for the blocks that are to be seen; nothing while the pane is hidden."""
        if self.scene is None or not self.usable or not self.isVisible():
            return
        shown = self.shown.currentText()
        if shown in ("Data", "Both"):
            self.source.want_data(self._frame())
        if shown in ("Field", "Both"):
            self.source.want_field(self._field_frame())
        self._show_sign()

    def _field_frame(self) -> float:
        """The frame's index on the field's own grid, which is a part of the volume's where a box was fitted."""
        axis, volume, field = self.studio.time_axis, self.studio.volume, self.studio.field
        if axis is None or volume is None or field is None:
            return 0.0
        return float(field.run.grid.index(volume.grid.world(np.array(self.studio.crosshair)))[axis])

    def _show_blocks(self) -> None:
        if self.scene is None:
            return
        shown = self.shown.currentText()
        names = ("Data", "Field") if shown == "Both" else (shown,)
        for side, name in enumerate((*names, "")[:2]):
            self.scene.set_block(side, self._blocks.get(name))

    @Slot(object)
    def _on_data(self, block: Block) -> None:
        self._blocks["Data"] = block
        self._show_blocks()

    @Slot(object)
    def _on_field_ready(self, block: Block) -> None:
        self._blocks["Field"] = block
        self._show_blocks()

    @Slot()
    def _show_sign(self) -> None:
        shown = self.shown.currentText()
        if shown != "Data" and self.studio.field is None:
            self.sign.setText("no field yet: press Fit")
        elif shown != "Data" and self.source.open_slabs:
            self.sign.setText("refining …")
        else:
            self.sign.setText("")

    # Following the studio

    @Slot()
    def _on_field(self) -> None:
        if self.studio.field is None:
            self._blocks.pop("Field", None)
            self.source.withdraw_field()
            self._show_blocks()
        self._late.start()

    @Slot()
    def _on_crosshair(self) -> None:
        volume = self.studio.volume
        if self.scene is None or volume is None or not self.usable:
            return
        axes = [i for i in volume.grid.spatial][-3:]
        self.scene.set_crosshair(tuple(self.studio.crosshair[i] for i in axes))
        if self.studio.time_axis is not None:
            self._late.start()

    @Slot()
    def _on_colours(self) -> None:
        if self.studio.volume is not None:
            found = self.studio.histogram
            self.options.transfer.show_values(found, self.studio.limits, self.studio.colormap)
        self._restyle_scene()

    @Slot()
    def _restyle_scene(self) -> None:
        if self.scene is not None:
            self.scene.set_look(self.look())

    @Slot()
    def _on_channel(self) -> None:
        self._blocks.clear()
        self._show_level(3.0)
        self._late.start()

    def _show_level(self, sigma: float) -> None:
        """Another volume or channel: the level begins so many standard deviations above the mean, or at the mean."""
        if self.studio.volume is not None:
            found, span = self.studio.histogram, self.studio.span
            self.level_row.set_values(span, found.mean, found.deviation, self.studio.unit)
            level = found.mean + sigma * found.deviation
            self.set_level(level if level < span[1] else found.mean)

    @Slot()
    def _on_fit_state(self) -> None:
        if self.scene is not None:
            self.scene.training = self.studio.fit.running
        if self.studio.fit.running and self.shown.currentText() == "Data":
            self.shown.setCurrentText("Field")
        self._late.start()

    # The user's doings

    @Slot()
    def _on_shown(self) -> None:
        shown = self.shown.currentText()
        if self.scene is not None and self.overlay is not None:
            self.scene.show_two(two=shown == "Both")
            self.overlay.names = ("Data", "Field") if shown == "Both" else (shown,)
            self.scene.pace.forget()
        if shown == "Data":
            self.source.withdraw_field()
        self._show_blocks()
        self._ask()

    @Slot(str)
    def _on_method(self, method: str) -> None:
        self.level_row.setVisible(method == "Isosurface")
        self._restyle_scene()

    @Slot()
    def _on_options(self) -> None:
        if self.scene is not None and self.overlay is not None:
            self.scene.show_guides(box=self.options.box.isChecked(), crosshair=self.options.crosshair.isChecked())
            self.overlay.shows_axes = self.options.axes.isChecked()
            self.overlay.update()
        self._restyle_scene()

    @Slot(str)
    def _on_camera(self, name: str) -> None:
        if self.scene is not None:
            self.scene.set_camera(name)

    @Slot()
    def _on_reset(self) -> None:
        if self.scene is not None:
            self.scene.reset_camera()

    @Slot()
    def _on_more(self) -> None:
        self.options.adjustSize()
        corner = self.more.mapToGlobal(QPoint(self.more.width(), 0))
        screen = self.screen().availableGeometry()
        x = min(corner.x(), screen.right()) - self.options.width()
        y = min(corner.y() + self.more.height(), screen.bottom() - self.options.height())
        self.options.move(max(screen.left(), x), max(screen.top(), y))
        self.options.show()

    def set_level(self, level: float) -> None:
        """The isosurface's level in the value's unit."""
        if self.studio.volume is not None:
            self.level_row.set_level(level)

    @property
    def level(self) -> float:
        """The isosurface's level in the value's unit."""
        return self.level_row.level

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Arrow keys turn, + and − zoom, Home shows all."""
        if self.scene is None or not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        turns = {
            Qt.Key.Key_Left: (-TURN, 0.0),
            Qt.Key.Key_Right: (TURN, 0.0),
            Qt.Key.Key_Up: (0.0, TURN),
            Qt.Key.Key_Down: (0.0, -TURN),
        }
        if event.key() in turns:
            self.scene.turn(*turns[Qt.Key(event.key())])
        elif event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self.scene.zoom(1 / 1.25 if event.key() == Qt.Key.Key_Minus else 1.25)
        elif event.key() == Qt.Key.Key_Home:
            self.scene.reset_camera()
        else:
            return False
        return True

    def set_transfer(self, function: TransferFunction) -> None:
        """Replaces the transfer function."""
        self.options.transfer.set_function(function)

    def picture(self, width: int, height: int) -> QImage | None:
        """The volume drawn finely at a size in pixels; None where there is none."""
        return None if self.scene is None or not self.usable else self.scene.picture(width, height)

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        self.more.setIcon(icon("options", self))
        self.enlarge.setIcon(icon("enlarge", self))

    def stop(self) -> None:
        """Frees the canvas; for closing the program."""
        if self.scene is not None:
            self.scene.close()
