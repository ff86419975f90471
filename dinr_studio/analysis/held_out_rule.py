"""Which voxels are held out where they are too many for a mask: a rule that tells it from a voxel's index alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.held_out import (
    BLOCK_EDGE,
    axis_of_frames,
    axis_of_planes,
    chosen_frames,
    expected_share,
)
from dinr_studio.coordinates import Grid, flat_to_index
from dinr_studio.errors import DataError
from dinr_studio.permutation import chosen

Flat = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class HeldOutRule:
    """The counterpart of `held_out_mask`: the same schemes, with the share held on average rather than to a voxel.

    shape: that of the grid. axis, layers: where whole planes or frames are held out, across which axis and which ones.
    """

    shape: tuple[int, ...]
    scheme: str
    share: float
    seed: int
    axis: int = 0
    layers: tuple[int, ...] = ()

    def of(self, flat: Flat) -> Mask:
        """Whether voxels, by flat indices (N,) of the grid, are held out."""
        if self.share == 0:
            return np.zeros(len(flat), dtype=bool)
        return RULES[self.scheme](self, flat)

    def within(self, start: tuple[int, ...], stop: tuple[int, ...]) -> Mask:
        """The held-out voxels of the box start <= index < stop, as a mask of its shape."""
        axes = np.meshgrid(*(np.arange(a, b) for a, b in zip(start, stop, strict=True)), indexing="ij", sparse=True)
        flat = np.ravel_multi_index(np.broadcast_arrays(*axes), self.shape)
        return self.of(flat.ravel()).reshape(flat.shape)


def held_out_rule(grid: Grid, scheme: str, share: float, seed: int) -> HeldOutRule:
    """The rule of a scheme; DataError where it does not go with the grid, or needs all voxels at once."""
    if share > 0 and scheme not in RULES:
        raise DataError(
            f"The scheme {scheme} needs all values in memory; those of this volume stay in their file, for which "
            f"there are {', '.join(RULES)}."
        )
    held = expected_share(grid, scheme, share)
    if share == 0 or scheme not in LAYERS:
        return HeldOutRule(grid.shape, scheme, held, seed)
    axis, layers = LAYERS[scheme](grid, share, seed)
    return HeldOutRule(grid.shape, scheme, held, seed, axis, layers)


def _planes(grid: Grid, share: float, seed: int) -> tuple[int, tuple[int, ...]]:
    """Every second plane; the outermost ones are trained on."""
    axis = axis_of_planes(grid)
    return axis, tuple(range(1, grid.shape[axis] - 1, 2))


def _frames(grid: Grid, share: float, seed: int) -> tuple[int, tuple[int, ...]]:
    """Some inner frames at random."""
    axis = axis_of_frames(grid)
    return axis, tuple(chosen_frames(grid.shape[axis], share, np.random.default_rng(seed)))


def _random(rule: HeldOutRule, flat: Flat) -> Mask:
    return chosen(flat, rule.share, (rule.seed,))


def _blocks(rule: HeldOutRule, flat: Flat) -> Mask:
    lattice = tuple(-(-n // BLOCK_EDGE) for n in rule.shape)
    blocks = np.ravel_multi_index(tuple((flat_to_index(flat, rule.shape) // BLOCK_EDGE).T), lattice)
    return chosen(blocks, rule.share, (rule.seed,))


def _layers(rule: HeldOutRule, flat: Flat) -> Mask:
    held_out: Mask = np.isin(flat_to_index(flat, rule.shape)[:, rule.axis], rule.layers)
    return held_out


LAYERS = {"planes": _planes, "frames": _frames}
RULES: dict[str, Callable[[HeldOutRule, Flat], Mask]] = {
    "random": _random,
    "blocks": _blocks,
    "planes": _layers,
    "frames": _layers,
}
