"""From what lies in a file to values in the program's order of axes on a grid, put right by what the user said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import SPATIAL_AXES, TIME_AXIS, Grid
from dinr_studio.errors import ConfigError, FileFormatError
from dinr_studio.io.content import Content, Layout
from dinr_studio.stored import StoredValues

CHANNEL_AXIS = "c"
AXIS_ORDER = (TIME_AXIS, *SPATIAL_AXES, CHANNEL_AXIS)

Values = NDArray[Any] | StoredValues


def checked_axes(axes: str, content: Content) -> str:
    """The letters that the user gave for the array's dimensions, or ConfigError."""
    axes = axes.lower()
    if len(axes) != len(content.values.shape) or len(set(axes)) != len(axes) or set(axes) - set(AXIS_ORDER):
        raise ConfigError(
            f"The axes {axes!r} do not name the array's {len(content.values.shape)} dimensions {content.values.shape}; "
            "give one different letter of t, z, y, x and c for each."
        )
    return axes


def arranged(content: Content) -> tuple[Values, Grid]:
    """Values as (t, z, y, x, channels), as far as there, and their grid."""
    order = sorted(range(len(content.axes)), key=lambda i: AXIS_ORDER.index(content.axes[i]))
    letters = [content.axes[i] for i in order]
    has_channels = CHANNEL_AXIS in letters
    values: Values
    if content.layout is not None:
        values = _stored(content, content.layout, order, has_channels=has_channels)
    else:
        values = np.asarray(content.values).transpose(order)
        values = values if has_channels else values[..., np.newaxis]
    if has_channels:
        letters.remove(CHANNEL_AXIS)
    if not letters:
        raise FileFormatError("The array has channels but no axis to lie along; state --axes.")
    if values.size == 0:
        raise FileFormatError(f"The array is empty (shape {content.values.shape}); choose one that holds values.")
    grid = Grid(
        shape=values.shape[:-1],
        voxel_size=tuple(float(content.voxel_size.get(axis, 1.0)) for axis in letters),
        origin=tuple(float(content.origin.get(axis, 0.0)) for axis in letters),
        units=tuple(content.units.get(axis, "") for axis in letters),
        axes=tuple(letters),
        orientation=content.orientation if set(SPATIAL_AXES) <= set(letters) else None,
        epoch=content.epoch if TIME_AXIS in letters else None,
    )
    return values, grid


def _stored(content: Content, layout: Layout, order: list[int], *, has_channels: bool) -> StoredValues:
    """The values in our order of axes, still in the file."""
    shape = tuple(content.values.shape[i] for i in order)
    return StoredValues(
        store=content.values,
        axes=tuple(order) if has_channels else (*order, None),
        start=(0,) * (len(order) + (not has_channels)),
        shape=shape if has_channels else (*shape, 1),
        falling=tuple(place for place, i in enumerate(order) if i in layout.falling),
        fill=content.fill,
        scale=layout.scale,
        offset=layout.offset,
        chunk=layout.chunk and tuple(layout.chunk[i] for i in order if content.axes[i] != CHANNEL_AXIS),
    )


def overridden(grid: Grid, voxel_size: Sequence[float] | None, unit: str | None) -> Grid:
    """The grid with the user's voxel size and spatial unit."""
    if voxel_size is not None:
        if len(voxel_size) == 1:
            voxel_size = [voxel_size[0] if i in grid.spatial else v for i, v in enumerate(grid.voxel_size)]
        grid = grid.rescaled(voxel_size)
    return grid if unit is None else grid.with_unit(unit)


def cropped(grid: Grid, values: Values, crop: Sequence[Sequence[int]]) -> tuple[Grid, Values]:
    """The part between two ends (START, STOP in voxels) along each axis, and its grid; ConfigError outside."""
    if len(crop) != len(grid.shape) or any(len(ends) != 2 for ends in crop):
        raise ConfigError(
            f"The crop box {list(crop)} does not fit axes {', '.join(grid.axes)}; give two ends for each."
        )
    start, stop = zip(*crop, strict=True)
    if isinstance(values, StoredValues):
        return grid.cropped(start, stop), values.cropped(start, stop)
    return grid.cropped(start, stop), values[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]


def one_channel(values: Values, names: tuple[str, ...], channel: int) -> tuple[Values, tuple[str, ...]]:
    """One channel alone, counted from 0, and its name; ConfigError where there is none such."""
    if not 0 <= channel < values.shape[-1]:
        raise ConfigError(f"Channel {channel} does not exist; the file has channels 0 to {values.shape[-1] - 1}.")
    if isinstance(values, StoredValues):
        return values.one_channel(channel), names[channel : channel + 1]
    return values[..., channel : channel + 1], names[channel : channel + 1]
