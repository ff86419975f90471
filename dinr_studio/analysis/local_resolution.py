"""Local resolution: the shell correlation of two maps within a window that moves over them, as a map of its own."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.fsc import Map, check_maps, crossing
from dinr_studio.errors import ConfigError
from dinr_studio.fourier import Shells, shells_of

THRESHOLD = 0.5  # within few voxels 0.143 is no more than noise
WINDOW_SHARE = 0.2  # of the maps' shortest edge, in voxels: the window's diameter, within these bounds
SMALLEST_WINDOW, LARGEST_WINDOW = 12, 32
FEWEST_IN_WINDOW = 8
AT_ONCE = 1 << 20  # voxels transformed in one go


@dataclass(frozen=True)
class LocalResolution:
    """The resolution about every voxel of two maps, in the unit of length.

    values: (*shape), interpolated between windows, each of `window` voxels along an edge and `step` apart. Where the
    windows agree up to the Nyquist frequency it is that limit; where they agree nowhere, the window's own length.
    quantiles: least, lower quartile, median, upper quartile and greatest of the windows that the mask holds.
    """

    values: NDArray[np.float32]
    window: int
    step: int
    threshold: float
    windows: int
    quantiles: tuple[float, ...]
    unit: str

    def as_dict(self) -> dict[str, Any]:
        """All of it but the map, fit for JSON."""
        names = ("finest", "lower_quartile", "median", "upper_quartile", "coarsest")
        return {
            "window_voxels": self.window,
            "step_voxels": self.step,
            "threshold": self.threshold,
            "windows": self.windows,
            "unit": self.unit,
            **dict(zip(names, self.quantiles, strict=True)),
        }


def local_resolution(
    first: Map,
    second: Map,
    voxel_size: Sequence[float],
    *,
    unit: str = "",
    mask: NDArray[np.float64] | None = None,
    window: int | None = None,
    step: int | None = None,
    threshold: float = THRESHOLD,
) -> Generator[float, None, LocalResolution]:
    """The local resolution of two maps; yields the share done, returns the result.

    window: its edge in voxels; it weights by a Hann function of the distance from its centre. step: voxels between two
    windows, a quarter of one by default. mask: windows whose centre lies where it is below 0.5 are left out; they get
    the value of the nearest that is not. Raises DataError, ConfigError or MemoryShort.
    """
    check_maps(first, second, voxel_size)
    size = _window_for(first.shape, window)
    apart = max(1, size // 4) if step is None else step
    if apart < 1:
        raise ConfigError(f"The step between windows is {apart}; give 1 voxel or more.")
    places = [_starts(n, size, apart) for n in first.shape]
    found = np.full([len(place) for place in places], np.nan)
    shells, weight = shells_of((size,) * first.ndim, voxel_size), _hann_ball(size, first.ndim)
    wanted = [index for index in np.ndindex(found.shape) if _within(mask, places, index, size)]
    if not wanted:
        raise ConfigError("The mask holds no window's centre; take a smaller step or a larger mask.")
    at_once = max(1, AT_ONCE // size**first.ndim)
    for start in range(0, len(wanted), at_once):
        some = wanted[start : start + at_once]
        boxes = [[_box(one, places, index, size) for index in some] for one in (first, second)]
        limits = _limits(np.stack(boxes[0]), np.stack(boxes[1]), weight, shells, threshold)
        for index, limit in zip(some, limits, strict=True):
            found[index] = limit
        yield min(1.0, (start + len(some)) / len(wanted))
    quantiles = np.quantile(found[np.isfinite(found)], (0, 0.25, 0.5, 0.75, 1))
    values = _on_all_voxels(_filled(found), places, size, first.shape)
    return LocalResolution(values, size, apart, threshold, len(wanted), tuple(float(q) for q in quantiles), unit)


def _window_for(shape: Sequence[int], window: int | None) -> int:
    if window is None:
        chosen = int(np.clip(round(WINDOW_SHARE * min(shape)), SMALLEST_WINDOW, LARGEST_WINDOW))
        return min(chosen + chosen % 2, min(shape))
    if not FEWEST_IN_WINDOW <= window <= min(shape):
        raise ConfigError(f"The window has {window} voxels; {FEWEST_IN_WINDOW} to {min(shape)} are allowed here.")
    return window


def _starts(length: int, size: int, apart: int) -> NDArray[np.int64]:
    """First voxels of the windows along an axis, evenly spread from end to end, about `apart` voxels apart."""
    count = -(-(length - size) // apart) + 1
    return np.linspace(0, length - size, count).round().astype(np.int64)


def _within(
    mask: NDArray[np.float64] | None, places: list[NDArray[np.int64]], index: tuple[int, ...], size: int
) -> bool:
    if mask is None:
        return True
    centre = tuple(int(place[i]) + size // 2 for place, i in zip(places, index, strict=True))
    return bool(mask[centre] >= 0.5)


def _box(one: Map, places: list[NDArray[np.int64]], index: tuple[int, ...], size: int) -> Map:
    return one[tuple(slice(int(p[i]), int(p[i]) + size) for p, i in zip(places, index, strict=True))]


def _hann_ball(size: int, axes: int) -> NDArray[np.float64]:
    """The window: 1 in its middle, falling to 0 at half its edge by distance."""
    squares: NDArray[np.float64] = np.zeros(())
    for place in np.meshgrid(*[(np.arange(size) - (size - 1) / 2) / (size / 2)] * axes, indexing="ij", sparse=True):
        squares = squares + np.square(place)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.minimum(np.sqrt(squares), 1.0)), dtype=np.float64)


def _limits(
    first: Map, second: Map, weight: NDArray[np.float64], shells: Shells, threshold: float
) -> NDArray[np.float64]:
    """Resolutions of windows (n, *window), each in the unit of length."""
    a, b = (_windowed(one, weight) for one in (first, second))
    number = shells.numbers(slice(None)).ravel()
    inside = number < shells.count
    counted = np.broadcast_to(shells.weight, a.shape[1:]).ravel()[inside]
    limits = np.empty(len(a))
    levels = np.full(shells.count, threshold)
    for i, (x, y) in enumerate(zip(a.reshape(len(a), -1)[:, inside], b.reshape(len(b), -1)[:, inside], strict=True)):
        products = (x.real * y.real + x.imag * y.imag, np.square(np.abs(x)), np.square(np.abs(y)))
        both, own, other = (np.bincount(number[inside], counted * one, shells.count) for one in products)
        scale = np.sqrt(own * other)
        curve = np.divide(both, scale, out=np.zeros(shells.count), where=scale > 0)
        curve[0] = 1.0
        frequency = crossing(shells.frequency, curve, levels)
        limits[i] = 1.0 / (shells.nyquist if frequency is None else max(frequency, shells.width))
    return limits


def _windowed(boxes: Map, weight: NDArray[np.float64]) -> NDArray[np.complex128]:
    import scipy.fft

    axes = tuple(range(1, boxes.ndim))
    exact = boxes.astype(np.float64)
    mean = (exact * weight).sum(axis=axes, keepdims=True) / weight.sum()
    found: NDArray[np.complex128] = scipy.fft.rfftn((exact - mean) * weight, axes=axes)
    return found


def _filled(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same with what was left out as the nearest that was not."""
    from scipy.ndimage import distance_transform_edt

    absent = ~np.isfinite(found)
    if not absent.any():
        return found
    nearest = distance_transform_edt(absent, return_distances=False, return_indices=True)
    filled: NDArray[np.float64] = found[tuple(nearest)]
    return filled


def _on_all_voxels(
    found: NDArray[np.float64], places: list[NDArray[np.int64]], size: int, shape: Sequence[int]
) -> NDArray[np.float32]:
    """Linear interpolation between the windows' centres, constant outside of the outermost; axis by axis."""
    values = found
    for axis, (place, n) in enumerate(zip(places, shape, strict=True)):
        at = np.clip(np.arange(n), place[0] + (size - 1) / 2, place[-1] + (size - 1) / 2) - (size - 1) / 2
        left = np.clip(np.searchsorted(place, at, side="right") - 1, 0, max(0, len(place) - 2))
        right = np.minimum(left + 1, len(place) - 1)
        span = np.maximum(place[right] - place[left], 1)
        share = ((at - place[left]) / span).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        values = np.take(values, left, axis) * (1 - share) + np.take(values, right, axis) * share
    return values.astype(np.float32)
