"""Time: a slider through the frames, and playing them, between the recorded ones too where a field is shown."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSlider, QSpinBox, QToolButton, QWidget

from dinr_studio.ui.colours import with_unit
from dinr_studio.ui.studio import Studio
from dinr_studio.ui.theme import icon

FRAMES_PER_SECOND, FASTEST = 8, 30
BETWEEN = {"recorded": 1, "2 a frame": 2, "4 a frame": 4, "8 a frame": 8}  # pictures for each recorded frame
MOST_WAIT = 2.0  # seconds that playing waits for a picture to be finished


class TimeBar(QWidget):
    """Moves through the time of a volume with a time axis; playing waits for the field's pictures."""

    def __init__(self, studio: Studio, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.studio = studio
        self._moved = 0.0
        self.play = QToolButton()
        self.play.setCheckable(True)
        self.play.setToolTip("Play the frames (Space)")
        self.play.setAccessibleName("Play the frames")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Time")
        self.label = QLabel()
        self.label.setMinimumWidth(190)
        self._make_choices()
        self.timer = QTimer(self, interval=1000 // FRAMES_PER_SECOND)
        self.timer.timeout.connect(self._on_tick)
        self.play.toggled.connect(self._on_play)
        self.slider.valueChanged.connect(self._on_slider)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 2)
        for widget in (QLabel("Time"), self.play, self.slider, self.label, self.between, self.speed):
            layout.addWidget(widget, 1 if widget is self.slider else 0)

    def _make_choices(self) -> None:
        self.between = QComboBox()
        self.between.addItems(list(BETWEEN))
        self.between.setAccessibleName("Frames between the recorded ones")
        self.between.setToolTip(
            "The recorded frames alone, or so many pictures for each: the field knows what lies between them"
        )
        self.between.currentTextChanged.connect(self._on_between)
        self.speed = QSpinBox()
        self.speed.setRange(1, FASTEST)
        self.speed.setValue(FRAMES_PER_SECOND)
        self.speed.setSuffix(" / s")
        self.speed.setAccessibleName("Pictures per second")
        self.speed.setToolTip("Pictures per second, at most: playing waits until each picture of a field is there")
        self.speed.valueChanged.connect(lambda speed: self.timer.setInterval(1000 // speed))

    @property
    def _parts(self) -> int:
        """Positions of the slider for each recorded frame."""
        return BETWEEN[self.between.currentText()]

    def follow(self) -> None:
        """Takes over the volume and the time that is shown."""
        axis, volume = self.studio.time_axis, self.studio.volume
        self.setVisible(axis is not None)
        if axis is None or volume is None:
            self.play.setChecked(False)
            return
        at, count = self.studio.crosshair[axis], volume.grid.shape[axis]
        self.slider.blockSignals(True)
        self.slider.setRange(0, (count - 1) * self._parts)
        self.slider.setPageStep(self._parts)
        self.slider.setValue(round(at * self._parts))
        self.slider.blockSignals(False)
        time = volume.grid.origin[axis] + at * volume.grid.voxel_size[axis]
        said = volume.grid.moment(time) or with_unit(time, volume.grid.units[axis])
        self.label.setText(f"{at + 1:.5g} of {count}  ·  {said}")
        self.label.setToolTip(with_unit(time, volume.grid.units[axis]))

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        self.play.setIcon(icon("pause" if self.play.isChecked() else "play", self))

    @Slot(bool)
    def _on_play(self, playing: bool) -> None:
        self.timer.start() if playing else self.timer.stop()
        self.restyle()

    @Slot()
    def _on_tick(self) -> None:
        axis, volume = self.studio.time_axis, self.studio.volume
        if axis is None or volume is None:
            self.play.setChecked(False)
            return
        now = time.monotonic()
        if not self.studio.pictures.idle and now - self._moved < MOST_WAIT:
            return
        self._moved = now
        last = (volume.grid.shape[axis] - 1) * self._parts
        position = round(self.studio.crosshair[axis] * self._parts)
        self._go_to(0 if position >= last else position + 1)

    @Slot(int)
    def _on_slider(self, position: int) -> None:
        self._go_to(position)

    @Slot(str)
    def _on_between(self, chosen: str) -> None:
        """A time between frames is left where only the recorded ones are wanted."""
        if self.studio.time_axis is not None:
            self._go_to(round(self.studio.crosshair[self.studio.time_axis] * self._parts))
        self.follow()

    def _go_to(self, position: int) -> None:
        if self.studio.time_axis is not None:
            self.studio.move_crosshair({self.studio.time_axis: position / self._parts})
