"""Weights in few bits: whole numbers times a step, one for a whole tensor or one for each of its rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.config import STEPS

LARGEST_CODE = 32767
SHORTEST_ROW = 8  # values that a step of their own pays for
SMALL = 4096  # values: smaller tensors of short rows take few bytes in any case
FEWEST_BITS, MOST_BITS = 2, 12  # of what is stored with a step for each row


@dataclass(frozen=True)
class Quantised:
    """A tensor as codes times steps.

    codes: whole numbers from -32767 to 32767 in the tensor's shape, int16. steps: (1,) or (rows,), rows being all but
    the tensor's last axis; float32, positive, with no more than the first 16 bits set.
    """

    codes: NDArray[np.int16]
    steps: NDArray[np.float32]

    @property
    def values(self) -> NDArray[np.float32]:
        """The tensor, float32."""
        rows = self.codes.reshape(len(self.steps), -1).astype(np.float32)
        return (rows * self.steps[:, None]).reshape(self.codes.shape)


Stored = NDArray[Any] | Quantised  # floats of 32 or 16 bits, or codes
Weights = Mapping[str, NDArray[Any]]


def restored(stored: Mapping[str, Stored]) -> dict[str, NDArray[np.float32]]:
    """The weights that a field gets, float32."""
    return {name: one.values if isinstance(one, Quantised) else one.astype(np.float32) for name, one in stored.items()}


def in_floats(weights: Weights, bits: int) -> dict[str, Stored]:
    """The weights as floats of 32 or 16 bits; 32 where a tensor goes beyond what 16 can hold, and for its steps."""
    kept: dict[str, Stored] = {}
    for name, array in weights.items():
        fits = bits == 16 and name != STEPS and np.abs(array).max(initial=0) <= np.finfo(np.float16).max
        kept[name] = array.astype(np.float16 if fits else np.float32)
    return kept


def in_bits(weights: Weights, bits: int) -> dict[str, Stored]:
    """The weights in `bits` bits, 2 to 12, each row's greatest one being the greatest code.

    Small tensors whose rows are short (biases, the first sine layer, few frequencies) are a small part and have been
    seen to hurt most, so these are stored in 16 bits with one step; large ones (hash tables) have one step as well.
    """
    kept: dict[str, Stored] = {}
    for name, array in weights.items():
        long = array.ndim > 1 and array.shape[-1] >= SHORTEST_ROW
        rows = array.reshape(math.prod(array.shape[:-1]) if long else 1, -1)
        largest = 2 ** (bits - 1) - 1 if long or array.size > SMALL else LARGEST_CODE
        kept[name] = _plain(array) if name == STEPS else _rounded(array, np.abs(rows).max(axis=1, initial=0) / largest)
    return kept


def by_sensitivity(weights: Weights, sensitivity: Mapping[str, float], noise: float) -> dict[str, Stored]:
    """The weights with one step for each tensor, finer the more the field's values depend on it.

    sensitivity: by name, the mean over a tensor's weights of the squared change of a value for a change of 1; see
    `fields.sensitivity`. Steps of noise/sqrt(sensitivity) make each weight, wherever it is, change the values' mean
    square by noise^2/12: with entropy coding that takes the fewest bits for a given error.
    Source: the reverse water-filling of rate-distortion theory, Cover and Thomas, Elements of Information Theory.
    """
    kept: dict[str, Stored] = {}
    for name, array in weights.items():
        if name == STEPS:
            kept[name] = _plain(array)
            continue
        most = float(np.abs(array).max(initial=0))
        wanted = noise / math.sqrt(sensitivity[name]) if sensitivity[name] > 0 else math.inf
        kept[name] = _rounded(array, np.array([min(max(wanted, most / LARGEST_CODE), 4 * most)]))
    return kept


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32)


def _rounded(array: NDArray[Any], least_steps: NDArray[Any]) -> Quantised:
    """The nearest codes; least_steps: (rows,), made a little longer so that 16 bits hold them, 1 where 0."""
    steps = upper_half(np.where(least_steps > 0, least_steps, 1.0))
    rows = array.reshape(len(steps), -1) / steps[:, None]
    return Quantised(np.rint(rows).astype(np.int16).reshape(array.shape), steps)


def upper_half(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """The least numbers, no less than these positive ones, whose last 16 bits of 32 are 0; by less than 1 % more."""
    words = np.maximum(numbers, 1e-30).astype(np.float32).view(np.uint32)
    rounded = ((words.astype(np.uint64) + 0xFFFF) & 0xFFFF0000).astype(np.uint32)
    halves: NDArray[np.float32] = rounded.view(np.float32)
    return halves
