"""Scores of predicted against true values, all finite numbers; arrays are in the data's own unit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import flat_to_index
from dinr_studio.volume import Volume

Peak = float | NDArray[np.float64]  # the range of all values, or of each channel (channels,)

BEST_PSNR = 300.0  # what an exact match counts as, so that every score is a finite number
SSIM_WINDOW = 7
MOST_SSIM_PLANES = 64


@dataclass(frozen=True)
class Scores:
    """Errors on some voxels: psnr in dB, mae in the value's unit, relative_l2 and ssim without unit.

    Of channels in different units each counts in shares of its own range, and so does mae.
    """

    psnr: float
    mae: float
    relative_l2: float
    ssim: float | None

    def as_dict(self) -> dict[str, Any]:
        """The scores by name, fit for JSON."""
        return asdict(self)


def psnr(true: NDArray[Any], predicted: NDArray[Any], data_range: Peak) -> float:
    """10 log10(data_range^2 / mean squared error) in dB, the mean over voxels and channels; 300 at most.

    data_range: greatest less least present value of the whole volume, or of each channel (channels,).
    """
    error = float(np.mean(np.square((np.asarray(predicted, np.float64) - true) / data_range)))
    if error == 0:
        return BEST_PSNR
    return min(BEST_PSNR, -10 * math.log10(error))


def mean_absolute_error(true: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Mean of |predicted - true| over voxels and channels."""
    return float(np.mean(np.abs(np.asarray(predicted, np.float64) - true)))


def relative_l2(true: NDArray[Any], predicted: NDArray[Any]) -> float:
    """||predicted - true|| / ||true||, Euclidean norms over voxels and channels; 0 for an exact match of zeros."""
    error, size = np.linalg.norm(np.asarray(predicted, np.float64) - true), np.linalg.norm(np.asarray(true, np.float64))
    return float(error / size) if size > 0 else float(error > 0)


def score(volume: Volume, voxels: NDArray[np.integer[Any]], predicted: NDArray[Any], *, data_range: Peak) -> Scores:
    """All scores of values (N, channels) predicted at flat indices (N,) of a volume; data_range as in `psnr`."""
    true = volume.in_memory.reshape(-1, volume.channels)[voxels].astype(np.float64)
    similarity = ssim(volume, voxels, predicted, data_range=data_range)
    return replace(pointwise(true, predicted, data_range), ssim=similarity)


def pointwise(true: NDArray[Any], predicted: NDArray[Any], data_range: Peak) -> Scores:
    """All scores of values (N, channels) but the structural similarity; data_range as in `psnr`."""
    scale = data_range if isinstance(data_range, np.ndarray) else 1.0
    true, predicted = np.asarray(true, np.float64) / scale, np.asarray(predicted, np.float64) / scale
    peak = 1.0 if isinstance(data_range, np.ndarray) else data_range
    return Scores(psnr(true, predicted, peak), mean_absolute_error(true, predicted), relative_l2(true, predicted), None)


def ssim(
    volume: Volume, voxels: NDArray[np.integer[Any]], predicted: NDArray[Any], *, data_range: Peak
) -> float | None:
    """Structural similarity in 2D: the mean, over the given voxels, of the SSIM map of the planes they lie in.

    Each whole plane of the last two axes is compared with itself after the given voxels are replaced by what was
    predicted there (window 7x7, uniform, data_range as in `psnr`). Where every voxel of a plane is given, as with
    every second plane held out across the first axis, that is the plane's usual SSIM. Missing voxels count as the
    mean of their plane. At most 64 planes, spread evenly, are looked at. None for 1D data and planes narrower than
    the window. Source: Wang et al., 2004.
    """
    shape = volume.grid.shape
    if len(shape) < 2 or min(shape[-2:]) < SSIM_WINDOW or len(voxels) == 0:
        return None
    sums, counts = 0.0, 0
    for true, altered, replaced in _planes(volume, voxels, np.asarray(predicted, np.float64)):
        local = _ssim_map(true, altered, data_range)
        sums, counts = sums + float(local[replaced].sum()), counts + int(local[replaced].size)
    return sums / counts


def _planes(
    volume: Volume, voxels: NDArray[np.integer[Any]], predicted: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]]:
    """For each looked-at plane: the true plane, the altered one, both (y, x, channels), and where it was altered."""
    rows, columns = volume.grid.shape[-2:]
    index = flat_to_index(voxels, (volume.grid.size // (rows * columns), rows, columns))
    planes = np.unique(index[:, 0])
    chosen = planes[np.linspace(0, len(planes) - 1, min(len(planes), MOST_SSIM_PLANES)).round().astype(int)]
    stack = volume.in_memory.reshape(-1, rows, columns, volume.channels)
    for plane in chosen:
        here = index[:, 0] == plane
        true = _filled(volume, stack[plane].astype(np.float64), int(plane))
        altered, replaced = true.copy(), np.zeros((rows, columns), dtype=bool)
        altered[index[here, 1], index[here, 2]] = predicted[here]
        replaced[index[here, 1], index[here, 2]] = True
        yield true, altered, replaced


def _filled(volume: Volume, plane: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """A plane (y, x, channels) whose missing voxels have the mean of the present ones."""
    if volume.missing is None:
        return plane
    missing = volume.missing.reshape(-1, *plane.shape[:2])[number]
    if not missing.all():
        plane[missing] = plane[~missing].mean(axis=0)
    return plane


def _ssim_map(true: NDArray[np.float64], altered: NDArray[np.float64], data_range: Peak) -> NDArray[np.float64]:
    from skimage.metrics import structural_similarity

    if isinstance(data_range, np.ndarray):
        true, altered, data_range = true / data_range, altered / data_range, 1.0
    _, local = structural_similarity(
        true, altered, win_size=SSIM_WINDOW, data_range=data_range, channel_axis=-1, full=True
    )
    return np.asarray(local, dtype=np.float64)
