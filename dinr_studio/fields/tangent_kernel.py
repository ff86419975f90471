"""The neural tangent kernel of a field: how much learning at one point moves the value at another.

K(x, x') = sum over channels and parameters p of dy(x)/dp * dy(x')/dp. One backward pass of the summed outputs gives,
by layer and step, each sample's input and output gradient; the Gram matrices of their products add up to K without
the Jacobian, which would be (points, parameters), ever being whole in memory.
Source: Jacot et al., Neural Tangent Kernel, 2018.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

BLOCK_VALUES = 1 << 24  # values of per-sample gradients held at a time


@dataclass
class _Recorded:
    """What passed through one layer: inputs and output gradients, one entry for each call, each (points, channels)."""

    inputs: list[Tensor] = field(default_factory=list)
    gradients: dict[int, Tensor] = field(default_factory=dict)


def tangent_kernel(module: nn.Module, x: Tensor) -> Tensor:
    """The kernel (N, N), float64, of a field (N, axes) -> (N, channels) at coordinates x (N, axes).

    Exact where each sample's value depends on its own coordinates alone, in every layer; with an adaptive integrator,
    whose steps depend on the whole batch, or with layers other than Linear and LayerNorm, point by point.
    """
    layers = {layer: _Recorded() for layer in module.modules() if list(layer.parameters(recurse=False))}
    adaptive = getattr(getattr(module, "config", None), "integrator", "") == "dopri5"
    if adaptive or not all(isinstance(layer, nn.Linear | nn.LayerNorm) for layer in layers):
        return _kernel_by_points(module, x)
    handles = [layer.register_forward_hook(partial(_record, recorded)) for layer, recorded in layers.items()]
    wanted = [parameter.requires_grad for parameter in module.parameters()]
    kernel = torch.zeros(len(x), len(x), dtype=torch.float64, device=x.device)
    try:
        module.requires_grad_(False)  # per-sample gradients are made here, the summed ones are not needed
        at = x.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            values = module(at)
        for channel in range(values.shape[1]):
            torch.autograd.grad(values[:, channel].sum(), at, retain_graph=channel + 1 < values.shape[1])
            for layer, recorded in layers.items():
                _add_layer(kernel, layer, recorded)
    finally:
        for handle in handles:
            handle.remove()
        for parameter, needed in zip(module.parameters(), wanted, strict=True):
            parameter.requires_grad_(needed)
    return kernel


def _record(recorded: _Recorded, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
    call = len(recorded.inputs)
    recorded.inputs.append(inputs[0].detach())
    if output.requires_grad:
        output.register_hook(partial(_keep, recorded, call))  # type: ignore[no-untyped-call]


def _keep(recorded: _Recorded, call: int, gradient: Tensor) -> None:
    recorded.gradients[call] = gradient.detach()


def _add_layer(kernel: Tensor, layer: nn.Module, recorded: _Recorded) -> None:
    """Adds what the parameters of one layer contribute, the calls (steps) that share them summed first."""
    calls = sorted(recorded.gradients)
    if not calls:
        return
    a = torch.stack([recorded.inputs[k] for k in calls]).float()
    g = torch.stack([recorded.gradients[k] for k in calls]).float()
    recorded.gradients.clear()
    if isinstance(layer, nn.LayerNorm):
        a = nn.functional.layer_norm(a, layer.normalized_shape, eps=layer.eps)
        _add_gram(kernel, (g * a).sum(dim=0))
        _add_gram(kernel, g.sum(dim=0))
        return
    if layer.bias is not None:
        _add_gram(kernel, g.sum(dim=0))
    steps, points, outputs = g.shape
    inputs = a.shape[2]
    if steps == 1:
        kernel += (g[0] @ g[0].T).double() * (a[0] @ a[0].T)
        return
    block = max(1, BLOCK_VALUES // (points * inputs))
    for first in range(0, outputs, block):
        part = g[:, :, first : first + block].permute(1, 2, 0)  # (points, block, steps)
        _add_gram(kernel, torch.bmm(part, a.permute(1, 0, 2)).reshape(points, -1))


def _add_gram(kernel: Tensor, jacobian: Tensor) -> None:
    kernel += (jacobian @ jacobian.T).double()


def _kernel_by_points(module: nn.Module, x: Tensor) -> Tensor:
    """The same from one gradient for each point and channel: exact for any module, and slow."""
    parameters = list(module.parameters())
    wanted = [parameter.requires_grad for parameter in parameters]
    kernel: Tensor | float = 0.0
    try:
        module.requires_grad_(True)
        with torch.enable_grad():
            by_point = [_gradients(module(point[None])[0], parameters) for point in x]
        for channel in zip(*by_point, strict=True):
            jacobian = torch.stack(channel).double()
            kernel = kernel + jacobian @ jacobian.T
    finally:
        for parameter, needed in zip(parameters, wanted, strict=True):
            parameter.requires_grad_(needed)
    return torch.as_tensor(kernel)


def _gradients(values: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """For each channel of one point, the gradient by all parameters as one vector."""
    rows = []
    for value in values:
        gradients = torch.autograd.grad(value, parameters, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    return rows
