"""Random orders and choices that need no memory: each is computed from a key where it is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 4
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
SECOND_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)


def permuted(positions: NDArray[np.integer[Any]], size: int, key: tuple[int, ...]) -> NDArray[np.int64]:
    """Images of positions in range(size) under a pseudo-random permutation of range(size) that `key` selects.

    A balanced Feistel network on the next even power of two; images past the end are permuted again until they fall
    inside (cycle walking). Source: Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002.
    """
    half = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    low_bits = np.uint64((1 << int(half)) - 1)
    keys = _round_keys(key)
    images = positions.astype(np.uint64)
    outside = np.arange(len(images))
    while len(outside):
        left, right = images[outside] >> half, images[outside] & low_bits
        for round_key in keys:
            left, right = right, left ^ (_mixed(right, round_key) & low_bits)
        images[outside] = (left << half) | right
        outside = outside[images[outside] >= size]
    return images.astype(np.int64)


def chosen(numbers: NDArray[np.integer[Any]], share: float, key: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which of some numbers (N,) belong to a pseudo-random choice that takes each with probability `share`."""
    words = numbers.astype(np.uint64)
    for round_key in _round_keys(key):
        words = _mixed(words, round_key)
    picked: NDArray[np.bool_] = words < np.uint64(min(int(share * 2.0**64), 2**64 - 1))
    return picked


def _round_keys(key: tuple[int, ...]) -> NDArray[np.uint64]:
    keys: NDArray[np.uint64] = np.random.SeedSequence(key).generate_state(ROUNDS, dtype=np.uint64).view(np.uint64)
    return keys


def _mixed(words: NDArray[np.uint64], key: np.uint64) -> NDArray[np.uint64]:
    mixed = (words ^ key) * MULTIPLIER
    mixed = (mixed ^ (mixed >> np.uint64(31))) * SECOND_MULTIPLIER
    return mixed ^ (mixed >> np.uint64(29))
