"""Optimisers: AdamW, and Muon for the matrices inside a field with AdamW for all else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from dinr_studio.config import TrainingConfig
from dinr_studio.fields.build import Field
from dinr_studio.fields.hash_grid import HashGrid
from dinr_studio.fields.layers import GaborLayer, SineLayer

MOMENTUM = 0.95
ORTHOGONAL_STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic whose iterates bring all singular values near 1 in five steps
TABLE_SHARES = {"adamw": 10.0, "muon": 0.5}  # a hash table's rate over that of the run
TABLE_SETTINGS: dict[str, Any] = {
    "weight_decay": 0.0,
    "betas": (0.9, 0.99),
    "eps": 1e-15,
}  # of Mueller et al.
RATE_OF_ADAM = 0.2  # root mean square of an AdamW update over its learning rate, as commonly seen in training


class Muon(Optimizer):
    """Nesterov momentum whose update of each matrix is made orthogonal: all its directions learn equally fast.

    An update's root mean square is 0.2 times the learning rate, as AdamW's is, so that one rate serves both. Matrices
    of one shape are handled in one batch and in the weights' own precision: torch's optimiser of this name takes one
    at a time in bf16, which a processor without such products emulates thirty times slower.
    Source: Jordan et al., Muon, 2024; the scale from Liu et al., Muon is Scalable for LLM Training, 2025.
    """

    def __init__(self, matrices: Iterable[Any], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Moves every matrix that has a gradient by one update."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes.setdefault(matrix.shape, []).append(matrix)
            for (rows, columns), matrices in shapes.items():
                directions = orthogonalised(torch.stack([self._direction(matrix) for matrix in matrices]))
                rate = group["lr"] * RATE_OF_ADAM * max(rows, columns) ** 0.5
                for matrix, direction in zip(matrices, directions, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=rate)

    def _direction(self, matrix: nn.Parameter) -> Tensor:
        gradient = torch.as_tensor(matrix.grad)
        state = self.state[matrix]
        momentum = state.setdefault("momentum_buffer", torch.zeros_like(matrix))
        momentum.lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(momentum, MOMENTUM)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Nearly the nearest semi-orthogonal matrices, (count, rows, columns): singular values of about 0.7 to 1.2.

    By Newton-Schulz iteration; a matrix of zeros stays one.
    """
    a, b, c = COEFFICIENTS
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-30)
    for _ in range(ORTHOGONAL_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT


class Optimisers:
    """The optimisers of one field as one: every parameter belongs to exactly one of them.

    A group's entry `share` says what its learning rate is of that of the run.
    """

    def __init__(self, parts: list[Optimizer]) -> None:
        self.parts = parts

    def step(self, learning_rate: float) -> None:
        """One update of all parameters at a learning rate."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = learning_rate * group["share"]
            part.step()

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """What the optimisers remember, by parameter; tensors that are in use."""
        for part in self.parts:
            yield from part.state.items()

    def remember(self, parameter: nn.Parameter, state: dict[str, Tensor]) -> None:
        """Takes up what was remembered of a parameter."""
        for part in self.parts:
            if any(parameter is own for group in part.param_groups for own in group["params"]):
                part.state[parameter] = state


def make_optimisers(field: Field, training: TrainingConfig) -> Optimisers:
    """Fresh optimisers for a field, as the settings say.

    `adamw` moves all parameters at one rate, but for hash tables. With `muon` the weights of a sine layer
    sin(omega (W x + b)), whose natural size is 1/omega of a plain layer's, move at 1/omega of the rate, so that one
    rate suits both. Hash tables are always AdamW's: a row has a gradient only in batches that come near it, and no
    decay may pull it away in all others.
    """
    rate, decay = training.learning_rate, training.weight_decay
    tables = [module.table for module in field.modules() if isinstance(module, HashGrid)]
    others = [(name, p) for name, p in field.named_parameters() if not any(p is table for table in tables)]
    outer, inner = ([p for _, p in others], []) if training.optimiser == "adamw" else _inside(others)
    shares = {} if training.optimiser == "adamw" else _shares(field)
    groups = _groups(outer, shares)
    if tables:
        groups.append({"params": tables, "share": TABLE_SHARES[training.optimiser], **TABLE_SETTINGS})
    parts: list[Optimizer] = [AdamW(groups, lr=rate, weight_decay=decay, fused=True)]
    if inner:
        parts.append(Muon(_groups(inner, shares), lr=rate, weight_decay=decay))
    return Optimisers(parts)


def _inside(named: list[tuple[str, nn.Parameter]]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters at the field's ends and vectors, and the matrices between."""
    outer: list[nn.Parameter] = []
    inner: list[nn.Parameter] = []
    for name, parameter in named:
        is_outer = parameter.ndim != 2 or name.startswith(("embedding.", "decoder."))
        (outer if is_outer else inner).append(parameter)
    return outer, inner


def _groups(parameters: list[nn.Parameter], shares: Mapping[nn.Parameter, float]) -> list[dict[str, Any]]:
    """Groups of one share of the learning rate each."""
    by_share: dict[float, list[nn.Parameter]] = {}
    for parameter in parameters:
        by_share.setdefault(shares.get(parameter, 1.0), []).append(parameter)
    return [{"params": members, "share": share} for share, members in by_share.items()]


def _shares(field: Field) -> dict[nn.Parameter, float]:
    """The share of the learning rate of every parameter of a layer whose arguments are multiplied inside."""
    shares: dict[nn.Parameter, float] = {}
    for module in field.modules():
        if isinstance(module, SineLayer):
            shares |= dict.fromkeys(module.parameters(), 1 / module.omega)
        elif isinstance(module, GaborLayer):
            shares |= dict.fromkeys(module.wave.parameters(), 1 / module.omega)
            shares |= dict.fromkeys(module.envelope.parameters(), 1 / max(1.0, module.sigma))
    return shares
