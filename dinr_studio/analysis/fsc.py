"""Fourier shell correlation of two maps (ring correlation in 2D), and the resolution up to which they agree.

Shells are of equal physical frequency, so voxels may be of unlike edges. Thresholds: 0.5; 0.143 for half maps
(Rosenthal and Henderson, 2003); half-bit (van Heel and Schatz, 2005). Where a mask is given, correlation that the mask
itself makes is taken off by a phase-randomised control (Chen et al., 2013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import DataError
from dinr_studio.fourier import Shells, shells_of
from dinr_studio.memory import available_bytes
from dinr_studio.needs import Needs

THRESHOLDS = {"0.143": 0.143, "0.5": 0.5}
HALF_BIT = "half-bit"
RANDOMISED_BELOW = 0.8  # the unmasked correlation below which phases are randomised in the control
UNTOUCHED_SHELLS = 2  # after the first randomised one: the mask smears the true phases into these
FEWEST_VOXELS = 8  # along each axis: fewer have no curve worth the name
BYTES_PER_VOXEL = 72  # two maps, a mask, their transforms and those of the control
Map = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Resolution:
    """Where a curve first falls below a threshold: frequency in cycles per unit, length = 1 / frequency.

    Both are None where it never does up to the Nyquist frequency.
    """

    frequency: float | None

    @property
    def length(self) -> float | None:
        """The resolution in the unit of length."""
        return None if self.frequency is None else 1.0 / self.frequency


@dataclass(frozen=True)
class Fsc:
    """The correlation of two maps by shell of frequency.

    frequency: (shells,), cycles per `unit`. modes: Fourier coefficients in each shell. curves: `unmasked`, and with a
    mask `masked`, `randomised` (the control) and `corrected`; each (shells,). half_bit: that threshold, (shells,).
    randomised_from: the first frequency whose phases the control randomised. axes: of the maps.
    """

    frequency: NDArray[np.float64]
    modes: NDArray[np.float64]
    curves: Mapping[str, NDArray[np.float64]]
    half_bit: NDArray[np.float64]
    nyquist: float
    unit: str
    axes: int
    randomised_from: float | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def best(self) -> str:
        """The name of the curve that a resolution is to be read from."""
        return "corrected" if "corrected" in self.curves else "unmasked"

    def resolution(self, threshold: str, curve: str | None = None) -> Resolution:
        """Where a curve, the best one by default, falls below a threshold: `0.143`, `0.5` or `half-bit`."""
        levels = self.half_bit if threshold == HALF_BIT else np.full(len(self.frequency), THRESHOLDS[threshold])
        return Resolution(crossing(self.frequency, self.curves[curve or self.best], levels))

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, fit for JSON."""
        names = (*THRESHOLDS, HALF_BIT)
        return {
            "unit": self.unit,
            "nyquist_frequency": self.nyquist,
            "nyquist_length": 1.0 / self.nyquist,
            "frequency": self.frequency.tolist(),
            "modes": self.modes.tolist(),
            "curves": {name: curve.tolist() for name, curve in self.curves.items()},
            "half_bit": self.half_bit.tolist(),
            "randomised_from": self.randomised_from,
            "resolution": {name: self.resolution(name).length for name in names},
            "resolution_by_curve": {
                curve: {name: self.resolution(name, curve).length for name in names}
                for curve in self.curves
                if curve != "randomised"
            },
            "verdict": verdict(self),
            "notes": list(self.notes),
        }


