"""Saving a turn around the volume as a movie, drawn frame by frame while the window stays alive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QSize, QTimer, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QLabel, QSpinBox, QWidget

from dinr_studio.errors import DinrError, OutputError
from dinr_studio.io.atomic import free_bytes
from dinr_studio.memory import available_bytes
from dinr_studio.needs import Needs
from dinr_studio.ui.colours import number
from dinr_studio.ui.dialogs.encoding import Frame, write_gif, write_numbered
from dinr_studio.ui.dialogs.figure import stretched, volume_picture
from dinr_studio.ui.dialogs.place import PlaceRow
from dinr_studio.ui.dialogs.saving import SaveDialog, Step, stem_of
from dinr_studio.ui.exporting import ExportJob
from dinr_studio.ui.views.volume_view import VolumeView
from dinr_studio.words import bytes_in_words

if TYPE_CHECKING:
    from dinr_studio.ui.main_window import MainWindow

FORMATS = {".gif": "GIF", "": "Folder of numbered PNGs"}
LEGIBLE = 480  # a movie whose shorter side has more pixels is drawn with larger writing
BETWEEN, HIDDEN = 5, 500  # milliseconds between two frames, for the window; and while the 3D view is hidden
AHEAD = 4  # frames that wait for the encoder, at most
TICK = 10  # milliseconds: a GIF's unit of time
FASTEST = 2  # ticks of a frame: players slow down what is faster
BYTES_OF_PIXEL = 4  # of a frame that waits, and of a PNG at most
NO_VIEW = "The 3D view shows nothing that could turn; open a volume with three axes in space and show the 3D view."
WAITING = "waiting until the 3D view is shown again"


@dataclass(frozen=True)
class Plan:
    """A movie to be made. seconds: of one turn; suffix: .gif, or nothing for a folder of PNGs."""

    path: Path
    frames: int
    width: int
    height: int
    seconds: float

    @property
    def ticks(self) -> int:
        """How long a GIF shows a frame, in its own unit of time."""
        return round(1000 * self.seconds / self.frames / TICK)


def needs_of(plan: Plan) -> Needs:
    """What a movie takes: a GIF is made in memory, one byte a pixel; of PNGs only some frames are there at once."""
    pixels = plan.frames * plan.width * plan.height
    one = plan.width * plan.height * BYTES_OF_PIXEL
    gif = plan.path.suffix.lower() == ".gif"
    try:
        room = free_bytes(plan.path)
    except DinrError:  # a folder that is not there is told as a fault of the place
        room = None
    smaller = (f"PNGs take {bytes_in_words(AHEAD * one)} of memory",) if gif else ()
    return Needs(
        "The movie",
        (pixels if gif else 0) + AHEAD * one,
        available_bytes(),
        pixels * (1 if gif else BYTES_OF_PIXEL),
        room,
        smaller=(*smaller, "or choose a smaller size"),
    )


class MovieDialog(SaveDialog):
    """Asks how long, how large, as what and where to."""

    def __init__(self, view: VolumeView, folder: Path, parent: QWidget | None = None) -> None:
        name = f"{stem_of(view.studio.file)}_turn.gif"
        super().__init__("Save a movie of one turn", PlaceRow(folder, name, FORMATS), parent)
        self.frames, self.seconds = QSpinBox(minimum=2, maximum=1440), QDoubleSpinBox(minimum=0.1, maximum=600.0)
        self.width_px, self.height_px = QSpinBox(minimum=64, maximum=3840), QSpinBox(minimum=64, maximum=3840)
        self.format, self.pace = QComboBox(), QLabel()
        self.format.addItems(list(FORMATS.values()))
        self.pace.setProperty("role", "quiet")
        for spin, value, name, unit in (
            (self.frames, 90, "Frames of one turn", ""),
            (self.seconds, 6, "Duration of one turn", " s"),
            (self.width_px, 640, "Width in pixels", " pixels"),
            (self.height_px, 480, "Height in pixels", " pixels"),
        ):
            spin.setValue(value)
            spin.setSuffix(unit)
            spin.setAccessibleName(name)
            spin.setToolTip(name)
            spin.valueChanged.connect(self.follow)
        self.format.setAccessibleName("Format")
        self.format.setToolTip("A GIF plays everywhere; PNGs lose nothing and go into any video program")
        self.format.currentTextChanged.connect(self._on_format)
        rows = {"F&rames": self.frames, "&Duration": self.seconds, "&Width": self.width_px, "&Height": self.height_px}
        self.lay_out({**rows, "F&ormat": self.format})
        self.form.insertRow(len(rows), "", self.pace)

    @property
    def plan(self) -> Plan:
        """What was chosen."""
        return Plan(
            self.place.path, self.frames.value(), self.width_px.value(), self.height_px.value(), self.seconds.value()
        )

    def fault(self) -> str:
        """What is wrong in a sentence, or nothing."""
        plan, suffix = self.plan, self.place.suffix
        if self.place.edit.text().strip() and suffix not in FORMATS:
            return f"{plan.path.name} names no format; end it in .gif, or in nothing for a folder of PNGs."
        if suffix == "" and plan.path.exists():
            return f"{plan.path} exists already; choose the name of a new folder."
        if suffix == ".gif" and plan.ticks < FASTEST:
            return "A GIF shows at most 50 frames a second; choose fewer frames or a longer duration."
        return super().fault() or needs_of(plan).fault

    @Slot()
    def follow(self) -> None:
        """Says what is wrong, and how fast the movie is."""
        super().follow()
        self.pace.setText(f"{number(self.frames.value() / self.seconds.value(), 3)} frames a second")
        self.format.setCurrentText(FORMATS.get(self.place.suffix, self.format.currentText()))

    @Slot(str)
    def _on_format(self, name: str) -> None:
        suffix = next(suffix for suffix, known in FORMATS.items() if known == name)
        if suffix != self.place.suffix:
            self.place.edit.setText(str(self.place.path.with_suffix(suffix)))


class MovieJob(ExportJob):
    """Draws frames in the window's thread, a short while apart, and encodes them in another."""

    def __init__(self, view: VolumeView, plan: Plan) -> None:
        self._waiting: SimpleQueue[Frame | None] = SimpleQueue()
        said = f"The movie is in {plan.path}: {plan.frames} frames of {plan.width} × {plan.height} pixels."
        super().__init__(plan.path, lambda threads: _encode(plan, self._waiting), lambda report: said)
        self._view, self._plan = view, plan
        self._drawn = 0
        self._tick = QTimer(self, interval=BETWEEN)
        self._tick.timeout.connect(self._on_tick)

    def start(self) -> None:
        """Begins to draw and to encode."""
        scene = self._view.scene
        self._camera = {} if scene is None else scene.camera.get_state()
        super().start()
        self._view.studio.volume_opened.connect(self.cancel)
        self._tick.start()

    @Slot()
    def cancel(self) -> None:
        """Gives up; no file is left behind."""
        super().cancel()
        self._tick.stop()
        self._waiting.put(None)

    @Slot()
    def _on_tick(self) -> None:
        self._tick.setInterval(BETWEEN if self._view.isVisible() else HIDDEN)
        if self._work is None:  # the encoder has failed
            self._tick.stop()
        elif not self._view.isVisible():
            self._tell(WAITING)
        elif self._waiting.qsize() < AHEAD:
            self._draw()

    def _draw(self) -> None:
        plan = self._plan
        image = turned_picture(
            self._view, self._camera, 360 * self._drawn / plan.frames, QSize(plan.width, plan.height)
        )
        if image.isNull():
            self.cancel()
            return
        self._waiting.put(as_frame(image))
        self._drawn += 1
        self._tell(f"frame {self._drawn} of {plan.frames}")
        if self._drawn == plan.frames:
            self._tick.stop()
            self._tell("writing the file")


