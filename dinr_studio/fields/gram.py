"""Gram matrices of per-sample gradients that share one weight matrix over many steps, without the gradients themselves.

A layer that is called once a step k, with inputs a_k and output gradients g_k, has for each sample the gradient
sum over k of g_k a_k^T. Over latent time both vary smoothly, so in an orthonormal basis of the steps that suits
both, p counting its modes, the same sum over p of g_p a_p^T has terms that fall off as the product of two quickly
falling factors: of 12 steps 3 to 5 modes are left at the precision of 32 bits. The inner product of two samples i and j
is then the sum over p and q of (g_pi . g_qj) (a_pi . a_qj): two matrix products for each pair of modes.

All sums go into the lower triangle of a kernel (points, points); what is above it is not to be read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from dinr_studio.threads import side_by_side, usable_threads

ROWS = 128  # of the kernel in one product: its factors and results stay in the cache
BLOCK_VALUES = 1 << 24  # values of per-sample gradients held at a time
MODE_TOLERANCE = 1e-9  # share of the gradient's norm that modes left out may have together
POWER_ITERATIONS = 2
PAIR_TOLERANCE = 1e-6  # share of the greatest eigenvalue that pairs of modes left out may have together, at most
SAMPLED_POINTS = 96  # on which it is seen how large the product of two modes is


def add_gram(kernel: Tensor, columns: Tensor) -> None:
    """Adds columns @ columns^T, columns (points, any), to the lower triangle."""

    def add(rows: slice) -> None:
        kernel[rows, : rows.stop] += columns[rows] @ columns[: rows.stop].T

    _for_all_rows(kernel, add)


def step_basis(gradients: Tensor, inputs: Tensor) -> Tensor:
    """An orthonormal basis (modes, steps) in which both fall off quickly, greatest first.

    gradients (steps, points, outputs), inputs (steps, points, inputs). Any orthonormal basis gives the same kernel.
    """
    steps = len(gradients)
    shared = torch.zeros(steps, steps, dtype=torch.float64, device=gradients.device)
    for part in (gradients, inputs):
        flat = part.reshape(steps, -1).double()
        gram = flat @ flat.T
        shared += gram / gram.trace().clamp_min(torch.finfo(gram.dtype).tiny)
    basis: Tensor = torch.linalg.eigh(shared).eigenvectors.flip(1).T.to(gradients.dtype)
    return basis


def step_modes(basis: Tensor, gradients: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The same per-sample gradients with fewer terms: (steps, points, outputs or inputs) -> (modes, points, ...)."""
    steps = len(basis)
    g, a = (torch.mm(basis, part.reshape(steps, -1)).reshape(part.shape) for part in (gradients, inputs))
    norms = mode_norms(g, a)
    left_out = norms.flip(0).cumsum(0).flip(0)  # of this mode and all after it
    modes = max(1, int((left_out > MODE_TOLERANCE * norms.sum()).sum()))
    return g[:modes].clone(), a[:modes].clone()


def mode_norms(g: Tensor, a: Tensor) -> Tensor:
    """Frobenius norm, over all points, of the part of the gradients that each mode makes: (modes,), float64."""
    sizes = torch.linalg.vector_norm(g, dim=2) * torch.linalg.vector_norm(a, dim=2)
    norms: Tensor = torch.linalg.vector_norm(sizes.double(), dim=1)
    return norms


def add_products(kernel: Tensor, g: Tensor, a: Tensor) -> None:
    """Adds the inner products of the gradients sum_p g_p a_p^T: g (modes, points, outputs), a (modes, points, inputs).

    Pairs of modes are left out, the smallest first, while their sizes together stay below PAIR_TOLERANCE of the
    kernel's greatest eigenvalue. Where the pairs that are left cost more than the gradients themselves, these are made
    and multiplied, some outputs at a time.
    """
    points = g.shape[1]
    total = torch.zeros(points, points, dtype=g.dtype, device=g.device)
    _add_pairs(total, g, a, [(0, 0)])
    pairs = _pairs(_pair_sizes(g, a), _eigenvalue_reached(total + kernel.to(total.dtype)))
    outputs, inputs = g.shape[2], a.shape[2]
    if len(pairs) * (outputs + inputs) > outputs * inputs:
        _add_explicit(kernel, g, a)
        return
    _add_pairs(total, g, a, pairs[1:])
    kernel += total


