"""Arrays that lie in memory already, as volumes: what a reader would have found in a file, said by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError
from dinr_studio.io.arranging import CHANNEL_AXIS, Values, arranged, checked_axes, overridden
from dinr_studio.io.content import Content, default_axes
from dinr_studio.volume import Provenance, Volume, make_volume

ARRAY = "array"  # the name of the reader, in a volume's provenance


def volume_of_array(
    values: NDArray[Any],
    *,
    voxel_size: Sequence[float] | None = None,
    unit: str | None = None,
    axes: str | None = None,
    origin: Sequence[float] | None = None,
    value_unit: str = "",
    channel_names: Sequence[str] = (),
    fill: float | None = None,
    missing: NDArray[np.bool_] | None = None,
) -> Volume:
    """A volume of the values of an array, which is copied, in any order of axes.

    axes: one letter of t, z, y, x and c (channel) for each dimension; by default tzyx as far as there are dimensions, a
    last one of 2 to 4 behind an image's being channels. voxel_size: one number for all spatial axes, or one for each
    axis in the order t, z, y, x, in `unit`. origin: the centre of the first voxel, in that order. missing: of values'
    shape, True where there is no value. Raises ConfigError or DataError.
    """
    array = np.array(values)
    notes: tuple[str, ...] = ()
    if axes is None:
        axes, notes = default_axes(array.shape, Path("memory"))
    axes = checked_axes(axes, Content(array, ""))
    stored, grid = arranged(Content(array, axes))
    if channel_names and len(channel_names) != stored.shape[-1]:
        raise ConfigError(
            f"{len(channel_names)} channel names were given and the array has {stored.shape[-1]} channels."
        )
    absent = None if missing is None else _absent(missing, array, axes)
    known = ":".join(_checksum(part) for part in (stored, absent) if part is not None)
    return make_volume(
        stored,
        _placed(overridden(grid, voxel_size, unit), origin),
        fill=fill,
        absent=absent,
        value_unit=value_unit,
        channel_names=tuple(channel_names),
        provenance=Provenance("", known, ARRAY, "", notes if CHANNEL_AXIS in axes else ()),
    )


def _placed(grid: Grid, origin: Sequence[float] | None) -> Grid:
    if origin is None:
        return grid
    if len(origin) != len(grid.shape):
        raise ConfigError(f"The origin has {len(origin)} numbers and the volume axes {', '.join(grid.axes)}.")
    return replace(grid, origin=tuple(float(place) for place in origin))


def _absent(missing: NDArray[np.bool_], array: NDArray[Any], axes: str) -> NDArray[np.bool_]:
    """Which values are missing, in the program's order of axes."""
    if np.shape(missing) != array.shape:
        raise ConfigError(f"The mask of missing values has shape {np.shape(missing)} and the values {array.shape}.")
    return np.asarray(arranged(Content(np.asarray(missing, dtype=bool), axes))[0], dtype=bool)


def _checksum(values: Values) -> str:
    return hashlib.sha256(np.ascontiguousarray(np.asarray(values)).data).hexdigest()
