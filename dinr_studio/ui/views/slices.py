"""The linked slices of a volume: three for 3D, one for 2D, and a bar for time where there is time."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QApplication, QSplitter, QVBoxLayout, QWidget

from dinr_studio.ui.studio import Studio
from dinr_studio.ui.views.slice_pane import MODES, SlicePane
from dinr_studio.ui.views.time_bar import TimeBar
from dinr_studio.ui.views.volume_view import VolumeView

Place = SlicePane | VolumeView


class Slices(QWidget):
    """All slice panes; corner is the widget that fills the fourth place beside three slices (the 3D view)."""

    hovered = Signal(str)

    def __init__(self, studio: Studio, corner: VolumeView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.studio = studio
        self.panes = tuple(SlicePane(name, studio) for name in ("XY", "XZ", "YZ"))
        self.corner = corner
        self._deep = False
        self.time = TimeBar(studio)
        self._lay_out()
        self.alone: Place | None = None
        for pane in self.panes:
            pane.hovered.connect(self.hovered)
        places: tuple[Place, ...] = (*self.panes, corner)
        for place in places:
            place.enlarge.toggled.connect(partial(self._on_enlarge, place))
        studio.volume_opened.connect(self._on_opened)
        studio.crosshair_moved.connect(self._on_moved)
        studio.field_changed.connect(self._on_field)
        for signal in (studio.limits_changed, studio.colormap_changed, studio.channel_changed, studio.box_changed):
            signal.connect(self._on_colours)
        studio.grid_changed.connect(self._on_grid)

    def _lay_out(self) -> None:
        self.left = QSplitter(Qt.Orientation.Vertical)
        self.right = QSplitter(Qt.Orientation.Vertical)
        self.left.addWidget(self.panes[0])
        self.left.addWidget(self.panes[2])
        self.right.addWidget(self.panes[1])
        self.right.addWidget(self.corner)
        self.halves = QSplitter(Qt.Orientation.Horizontal)
        self.halves.addWidget(self.left)
        self.halves.addWidget(self.right)
        for splitter in (self.left, self.right, self.halves):
            splitter.setChildrenCollapsible(True)
            splitter.setSizes([500, 500])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.halves, 1)
        layout.addWidget(self.time)

    def show_volume(self) -> None:
        """Takes over another volume."""
        volume = self.studio.volume
        if volume is None:
            return
        grid = volume.grid
        spatial = [axis for axis in grid.spatial if grid.shape[axis] > 1] or list(grid.spatial)
        if len(spatial) < 2:
            spatial = [axis for axis in range(len(grid.shape)) if grid.shape[axis] > 1]
        deep = len(spatial) >= 3
        if deep:
            z, y, x = spatial[-3:]
            places: tuple[tuple[int, int, int | None], ...] = ((y, x, z), (z, x, y), (z, y, x))
        else:
            places = ((spatial[0], spatial[1], None),)
        self._deep = deep
        self.show_alone(None)
        for pane, (rows, columns, across) in zip(self.panes, places, strict=False):
            pane.set_axes(rows, columns, across)
        self.time.follow()
        self.restyle()

    @property
    def shown(self) -> tuple[SlicePane, ...]:
        """The panes that are to be seen."""
        return tuple(pane for pane in self._in_use if not pane.isHidden())

    @property
    def _in_use(self) -> tuple[SlicePane, ...]:
        """The panes that the volume has a plane for; those behind an enlarged one follow it too."""
        return tuple(pane for pane in self.panes if pane.plane is not None)

    def show_alone(self, place: Place | None) -> None:
        """One pane (or the 3D view) fills everything; None shows all again."""
        self.alone = place if self._deep else None
        places: tuple[Place, ...] = (*self.panes, self.corner)
        for one in places:
            wanted = one is self.alone if self.alone is not None else self._deep or one is self.panes[0]
            one.setVisible(wanted)
            with QSignalBlocker(one.enlarge):
                one.enlarge.setChecked(one is self.alone)
            one.enlarge.setVisible(self._deep)
        for half, members in ((self.left, (self.panes[0], self.panes[2])), (self.right, (self.panes[1], self.corner))):
            half.setVisible(any(not member.isHidden() for member in members))

    def _on_enlarge(self, place: Place, alone: bool) -> None:
        self.show_alone(place if alone else None)

    def toggle_alone(self) -> None:
        """Shows the place that has the focus alone (the first, where none has), or all again."""
        focus = QApplication.focusWidget()
        places: tuple[Place, ...] = (*self.panes, self.corner)
        inside = (place for place in places if focus is not None and place.isAncestorOf(focus))
        focused = next(inside, self.panes[0])
        self.show_alone(None if self.alone is not None else focused)

    def set_mode(self, mode: str) -> None:
        """Lets every pane show the same: one of MODES."""
        for pane in self.panes:
            pane.mode.setCurrentIndex(MODES.index(mode))

    def fit_view(self) -> None:
        """Shows every slice whole."""
        for pane in self.shown:
            pane.fit_view()

    def zoom(self, factor: float) -> None:
        """Zooms every pane about the crosshair."""
        for pane in self.shown:
            pane.zoom(factor)

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        for pane in self.panes:
            pane.restyle()
        self.time.restyle()

    @Slot()
    def _on_opened(self) -> None:
        """The planes of the volume before may not exist in this one: none is drawn until `show_volume`."""
        for pane in self.panes:
            pane.forget()

    @Slot()
    def _on_moved(self) -> None:
        for pane in self._in_use:
            pane.follow()
        self.time.follow()

    @Slot()
    def _on_field(self) -> None:
        for pane in self._in_use:
            pane.field_changed()

    @Slot()
    def _on_colours(self) -> None:
        for pane in self._in_use:
            pane.recolour()

    @Slot()
    def _on_grid(self) -> None:
        for pane in self._in_use:
            pane.grid_changed()
        self.time.follow()
