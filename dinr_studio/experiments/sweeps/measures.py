"""What a sweep can measure of a run besides its scores, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.scores import psnr
from dinr_studio.experiments.sweeps.conditions import Measured
from dinr_studio.fields.build import build_field, frozen_weights
from dinr_studio.training.device import resolve_device
from dinr_studio.training.fit import field_of
from dinr_studio.training.monitor import look_at_kernel
from dinr_studio.training.run import Run
from dinr_studio.training.task import VolumeTask

KERNEL_POINTS = 256
WHOLE = 100_000  # voxels, at most, on which the PSNR over all voxels is taken


def kernel(run: Run, ready: Measured) -> dict[str, Any]:
    """Of the tangent kernel on an even sub-grid, before training and of the best weights.

    Effective rank is the participation ratio; the condition number's smallest eigenvalue counts as no less than 1e-7
    of the largest.
    """
    axes = len(run.grid.shape)
    fresh = build_field(run.config.field, axes, run.channels, seed=run.config.training.seed)
    before = look_at_kernel(run, frozen_weights(fresh), KERNEL_POINTS)
    after = look_at_kernel(run, run.best, KERNEL_POINTS)
    return {
        "kernel_points": after.points,
        "effective_rank_before": before.spectrum.effective_rank,
        "effective_rank": after.spectrum.effective_rank,
        "condition_number_before": before.spectrum.condition_number,
        "condition_number": after.spectrum.condition_number,
    }


def size(run: Run, ready: Measured) -> dict[str, Any]:
    """Bytes of the weights as numbers of 32 and of 16 bits, and the PSNR over all voxels with each, in dB.

    The ratio is that of the data's own bytes to those of the weights in 16 bits.
    """
    count = sum(weight.size for weight in run.best.values())
    halved = {name: weight.astype(np.float16).astype(np.float32) for name, weight in run.best.items()}
    data_bytes = ready.clean.values.size * ready.clean.values.dtype.itemsize
    return {
        "bytes_fp32": 4 * count,
        "bytes_fp16": 2 * count,
        "ratio_fp16": data_bytes / (2 * count),
        "whole_psnr_fp32": _whole_psnr(run, ready),
        "whole_psnr_fp16": _whole_psnr(run.updated(best=halved), ready),
    }


def _whole_psnr(run: Run, ready: Measured) -> float:
    """PSNR against the clean values over all present voxels, or an even choice of them, trained on or not."""
    numbers = _present(ready)
    numbers = numbers[:: -(-len(numbers) // WHOLE)]
    field = field_of(run, resolve_device(run.config.training.device))
    return psnr(ready.truth(numbers), ready.task.predicted(field, numbers), ready.clean.data_range)


def _present(ready: Measured) -> NDArray[np.integer[Any]]:
    if not isinstance(ready.task, VolumeTask):
        return np.arange(ready.clean.count)
    missing = ready.clean.missing
    return np.arange(ready.clean.grid.size) if missing is None else np.flatnonzero(~missing.reshape(-1))


MEASURED: Mapping[str, Callable[[Run, Measured], dict[str, Any]]] = {"kernel": kernel, "size": size}