def _eigenvalue_reached(lower: Tensor) -> float:
    """A lower bound of the greatest eigenvalue of a matrix, given by its lower triangle: a few power iterations."""
    triangle = lower.tril()
    diagonal = triangle.diagonal()
    vector = torch.ones(len(triangle), dtype=triangle.dtype, device=triangle.device)
    reached = 0.0
    for _ in range(POWER_ITERATIONS):
        vector = vector / torch.linalg.vector_norm(vector).clamp_min(torch.finfo(vector.dtype).tiny)
        image = triangle @ vector + triangle.T @ vector - diagonal * vector
        reached = max(reached, float(vector @ image))
        vector = image
    return reached


def _pair_sizes(g: Tensor, a: Tensor) -> Tensor:
    """The Frobenius norm of what each ordered pair of modes adds to the kernel, (modes, modes), about.

    It is ||J_p||_F ||J_q||_F at most, and ten to a hundred times less where gradients point elsewhere from point to
    point: how much less is measured on some of the points.
    """
    modes, points, _ = g.shape
    chosen = torch.randperm(points, generator=torch.Generator().manual_seed(0))[:SAMPLED_POINTS].to(g.device)
    some_g, some_a = g[:, chosen], a[:, chosen]
    products = _inner(some_g) * _inner(some_a)
    sampled = torch.linalg.vector_norm(products.view(modes, len(chosen), modes, len(chosen)).double(), dim=(1, 3))
    norms, some_norms = mode_norms(g, a), mode_norms(some_g, some_a)
    most = torch.outer(some_norms, some_norms).clamp_min(torch.finfo(norms.dtype).tiny)
    sizes: Tensor = sampled / most * torch.outer(norms, norms)
    return sizes


def _inner(values: Tensor) -> Tensor:
    """All inner products of values (modes, points, channels): (modes * points, modes * points)."""
    flat = values.flatten(0, 1)
    return flat @ flat.T


def _pairs(sizes: Tensor, eigenvalue: float) -> list[tuple[int, int]]:
    """Ordered pairs of modes that count, the greatest first; (0, 0) is always the first. sizes: (modes, modes)."""
    size = {(p, q): value for p, row in enumerate(sizes.tolist()) for q, value in enumerate(row)}
    pairs = sorted(size, key=lambda pair: (pair != (0, 0), -size[pair], pair))
    left_out = 0.0
    while len(pairs) > 1 and left_out + size[pairs[-1]] <= PAIR_TOLERANCE * eigenvalue:
        left_out += size[pairs.pop()]
    return pairs


def _add_pairs(total: Tensor, g: Tensor, a: Tensor, pairs: list[tuple[int, int]]) -> None:
    def add(rows: slice) -> None:
        for p, q in pairs:
            total[rows, : rows.stop].addcmul_(g[p, rows] @ g[q, : rows.stop].T, a[p, rows] @ a[q, : rows.stop].T)

    _for_all_rows(total, add)


def _for_all_rows(kernel: Tensor, add: Callable[[slice], None]) -> None:
    """Calls add for ROWS rows of the kernel at a time, shared by threads so that each gets as much of the triangle."""
    blocks = [slice(first, first + ROWS) for first in range(0, len(kernel), ROWS)]
    threads = min(usable_threads(), len(blocks)) if kernel.device.type == "cpu" else 1
    shares = [blocks[k :: 2 * threads] + blocks[2 * threads - 1 - k :: 2 * threads] for k in range(threads)]
    side_by_side([partial(_for_each, add, share) for share in shares])


def _for_each(add: Callable[[slice], None], blocks: list[slice]) -> None:
    for block in blocks:
        add(block)


def _add_explicit(kernel: Tensor, g: Tensor, a: Tensor) -> None:
    _, points, outputs = g.shape
    inputs = a.shape[2]
    by_point = a.permute(1, 0, 2)
    block = max(1, BLOCK_VALUES // (points * inputs))
    for first in range(0, outputs, block):
        part = g[:, :, first : first + block].permute(1, 2, 0)  # (points, block, modes)
        add_gram(kernel, torch.bmm(part, by_point).reshape(points, -1))
