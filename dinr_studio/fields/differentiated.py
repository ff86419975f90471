"""Derivatives of a network by its coordinates, by automatic differentiation, for all points of a batch at once."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def in_full_precision(module: nn.Module) -> nn.Module:
    """A copy whose products run in 32 bits, whatever the field was trained in: derivatives amplify rounding."""
    own = copy.deepcopy(module).requires_grad_(False)
    for part in own.modules():
        if hasattr(part, "precision"):
            part.precision = "fp32"  # type: ignore[assignment]
    return own


def jacobian(module: nn.Module, x: Tensor) -> Tensor:
    """First derivatives (N, channels, axes) at coordinates x (N, axes).

    Each sample's values must depend on its own coordinates alone: then the gradient of their sum has all samples' rows.
    """
    with torch.inference_mode(False), torch.enable_grad():
        at = x.detach().clone().requires_grad_(True)
        values = module(at)
        rows = [_gradient(values[:, channel], at, keep=True) for channel in range(values.shape[1])]
        return torch.stack(rows, dim=1).detach()


def jacobian_and_hessian(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """First (N, channels, axes) and second derivatives (N, channels, axes, axes); see `jacobian`."""
    with torch.inference_mode(False), torch.enable_grad():
        at = x.detach().clone().requires_grad_(True)
        values = module(at)
        first, second = [], []
        for channel in range(values.shape[1]):
            gradient = _gradient(values[:, channel], at, create_graph=True)
            rows = [_gradient(gradient[:, axis], at, keep=True) for axis in range(at.shape[1])]
            first.append(gradient.detach())
            second.append(torch.stack(rows, dim=1).detach())
        hessian = torch.stack(second, dim=1)
        return torch.stack(first, dim=1), (hessian + hessian.transpose(2, 3)) / 2


def _gradient(values: Tensor, at: Tensor, *, keep: bool = False, create_graph: bool = False) -> Tensor:
    """Of each sample's value by its own coordinates, (N, axes); zero where it does not depend on them."""
    if not values.requires_grad:
        return torch.zeros_like(at)
    (gradient,) = torch.autograd.grad(
        values.sum(), at, retain_graph=keep or create_graph, create_graph=create_graph, materialize_grads=True
    )
    return gradient
