"""Where the voxels of an image or line lie in space: what an affine matrix says for volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dinr_studio.affine import Placement, Space, placement
from dinr_studio.errors import FileFormatError


def place(steps: Mapping[str, NDArray[np.float64]], origin: NDArray[np.float64], space: Space) -> Placement:
    """Placement of a volume, image or line.

    steps: from each voxel to the next, (3,) as x, y, z, for those of the axes x, y and z that there are. origin: centre
    of the first voxel, (3,). Axes that are not there are made up, perpendicular to the others.
    Raises FileFormatError where that flattens the volume.
    """
    there = [axis for axis in "xyz" if axis in steps]
    columns = np.stack([steps[axis] for axis in there], axis=1)
    if not (np.isfinite(columns).all() and np.isfinite(origin).all()):
        raise FileFormatError("The file places its voxels at no finite positions; use an intact copy.")
    made_up = iter(np.linalg.svd(columns)[0][:, len(there) :].T)
    affine = np.eye(4)
    for i, axis in enumerate("xyz"):
        affine[:3, i] = steps[axis] if axis in steps else next(made_up)
    affine[:3, 3] = origin
    found = placement(affine, space)
    if len(there) == 3:
        return found
    turned = found.orientation is not None and any(
        abs(found.orientation.directions["zyx".index(axis)]["zyx".index(axis)] - 1) > 1e-6 for axis in there
    )
    notes = ("How the image is turned in space is not kept; positions are along its own axes.",) * turned
    return replace(found, orientation=None, notes=found.notes + notes)
