"""Masks: a second file on a volume's grid, whose zeros mark voxels that count as missing."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.affine import Space, affine_of
from dinr_studio.coordinates import SPATIAL_AXES, TIME_AXIS, Grid
from dinr_studio.errors import DataError, FileFormatError
from dinr_studio.io.arranging import CHANNEL_AXIS, arranged, checked_axes
from dinr_studio.io.content import Content
from dinr_studio.io.fingerprint import fingerprint
from dinr_studio.io.writing import in_metres

OFF = 0.1  # of a voxel: what the corners of mask and volume may lie apart


def with_mask(content: Content, mask: str, axes: str | None) -> tuple[Content, str]:
    """What was read, with the voxels missing that a mask leaves out; and the mask's fingerprint.

    mask: its file, as `open_volume` takes one. A mask with as many stored dimensions as the volume, or with all but its
    channels, has the axes that the user gave the volume. Raises FileFormatError or DataError in one sentence.
    """
    from dinr_studio.io.reading import READERS, format_of, guarded, resolve

    path = resolve(mask)
    list_entries, read = READERS[format_of(path)][1], READERS[format_of(path)][0]
    entries = guarded(path, lambda: list_entries(path))
    if len(entries) > 1:
        raise FileFormatError(f"The mask {path.name} holds {len(entries)} datasets; save it in a file of its own.")
    found: Content = guarded(path, lambda: read(path, None))
    for letters in () if axes is None else (axes.lower(), axes.lower().replace(CHANNEL_AXIS, "")):
        if len(letters) == len(found.values.shape):
            found = replace(found, axes=checked_axes(letters, found))
            break
    (values, grid), (of_volume, volume_grid) = arranged(found), arranged(content)
    if not (isinstance(values, np.ndarray) and isinstance(of_volume, np.ndarray)):
        raise FileFormatError(f"The mask {path.name} needs all values in memory at once; crop or bin both files first.")
    out = masked_out(path.name, values, volume_grid.shape, grid)
    check_place(path.name, (found, grid), (content, volume_grid))
    out = out.transpose([volume_grid.axes.index(letter) for letter in content.axes if letter != CHANNEL_AXIS])
    if CHANNEL_AXIS in content.axes:
        out = np.expand_dims(out, content.axes.index(CHANNEL_AXIS))
    missing = np.broadcast_to(out, content.values.shape)
    missing = missing if content.missing is None else content.missing | missing
    return replace(content, missing=missing), fingerprint(path, found.files)


def masked_out(name: str, mask: NDArray[Any], volume_shape: tuple[int, ...], grid: Grid) -> NDArray[np.bool_]:
    """Where a mask leaves out voxels (0, False or NaN): a boolean array of the volume's grid.

    mask: (*shape, channels) as it was read, on `grid`. A mask without time holds for every point in time. Raises
    DataError where its shape is another, it has several channels, or it leaves nothing.
    """
    if mask.shape[-1] != 1:
        raise DataError(f"The mask {name} has {mask.shape[-1]} channels; a mask has one: save it alone.")
    still = volume_shape[1:] if TIME_AXIS not in grid.axes and len(grid.shape) == len(volume_shape) - 1 else None
    if grid.shape != volume_shape and grid.shape != still:
        raise DataError(
            f"The mask {name} has shape {' x '.join(map(str, grid.shape))} and the volume "
            f"{' x '.join(map(str, volume_shape))}; a mask lies on the volume's own grid."
        )
    if mask.dtype.kind not in "biuf":
        raise DataError(f"The mask {name} holds values of type {mask.dtype}; whole or real numbers are allowed.")
    out: NDArray[np.bool_] = mask[..., 0] == 0
    if mask.dtype.kind == "f":
        out |= np.isnan(mask[..., 0])
    if out.all():
        raise DataError(f"The mask {name} is 0 everywhere and leaves no voxel to fit; 0 marks what to leave out.")
    return np.broadcast_to(out, volume_shape).copy() if out.shape != volume_shape else out


def check_place(name: str, mask: tuple[Content, Grid], volume: tuple[Content, Grid]) -> None:
    """Raises DataError where both files say where their voxels lie, and not the same.

    Each is what was read and its grid, of one shape in space. What one of them leaves open is not compared.
    """
    factors = _factors(mask, volume)
    if factors is None:
        return
    orientations = [grid.orientation for _, grid in (mask, volume)]
    turned = all(orientation is not None for orientation in orientations)
    placed = turned == any(orientation is not None for orientation in orientations) and all(
        content.origin for content, _ in (mask, volume)
    )
    space: Space = "LPS" if turned and all(o is not None and o.space for o in orientations) else ""
    corners = []
    for (_, grid), factor in zip((mask, volume), factors, strict=True):
        bare = grid if placed else replace(grid, origin=(0.0,) * len(grid.shape), orientation=None)
        corners.append(_corners(bare, space) * factor)
    voxel = min(volume[1].voxel_size[i] for i in volume[1].spatial) * factors[1]
    apart = float(np.linalg.norm(corners[0] - corners[1], axis=1).max()) / voxel
    if apart > OFF:
        raise DataError(
            f"The mask {name} lies elsewhere than the volume: their corners are up to {apart:.3g} voxels apart; "
            "a mask lies on the volume's own grid."
        )


def _factors(mask: tuple[Content, Grid], volume: tuple[Content, Grid]) -> tuple[float, float] | None:
    """What makes lengths of the two comparable, or None where one of them has no lengths that are known."""
    units: list[set[str]] = []
    for content, grid in (mask, volume):
        if any(grid.axes[i] not in content.voxel_size for i in grid.spatial):
            return None
        units.append({grid.units[i] for i in grid.spatial})
    if any(len(of) != 1 for of in units):
        return None
    mine, other = (of.pop() for of in units)
    if mine == other:
        return (1.0, 1.0) if mine else None
    metres = in_metres(mine), in_metres(other)
    return None if metres[0] is None or metres[1] is None else (metres[0], metres[1])


def _corners(grid: Grid, space: Space) -> NDArray[np.float64]:
    """Positions (8, 3) of the outer voxels' centres, x, y, z."""
    last = dict.fromkeys(SPATIAL_AXES, 0) | {grid.axes[i]: grid.shape[i] - 1 for i in grid.spatial}
    ends = np.array(list(product(*((0, last[axis]) for axis in "xyz"))), dtype=np.float64)
    affine = affine_of(grid, space)
    corners: NDArray[np.float64] = ends @ affine[:3, :3].T + affine[:3, 3]
    return corners
