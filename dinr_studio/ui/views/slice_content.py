"""What a slice pane has to show: the data's plane, the field's tiles, their difference, as images in the world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QRectF, Signal, Slot
from PySide6.QtGui import QImage

from dinr_studio.channels import COLOUR, Component, component
from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.sampling.plane import Plane, colour_plane, data_plane, tile_rectangle
from dinr_studio.ui.colours import DIVERGING, colour_picture, picture
from dinr_studio.ui.studio import Studio
from dinr_studio.ui.views.field_tiles import FieldTiles
from dinr_studio.ui.views.layers import Placed
from dinr_studio.ui.views.stored_slice import StoredSlice
from dinr_studio.volume import Volume


def from_the_top(volume: Volume, rows: int) -> bool:
    """Whether rows along an axis are drawn from the top down, as those of pictures are."""
    reader, axes = volume.provenance.reader, volume.grid.axes
    if reader == "DICOM":
        return axes[rows] == "y"
    return reader in ("image", "TIFF") or (reader == "series" and TIME_AXIS not in axes)


class SliceContent(QObject):
    """Of one plane of the studio's volume, which the pane sets. other_tiles are those of the compared run.

    `data_changed` comes with each part of a plane that is read from its file.
    """

    data_changed = Signal()

    def __init__(self, name: str, studio: Studio, parent: QObject) -> None:
        super().__init__(parent)
        self.studio = studio
        self.plane: Plane | None = None
        self.data: NDArray[np.float32] | None = None
        self.colours: NDArray[np.float32] | None = None  # the data's, where these are what is shown
        self.residual_limit = 1.0
        self.tiles = FieldTiles(f"slice {name}", studio.pictures, self)
        self.other_tiles = FieldTiles(f"slice {name}, other run", studio.pictures, self)
        self._shown_data: tuple[Plane, Component] | None = None
        self._stored: StoredSlice | None = None
        self._images: dict[tuple[object, ...], QImage] = {}

    def field_plane(self) -> Plane | None:
        """The plane in indices of the field's own grid, which is a part of the volume's where a box was fitted."""
        volume, field = self.studio.volume, self.studio.field
        if volume is None or field is None or self.plane is None:
            return None
        world = volume.grid.world(np.array(self.plane.at))
        at = field.run.grid.index(world)
        held = tuple(
            0.0 if i in (self.plane.rows, self.plane.columns) else round(float(index), 6) for i, index in enumerate(at)
        )
        return replace(self.plane, at=held)

    def bounds(self) -> QRectF:
        """The slice's rectangle in the world: x along columns, y along rows."""
        volume = self.studio.volume
        return QRectF(0, 0, 1, 1) if volume is None else self._rectangle_of(volume.grid)

    def frame(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Ranges along columns and rows of the part to fit and export, or None for all."""
        box, volume, plane = self.studio.box, self.studio.volume, self.plane
        if box is None or volume is None or plane is None:
            return None
        grid = volume.grid
        across, up = (
            [grid.origin[axis] + (end - 0.5) * grid.voxel_size[axis] for end in box[axis]]
            for axis in (plane.columns, plane.rows)
        )
        return (across[0], across[1]), (up[0], up[1])

    def bounds_of(self, content: str) -> QRectF:
        """Where a content lies: a field that was fitted to a part ends there, though its coarse tiles reach further."""
        state = {"Field": self.studio.field, "Other run": self.studio.compared}.get(content)
        return self.bounds() if state is None else self._rectangle_of(state.run.grid)

    def _rectangle_of(self, grid: Grid) -> QRectF:
        if self.plane is None:
            return QRectF(0, 0, 1, 1)
        rows, columns = self.plane.rows, self.plane.columns
        left = grid.origin[columns] - grid.voxel_size[columns] / 2
        low = grid.origin[rows] - grid.voxel_size[rows] / 2
        return QRectF(left, low, grid.extent[columns], grid.extent[rows])

    def read_data(self) -> None:
        """Takes the plane out of the data, where it or the channel has changed."""
        volume, channel = self.studio.volume, self.studio.channel
        if volume is None or self.plane is None or self._shown_data == (self.plane, channel):
            return
        self._shown_data = (self.plane, channel)
        self._images.clear()
        if volume.is_stored:
            self.data = self.colours = None
            self._reading().read(volume, self.plane, channel)
            return
        self.data = data_plane(volume, self.plane, channel)
        self.colours = colour_plane(volume, self.plane) if channel == COLOUR else None

    @property
    def reading(self) -> bool:
        """Whether the data's plane is still being read, so that what is shown of it is coarse or lacks some rows."""
        volume = self.studio.volume
        stored = volume is not None and volume.is_stored and self._shown_data is not None
        return stored and self._stored is not None and not (self._stored.complete or self._stored.fault)

    @property
    def data_fault(self) -> str:
        """Why the data's plane could not be read, in a sentence."""
        return self._stored.fault if self._stored is not None else ""

    def _reading(self) -> StoredSlice:
        if self._stored is None:
            self._stored = StoredSlice(self.studio.make_reader(), self)
            self._stored.changed.connect(self._on_read)
        return self._stored

    @Slot()
    def _on_read(self) -> None:
        """Takes over the plane as far as it has been read."""
        values, shown = None if self._stored is None else self._stored.values, self._shown_data
        if values is not None and shown is not None:
            channel = shown[1]
            self.data = component(values, 0 if isinstance(channel, int) else channel).astype(np.float32)
            self.colours = values if channel == COLOUR else None
            self._images = {key: image for key, image in self._images.items() if key[0] != "data"}
        self.data_changed.emit()

    def pictures(self, content: str) -> list[Placed]:
        """What is drawn of a content (Data, Field, Residual, Other run): images at their places in the world."""
        if content == "Data" and self.data is not None:
            key = ("data", self._shown_data)
            if key not in self._images:
                self._images[key] = self._image(self.data, self.colours)
            return [(self._images[key], self.bounds())]
        if content in ("Field", "Other run"):
            return self._tile_pictures(self.tiles if content == "Field" else self.other_tiles, content)
        if content == "Residual":
            return self._residual_picture()
        return []

    def _image(self, values: NDArray[Any], colours: NDArray[np.float32] | None) -> QImage:
        """An image of values (rows, columns), or of red, green and blue (rows, columns, 3) where those are shown."""
        if self.studio.channel == COLOUR and colours is not None:
            return colour_picture(colours, self.studio.limits)
        return picture(values, self.studio.limits, self.studio.colormap)

    def _tile_pictures(self, tiles: FieldTiles, content: str) -> list[Placed]:
        plane = self.field_plane()
        if plane is None:
            return []
        placed: list[Placed] = []
        used: dict[tuple[object, ...], QImage] = {}
        for shown in tiles.shown(plane):
            if shown.values.size == 0:
                continue
            key = (content, shown.tile, shown.version, self.studio.channel)
            image = self._images.get(key)
            if image is None:
                image = self._image(component(shown.values, self.studio.channel), shown.values)
            used[key] = image
            placed.append((image, self._tile_place(shown.tile.level, tile_rectangle(shown.tile), image)))
        self._images = {key: kept for key, kept in self._images.items() if key[0] != content} | used
        return placed

    def _tile_place(self, level: int, corner: tuple[float, float, float], image: QImage) -> QRectF:
        """Where a tile's image lies in the world; a tile at the volume's face has fewer pixels than others."""
        run = self.studio.field.run if self.studio.field is not None else None
        assert run is not None
        assert self.plane is not None
        row, column, _ = corner
        step = 2.0**-level
        y0, dy = run.grid.origin[self.plane.rows], run.grid.voxel_size[self.plane.rows]
        x0, dx = run.grid.origin[self.plane.columns], run.grid.voxel_size[self.plane.columns]
        return QRectF(x0 + column * dx, y0 + row * dy, image.width() * step * dx, image.height() * step * dy)

    def residual(self) -> NDArray[np.float32] | None:
        """Field less data at the data's own voxels, (rows, columns), NaN where either is not known yet."""
        plane, volume = self.field_plane(), self.studio.volume
        if plane is None or volume is None or self.data is None or self.studio.field is None or self.reading:
            return None
        grid = self.studio.field.run.grid
        first = [
            round((grid.origin[a] - volume.grid.origin[a]) / volume.grid.voxel_size[a])
            for a in (plane.rows, plane.columns)
        ]
        field = np.full(self.data.shape, np.nan, dtype=np.float32)
        for shown in self.tiles.shown(plane):
            if shown.tile.level != 0 or shown.values.size == 0:
                continue
            row, column, _ = tile_rectangle(shown.tile)
            top, left = first[0] + round(row + 0.5), first[1] + round(column + 0.5)
            values = component(shown.values, self.studio.channel)
            field[top : top + values.shape[0], left : left + values.shape[1]] = values
        return field - self.data

    def _residual_picture(self) -> list[Placed]:
        residual = self.residual()
        if residual is None:
            return []
        seen = np.abs(residual[np.isfinite(residual)])
        if seen.size:
            low, high = self.studio.limits
            self.residual_limit = max(float(np.percentile(seen, 99.5)), 1e-6 * (high - low))
        limit = self.residual_limit
        return [(picture(residual, (-limit, limit), DIVERGING), self.bounds())]

    def field_value(self, index: tuple[float, float]) -> float | None:
        """The field's value at a row and column index of the volume, from the finest tile there; None without one."""
        plane, volume, state = self.field_plane(), self.studio.volume, self.studio.field
        if plane is None or volume is None or state is None:
            return None
        at = list(self.plane.at if self.plane is not None else ())
        at[plane.rows], at[plane.columns] = index
        own = state.run.grid.index(volume.grid.world(np.array(at)))
        found = None
        for shown in self.tiles.shown(plane):
            row, column, _ = tile_rectangle(shown.tile)
            scale = 2.0**shown.tile.level
            i, j = int((own[plane.rows] - row) * scale), int((own[plane.columns] - column) * scale)
            inside = own[plane.rows] >= row and own[plane.columns] >= column
            if inside and i < shown.values.shape[0] and j < shown.values.shape[1]:
                found = float(component(shown.values[i, j], self.studio.channel))
        return found

    def data_value(self, index: tuple[float, float]) -> float:
        """The data's value at the voxel nearest to a row and column index; NaN where it is missing."""
        if self.data is None or self.reading:
            return float("nan")
        row, column = (int(np.clip(round(i), 0, n - 1)) for i, n in zip(index, self.data.shape, strict=True))
        return float(self.data[row, column])

    def forget_images(self) -> None:
        """Contrast, colours or channel have changed."""
        self._images.clear()

    def forget(self) -> None:
        """Another volume, or none: nothing of the old one stays."""
        self.plane = self._shown_data = None
        self._images.clear()
        if self._stored is not None:
            self._stored.withdraw()

    def set_field(self) -> None:
        """Takes over the studio's fields, or the same ones further on."""
        self.tiles.set_field(self.studio.field)
        self.other_tiles.set_field(self.studio.compared)

    def withdraw(self) -> None:
        """No field is wanted any more."""
        for tiles in (self.tiles, self.other_tiles):
            tiles.set_field(None)
