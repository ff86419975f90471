"""The neural tangent kernel of preset `paper` on 1,024 points: ours against the plain loop of gradients."""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn

from dinr_studio.experiments.baseline import PlainDinr, fill_jacobian, plain_tangent_kernel, plain_twin
from dinr_studio.experiments.effort import Effort
from dinr_studio.experiments.throughput import Doing, in_own_process
from dinr_studio.fields.build import build_field
from dinr_studio.fields.presets import PAPER_FIELDS
from dinr_studio.fields.tangent_kernel import tangent_kernel
from dinr_studio.training.device import peak_bytes

POINTS, AXES = 1_024, 3
MEMORY_ROWS = 4  # gradients computed where only memory is measured
PRODUCT_PARTS = 8  # of the Jacobian's columns: one of them is multiplied where a quick measurement must do


def kernels(effort: Effort) -> Doing:
    """Seconds and peak bytes of ours and the plain kernel, and how far their eigenvalues are apart.

    In a quick measurement the plain loop is timed on some of its rows and one part of its product, which all cost the
    same, and counted up. Eigenvalues are compared on fewer points, with the plain kernel in 64 bits, relative to the
    greatest. Yields what it does.
    """
    field, x = _field(), _points(POINTS)
    plain = plain_twin(field, AXES)
    ours, loops = [], []
    whole = effort.kernel_rows >= POINTS
    for turn in range(effort.turns):
        yield f"tangent kernel, turn {turn + 1} of {effort.turns}: ours"
        start = time.perf_counter()
        tangent_kernel(field, x)
        ours.append(time.perf_counter() - start)
        if turn == 0 or not whole:
            yield f"tangent kernel, turn {turn + 1} of {effort.turns}: plain"
            loops.append(_plain_seconds(plain, x, effort.kernel_rows))
    memory = {}
    for name, function in (("ours", peak_of_ours), ("plain", peak_of_plain)):
        yield f"peak memory of the tangent kernel: {name}"
        memory[name] = in_own_process(function)
    yield "eigenvalues of the tangent kernel"
    return {
        "points": POINTS,
        "plain_rows_timed": min(effort.kernel_rows, POINTS),
        "ours": {"seconds": median(ours), "peak_memory_bytes": memory["ours"]},
        "plain": {"seconds": median(loops), "peak_memory_bytes": memory["plain"]},
        "eigenvalue_error": eigenvalue_error(field, plain, _points(effort.checked)),
        "eigenvalue_points": effort.checked,
    }


def eigenvalue_error(field: nn.Module, plain: PlainDinr, x: Tensor) -> float:
    """Greatest difference of eigenvalues at x (N, axes) from the plain 64-bit ones, over the greatest of these."""
    exact = torch.linalg.eigvalsh(plain_tangent_kernel(plain.double(), x.double()))
    own = torch.linalg.eigvalsh(tangent_kernel(field, x))
    return float((own - exact).abs().max() / exact.max())


def peak_of_ours() -> int:
    """Peak resident bytes of this process after our kernel of all points."""
    tangent_kernel(_field(), _points(POINTS))
    return peak_bytes()


def peak_of_plain() -> int:
    """Peak resident bytes of this process with the plain Jacobian of all points, whose rows repeat a few gradients."""
    plain, x = plain_twin(_field(), AXES), _points(POINTS)
    jacobian = torch.empty(len(x), sum(p.numel() for p in plain.parameters()))
    fill_jacobian(plain, x, jacobian, range(MEMORY_ROWS))
    jacobian[MEMORY_ROWS:] = jacobian[0]
    _ = jacobian[:, : jacobian.shape[1] // PRODUCT_PARTS] @ jacobian[:, : jacobian.shape[1] // PRODUCT_PARTS].T
    return peak_bytes()


def _plain_seconds(plain: PlainDinr, x: Tensor, rows: int) -> float:
    """Seconds of the plain kernel of all points; some rows stand for all where there are fewer."""
    if rows >= len(x):
        start = time.perf_counter()
        plain_tangent_kernel(plain, x)
        return time.perf_counter() - start
    columns = sum(p.numel() for p in plain.parameters())
    jacobian = torch.empty(rows, columns)
    fill_jacobian(plain, x, jacobian, range(1))  # what the first one pays for set-up is not counted
    start = time.perf_counter()
    fill_jacobian(plain, x, jacobian, range(rows))
    loop = (time.perf_counter() - start) / rows * len(x)
    part = torch.ones(len(x), columns // PRODUCT_PARTS)
    start = time.perf_counter()
    _ = part @ part.T
    return loop + PRODUCT_PARTS * (time.perf_counter() - start)


def _field() -> nn.Module:
    return build_field(PAPER_FIELDS["dinr-ffnet"], AXES, 1, seed=0)


def _points(count: int) -> Tensor:
    """Coordinates (count, axes) in [-1, 1], the same ones every time."""
    return torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (count, AXES)).astype(np.float32))
