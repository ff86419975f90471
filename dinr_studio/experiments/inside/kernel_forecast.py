"""A forecast of training from the kernel at its start: which errors it removes, against which it then had removed.

Were training a gradient flow with a kernel that stays as it began, the residual along each eigen-direction would fall
as exp(-l tau), with one kernel time tau for all. tau is set so that the forecast's mean square equals the measured
training loss; how the error is shared among directions and frequencies is then a forecast, not a fit. Optimisers that
are no plain gradient descent (Adam, Muon) and kernels that change make it miss: by how much is what this shows.
Source: Jacot et al., Neural Tangent Kernel, 2018, section 5; Rahaman et al., On the Spectral Bias, 2019.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.kernel_spectrum import KernelSpectrum

BANDS = 6
HALVINGS = 200


@dataclass(frozen=True)
class Band:
    """Mean squared residuals (normalised units) that directions or frequencies low <= . < high hold of the whole."""

    low: float
    high: float
    before: float
    forecast: float
    measured: float


@dataclass(frozen=True)
class Forecast:
    """What was forecast beside what was measured.

    directions: bands of eigen-directions by number (from 1), octaves. frequencies: in cycles per unit; empty where the
    points are no even sub-grid in space. loss: the measured training loss that the kernel time was set by.
    """

    kernel_time: float
    loss: float
    directions: tuple[Band, ...]
    frequencies: tuple[Band, ...]
    unit: str

    @property
    def shown(self) -> tuple[str, tuple[Band, ...]]:
        """What to draw: bands of frequencies where there are any, else of directions; and the title of their axis."""
        if self.frequencies:
            return f"frequency (cycles per {self.unit or 'voxel unit'})", self.frequencies
        return "eigen-direction", self.directions

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def forecast(
    spectrum: KernelSpectrum,
    modes: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    loss: float,
    *,
    shape: tuple[int, ...] = (),
    spacing: tuple[float, ...] = (),
    unit: str = "",
) -> Forecast:
    """From the kernel at the start, modes (N, N) as rows, and residuals (N, channels) at the start and now.

    loss: the measured training loss. shape, spacing: of the sub-grid that the points make, in world units.
    """
    coefficients = modes @ before
    tau = kernel_time(spectrum.eigenvalues, coefficients, loss)
    predicted = np.exp(-spectrum.eigenvalues * tau)[:, None] * coefficients
    edges = [1 << i for i in range(len(modes).bit_length())] + [len(modes) + 1]
    number = np.arange(1, len(modes) + 1)
    parts = [np.square(part) for part in (coefficients, predicted, modes @ after)]
    directions = _bands(number, np.array(sorted(set(edges))), parts, before.size)
    frequencies: tuple[Band, ...] = ()
    if shape:
        radius, nyquist = _radius(shape, spacing)
        fields = [part.reshape(*shape, -1) for part in (before, modes.T @ predicted, after)]
        axes = tuple(range(len(shape)))
        power = [np.square(np.abs(np.fft.fftn(part, axes=axes, norm="ortho"))).reshape(before.shape) for part in fields]
        frequencies = _bands(radius.ravel(), np.linspace(0, nyquist, BANDS + 1), power, before.size)
    return Forecast(tau, loss, directions, frequencies, unit)


def kernel_time(eigenvalues: NDArray[np.float64], coefficients: NDArray[np.float64], loss: float) -> float:
    """The time after which the mean square of residuals, (N, channels) by direction, has fallen to the loss."""

    def left(tau: float) -> float:
        return float(np.square(np.exp(-eigenvalues * tau)[:, None] * coefficients).mean())

    low, high = 0.0, 1.0 / max(float(eigenvalues[0]), 1e-300)
    if left(0.0) <= loss:
        return 0.0
    for _ in range(HALVINGS):  # directions without an eigenvalue never learn
        if left(high) <= loss:
            break
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) > loss else (low, middle)
    return high


def _radius(shape: tuple[int, ...], spacing: tuple[float, ...]) -> tuple[NDArray[np.float64], float]:
    """Frequency of each coefficient of a Fourier transform, and the highest that all axes of some length resolve."""
    axes = [np.fft.fftfreq(n, d) for n, d in zip(shape, spacing, strict=True)]
    grids = np.meshgrid(*axes, indexing="ij")
    nyquist = min(0.5 / d for n, d in zip(shape, spacing, strict=True) if n > 1)
    return np.sqrt(sum(np.square(one) for one in grids)), float(nyquist) * (1 + 1e-9)


def _bands(at: NDArray[Any], edges: NDArray[Any], parts: list[NDArray[np.float64]], size: int) -> tuple[Band, ...]:
    """Sums of each part within each pair of edges, over the number of all values; empty bands are left out."""
    found = []
    for low, high in pairwise(edges):
        inside = (at >= low) & (at < high)
        if inside.any():
            found.append(Band(float(low), float(high), *(float(part[inside].sum()) / size for part in parts)))
    return tuple(found)
