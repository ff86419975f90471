"""Gram matrices of per-sample gradients that share one weight matrix over many steps, without the gradients themselves.

A layer that is called once a step k, with inputs a_k and output gradients g_k, has for each sample the gradient
sum over k of g_k a_k^T. Over latent time both vary smoothly, so in an orthonormal basis of the steps that suits
both, p counting its modes, the same sum over p of g_p a_p^T has terms that fall off as the product of two quickly
falling factors: of 12 steps 3 to 5 modes are left at the precision of 32 bits. The inner product of two samples i and j
is then the sum over p and q of (g_pi . g_qj) (a_pi . a_qj): two matrix products for each pair of modes.

All sums go into the lower triangle of a kernel (points, points); what is above it is not to be read.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 128  # of the kernel in one product: its factors and results stay in the cache
BASIS_STRIDE = 4  # every such point has a say in the basis of the steps
BLOCK_VALUES = 1 << 24  # values of per-sample gradients held at a time
MODE_TOLERANCE = 1e-9  # share of the gradient's norm that modes left out may have together
POWER_ITERATIONS = 6
PAIR_TOLERANCE = 3e-7  # share of the greatest eigenvalue that pairs of modes left out may have together


def add_gram(kernel: Tensor, columns: Tensor) -> None:
    """Adds columns @ columns^T, columns (points, any), to the lower triangle."""
    for first in range(0, len(columns), ROWS):
        rows = slice(first, first + ROWS)
        kernel[rows, : first + ROWS] += columns[rows] @ columns[: first + ROWS].T


def step_basis(gradients: Tensor, inputs: Tensor) -> Tensor:
    """An orthonormal basis (modes, steps) in which both fall off quickly, greatest first; from some of the points.

    gradients (steps, points, outputs), inputs (steps, points, inputs). Any orthonormal basis gives the same kernel.
    """
    steps = len(gradients)
    shared = torch.zeros(steps, steps, dtype=torch.float64, device=gradients.device)
    for part in (gradients, inputs):
        flat = part[:, ::BASIS_STRIDE].reshape(steps, -1).double()
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

    Pairs of modes whose sum cannot reach PAIR_TOLERANCE of the kernel's greatest eigenvalue are left out, by
    ||T_pq|| <= ||J_p||_F ||J_q||_F, which is some ten to a hundred times too cautious. Where the pairs that are left
    cost more than the gradients themselves, these are made and multiplied, some outputs at a time.
    """
    points = g.shape[1]
    total = torch.zeros(points, points, dtype=g.dtype, device=g.device)
    _add_pair(total, g, a, 0, 0)
    pairs = _pairs(mode_norms(g, a), _eigenvalue_reached(kernel + total))
    outputs, inputs = g.shape[2], a.shape[2]
    if len(pairs) * (outputs + inputs) > outputs * inputs:
        _add_explicit(kernel, g, a)
        return
    for p, q in pairs:
        if (p, q) != (0, 0):
            _add_pair(total, g, a, p, q)
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


def _pairs(norms: Tensor, eigenvalue: float) -> list[tuple[int, int]]:
    """Ordered pairs of modes that count, those of greatest bound first; (0, 0) is always the first."""
    bounds = {(p, q): float(norms[p] * norms[q]) for p in range(len(norms)) for q in range(len(norms))}
    pairs = sorted(bounds, key=lambda pair: (pair != (0, 0), -bounds[pair], pair))
    left_out = 0.0
    while len(pairs) > 1 and left_out + bounds[pairs[-1]] <= PAIR_TOLERANCE * eigenvalue:
        left_out += bounds[pairs.pop()]
    return pairs


def _add_pair(total: Tensor, g: Tensor, a: Tensor, p: int, q: int) -> None:
    for first in range(0, g.shape[1], ROWS):
        rows, until = slice(first, first + ROWS), first + ROWS
        total[rows, :until].addcmul_(g[p, rows] @ g[q, :until].T, a[p, rows] @ a[q, :until].T)


def _add_explicit(kernel: Tensor, g: Tensor, a: Tensor) -> None:
    _, points, outputs = g.shape
    inputs = a.shape[2]
    by_point = a.permute(1, 0, 2)
    block = max(1, BLOCK_VALUES // (points * inputs))
    for first in range(0, outputs, block):
        part = g[:, :, first : first + block].permute(1, 2, 0)  # (points, block, modes)
        add_gram(kernel, torch.bmm(part, by_point).reshape(points, -1))
