"""How one looks at the open volume: crosshair, channel, contrast, colours, and the part to fit and export."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PySide6.QtCore import QObject, Signal

from dinr_studio.analysis.histogram import Histogram
from dinr_studio.channels import COLOUR, Component, label_of, name_and_unit, unit_of
from dinr_studio.coordinates import TIME_AXIS
from dinr_studio.volume import Volume

Box = tuple[tuple[int, int], ...]


class Looking(QObject):
    """Every change is told by a signal.

    crosshair: index of each axis of the volume (fractional). channel: the one that is shown, or what is made of
    several. limits: contrast in the value's unit. box: start and stop index for each axis, of the part to fit and
    export, or None for all. histograms: of everything that can be shown of the channels, what is shown first, first.
    """

    crosshair_moved = Signal()
    channel_changed = Signal()
    limits_changed = Signal()
    colormap_changed = Signal()
    box_changed = Signal()

    def look_at(self, volume: Volume | None, histograms: Mapping[Component, Histogram]) -> None:
        """Begins to look at another volume, or at none; tells nobody."""
        self.volume, self.histograms = volume, histograms
        self.crosshair = () if volume is None else tuple(float(n // 2) for n in volume.grid.shape)
        self.channel: Component = next(iter(histograms), 0)
        self.limits = histograms[self.channel].contrast if histograms else (0.0, 1.0)
        self.colormap = "gray"
        self.box: Box | None = None

    def move_crosshair(self, changes: Mapping[int, float]) -> None:
        """Sets the crosshair's index along some axes, kept within the volume."""
        if self.volume is None:
            return
        at = list(self.crosshair)
        for axis, index in changes.items():
            at[axis] = float(np.clip(index, 0, self.volume.grid.shape[axis] - 1))
        if tuple(at) != self.crosshair:
            self.crosshair = tuple(at)
            self.crosshair_moved.emit()

    @property
    def time_axis(self) -> int | None:
        """The position of the time axis, or None."""
        if self.volume is None or TIME_AXIS not in self.volume.grid.axes:
            return None
        return self.volume.grid.axes.index(TIME_AXIS)

    @property
    def components(self) -> tuple[Component, ...]:
        """What can be shown of the open volume's channels."""
        return tuple(self.histograms)

    @property
    def histogram(self) -> Histogram:
        """How the values that are shown are spread."""
        return self.histograms[self.channel]

    @property
    def span(self) -> tuple[float, float]:
        """Least and greatest value of what is shown, in its unit."""
        if self.volume is None:
            return 0.0, 1.0
        if isinstance(self.channel, int):
            return self.volume.channel_ranges[self.channel]
        return float(self.histogram.edges[0]), float(self.histogram.edges[-1])

    @property
    def unit(self) -> str:
        """The unit of the values that are shown."""
        volume = self.volume
        if volume is None or not isinstance(self.channel, int):
            return "" if volume is None else volume.value_unit
        return unit_of(volume.channel_names, volume.value_unit, self.channel)

    def value_label(self, otherwise: str = "value") -> str:
        """What is shown, with its unit, as the title of a scale of values; otherwise: of one channel without a unit."""
        if self.volume is None or self.volume.channels == 1:
            return self.unit or otherwise
        if self.channel == COLOUR:
            return "red, green, blue"
        name, _ = name_and_unit(label_of(self.volume.channel_names, self.channel))
        return f"{name} ({self.unit})" if self.unit else name

    def set_channel(self, channel: Component) -> None:
        """Chooses the channel that is shown, or what is made of several, with its automatic contrast."""
        if self.volume is not None and channel != self.channel:
            self.channel = channel
            self.limits = self.histograms[channel].contrast
            self.channel_changed.emit()
            self.limits_changed.emit()

    def set_limits(self, low: float, high: float) -> None:
        """Sets the contrast limits."""
        if high > low and (low, high) != self.limits:
            self.limits = (float(low), float(high))
            self.limits_changed.emit()

    def set_colormap(self, name: str) -> None:
        """Chooses the colours."""
        if name != self.colormap:
            self.colormap = name
            self.colormap_changed.emit()

    def set_box(self, box: Box | None) -> None:
        """Chooses the part to fit and export; None is all of it."""
        if (
            self.volume is not None
            and box is not None
            and all(b == (0, n) for b, n in zip(box, self.volume.grid.shape, strict=True))
        ):
            box = None
        if box != self.box:
            self.box = box
            self.box_changed.emit()

    def box_in_world(self) -> tuple[tuple[float, float], ...] | None:
        """The box's outer faces (low, high) along each axis in world units, or None for all of the volume."""
        if self.volume is None or self.box is None:
            return None
        grid = self.volume.grid
        return tuple(
            (origin + (start - 0.5) * size, origin + (stop - 0.5) * size)
            for (start, stop), origin, size in zip(self.box, grid.origin, grid.voxel_size, strict=True)
        )
