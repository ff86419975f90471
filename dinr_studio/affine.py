"""Between a grid and the 4x4 affine matrix (voxel i, j, k -> position x, y, z) by which scanners place a volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import SPATIAL_AXES, Grid, Orientation
from dinr_studio.errors import FileFormatError

Space = Literal["", "RAS", "LPS"]
TURNED = np.diag([-1.0, -1.0, 1.0, 1.0])  # from RAS to LPS and back
STRAIGHT = 1e-6  # what a component of a direction may miss 0 or 1 by and still lie along the axis
SHEARED = 1e-3  # cosine between two axes from which on they count as not perpendicular


@dataclass(frozen=True)
class Placement:
    """Where a volume's three spatial axes lie: by letter for `Content`, and how they are turned.

    origin is along the volume's own axes, as in `Grid`.
    """

    voxel_size: Mapping[str, float]
    origin: Mapping[str, float]
    orientation: Orientation | None
    notes: tuple[str, ...] = ()


def placement(affine: NDArray[Any], space: Space) -> Placement:
    """What a 4x4 affine from (i, j, k) voxel indices to (x, y, z) positions says, in its own unit.

    The array's axes i, j and k are x, y and z here. Raises FileFormatError where it flattens the volume.
    """
    affine = np.asarray(affine, dtype=np.float64)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or sizes.min() <= 0:
        raise FileFormatError("The file's affine matrix does not place its voxels in space; use an intact copy.")
    columns = affine[:3, :3] / sizes
    if abs(np.linalg.det(columns)) < 1e-4:
        raise FileFormatError("The file's affine matrix flattens the volume; use an intact copy.")
    nearest = np.rint(columns)
    if np.abs(columns - nearest).max() < STRAIGHT:
        columns = nearest
    cosines = columns.T @ columns - np.eye(3)
    notes: tuple[str, ...] = ()
    if np.abs(cosines).max() > SHEARED:
        notes = ("The axes are not perpendicular in space; lengths are measured along each of them.",)
    origin = np.linalg.solve(columns, affine[:3, 3])
    straight = np.array_equal(columns, np.eye(3)) and not space
    z, y, x = (tuple(float(v) for v in direction) for direction in columns.T[::-1, ::-1])
    return Placement(
        dict(zip("xyz", sizes.tolist(), strict=True)),
        dict(zip("xyz", origin.tolist(), strict=True)),
        None if straight else Orientation((z, y, x), space),
        notes,
    )


def affine_of(grid: Grid, space: Space) -> NDArray[np.float64]:
    """The 4x4 affine from (i, j, k) voxel indices to (x, y, z) positions, in the grid's unit, of the space asked for.

    A grid in no patient's space, and one asked for with space "", is taken as it lies. Missing spatial axes count as
    one voxel at 0, as deep as the voxel is wide.
    """
    width = grid.voxel_size[grid.spatial[-1]] if grid.spatial else 1.0
    sizes, origins = dict.fromkeys(SPATIAL_AXES, width), dict.fromkeys(SPATIAL_AXES, 0.0)
    for i in grid.spatial:
        sizes[grid.axes[i]], origins[grid.axes[i]] = grid.voxel_size[i], grid.origin[i]
    orientation = grid.orientation or Orientation()
    columns = np.asarray(orientation.directions)[::-1, ::-1].T
    affine = np.eye(4)
    affine[:3, :3] = columns * [sizes[axis] for axis in "xyz"]
    affine[:3, 3] = columns @ [origins[axis] for axis in "xyz"]
    if space and orientation.space and orientation.space != space:
        affine = TURNED @ affine
    return affine