def fsc(
    first: Map,
    second: Map,
    voxel_size: Sequence[float],
    *,
    unit: str = "",
    mask: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> Fsc:
    """The Fourier shell correlation of two maps of one shape, 2 or 3 axes; their means are removed.

    mask: the maps' shape, 0 to 1; within it each map's mean, weighted by the mask, is removed first, so that the mask's
    own transform is not what they share. seed: of the control's random phases. Raises DataError or MemoryShort.
    """
    check_maps(first, second, voxel_size)
    shells = shells_of(first.shape, voxel_size)
    transforms = (transformed(first, None), transformed(second, None))
    curves = {"unmasked": _correlated(*transforms, shells)}
    randomised_from = None
    if mask is not None:
        curves["masked"] = _correlated(transformed(first, mask), transformed(second, mask), shells)
        start = _first_below(curves["unmasked"], RANDOMISED_BELOW)
        if start is not None:
            controls = (_randomised(one, shells, start, seed + i) for i, one in enumerate(transforms))
            one, other = (transformed(control, mask) for control in controls)
            curves["randomised"] = _correlated(one, other, shells)
            randomised_from = float(shells.frequency[start])
        curves["corrected"] = _corrected(curves, start)
    return Fsc(
        frequency=shells.frequency,
        modes=shells.modes,
        curves=curves,
        half_bit=half_bit(shells.modes),
        nyquist=shells.nyquist,
        unit=unit,
        axes=first.ndim,
        randomised_from=randomised_from,
    )


def check_maps(first: Map, second: Map, voxel_size: Sequence[float]) -> None:
    """Raises DataError where two maps cannot be compared, MemoryShort where there is no room to."""
    if first.shape != second.shape:
        shapes = " and ".join(" x ".join(map(str, one.shape)) for one in (first, second))
        raise DataError(f"The maps have shapes {shapes}; a shell correlation needs two maps on one grid.")
    if first.ndim not in (2, 3) or len(voxel_size) != first.ndim:
        raise DataError(f"The maps have {first.ndim} axes; a shell correlation needs 2 or 3 in space: choose a frame.")
    if min(first.shape) < FEWEST_VOXELS:
        shape = " x ".join(map(str, first.shape))
        raise DataError(f"The maps have shape {shape}; a shell correlation needs {FEWEST_VOXELS} voxels along an axis.")
    for name, one in (("first", first), ("second", second)):
        if not np.isfinite(one).all() or one.min() == one.max():
            raise DataError(f"The {name} map is constant or holds values that are no numbers; compare maps that vary.")
    fsc_needs(first.size).check()


def fsc_needs(voxels: int) -> Needs:
    """What a shell correlation of two maps of so many voxels takes."""
    work = f"A shell correlation of {voxels:,} voxels"
    smaller = ("crop both maps (--crop) or bin them first",)
    return Needs(work, BYTES_PER_VOXEL * voxels, available_bytes(), smaller=smaller)


def crossing(frequency: NDArray[np.float64], curve: NDArray[np.float64], levels: NDArray[np.float64]) -> float | None:
    """The frequency, interpolated between shells, at which a curve first falls below the levels; None if it doesn't."""
    gap = curve - levels
    below = np.flatnonzero(gap[1:] < 0)
    if len(below) == 0:
        return None
    after = int(below[0]) + 1
    before = max(float(gap[after - 1]), 0.0)
    share = before / (before - float(gap[after]))
    return float(frequency[after - 1] + share * (frequency[after] - frequency[after - 1]))


def half_bit(modes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The half-bit threshold of shells with so many Fourier coefficients (van Heel and Schatz, 2005)."""
    root = np.sqrt(np.maximum(modes, 1))
    return np.minimum(1.0, (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root))


def length_in_words(length: float | None, unit: str, nyquist: float) -> str:
    """A resolution, such as `4.21 nm`."""
    if length is None:
        return f"beyond the Nyquist limit of {1 / nyquist:.4g} {unit}".rstrip()
    return f"{length:.4g} {unit}".rstrip()


def verdict(result: Fsc) -> str:
    """In a sentence: the resolution at both thresholds."""
    at = ", ".join(
        f"{length_in_words(result.resolution(name).length, result.unit, result.nyquist)} at {name}"
        for name in THRESHOLDS
    )
    name = "shell" if result.axes == 3 else "ring"
    which = "after correction for the mask" if result.best == "corrected" else "without a mask"
    return (
        f"Fourier {name} correlation {which}: resolution {at} (Nyquist limit {1 / result.nyquist:.4g} {result.unit})."
    )


def transformed(values: Map, mask: NDArray[np.float64] | None) -> NDArray[np.complex128]:
    """The transform, in rfftn's layout, of a map without its mean, which the mask weights."""
    import scipy.fft

    exact = np.asarray(values, dtype=np.float64)
    if mask is None:
        found: NDArray[np.complex128] = scipy.fft.rfftn(exact - exact.mean())
        return found
    total = mask.sum()
    found = scipy.fft.rfftn(mask * (exact - (mask * exact).sum() / total), overwrite_x=True)
    return found


def _correlated(first: NDArray[np.complex128], second: NDArray[np.complex128], shells: Shells) -> NDArray[np.float64]:
    """Real part of the normalised correlation by shell; 1 in the zeroth, 0 where a shell is empty in a map."""
    sums = np.zeros((3, shells.count))
    for part in shells.parts():
        a, b = first[part], second[part]
        product = a.real * b.real + a.imag * b.imag
        sums += shells.sums(part, product, np.square(a.real) + np.square(a.imag), np.square(b.real) + np.square(b.imag))
    scale = np.sqrt(sums[1] * sums[2])
    curve: NDArray[np.float64] = np.divide(sums[0], scale, out=np.zeros(shells.count), where=scale > 0)
    curve[0] = 1.0
    return curve


def _first_below(curve: NDArray[np.float64], level: float) -> int | None:
    below = np.flatnonzero(curve[1:] < level)
    return None if len(below) == 0 else int(below[0]) + 1


def _randomised(transform: NDArray[np.complex128], shells: Shells, start: int, seed: int) -> NDArray[np.float64]:
    """A map with the amplitudes of another and, from a shell on, the phases of white noise."""
    import scipy.fft

    noise = scipy.fft.rfftn(np.random.default_rng(seed).standard_normal(shells.shape), overwrite_x=True)
    mixed = transform.copy()
    for part in shells.parts():
        beyond = shells.numbers(part) >= start
        size = np.abs(noise[part])
        turned = np.abs(transform[part]) * np.divide(noise[part], size, out=np.ones_like(noise[part]), where=size > 0)
        mixed[part][beyond] = turned[beyond]
    values: NDArray[np.float64] = scipy.fft.irfftn(mixed, s=shells.shape, overwrite_x=True)
    return values


def _corrected(curves: Mapping[str, NDArray[np.float64]], start: int | None) -> NDArray[np.float64]:
    """(masked - randomised) / (1 - randomised) where phases were randomised and are not smeared; else as masked."""
    masked = curves["masked"]
    if start is None:
        return masked.copy()
    control = np.clip(curves["randomised"], None, 1 - 1e-9)
    corrected = (masked - control) / (1 - control)
    kept = start + UNTOUCHED_SHELLS
    return np.concatenate([masked[:kept], corrected[kept:]])
