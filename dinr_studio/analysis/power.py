"""Power spectral densities of maps in physical units, over shells and along axes; and power beyond a Nyquist frequency.

A density S(k) is such that its integral over all frequencies is the variance, whatever the grid: a map and the same map
on a finer grid have one curve, which ends at another frequency. A Hann window along each axis keeps the box's faces
from passing for detail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import DataError
from dinr_studio.fourier import FEWEST_VOXELS, hann, shells_of
from dinr_studio.memory import available_bytes
from dinr_studio.needs import Needs

BYTES_PER_VOXEL = 32  # the windowed map, its transform, and a copy on the way
HALF = 0.5


@dataclass(frozen=True)
class PowerCurve:
    """Power by frequency: frequency in cycles per unit of length, density in value^2 * length^axes.

    axes: how many axes the density is over. energy: over shells, the variance for each unit of frequency, value^2 *
    length (what turbulence calls the energy spectrum); along a single axis the density once more.
    """

    frequency: NDArray[np.float64]
    density: NDArray[np.float64]
    energy: NDArray[np.float64]
    nyquist: float
    axes: int

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, fit for JSON."""
        return {
            "frequency": self.frequency.tolist(),
            "density": self.density.tolist(),
            "energy": self.energy.tolist(),
            "nyquist": self.nyquist,
        }


def radial_power(values: NDArray[Any], voxel_size: Sequence[float]) -> PowerCurve:
    """The mean density over shells of frequency, up to the least Nyquist frequency of the axes."""
    import scipy.fft

    _check(values)
    window = hann(values.shape)
    power = np.square(np.abs(scipy.fft.rfftn(window * (values - values.mean()), overwrite_x=True)))
    voxel = float(np.prod(voxel_size))
    power *= voxel / float(np.square(window).sum())
    shells = shells_of(values.shape, voxel_size)
    total = np.zeros(shells.count)
    for part in shells.parts():
        total += shells.sums(part, power[part])[0]
    box = voxel * values.size
    density = total / np.maximum(shells.modes, 1)
    return PowerCurve(shells.frequency, density, total / (box * shells.width), shells.nyquist, values.ndim)


def axis_power(values: NDArray[Any], voxel_size: float, axis: int) -> PowerCurve:
    """The density along one axis: the mean over all its lines, from each of which its mean is taken."""
    import scipy.fft

    _check(values, [axis])
    lines = np.moveaxis(values, axis, -1)
    window = hann(lines.shape[-1:])
    total = np.zeros(lines.shape[-1] // 2 + 1)
    for plane in lines.reshape(-1, *lines.shape[-2:]) if lines.ndim > 1 else lines[np.newaxis, np.newaxis]:
        transformed = scipy.fft.rfft(window * (plane - plane.mean(axis=-1, keepdims=True)), axis=-1)
        total += np.square(np.abs(transformed)).sum(axis=0)
    density = total * (lines.shape[-1] / lines.size) * voxel_size / float(np.square(window).sum())
    density[1:] *= 2  # of both signs of a frequency
    if lines.shape[-1] % 2 == 0:
        density[-1] /= 2
    return PowerCurve(scipy.fft.rfftfreq(lines.shape[-1], voxel_size), density, density, 0.5 / voxel_size, 1)


def kept_up_to(data: PowerCurve, field: PowerCurve) -> float | None:
    """The frequency up to which a field keeps at least half the data's power; None where it does everywhere.

    Of curves on the same shells. Interpolated between shells; where it is less from the first shell on, that one's.
    """
    share = np.divide(field.density, data.density, out=np.ones_like(data.density), where=data.density > 0)
    below = np.flatnonzero(share[1:] < HALF)
    if len(below) == 0:
        return None
    after = int(below[0]) + 1
    if after == 1:
        return float(data.frequency[1])
    part = (share[after - 1] - HALF) / (share[after - 1] - share[after])
    return float(data.frequency[after - 1] + part * (data.frequency[after] - data.frequency[after - 1]))


def power_needs(voxels: int, maps: int) -> Needs:
    """What the spectra of so many maps of so many voxels take."""
    memory = (8 * maps + BYTES_PER_VOXEL) * voxels
    smaller = ("a smaller part (--crop) or a smaller factor would do",)
    return Needs(f"A spectrum of {voxels:,} voxels", memory, available_bytes(), smaller=smaller)


def _check(values: NDArray[Any], axes: Sequence[int] | None = None) -> None:
    short = [n for i, n in enumerate(values.shape) if (axes is None or i in axes) and n < FEWEST_VOXELS]
    if short:
        shape = " x ".join(map(str, values.shape))
        raise DataError(f"The map has {shape} voxels; a spectrum needs {FEWEST_VOXELS} or more along an axis.")
