"""Which steps a run's weights are stored in: as fine as a PSNR needs, as coarse as a ratio asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.config import STEPS
from dinr_studio.errors import ConfigError
from dinr_studio.fields.build import load_field
from dinr_studio.fields.quantised import (
    FEWEST_BITS,
    MOST_BITS,
    Quantised,
    Stored,
    by_sensitivity,
    in_bits,
    in_floats,
    restored,
)
from dinr_studio.fields.sensitivity import sensitivity
from dinr_studio.training.blended_run import check_fitted, weights_of_block
from dinr_studio.training.run import Run
from dinr_studio.training.run_description import Packing
from dinr_studio.training.small_file import kept_weights, small_content

POINTS = 2048  # at which the influence of weights is measured
FLOATS = (32, 16)
ALLOWED = f"32, 16, {FEWEST_BITS} to {MOST_BITS}, or auto"
LONGEST_PSNRS = 24  # bytes of two PSNRs and a number of voxels, deflated
WIDEST, REFINEMENTS = 1.5, 5  # factor between two first guesses of a step; halvings of what lies between
NO_MORE_NOISE, NO_LESS_NOISE = 1e2, 1e-7  # in shares of the values' scale

Content = tuple[bytes, bytes, bytes]


@dataclass(frozen=True)
class Candidate:
    """A run whose weights are those that a small file would give back. bits: None where by sensitivity."""

    run: Run
    stored: Mapping[str, Stored]
    bits: int | None

    def content(self, psnr: float | None = None, before: float | None = None, voxels: int = 0) -> Content:
        """What the small file would hold; psnr, before: of these weights and of the run's own on so many voxels."""
        told = [None if one is None else round(one, 4) for one in (psnr, before)]
        packing = Packing(bits=self.bits, psnr=told[0], psnr_before=told[1], voxels=voxels)
        return small_content(self.run, self.stored, packing)

    @property
    def size(self) -> int:
        """Bytes of the small file at most: how many digits its PSNRs take is not known yet."""
        return sum(map(len, self.content())) + LONGEST_PSNRS

    @property
    def weights(self) -> int:
        """How many weights are stored."""
        return sum(one.codes.size if isinstance(one, Quantised) else one.size for one in self.stored.values())


class Quantiser:
    """A run whose weights are to be stored in less; raises RunFileError where it has no field."""

    def __init__(self, run: Run) -> None:
        check_fitted(run)
        self._run, self._weights = kept_weights(run)

    @property
    def run(self) -> Run:
        """The run with its weights before they are stored in less."""
        return self._run

    def in_bits(self, bits: int) -> Candidate:
        """The weights as floats of 32 or 16 bits, or with each row's greatest one in fewer; ConfigError for others."""
        if bits not in FLOATS and not FEWEST_BITS <= bits <= MOST_BITS:
            raise ConfigError(f"The number of bits is {bits}; {ALLOWED} are allowed.")
        stored = in_floats(self._weights, bits) if bits in FLOATS else in_bits(self._weights, bits)
        return self._candidate(stored, bits)

    def at_noise(self, noise: float) -> Candidate:
        """Each tensor with the step that makes all weights alike in what their rounding does to the values."""
        return self._candidate(by_sensitivity(self._weights, self._sensitivity, noise), None)

    def coarsest(self, good: Callable[[Candidate], bool], start: float) -> Candidate:
        """The one of most noise that is good, where less noise is always better; start: a first guess.

        ConfigError where none is.
        """
        return self._searched(good, start, 1 / WIDEST)

    def finest(self, good: Callable[[Candidate], bool], start: float) -> Candidate:
        """The one of least noise that is good, where more noise is always better; start: a first guess.

        ConfigError where none is.
        """
        return self._searched(good, start, WIDEST)

    def noise_for(self, loss: float, error: float) -> float:
        """The noise that should cost `loss` dB where the mean squared error, in network units, is `error`."""
        count = sum(array.size for array in self._weights.values()) / max(1, self._blocks)
        return math.sqrt(12 * error * (10 ** (loss / 10) - 1) / count)

    def _searched(self, good: Callable[[Candidate], bool], start: float, towards: float) -> Candidate:
        """The good candidate next to those that are not; towards: the factor of noise that leads to what is good."""
        best: Candidate | None = None
        found, bad, noise = math.nan, math.nan, start
        while NO_LESS_NOISE < noise < NO_MORE_NOISE and (math.isnan(found) or math.isnan(bad)):
            candidate = self.at_noise(noise)
            if good(candidate):
                best, found, noise = candidate, noise, noise / towards
            else:
                bad, noise = noise, noise * towards
        for _ in range(0 if math.isnan(found) or math.isnan(bad) else REFINEMENTS):
            noise = math.sqrt(found * bad)
            candidate = self.at_noise(noise)
            if good(candidate):
                best, found = candidate, noise
            else:
                bad = noise
        if best is None:
            raise ConfigError("No choice of steps for the weights reaches that; ask for less, or fit another width.")
        return best

    def _candidate(self, stored: Mapping[str, Stored], bits: int | None) -> Candidate:
        return Candidate(self._run.updated(best=restored(stored)), stored, bits)

    @property
    def _blocks(self) -> int:
        return 1 if self._run.partition is None else self._run.partition.count

    @cached_property
    def _sensitivity(self) -> dict[str, float]:
        """By tensor; of a run of blocks, the mean over blocks, each in its own box."""
        found = [self._sensitivity_of(number) for number in range(self._blocks)]
        return {name: float(np.mean([one[name] for one in found])) for name in found[0]}

    def _sensitivity_of(self, number: int) -> dict[str, float]:
        run = self._run
        generator = np.random.default_rng(number)
        low, high = np.zeros(len(run.grid.shape)), np.array(run.grid.shape) - 1.0
        weights: Mapping[str, NDArray[Any]] = self._weights
        network = run.coordinates
        if run.partition is not None:
            start, stop = run.partition.box(number)
            low, high = np.array(start, float), np.array(stop) - 1.0
            weights, network = weights_of_block(weights, number), run.block_maps[number]
        slope, intercept = network.index_affine(run.grid)
        points = generator.uniform(low, high, (POINTS, len(low))) * slope + intercept
        field = load_field(run.config.field, len(low), run.channels, weights)
        return sensitivity(field, torch.from_numpy(points.astype(np.float32)), seed=number) | {STEPS: 0.0}
