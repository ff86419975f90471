"""The neural tangent kernel of preset `paper` on 1,024 points: ours against the plain loop of gradients.

There are two plain loops: a forward pass of all points and a backward pass for each, and each point by itself; ours
is compared with the quicker one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn

from dinr_studio.experiments.benchmark.baseline import (
    PlainDinr,
    fill_jacobian,
    fill_jacobian_by_points,
    plain_tangent_kernel,
    plain_twin,
)
from dinr_studio.experiments.benchmark.effort import Budget, Effort
from dinr_studio.experiments.benchmark.throughput import Doing, in_own_process
from dinr_studio.fields.build import build_field
from dinr_studio.fields.presets import PAPER_FIELDS
from dinr_studio.fields.tangent_kernel import tangent_kernel
from dinr_studio.training.device import peak_bytes

POINTS, AXES = 1_024, 3
Fill = Callable[[PlainDinr, Tensor, Tensor, Iterable[int]], None]
MEMORY_ROWS = 4  # gradients computed where only memory is measured
PRODUCT_PARTS = 8  # of the Jacobian's columns: one of them is multiplied where a quick measurement must do


def kernels(effort: Effort, budget: Budget) -> Doing:
    """Seconds and peak bytes of ours and the plain kernel, and how far their eigenvalues are apart.

    The plain loops are timed on some of their rows and one part of the product, which all cost the same, and counted
    up. Eigenvalues are compared on fewer points, with the plain kernel in 64 bits, relative to the greatest. Turns
    after the first are begun within the budget. Yields what it does.
    """
    field, x = _field(), _points(POINTS)
    plain = plain_twin(field, AXES)
    rows = min(effort.kernel_rows, POINTS)
    contestants: dict[str, Callable[[], float]] = {
        "ours": lambda: _seconds(lambda: tangent_kernel(field, x)),
        "plain": lambda: _loop_seconds(fill_jacobian, plain, x, rows) + _product_seconds(plain),
        "by_points": lambda: _loop_seconds(fill_jacobian_by_points, plain, x, rows) + _product_seconds(plain),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(effort.turns):
        if turn and budget.left == 0:
            break
        for name, measure in contestants.items():
            yield f"tangent kernel, turn {turn + 1} of {effort.turns}: {name}"
            seconds[name].append(measure())
    memory = {}
    for name, peak in (("ours", peak_of_ours), ("plain", peak_of_plain), ("by_points", peak_of_points)):
        yield f"peak memory of the tangent kernel: {name}"
        memory[name] = in_own_process(peak)
    yield "eigenvalues of the tangent kernel"
    return {
        "points": POINTS,
        "plain_rows_timed": rows,
        **{name: {"seconds": median(seconds[name]), "peak_memory_bytes": memory[name]} for name in contestants},
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
    return _peak_of(fill_jacobian)


def peak_of_points() -> int:
    """The same, each point by itself."""
    return _peak_of(fill_jacobian_by_points)


def _peak_of(fill: Fill) -> int:
    plain, x = plain_twin(_field(), AXES), _points(POINTS)
    jacobian = torch.empty(len(x), _columns(plain))
    fill(plain, x, jacobian, range(MEMORY_ROWS))
    jacobian[MEMORY_ROWS:] = jacobian[0]
    part = jacobian[:, : jacobian.shape[1] // PRODUCT_PARTS]
    _ = part @ part.T
    return peak_bytes()


def _loop_seconds(fill: Fill, plain: PlainDinr, x: Tensor, rows: int) -> float:
    """Seconds of a plain loop over all points: what comes before the first gradient once, then by the row."""
    jacobian = torch.empty(rows, _columns(plain))
    once = _seconds(lambda: fill(plain, x, jacobian, range(0)))
    return once + (_seconds(lambda: fill(plain, x, jacobian, range(rows))) - once) / rows * len(x)


def _product_seconds(plain: PlainDinr) -> float:
    """Seconds of the Jacobian of all points times its transpose."""
    part = torch.ones(POINTS, _columns(plain) // PRODUCT_PARTS)
    return PRODUCT_PARTS * _seconds(lambda: part @ part.T)


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _columns(plain: PlainDinr) -> int:
    return sum(p.numel() for p in plain.parameters())


def _field() -> nn.Module:
    return build_field(PAPER_FIELDS["dinr-ffnet"], AXES, 1, seed=0)


def _points(count: int) -> Tensor:
    """Coordinates (count, axes) in [-1, 1], the same ones every time."""
    return torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (count, AXES)).astype(np.float32))
