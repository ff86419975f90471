"""Fourier transforms of maps, in the layout of scipy.fft.rfftn: shells of equal frequency, and power beyond one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST_VOXELS = 4  # along an axis that is to have a spectrum
AT = 1e-6  # relative: a frequency this near to the Nyquist frequency lies at it, not beyond
MODES_AT_ONCE = 1 << 20  # looked at in one go, so that whole maps need no further copies


@dataclass(frozen=True)
class Shells:
    """Modes of a map counted by shell: mode s lies in shell round(|s| / width), s in cycles per unit of length.

    shape and voxel_size: of the map, one entry for each axis. All shells up to the least Nyquist frequency of the axes
    are whole; modes beyond it have the number `count` or more. width is the coarsest step of frequency of any axis.
    """

    shape: tuple[int, ...]
    voxel_size: tuple[float, ...]

    @cached_property
    def width(self) -> float:
        """Width of a shell in cycles per unit: one cycle along the shortest edge of the box."""
        return max(1.0 / (n * v) for n, v in zip(self.shape, self.voxel_size, strict=True))

    @cached_property
    def nyquist(self) -> float:
        """Least Nyquist frequency of the axes, in cycles per unit."""
        return min(0.5 / v for v in self.voxel_size)

    @cached_property
    def count(self) -> int:
        """Number of shells, the zeroth (the mean) included."""
        return int(self.nyquist / self.width + 1e-9) + 1

    @property
    def frequency(self) -> NDArray[np.float64]:
        """Middle of each shell, (count,), in cycles per unit."""
        return np.arange(self.count, dtype=np.float64) * self.width

    @cached_property
    def steps(self) -> tuple[NDArray[Any], ...]:
        """Frequencies along each axis, in cycles per unit; half of them along the last."""
        last = len(self.shape) - 1
        return tuple(
            np.abs(np.fft.rfftfreq(n, v)) if axis == last else np.fft.fftfreq(n, v)
            for axis, (n, v) in enumerate(zip(self.shape, self.voxel_size, strict=True))
        )

    @cached_property
    def weight(self) -> NDArray[np.float64]:
        """How many modes one along the last axis stands for: 2 where its conjugate is left out, else 1."""
        weight = np.full(len(self.steps[-1]), 2.0)
        weight[0] = 1.0
        if self.shape[-1] % 2 == 0:
            weight[-1] = 1.0
        return weight

    def parts(self) -> Iterator[slice]:
        """Slices along the first axis of the transform that cover it, some modes at a time."""
        lengths = [len(step) for step in self.steps]
        at_once = max(1, MODES_AT_ONCE // max(1, int(np.prod(lengths[1:]))))
        for start in range(0, lengths[0], at_once):
            yield slice(start, start + at_once)

    def vectors(self, part: slice) -> tuple[NDArray[np.float64], ...]:
        """Components of the frequencies in a part, each broadcasting to its shape."""
        steps = (self.steps[0][part], *self.steps[1:])
        return tuple(np.meshgrid(*steps, indexing="ij", sparse=True))

    def lengths(self, part: slice) -> NDArray[np.float64]:
        """Length of the frequencies in a part, in cycles per unit."""
        squares: NDArray[np.float64] = np.zeros(())
        for component in self.vectors(part):
            squares = squares + np.square(component)
        return np.sqrt(squares)

    def numbers(self, part: slice) -> NDArray[np.int64]:
        """Number of the shell that each mode of a part lies in."""
        numbers: NDArray[np.int64] = np.rint(self.lengths(part) / self.width).astype(np.int64)
        return numbers

    def sums(self, part: slice, *values: NDArray[Any]) -> list[NDArray[np.float64]]:
        """For each array of values of a part's modes: its sum by shell, (count,), conjugates counted."""
        shell = self.numbers(part)
        inside = shell < self.count
        shell = shell[inside]
        found: list[NDArray[Any]] = [
            np.bincount(shell, np.broadcast_to(one * self.weight, inside.shape)[inside], self.count) for one in values
        ]
        return found

    @cached_property
    def modes(self) -> NDArray[np.float64]:
        """How many modes each shell has, (count,), conjugates counted."""
        total = np.zeros(self.count)
        for part in self.parts():
            total += self.sums(part, np.ones(()))[0]
        return total


def shells_of(shape: Sequence[int], voxel_size: Sequence[float]) -> Shells:
    """The shells of a map."""
    return Shells(tuple(int(n) for n in shape), tuple(float(v) for v in voxel_size))


def hann(shape: Sequence[int]) -> NDArray[np.float64]:
    """A window that falls to 0 at the faces of a box, as the squared sine along each axis."""
    window: NDArray[np.float64] = np.ones(())
    for n in shape:
        window = np.asarray(window[..., np.newaxis] * np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2)
    return window


def power_beyond(values: NDArray[Any], voxel_size: Sequence[float], nyquist: Sequence[float]) -> tuple[float, float]:
    """Power of a map beyond a Nyquist frequency along any axis, and power of all of it but its mean; value^2.

    nyquist: one for each axis, in cycles per unit. Their quotient is the share of the map's variance, under the window.
    """
    import scipy.fft

    window = hann(values.shape)
    power = np.square(np.abs(scipy.fft.rfftn(window * (values - np.average(values, weights=window)))))
    shells = shells_of(values.shape, voxel_size)
    inside: NDArray[np.bool_] = np.ones((), dtype=bool)
    for component, limit in zip(shells.vectors(slice(None)), nyquist, strict=True):
        inside = inside & (np.abs(component) <= limit * (1 + AT))
    power = power * shells.weight / float(np.square(window).sum() * values.size)
    total = float(power.sum())
    return max(0.0, total - float((power * inside).sum())), total