def turned_picture(view: VolumeView, camera: dict[str, object], degrees: float, size: QSize) -> QImage:
    """The 3D view from a camera turned about the vertical axis; the view's own camera is back on leaving."""
    scene = view.scene
    if scene is None:
        return QImage()
    ratio = max(1.0, min(size.width(), size.height()) / LEGIBLE)
    before = scene.camera.get_state()
    try:
        with stretched(view, size / ratio):
            scene.camera.set_state(dict(camera))
            scene.turn(degrees)
            return volume_picture(view, size, ratio)
    finally:
        scene.camera.set_state(before)


def as_frame(image: QImage) -> Frame:
    """A picture's plain bytes, which may cross threads."""
    plain = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(plain.constBits(), np.uint8).reshape(plain.height(), plain.bytesPerLine())
    return Frame(plain.width(), plain.height(), rows[:, : 3 * plain.width()].tobytes())


def save_movie(window: MainWindow, view: VolumeView, folder: Path) -> None:
    """Asks, then draws and writes."""
    if view.scene is None or not view.usable or not view.isVisible():
        window.studio.failed.emit(NO_VIEW)
        return
    dialog = MovieDialog(view, folder, window)
    if dialog.exec():
        window.jobs.start(MovieJob(view, dialog.plan))
    dialog.deleteLater()


class _GivenUpError(Exception):
    """No more frames will come."""


def _encode(plan: Plan, waiting: SimpleQueue[Frame | None]) -> Iterator[Step]:
    """Takes frames as they come, in the work's thread; no report and no file where there are too few."""

    def frames() -> Iterator[Frame]:
        for _ in range(plan.frames):
            frame = waiting.get()
            if frame is None:
                raise _GivenUpError
            yield frame

    try:
        if plan.path.suffix.lower() == ".gif":
            write_gif(plan.path, frames(), TICK * plan.ticks)
        else:
            write_numbered(plan.path, frames())
    except _GivenUpError:
        return
    except MemoryError as error:
        raise OutputError(f"Memory ran out for {plan.path}; choose a smaller size, or PNGs.") from error
    yield Step(plan.frames, plan.frames, 0.0, plan.path)
