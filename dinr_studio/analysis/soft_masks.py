"""Soft masks: what part of a map a Fourier shell correlation looks at, 1 inside, 0 outside, a raised cosine between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import DataError

EDGE = 0.1  # of the box's shortest edge: how wide the soft edge of a sphere or a box is
EDGE_VOXELS = 5.0  # width of the soft edge that a mask of zeros and ones gets, in its largest voxel


def soft_sphere(shape: Sequence[int], voxel_size: Sequence[float]) -> NDArray[np.float64]:
    """The largest sphere (circle in 2D) in the box whose soft edge, a tenth of the shortest edge, ends at its faces."""
    extent = min(n * v for n, v in zip(shape, voxel_size, strict=True))
    places = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel_size, strict=True)]
    squares: NDArray[np.float64] = np.zeros(())
    for place in np.meshgrid(*places, indexing="ij", sparse=True):
        squares = squares + np.square(place)
    return _falling((np.sqrt(squares) - (0.5 - EDGE) * extent) / (EDGE * extent))


def soft_box(shape: Sequence[int], voxel_size: Sequence[float]) -> NDArray[np.float64]:
    """The whole box with a soft edge along each face, a tenth of its length: for data that do not end in emptiness."""
    mask: NDArray[np.float64] = np.ones(())
    for n in shape:
        middle = np.abs(np.arange(n) - (n - 1) / 2) / n
        mask = np.asarray(mask[..., np.newaxis] * _falling((middle - (0.5 - EDGE)) / EDGE))
    return mask


def softened(mask: NDArray[Any], voxel_size: Sequence[float], edge: float | None = None) -> NDArray[np.float64]:
    """A mask as a soft one: values between 0 and 1 stay; one of zeros and others gets a raised cosine outside of it.

    edge: width of that in units of length, by default five of the largest voxels. Raises DataError where it is empty.
    """
    from scipy.ndimage import distance_transform_edt

    values = np.nan_to_num(np.asarray(mask, dtype=np.float64))
    if values.min() < 0:
        raise DataError(f"The mask has values down to {values.min():g}; a mask is 0 outside and 1, or more, inside.")
    if not values.any():
        raise DataError("The mask is 0 everywhere; it must be 1 where the maps are to be compared.")
    values /= values.max()
    if ((values > 0) & (values < 1)).any():
        return values
    width = EDGE_VOXELS * max(voxel_size) if edge is None else edge
    return _falling(distance_transform_edt(values == 0, sampling=list(voxel_size)) / width)


def _falling(share: NDArray[Any]) -> NDArray[np.float64]:
    """From 1 at 0 and below to 0 at 1 and above."""
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.clip(share, 0.0, 1.0)), dtype=np.float64)


SOFT_MASKS: dict[str, Callable[[Sequence[int], Sequence[float]], NDArray[np.float64]]] = {
    "sphere": soft_sphere,
    "box": soft_box,
}
