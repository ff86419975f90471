"""The 3D view's options: transfer function, clip box, slicing plane, camera, and what is drawn around the volume."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QGridLayout,
    QLabel,
    QPushButton,
    QSlider,
    QWidget,
)

from dinr_studio.ui.views.transfer import TransferEditor
from dinr_studio.ui.views.volume_look import CAMERAS, Clip

FINE = 200  # ticks of a slider over its whole range


class VolumeOptions(QFrame):
    """Pops up beside its button; tells of every change at once."""

    changed = Signal()
    camera_chosen = Signal(str)
    reset_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.transfer = TransferEditor()
        self.transfer.changed.connect(self.changed)
        self.attenuation = self._slider(
            "Attenuation", "How quickly the attenuated MIP fades with depth", 0, FINE, FINE // 4
        )
        self.axis = QComboBox()
        self.axis.addItems(["z", "y", "x"])
        self.axis.setAccessibleName("Axis of the slicing plane")
        self.axis.setToolTip("The slicing plane stands across this axis, at the crosshair")
        self.axis.currentIndexChanged.connect(self.changed)
        self.thickness = self._slider(
            "Thickness of the slicing plane", "Voxels that the slicing plane is thick", 1, 64, 1
        )
        self.camera = QComboBox()
        self.camera.addItems(list(CAMERAS))
        self.camera.setAccessibleName("Camera")
        self.camera.setToolTip("Turntable keeps the z axis upright; arcball turns freely")
        self.camera.currentTextChanged.connect(self.camera_chosen)
        self.box, self.axes, self.crosshair = (
            self._check(name, tip)
            for name, tip in (
                ("Box", "The volume's faces"),
                ("Axes", "Ticks in physical units"),
                ("Crosshair", "The slices' crosshair"),
            )
        )
        self.ends = [
            (
                self._slider(f"Clip box, first of {axis}", "Cuts away what lies before", 0, FINE, 0),
                self._slider(f"Clip box, last of {axis}", "Cuts away what lies beyond", 0, FINE, FINE),
            )
            for axis in "zyx"
        ]
        self.reset = QPushButton("Reset view")
        self.reset.setToolTip("Camera and clip box as they were at first")
        self.reset.clicked.connect(self._on_reset)
        self._lay_out()

    def _slider(self, name: str, tip: str, low: int, high: int, value: int) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(low, high)
        slider.setValue(value)
        slider.setAccessibleName(name)
        slider.setToolTip(tip)
        slider.valueChanged.connect(self.changed)
        return slider

    def _check(self, name: str, tip: str) -> QCheckBox:
        check = QCheckBox(name)
        check.setChecked(True)
        check.setToolTip(tip)
        check.toggled.connect(self.changed)
        return check

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(10, 8, 10, 8)
        form.addRow(QLabel("Opacity by value (translucent, MIP)"))
        form.addRow(self.transfer)
        form.addRow("Attenuation", self.attenuation)
        form.addRow("Plane across", self.axis)
        form.addRow("Plane thickness", self.thickness)
        self.clip_labels = []
        for axis, (first, last) in zip("zyx", self.ends, strict=True):
            pair = QGridLayout()
            pair.addWidget(first, 0, 0)
            pair.addWidget(last, 0, 1)
            label = QLabel(f"Clip {axis}")
            self.clip_labels.append(label)
            form.addRow(label, pair)
        form.addRow("Camera", self.camera)
        checks = QGridLayout()
        for i, check in enumerate((self.box, self.axes, self.crosshair)):
            checks.addWidget(check, 0, i)
        form.addRow("Show", checks)
        form.addRow(self.reset)

    @property
    def clip(self) -> Clip:
        """Shares (start, stop) of the box that are kept along z, y and x."""
        spans = []
        for first, last in self.ends:
            a, b = first.value() / FINE, last.value() / FINE
            spans.append((min(a, b), max(a, b)))
        return tuple(spans)

    def _on_reset(self) -> None:
        for first, last in self.ends:
            first.setValue(0)
            last.setValue(FINE)
        self.reset_asked.emit()
