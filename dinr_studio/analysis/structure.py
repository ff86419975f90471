"""Scores of structure: whether a field has the data's shapes, not only its values; by region and by frequency band."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.scores import SSIM_WINDOW, mean_absolute_error, psnr
from dinr_studio.errors import DataError
from dinr_studio.fourier import shells_of
from dinr_studio.memory import available_bytes
from dinr_studio.needs import Needs

Values = NDArray[np.float64]

BYTES_PER_VOXEL = 160  # both maps, their local moments, gradients and transforms
MOST_REGIONS = 64
HALVES = ("low", "high")


@dataclass(frozen=True)
class RegionScores:
    """Scores of a region's voxels.

    psnr: dB by the range of the whole. mae and histogram_distance (Wasserstein-1) in the value's unit. ssim: mean over
    the region's voxels of the SSIM map of the whole, in as many dimensions as it has; None where the map is narrower
    than the window. gradient_error: ||grad f - grad d|| / ||grad d||, with lengths in units. voxels: of the region.
    """

    voxels: int
    psnr: float
    mae: float
    ssim: float | None
    gradient_error: float
    histogram_distance: float


@dataclass(frozen=True)
class BandScores:
    """Agreement in a band of spatial frequency, low <= f < high in cycles per unit of length.

    error: power of the difference over the data's. correlation: as in a shell correlation. share: of the data's power.
    """

    low: float
    high: float
    error: float
    correlation: float
    share: float


@dataclass(frozen=True)
class Structure:
    """Scores of structure over the whole, by region's name, and by band from coarse to fine."""

    whole: RegionScores
    regions: Mapping[str, RegionScores]
    bands: tuple[BandScores, ...]
    unit: str
    value_unit: str
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, fit for JSON."""
        return {
            "whole": asdict(self.whole),
            "regions": {name: asdict(one) for name, one in self.regions.items()},
            "bands": [asdict(one) for one in self.bands],
            "unit": self.unit,
            "value_unit": self.value_unit,
            "notes": list(self.notes),
        }


def structure(
    data: Values,
    field: Values,
    voxel_size: Sequence[float],
    *,
    axes: Sequence[str],
    unit: str = "",
    value_unit: str = "",
    labels: NDArray[np.integer[Any]] | None = None,
    missing: NDArray[np.bool_] | None = None,
) -> Structure:
    """The scores of a field by the data on the same voxels, both (*shape).

    axes: their names. labels: regions by number, 0 is none; without them the halves along each axis. missing: voxels
    that do not count; the field takes the data's place there. Raises DataError or MemoryShort.
    """
    structure_needs(data.size).check()
    if missing is not None:
        field = np.where(missing, data, field)
    present = np.ones(data.shape, dtype=bool) if missing is None else ~missing
    span = float(data[present].max() - data[present].min())
    if span == 0:
        raise DataError("The data is constant, so there is no structure to score.")
    local, gradients = _ssim_map(data, field, span), _gradient_squares(data, field, voxel_size)

    def scored(inside: NDArray[np.bool_]) -> RegionScores:
        true, found = data[inside], field[inside]
        missed, there = (float(square[inside].sum()) for square in gradients)
        return RegionScores(
            voxels=len(true),
            psnr=psnr(true, found, span),
            mae=mean_absolute_error(true, found),
            ssim=None if local is None else float(local[inside].mean()),
            gradient_error=math.sqrt(missed / there) if there > 0 else float(missed > 0),
            histogram_distance=float(np.abs(np.sort(true) - np.sort(found)).mean()),
        )

    chosen = octants(data.shape, axes) if labels is None else by_label(labels)
    regions = {name: scored(inside & present) for name, inside in chosen.items() if (inside & present).any()}
    return Structure(scored(present), regions, bands(data, field, voxel_size), unit, value_unit)


def structure_needs(voxels: int) -> Needs:
    """What scores of structure over so many voxels take."""
    smaller = ("fit, or score, a smaller part",)
    return Needs(f"Scoring {voxels:,} voxels", BYTES_PER_VOXEL * voxels, available_bytes(), smaller=smaller)


def octants(shape: Sequence[int], axes: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """The halves along every axis, together: eight parts of a volume, named as `z low, y high, x low`."""
    found = {}
    for sides in product((0, 1), repeat=len(shape)):
        inside = np.zeros(tuple(shape), dtype=bool)
        part = tuple(slice(n // 2) if side == 0 else slice(n // 2, n) for side, n in zip(sides, shape, strict=True))
        inside[part] = True
        found[", ".join(f"{axis} {HALVES[side]}" for axis, side in zip(axes, sides, strict=True))] = inside
    return found


def by_label(labels: NDArray[np.integer[Any]]) -> dict[str, NDArray[np.bool_]]:
    """One region for each number but 0; DataError where there are none, or too many to be labels."""
    numbers = [int(number) for number in np.unique(labels) if number != 0]
    if not 1 <= len(numbers) <= MOST_REGIONS:
        raise DataError(
            f"The regions' file has {len(numbers)} different numbers beside 0; 1 to {MOST_REGIONS} are allowed, one "
            "for each region."
        )
    return {f"region {number}": labels == number for number in numbers}


def bands(data: Values, field: Values, voxel_size: Sequence[float]) -> tuple[BandScores, ...]:
    """Agreement in bands an octave wide, up to the least Nyquist frequency of the axes; the mean is left out."""
    import scipy.fft

    shells = shells_of(data.shape, voxel_size)
    a, b = (scipy.fft.rfftn(one - one.mean(), overwrite_x=True) for one in (data, field))
    sums = np.zeros((4, shells.count))
    for part in shells.parts():
        x, y = a[part], b[part]
        squares = (np.square(np.abs(one)) for one in (x, y, x - y))
        sums += shells.sums(part, *squares, x.real * y.real + x.imag * y.imag)
    total, found, high = float(sums[0, 1:].sum()), [], shells.count
    while high > 1:
        low = max(1, high // 2)
        own, other, missed, both = sums[:, low:high].sum(axis=1)
        size = math.sqrt(own * other)
        found.append(
            BandScores(
                low=max(0.0, (low - 0.5) * shells.width),
                high=min(shells.nyquist, (high - 0.5) * shells.width),
                error=float(missed / own) if own > 0 else float(missed > 0),
                correlation=float(both / size) if size > 0 else 0.0,
                share=float(own / total) if total > 0 else 0.0,
            )
        )
        high = low
    return tuple(reversed(found))


def _ssim_map(data: Values, field: Values, span: float) -> Values | None:
    """The structural similarity about every voxel, in all dimensions; None where the window does not fit."""
    from skimage.metrics import structural_similarity

    if min(data.shape) < SSIM_WINDOW:
        return None
    _, local = structural_similarity(data, field, win_size=SSIM_WINDOW, data_range=span, full=True)
    return np.asarray(local, dtype=np.float64)


def _gradient_squares(data: Values, field: Values, voxel_size: Sequence[float]) -> tuple[Values, Values]:
    """Squared length of the difference of gradients, and of the data's gradient, (*shape), by central differences."""
    missed, there = np.zeros(data.shape), np.zeros(data.shape)
    for axis, size in enumerate(voxel_size):
        if data.shape[axis] > 1:
            own = np.gradient(data, size, axis=axis)
            missed += np.square(np.gradient(field, size, axis=axis) - own)
            there += np.square(own)
    return missed, there
