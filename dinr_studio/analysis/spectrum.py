"""The power spectrum of a volume, radially averaged, in physical frequencies; and what it says about a fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import Component, component
from dinr_studio.coordinates import TIME_AXIS, CoordinateMap, Grid
from dinr_studio.fourier import hann, shells_of
from dinr_studio.volume import Volume

MOST_VOXELS = 1 << 23  # larger volumes are judged by their central part
FLAT_FROM = 0.8  # share of the Nyquist frequency above which power counts as noise, were it white


@dataclass(frozen=True)
class Spectrum:
    """Mean power by shell of frequency: frequency in cycles per network unit (see CoordinateMap), power in unit^2."""

    frequency: NDArray[np.float64]
    power: NDArray[np.float64]
    modes: NDArray[np.int64]
    nyquist: float

    @property
    def rms_frequency(self) -> float:
        """Root mean square frequency, weighted by power, of what rises above the noise floor; cycles per unit."""
        signal = np.clip(self.power - self.noise_floor, 0, None) * self.modes
        total = signal.sum()
        return float(np.sqrt((self.frequency**2 * signal).sum() / total)) if total > 0 else 0.0

    @property
    def noise_floor(self) -> float:
        """Power of each mode that is noise, if noise is white: the median above 0.8 of the Nyquist frequency."""
        top = self.frequency >= FLAT_FROM * self.nyquist
        return float(np.median(self.power[top & (self.modes > 0)])) if top.any() else 0.0

    @property
    def noise_share(self) -> float:
        """Share of the variance that a white noise floor accounts for: 0 for smooth data, 1 for white noise."""
        total = float((self.power * self.modes).sum())
        return min(1.0, self.noise_floor * float(self.modes.sum()) / total) if total > 0 else 0.0


def radial_spectrum(volume: Volume, coordinates: CoordinateMap, channel: Component = 0) -> Spectrum:
    """The spectrum of one channel in cycles per network unit, shell by shell up to the least Nyquist frequency.

    The mean is removed, missing voxels count as the mean, and a Hann window along each axis keeps the box's edges from
    passing for high frequencies. Axes of one voxel are left out.
    """
    import scipy.fft

    values, axes = _central_part(volume, channel)
    slope, _ = coordinates.index_affine(volume.grid)
    window, shells = hann(values.shape), shells_of(values.shape, slope[axes].tolist())
    power = np.square(np.abs(scipy.fft.rfftn(values * window))) / np.square(window).sum()
    sums = sum((shells.sums(part, power[part])[0] for part in shells.parts()), np.zeros(shells.count))
    means = np.divide(sums, shells.modes, out=np.zeros(shells.count), where=shells.modes > 0)
    return Spectrum(shells.frequency, means, shells.modes.astype(np.int64), shells.nyquist)


def in_world_frequency(spectrum: Spectrum, coordinates: CoordinateMap, grid: Grid) -> Spectrum | None:
    """The spectrum in cycles per unit of length; None where spatial axes scale unlike or time has a part in it."""
    axes = [i for i, n in enumerate(grid.shape) if n > 1]
    scales = {coordinates.scale[i] for i in axes}
    if len(scales) != 1 or TIME_AXIS in {grid.axes[i] for i in axes}:
        return None
    scale = scales.pop()
    return replace(spectrum, frequency=spectrum.frequency * scale, nyquist=spectrum.nyquist * scale)


def _central_part(volume: Volume, channel: Component) -> tuple[NDArray[np.float64], list[int]]:
    """The middle of a volume as float64 with its mean removed, without axes of one voxel; and the axes that stay."""
    share = min(1.0, (MOST_VOXELS / volume.grid.size) ** (1 / len(volume.grid.shape)))
    axes = [i for i, n in enumerate(volume.grid.shape) if n > 1]
    part = []
    for n in volume.grid.shape:
        kept = max(1, round(n * share))
        part.append(slice((n - kept) // 2, (n - kept) // 2 + kept))
    middle = volume.cropped([p.start for p in part], [p.stop for p in part]).loaded()
    values = component(middle.in_memory, channel).astype(np.float64)
    if middle.missing is None:
        values -= values.mean()
    else:
        present = ~middle.missing
        mean = values[present].mean() if present.any() else 0.0
        values = np.where(present, values - mean, 0.0)
    return values.reshape([values.shape[i] for i in axes]), axes
