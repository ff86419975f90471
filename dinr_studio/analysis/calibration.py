"""Whether standard deviations tell the truth: how often errors on held-out voxels lie within the intervals they give.

One factor, fitted on half of the voxels and judged on the other, scales them. Two more questions: do they know where
the errors are (rank correlation), and do they predict them better than one number for all voxels would?
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import DataError

LEVELS = (0.5, 0.68, 0.9, 0.95)
CURVE = tuple(round(0.05 * i, 2) for i in range(1, 20))
ONE_SIGMA = 0.6827
FEWEST = 20  # held-out values that a factor can be fitted to and judged on
SURE = 2.0  # standard errors from which on a coverage counts as wrong
SMALLEST = 1e-9  # of the mean spread: what a smaller one counts as


@dataclass(frozen=True)
class Calibration:
    """How well standard deviations hold; coverage by LEVELS and CURVE, each a share of the judged half.

    factor: what they are multiplied by. raw and scaled: coverage without and with it. count: values judged on.
    rank_correlation: Spearman's, of |error| and standard deviation. gain: mean log likelihood of the errors, in nats a
    value, by the scaled deviations less that by one constant deviation; above 0 they know more than the constant.
    """

    factor: float
    raw: tuple[float, ...]
    scaled: tuple[float, ...]
    raw_curve: tuple[float, ...]
    scaled_curve: tuple[float, ...]
    rank_correlation: float
    gain: float
    count: int

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, fit for JSON."""
        return {
            "factor": self.factor,
            "judged_values": self.count,
            "coverage": {
                f"{level:g}": {"raw": raw, "scaled": scaled}
                for level, raw, scaled in zip(LEVELS, self.raw, self.scaled, strict=True)
            },
            "reliability": {"level": list(CURVE), "raw": list(self.raw_curve), "scaled": list(self.scaled_curve)},
            "rank_correlation": self.rank_correlation,
            "gain_over_constant_nats": self.gain,
            "verdict": verdict(self),
        }


def calibrate(errors: NDArray[np.float64], spread: NDArray[np.float64], *, seed: int = 0) -> Calibration:
    """The calibration of standard deviations (N, channels) by errors (N, channels), both in the value's unit.

    seed: of the choice of halves. Raises DataError where there are too few.
    """
    if errors.size < FEWEST:
        raise DataError(
            f"{errors.size} held-out values are too few to judge an uncertainty by; {FEWEST} are needed: hold out more."
        )
    floor = SMALLEST * max(float(spread.mean()), np.finfo(np.float64).tiny)
    spread = np.maximum(spread, floor)
    order = np.random.default_rng(seed).permutation(len(errors))
    fitted, judged = order[: len(order) // 2], order[len(order) // 2 :]
    ratio = np.abs(errors) / spread
    factor = float(np.quantile(ratio[fitted], ONE_SIGMA)) or 1.0
    constant = np.sqrt(np.square(errors[fitted]).mean(axis=0)) + floor
    own, deviations = errors[judged], spread[judged]
    likelihood = _log_likelihood(own, factor * deviations) - _log_likelihood(own, constant)
    return Calibration(
        factor=factor,
        raw=_coverage(ratio[judged], LEVELS),
        scaled=_coverage(ratio[judged] / factor, LEVELS),
        raw_curve=_coverage(ratio[judged], CURVE),
        scaled_curve=_coverage(ratio[judged] / factor, CURVE),
        rank_correlation=_rank_correlation(np.abs(own), deviations),
        gain=likelihood,
        count=own.size,
    )


def verdict(found: Calibration) -> str:
    """In sentences: over- or under-confident as they stand, how well they hold scaled, and whether they say where."""
    level = LEVELS.index(0.9)
    by_chance = SURE * math.sqrt(0.9 * 0.1 / found.count)
    off = found.raw[level] - 0.9
    stands = "well calibrated" if abs(off) <= by_chance else "under-confident" if off > 0 else "over-confident"
    sentences = [
        f"As they stand the deviations are {stands}: 90 % intervals hold {100 * found.raw[level]:.0f} % of the "
        f"held-out values. Multiplied by {found.factor:.3g} they hold {100 * found.scaled[level]:.0f} % of those that "
        "the factor was not fitted to."
    ]
    if found.scaled[level] < 0.9 - by_chance:
        sentences.append("Large errors are more frequent than a normal distribution has them, which no factor mends.")
    known = f"rank correlation with the errors {found.rank_correlation:.2f}, {found.gain:+.2f} nats a value"
    if found.gain > 0:
        sentences.append(f"They say more than one deviation for all voxels would ({known}).")
    else:
        sentences.append(f"One deviation for all voxels would say as much or more ({known}).")
    return " ".join(sentences)


def _coverage(ratio: NDArray[np.float64], levels: tuple[float, ...]) -> tuple[float, ...]:
    """The share of errors within the central interval of a normal distribution, for each level."""
    from scipy.special import ndtri

    return tuple(float((ratio <= ndtri(0.5 + level / 2)).mean()) for level in levels)


def _log_likelihood(errors: NDArray[np.float64], deviations: NDArray[np.float64]) -> float:
    density = -0.5 * np.square(errors / deviations) - np.log(deviations)
    return float(np.broadcast_to(density, errors.shape).mean())


def _rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rank correlation, the mean over channels; 0 where one of both is constant."""
    from scipy.stats import rankdata

    found = []
    for a, b in zip(first.T, second.T, strict=True):
        x, y = (rankdata(one) - (len(one) + 1) / 2 for one in (a, b))
        size = math.sqrt(float(np.square(x).sum() * np.square(y).sum()))
        found.append(float((x * y).sum()) / size if size > 0 else 0.0)
    return float(np.mean(found))
