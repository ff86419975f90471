"""What a sweep can measure of a run besides its scores, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dinr_studio.experiments.compression.compression import CompressionReport, Wish, compress
from dinr_studio.experiments.steps import told
from dinr_studio.experiments.sweeps.conditions import Measured
from dinr_studio.fields.build import build_field, frozen_weights
from dinr_studio.stages import result_of
from dinr_studio.training.monitor import look_at_kernel
from dinr_studio.training.run import Run

KERNEL_POINTS = 256


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
    """Bytes of the field as a small file that costs no more than 0.1 dB, and the PSNR over all voxels before and after.

    The ratio is that of the data's own bytes to those of the whole small file.
    """
    with TemporaryDirectory() as folder:
        steps = compress(run, Path(folder, "small.dinr"), Wish(), ready.clean, force=False)
        report: CompressionReport = result_of(told(steps))
    return {
        "bytes": report.bytes,
        "bits_per_weight": report.bits_per_weight,
        "ratio": report.ratio,
        "run_psnr": report.psnr_before,
        "small_psnr": report.psnr,
    }


MEASURED: Mapping[str, Callable[[Run, Measured], dict[str, Any]]] = {"kernel": kernel, "size": size}
