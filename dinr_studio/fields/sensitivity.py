"""How much a field's values depend on each of its weight tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

PROBES = 4


def sensitivity(field: nn.Module, x: Tensor, seed: int = 0) -> dict[str, float]:
    """By name, the mean over a tensor's weights of (d value / d weight)^2, summed over channels, mean over points.

    x: network coordinates (N, axes). Fixed tensors (Fourier frequencies) are among them. It is estimated from a few
    backward passes: with signs s drawn at random for each point and channel, the expected square of d(sum s y)/dw is
    the sum of the squares of all dy/dw. Source: Hutchinson's estimator, Communications in Statistics 18, 1989.
    """
    weights = {name: value.detach().clone() for name, value in field.state_dict().items() if value.is_floating_point()}
    for value in weights.values():
        value.requires_grad_(True)
    generator = torch.Generator(device="cpu").manual_seed(seed)
    sums = dict.fromkeys(weights, 0.0)
    for _ in range(PROBES):
        values = functional_call(field, weights, (x,))
        signs = torch.randint(0, 2, values.shape, generator=generator).to(values) * 2 - 1
        gradients = torch.autograd.grad((signs * values).sum(), list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                sums[name] += float(gradient.double().square().mean())
    return {name: total / (PROBES * len(x)) for name, total in sums.items()}
