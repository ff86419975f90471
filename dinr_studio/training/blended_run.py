"""The field of a run of blocks: each block's own, blended into one function of the whole volume's coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.config import STEPS, FieldConfig
from dinr_studio.coordinates import CoordinateMap, Grid
from dinr_studio.errors import RunFileError
from dinr_studio.fields.blended import BlendedField
from dinr_studio.fields.build import load_field, weight_shapes
from dinr_studio.partition import Partition
from dinr_studio.training.run import Run, Weights


def blended_field(run: Run, partition: Partition, precision: str) -> BlendedField:
    """The blend of a run's blocks; RunFileError where they are not all fitted."""
    check_fitted(run)
    axes, channels = len(run.grid.shape), run.channels
    blocks = [
        load_field(run.config.field, axes, channels, weights_of_block(run.best, number), precision=precision)
        for number in range(partition.count)
    ]
    return BlendedField(blocks, channels, *blend_of(run.grid, run.coordinates, partition, run.block_maps))


def check_fitted(run: Run) -> None:
    """RunFileError where a run is one of blocks that are not all fitted, so that it has no field."""
    if run.partition is not None and fitted_blocks(run.best) != run.partition.count:
        raise RunFileError(
            f"Not all of the run's {run.partition.count} blocks are fitted yet, so there is no field; "
            "`fit --resume` goes on with them."
        )


def blend_of(
    grid: Grid, coordinates: CoordinateMap, partition: Partition, maps: Sequence[CoordinateMap]
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64], NDArray[np.float64]]:
    """Ramps, slope and intercept of a BlendedField whose input are the whole grid's network coordinates."""
    slope, intercept = coordinates.index_affine(grid)
    ramps = [
        np.array(partition.ramps(axis), dtype=np.float64).reshape(-1, 2) * slope[axis] + intercept[axis]
        for axis in range(len(grid.shape))
    ]
    at_zero = coordinates.world(np.zeros(len(grid.shape)))
    per_network = np.array([one.scale for one in maps]) / coordinates.scale
    return ramps, per_network, np.stack([one.network(at_zero) for one in maps])


def fitted_blocks(best: Weights) -> int:
    """How many blocks the weights of a run of blocks are those of."""
    return min((len(array) for array in best.values()), default=0)


def weights_of_block(best: Weights, number: int) -> dict[str, NDArray[Any]]:
    """One block's weights."""
    return {name: array[number] for name, array in best.items()}


def together(blocks: Sequence[Weights], config: FieldConfig) -> dict[str, NDArray[Any]]:
    """The weights of all blocks as a run of blocks holds them."""
    steps = np.array([block.get(STEPS, config.steps) for block in blocks], dtype=np.float32)
    names = [name for name in blocks[0] if name != STEPS]
    stacked = {name: np.stack([block[name] for block in blocks]) for name in names}
    return {**stacked, STEPS: steps} if (steps != config.steps).any() else stacked


def no_blocks(config: FieldConfig, axes: int, channels: int) -> dict[str, NDArray[Any]]:
    """The weights of a run none of whose blocks is fitted."""
    shapes: Mapping[str, tuple[int, ...]] = weight_shapes(config, axes, channels)
    return {name: np.zeros((0, *shape), dtype=np.float32) for name, shape in shapes.items()}
