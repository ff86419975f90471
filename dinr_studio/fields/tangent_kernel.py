"""The neural tangent kernel of a field: how much learning at one point moves the value at another.

K(x, x') = sum over channels and parameters p of dy(x)/dp * dy(x')/dp. One backward pass of the summed outputs gives,
by layer and step, each sample's input and output gradient; the Gram matrices of their products add up to K without
the Jacobian, which would be (points, parameters), ever being whole in memory.
Source: Jacot et al., Neural Tangent Kernel, 2018.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dinr_studio.fields.gram import add_gram, add_products, step_basis, step_modes
from dinr_studio.fields.hash_grid import HashGrid
from dinr_studio.threads import side_by_side, usable_threads

RECORDING_SHARE = 0.5  # of the time, about: what passes through the network; the rest are products
CHUNK = 256  # points in the network at once, in all threads together: their activations of all steps take memory
LEAST_CHUNK = 32
BASIS_POINTS = 32  # which have a say in the basis of the steps

Passed = tuple[Tensor, Tensor]


@dataclass
class _Recorded:
    """What passed through one layer: inputs and output gradients, one entry for each call, each (points, channels)."""

    inputs: list[Tensor] = field(default_factory=list)
    gradients: dict[int, Tensor] = field(default_factory=dict)

    def take(self) -> Passed | None:
        """Gradients and inputs of the calls that the output depends on, (calls, points, channels); forgets them."""
        calls = sorted(self.gradients)
        taken = None
        if calls:
            gradients = torch.stack([self.gradients.pop(call) for call in calls])
            inputs = torch.stack([self.inputs[call] for call in calls])
            taken = _at_least_single(gradients), _at_least_single(inputs)
        self.inputs.clear()
        return taken


class _Recorder:
    """A field, for one thread, that notes what passes through its layers; the weights are those of the field given."""

    def __init__(self, module: nn.Module) -> None:
        shared: dict[int, Any] = {
            id(weight): nn.Parameter(weight.detach(), requires_grad=False) for weight in module.parameters()
        }  # per-sample gradients are made here, the summed ones are not needed
        self._module = copy.deepcopy(module, shared)
        self.layers = _layers(self._module)
        self._recorded = [_Recorded() for _ in self.layers]
        for layer, recorded in zip(self.layers, self._recorded, strict=True):
            layer.register_forward_hook(partial(_record, recorded))

    def passed(self, points: Tensor, channel: int) -> list[Passed | None]:
        """What passes at points (N, axes), forward and backward from one channel, by layer."""
        at = points.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            torch.autograd.grad(self._module(at)[:, channel].sum(), at)
        return [recorded.take() for recorded in self._recorded]

    def parts(self, points: Tensor, channel: int, bases: Sequence[Tensor | None]) -> list[_Part]:
        """What the kernel needs of it, by layer; bases: by layer, of the steps."""
        passed = self.passed(points, channel)
        return [_part(*found) for found in zip(self.layers, passed, bases, strict=True)]


@dataclass(frozen=True)
class _Part:
    """What the kernel needs of some points in one layer.

    columns: gradients of biases and norms (points, any). modes: step modes of a weight's gradients, in one basis for
    all points. table: a hash grid's places and the gradients of its features there.
    """

    columns: Tensor | None = None
    modes: Passed | None = None
    table: Passed | None = None


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
    adaptive = getattr(getattr(module, "config", None), "integrator", "") == "dopri5"
    if adaptive or not all(isinstance(layer, nn.Linear | nn.LayerNorm | HashGrid) for layer in _layers(module)):
        return (yield from _kernel_by_points(module, x))
    kernel = torch.zeros(len(x), len(x), dtype=torch.float64, device=x.device)
    with torch.no_grad():
        channels = module(x[:1]).shape[1]
    threads = usable_threads() if x.device.type == "cpu" else 1
    chunks = x.split(max(LEAST_CHUNK, CHUNK // threads))  # type: ignore[no-untyped-call]
    recorders = [_Recorder(module) for _ in range(min(threads, len(chunks)))]
    for channel in range(channels):
        bases = _bases(recorders[0], x[:: max(1, len(x) // BASIS_POINTS)], channel)
        parts: list[list[_Part]] = []
        for first in range(0, len(chunks), len(recorders)):
            yield (channel + first / len(chunks) * RECORDING_SHARE) / channels
            together = chunks[first : first + len(recorders)]
            works = [
                partial(recorder.parts, points, channel, bases)
                for recorder, points in zip(recorders, together, strict=False)
            ]
            parts += side_by_side(works)
        for added in _add(kernel, recorders[0].layers, [list(layer) for layer in zip(*parts, strict=True)]):
            yield (channel + RECORDING_SHARE + (1 - RECORDING_SHARE) * added) / channels
    return kernel.tril() + kernel.tril(-1).T


def _layers(module: nn.Module) -> list[nn.Module]:
    """The modules that have weights of their own, in an order that is the same for a copy."""
    return [layer for layer in module.modules() if list(layer.parameters(recurse=False))]


def _record(recorded: _Recorded, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
    call = len(recorded.inputs)
    recorded.inputs.append(inputs[0].detach())
    if output.requires_grad:
        output.register_hook(partial(_keep, recorded, call))  # type: ignore[no-untyped-call]


def _keep(recorded: _Recorded, call: int, gradient: Tensor) -> None:
    recorded.gradients[call] = gradient.detach()


def _at_least_single(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _bases(recorder: _Recorder, points: Tensor, channel: int) -> list[Tensor | None]:
    """A basis of the steps by layer, from some points; None where a layer has no weights of products."""
    passed = recorder.passed(points, channel)
    return [
        step_basis(*found) if found and isinstance(layer, nn.Linear) else None
        for layer, found in zip(recorder.layers, passed, strict=True)
    ]


def _part(layer: nn.Module, passed: Passed | None, basis: Tensor | None) -> _Part:
    if passed is None:
        return _Part()
    g, a = passed
    if isinstance(layer, HashGrid):
        return _Part(table=(a[0], g[0]))
    columns = [g.sum(dim=0)] if layer.bias is not None else []
    if isinstance(layer, nn.LayerNorm):
        normalised = nn.functional.layer_norm(a, layer.normalized_shape, eps=layer.eps)
        columns.append((g * normalised).sum(dim=0))
    return _Part(torch.cat(columns, dim=1) if columns else None, None if basis is None else step_modes(basis, g, a))


def _add(kernel: Tensor, layers: Sequence[nn.Module], parts: list[list[_Part]]) -> Iterator[float]:
    """Adds all parts, by layer and chunk of points, each layer's freed once it is added; yields the share done."""
    columns = [_joined(part.columns for part in chunks) for chunks in parts if chunks[0].columns is not None]
    if columns:
        add_gram(kernel, torch.cat(columns, dim=1))
    for done, layer in enumerate(layers):
        yield done / len(layers)
        chunks, parts[done] = parts[done], []
        if isinstance(layer, HashGrid) and chunks[0].table:
            layer.add_gram(kernel, *(_joined(part.table[i] for part in chunks if part.table) for i in (0, 1)))
        found = [part.modes for part in chunks if part.modes]
        if found:
            most = max(len(g) for g, _ in found)
            add_products(kernel, *(torch.cat([_padded(pair[i], most) for pair in found], dim=1) for i in (0, 1)))


def _joined(chunks: Iterable[Tensor | None]) -> Tensor:
    return torch.cat([chunk for chunk in chunks if chunk is not None])


def _padded(values: Tensor, modes: int) -> Tensor:
    """With modes of zeros up to a number: a chunk of points may need fewer than another."""
    if len(values) == modes:
        return values
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
