"""Speed and exactness of evaluating a field on a grid, contestants in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.experiments.benchmark.baseline import plain_grid, plain_twin
from dinr_studio.experiments.benchmark.contestants import (
    OURS,
    SAMPLE,
    operations_per_coordinate,
    precision_used,
    untrained_field,
)
from dinr_studio.experiments.benchmark.effort import Budget, Effort
from dinr_studio.experiments.benchmark.throughput import Doing, same_as
from dinr_studio.io.reading import open_volume
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs

WARM_UP = (2, 8, 8)  # voxels evaluated before the clock starts


def evaluation(effort: Effort, products: dict[str, float], budget: Budget) -> Doing:
    """By contestant: coordinates per second on a grid (median of turns), share of the product rate, greatest error.

    products: operations per second of matrix products by precision. The error is against the plain model with the same
    weights, relative to the range of its values. Turns after the first are begun within the budget. Yields what it
    does.
    """
    volume = open_volume(SAMPLE)
    target = volume.grid.with_shape([max(2, round(effort.grid ** (1 / 3)))] * 3)
    same = same_as(tuple(OURS))
    fields = {name: untrained_field(volume, precision) for name, precision in OURS.items() if name not in same}
    runs = {"plain": _plainly(fields["ours_fp32"], target)}
    runs |= {name: _ours(field, target) for name, field in fields.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    values: dict[str, NDArray[Any]] = {}
    for turn in range(effort.turns):
        if turn and budget.left == 0:
            break
        for name, run in runs.items():
            yield f"a grid of {target.size:,} voxels, turn {turn + 1} of {effort.turns}: {name}"
            start = time.perf_counter()
            values[name] = run()
            seconds[name].append(time.perf_counter() - start)
    result = {}
    for name in ("plain", *OURS):
        measured, precision = same.get(name, name), precision_used(OURS.get(name, "fp32"))
        rate = target.size / median(seconds[measured])
        result[name] = {
            "coordinates_per_second": rate,
            "precision": precision,
            "share_of_products": operations_per_coordinate() * rate / products[precision],
            "greatest_error": float(np.abs(values[measured] - values["plain"]).max() / np.ptp(values["plain"])),
        }
    return result


def _ours(field: FieldOnGrid, target: Grid) -> Callable[[], NDArray[Any]]:
    def run() -> NDArray[Any]:
        return np.concatenate([slab.reshape(-1, field.channels) for slab in evaluate_slabs(field, target)])

    list(evaluate_slabs(field, target.with_shape(WARM_UP)))
    return run


def _plainly(field: FieldOnGrid, target: Grid) -> Callable[[], NDArray[Any]]:
    """The plain evaluation of the same function at the same places."""
    plain = plain_twin(field.module, len(target.shape), field.channels)
    slope, intercept = field.coordinates.index_affine(target)

    def along(axis: int) -> torch.Tensor:
        return torch.from_numpy((np.arange(target.shape[axis]) * slope[axis] + intercept[axis]).astype(np.float32))

    def run() -> NDArray[Any]:
        values = plain_grid(plain, [along(axis) for axis in range(len(target.shape))])
        return field.normalisation.to_values(values.numpy())

    return run
