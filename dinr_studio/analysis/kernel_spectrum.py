"""What the eigenvalues of a neural tangent kernel say: how many directions a field can learn in, and how evenly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-7  # of the largest eigenvalue: what float32 gradients resolve


@dataclass(frozen=True)
class KernelSpectrum:
    """Eigenvalues of a kernel of N points, largest first, (N,); negative ones (rounding) count as 0."""

    eigenvalues: NDArray[np.float64]

    @property
    def effective_rank(self) -> float:
        """Participation ratio (sum of l)^2 / sum of l^2: between 1 and N."""
        squares = float(np.square(self.eigenvalues).sum())
        return float(self.eigenvalues.sum()) ** 2 / squares if squares > 0 else 0.0

    @property
    def entropy_rank(self) -> float:
        """Exponential of the entropy of the shares l / sum of l: between 1 and N.

        Source: Roy and Vetterli, The effective rank: a measure of effective dimensionality, 2007.
        """
        total = float(self.eigenvalues.sum())
        if total <= 0:
            return 0.0
        shares = self.eigenvalues[self.eigenvalues > 0] / total
        return float(np.exp(-(shares * np.log(shares)).sum()))

    @property
    def cumulative_share(self) -> NDArray[np.float64]:
        """Share of the trace that the first i eigenvalues make up, (N,)."""
        total = float(self.eigenvalues.sum())
        share: NDArray[np.float64] = np.cumsum(self.eigenvalues) / (total if total > 0 else 1.0)
        return share

    @property
    def floor(self) -> float:
        """The eigenvalue below which all is rounding."""
        return FLOOR * float(self.eigenvalues[0])

    @property
    def condition_number(self) -> float:
        """Largest over smallest eigenvalue, the smallest taken no lower than what float32 resolves (1e-7 of it)."""
        largest = float(self.eigenvalues[0])
        return largest / max(float(self.eigenvalues[-1]), FLOOR * largest) if largest > 0 else 1.0

    @property
    def decay(self) -> float:
        """The exponent a in l_i ~ i^-a: minus the slope of log l by log i over eigenvalues above the floor."""
        kept = self.eigenvalues[self.eigenvalues > FLOOR * self.eigenvalues[0]]
        if len(kept) < 3:
            return 0.0
        return -float(np.polyfit(np.log(np.arange(1, len(kept) + 1)), np.log(kept), 1)[0])


def kernel_spectrum(kernel: NDArray[np.float64]) -> KernelSpectrum:
    """The spectrum of a symmetric kernel (N, N)."""
    eigenvalues = np.clip(np.linalg.eigvalsh((kernel + kernel.T) / 2)[::-1], 0, None)
    eigenvalues.flags.writeable = False
    return KernelSpectrum(eigenvalues)


def kernel_modes(kernel: NDArray[np.float64]) -> tuple[KernelSpectrum, NDArray[np.float64]]:
    """The spectrum of a symmetric kernel (N, N) and its eigenvectors as rows (N, N), in the same order, of length 1."""
    eigenvalues, vectors = np.linalg.eigh((kernel + kernel.T) / 2)
    eigenvalues = np.clip(eigenvalues[::-1], 0, None)
    modes = np.ascontiguousarray(vectors.T[::-1])
    eigenvalues.flags.writeable = modes.flags.writeable = False
    return KernelSpectrum(eigenvalues), modes
