"""What the windows on belief share: which channel and frame, a file from the disk, and pictures of what is positive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from dinr_studio.coordinates import TIME_AXIS
from dinr_studio.errors import DataNotFound
from dinr_studio.experiments.repeat import changed_settings
from dinr_studio.training.run import Run
from dinr_studio.ui.analysis.parts import PictureStrip, choice, whole_number
from dinr_studio.ui.colours import number, picture
from dinr_studio.volume import Volume

if TYPE_CHECKING:
    from dinr_studio.experiments.belief.maps import Choice
    from dinr_studio.ui.main_window import MainWindow
    from dinr_studio.ui.studio import Studio

GREYS = "CET-L1"
MASKS = {"none": "none", "soft sphere": "sphere", "soft box": "box", "a file": "file"}


class WhichPart:
    """Two number fields: a channel and, of data with time, a frame; those without a choice are switched off."""

    def __init__(self) -> None:
        self.channel = whole_number("Channel", "Which channel, counted from 0", 0, 0, 0)
        self.frame = whole_number("Frame", "Which frame of data with time, counted from 0", 0, 0, 0)

    def follow(self, volume: Volume | None) -> None:
        """Takes over what the open volume has."""
        axes = () if volume is None else volume.grid.axes
        frames = volume.grid.shape[axes.index(TIME_AXIS)] if volume is not None and TIME_AXIS in axes else 1
        for spin, count in ((self.channel, 1 if volume is None else volume.channels), (self.frame, frames)):
            spin.setMaximum(count - 1)
            spin.setEnabled(count > 1)

    def choice(self) -> Choice:
        """What is chosen, for the core."""
        from dinr_studio.experiments.belief.maps import Choice

        return Choice(self.channel.value(), self.frame.value() if self.frame.isEnabled() else None)

    def words(self) -> list[object]:
        """The same as options of the shell."""
        words: list[object] = ["--channel", self.channel.value()] if self.channel.value() else []
        return words + (["--frame", self.frame.value()] if self.frame.isEnabled() else [])


class MaskChoice:
    """A mask and, for one from the disk, its file; `follow` is to be called when the choice has changed."""

    def __init__(self) -> None:
        self.kind = choice("Mask", "Correlation that a mask makes by itself is taken off", MASKS)
        self.file = FileRow("Mask file", "1 inside, 0 outside, on the maps' grid")

    def follow(self) -> None:
        """Switches the file by the choice."""
        self.file.setEnabled(self.kind.currentData() == "file")

    @property
    def wanted(self) -> str:
        """The mask in the shell's words; empty where a file is wanted and not named."""
        chosen: str = self.kind.currentData()
        return self.file.text if chosen == "file" else chosen


class FileRow(QWidget):
    """A file or folder by name, with a button to look for it."""

    def __init__(self, name: str, tip: str, *, folder: bool = False) -> None:
        super().__init__()
        self._name, self._ask = name, QFileDialog.getExistingDirectory if folder else _open_file
        self.edit, self.browse = QLineEdit(), QPushButton("Browse …")
        self.edit.setAccessibleName(name)
        self.edit.setToolTip(tip)
        self.browse.setAccessibleName(f"Browse for {name.lower()}")
        self.browse.setToolTip(f"Look for {name.lower()} on the disk")
        self.setAccessibleName(name)
        self.setFocusProxy(self.edit)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.edit, 1)
        layout.addWidget(self.browse)
        self.browse.clicked.connect(self._on_browse)

    @property
    def text(self) -> str:
        """What is named, or nothing."""
        return self.edit.text().strip()

    @Slot()
    def _on_browse(self) -> None:
        found = self._ask(self, self._name, self.text)
        if found:
            self.edit.setText(found)


class Pictures(PictureStrip):
    """Slices side by side, each in its own range, which the caption tells."""

    def show_slices(self, slices: Sequence[NDArray[np.float64]], names: Sequence[str], unit: str) -> None:
        """Shows values (rows, columns) from the least to the greatest in grey."""
        self._images, self._instead = [], ""
        for values, name in zip(slices, names, strict=True):
            low, high = float(values.min()), float(values.max())
            caption = f"{name}: {number(low, 3)} to {number(high, 3)} {unit}".rstrip()
            self._images.append((picture(values.astype(np.float32), (low, high), GREYS), caption))
        self.update()


def middle(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The middle slice (rows, columns) of a map of two or three axes."""
    while values.ndim > 2:
        values = values[len(values) // 2]
    return values


def data_of(studio: Studio, run: Run) -> Volume:
    """The open volume, or the part of it, that a run was fitted to; DataNotFound where it is not open."""
    for volume in (studio.volume, studio.fitted_volume):
        if volume is not None and volume.grid.shape == run.grid.shape and volume.channels == run.channels:
            return volume
    raise DataNotFound("The data that the run was fitted to is not open; open the run with its data.")


def asked_of(main: MainWindow) -> tuple[str, str, dict[str, Any]]:
    """Preset, family and settings of the Field panel, as several fits are asked for; see `asked_fault`."""
    config = main.field_panel.config
    if config is None:
        raise AssertionError("no settings")
    return config.preset, config.field.family, changed_settings(config, main.field_panel.usual)


def asked_fault(main: MainWindow) -> str:
    """Why no fits can begin now, in a sentence, or nothing."""
    if main.studio.volume is None:
        return "Open a volume first: the fits are made to it."
    if main.field_panel.config is None:
        return "The Field panel is still working its settings out; try again in a moment."
    return ""


def _open_file(parent: QWidget, title: str, before: str) -> str:
    return QFileDialog.getOpenFileName(parent, title, before)[0]
