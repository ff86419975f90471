"""The neural tangent kernel of a field: how much learning at one point moves the value at another.

K(x, x') = sum over channels and parameters p of dy(x)/dp * dy(x')/dp. One backward pass of the summed outputs gives,
by layer and step, each sample's input and output gradient; the Gram matrices of their products add up to K without
the Jacobian, which would be (points, parameters), ever being whole in memory.
Source: Jacot et al., Neural Tangent Kernel, 2018.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dinr_studio.fields.gram import add_gram, add_products, step_basis, step_modes
from dinr_studio.fields.hash_grid import HashGrid

RECORDING_SHARE = 0.5  # of the time, about: what passes through the network; the rest are products
CHUNK = 128  # points that go through the network at once: their activations of all steps are what takes memory


@dataclass
class _Recorded:
    """What passed through one layer: inputs and output gradients, one entry for each call, each (points, channels)."""

    inputs: list[Tensor] = field(default_factory=list)
    gradients: dict[int, Tensor] = field(default_factory=dict)

    def take(self) -> tuple[Tensor, Tensor] | None:
        """Gradients and inputs of the calls that the output depends on, (calls, points, channels); forgets them."""
        calls = sorted(self.gradients)
        taken = None
        if calls:
            gradients = torch.stack([self.gradients.pop(call) for call in calls])
            inputs = torch.stack([self.inputs[call] for call in calls])
            taken = _at_least_single(gradients), _at_least_single(inputs)
        self.inputs.clear()
        return taken


@dataclass
class _Parts:
    """What the kernel is made of, by chunks of points.

    columns: by layer, gradients of biases and norms (points, any). modes: by layer, step modes of a weight's gradients,
    in one basis for all chunks. tables: by hash grid, its places and the gradients of its features there.
    """

    columns: dict[nn.Module, list[Tensor]] = field(default_factory=dict)
    modes: dict[nn.Module, list[tuple[Tensor, Tensor]]] = field(default_factory=dict)
    bases: dict[nn.Module, Tensor] = field(default_factory=dict)
    tables: dict[HashGrid, list[tuple[Tensor, Tensor]]] = field(default_factory=dict)


def tangent_kernel(module: nn.Module, x: Tensor) -> Tensor:
    """The kernel (N, N), float64, of a field (N, axes) -> (N, channels) at coordinates x (N, axes).

    Exact, to the precision of the field's own arithmetic, where each sample's value depends on its own coordinates
    alone, in every layer; with an adaptive integrator, whose steps depend on the whole batch, or with layers other than
    Linear, LayerNorm and HashGrid, point by point.
    """
    parts = kernel_in_parts(module, x)
    while True:
        try:
            next(parts)
        except StopIteration as end:
            kernel: Tensor = end.value
            return kernel


def kernel_in_parts(module: nn.Module, x: Tensor) -> Generator[float, None, Tensor]:
    """The same, yielding the share that is done now and then, so that it can be followed and closed."""
    layers = {layer: _Recorded() for layer in module.modules() if list(layer.parameters(recurse=False))}
    adaptive = getattr(getattr(module, "config", None), "integrator", "") == "dopri5"
    if adaptive or not all(isinstance(layer, nn.Linear | nn.LayerNorm | HashGrid) for layer in layers):
        return (yield from _kernel_by_points(module, x))
    wanted = [parameter.requires_grad for parameter in module.parameters()]
    kernel = torch.zeros(len(x), len(x), dtype=torch.float64, device=x.device)
    with torch.no_grad():
        channels = module(x[:1]).shape[1]
    handles = [layer.register_forward_hook(partial(_record, recorded)) for layer, recorded in layers.items()]
    try:
        module.requires_grad_(False)  # per-sample gradients are made here, the summed ones are not needed
        for channel in range(channels):
            parts = _Parts()
            for done, points in enumerate(x.split(CHUNK)):  # type: ignore[no-untyped-call]
                yield (channel + done * CHUNK / len(x) * RECORDING_SHARE) / channels
                _run(module, points, channel)
                for layer, recorded in layers.items():
                    _collect(parts, layer, recorded)
            for added in _add(kernel, parts):
                yield (channel + RECORDING_SHARE + (1 - RECORDING_SHARE) * added) / channels
    finally:
        for handle in handles:
            handle.remove()
        for parameter, needed in zip(module.parameters(), wanted, strict=True):
            parameter.requires_grad_(needed)
    return kernel.tril() + kernel.tril(-1).T


def _run(module: nn.Module, points: Tensor, channel: int) -> None:
    """Forward and backward through the network: the hooks record what passes."""
    at = points.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        torch.autograd.grad(module(at)[:, channel].sum(), at)


def _record(recorded: _Recorded, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
    call = len(recorded.inputs)
    recorded.inputs.append(inputs[0].detach())
    if output.requires_grad:
        output.register_hook(partial(_keep, recorded, call))  # type: ignore[no-untyped-call]


def _keep(recorded: _Recorded, call: int, gradient: Tensor) -> None:
    recorded.gradients[call] = gradient.detach()


def _at_least_single(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _collect(parts: _Parts, layer: nn.Module, recorded: _Recorded) -> None:
    """Takes from one layer, for the points that just passed, what the kernel needs of it."""
    taken = recorded.take()
    if taken is None:
        return
    g, a = taken
    if isinstance(layer, HashGrid):
        parts.tables.setdefault(layer, []).append((a[0], g[0]))
        return
    columns = [g.sum(dim=0)] if layer.bias is not None else []
    if isinstance(layer, nn.LayerNorm):
        normalised = nn.functional.layer_norm(a, layer.normalized_shape, eps=layer.eps)
        columns.append((g * normalised).sum(dim=0))
    else:
        if layer not in parts.bases:
            parts.bases[layer] = step_basis(g, a)
        parts.modes.setdefault(layer, []).append(step_modes(parts.bases[layer], g, a))
    if columns:
        parts.columns.setdefault(layer, []).append(torch.cat(columns, dim=1))


def _add(kernel: Tensor, parts: _Parts) -> Iterator[float]:
    """Adds all layers' parts, each freed once it is added; yields the share that is added."""
    if parts.columns:
        add_gram(kernel, torch.cat([torch.cat(chunks) for chunks in parts.columns.values()], dim=1))
    parts.columns.clear()
    while parts.tables:
        grid, chunks = parts.tables.popitem()
        grid.add_gram(kernel, *(torch.cat(part) for part in zip(*chunks, strict=True)))
    layers = len(parts.modes)
    while parts.modes:
        yield 1 - len(parts.modes) / layers
        _, chunks = parts.modes.popitem()
        modes = max(len(g) for g, _ in chunks)
        g, a = (torch.cat([_padded(chunk[i], modes) for chunk in chunks], dim=1) for i in (0, 1))
        add_products(kernel, g, a)


def _padded(values: Tensor, modes: int) -> Tensor:
    """With modes of zeros up to a number: a chunk of points may need fewer than another."""
    return torch.cat([values, values.new_zeros(modes - len(values), *values.shape[1:])])


def _kernel_by_points(module: nn.Module, x: Tensor) -> Generator[float, None, Tensor]:
    """The same from one gradient for each point and channel: exact for any module, and slow."""
    parameters = list(module.parameters())
    wanted = [parameter.requires_grad for parameter in parameters]
    kernel: Tensor | float = 0.0
    try:
        module.requires_grad_(True)
        by_point: list[list[Tensor]] = []
        for point in x:
            yield len(by_point) / len(x)
            with torch.enable_grad():
                by_point.append(_gradients(module(point[None])[0], parameters))
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
