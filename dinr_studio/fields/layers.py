"""Layers that several fields share: sine and wavelet layers, and residual blocks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class SineLayer(nn.Module):
    """sin(omega (W x + b)), initialised as a SIREN: (batch, inputs) -> (batch, outputs).

    A first layer draws W from U(-1/inputs, 1/inputs), a hidden one from U(-sqrt(6/inputs)/omega, sqrt(6/inputs)/omega).
    Source: Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions, 2020.
    """

    def __init__(self, inputs: int, outputs: int, omega: float, *, bound: float) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(inputs, outputs)
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, (batch, outputs)."""
        return torch.sin(self.omega * self.linear(x))


def first_sine_layer(inputs: int, outputs: int, omega: float) -> SineLayer:
    """The sine layer that sees coordinates."""
    return SineLayer(inputs, outputs, omega, bound=1 / inputs)


def hidden_sine_layer(inputs: int, outputs: int, omega: float) -> SineLayer:
    """A sine layer that sees other layers' outputs."""
    return SineLayer(inputs, outputs, omega, bound=math.sqrt(6 / inputs) / omega)


class GaborLayer(nn.Module):
    """sin(omega (W x + b)) exp(-(sigma (V x + c))^2): real Gabor wavelets, (batch, inputs) -> (batch, outputs).

    Each output is a wave along one direction under a Gaussian along another. W and V are drawn from U(-1/inputs,
    1/inputs) as a first sine layer's, so that omega means the same in both; c from U(-1, 1), so that the Gaussians lie
    all over the box.
    Source: Saragadam et al., WIRE: Wavelet Implicit Neural Representations, 2023; their real form.
    """

    def __init__(self, inputs: int, outputs: int, omega: float, sigma: float) -> None:
        super().__init__()
        self.omega, self.sigma = omega, sigma
        self.wave, self.envelope = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)
        for layer in (self.wave, self.envelope):
            nn.init.uniform_(layer.weight, -1 / inputs, 1 / inputs)
        nn.init.uniform_(self.envelope.bias, -1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, (batch, outputs)."""
        return torch.sin(self.omega * self.wave(x)) * torch.exp(-(self.sigma * self.envelope(x)).square())


class GeluBlock(nn.Module):
    """x + Linear(GELU(Linear(LayerNorm(x)))), all of one width."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, of the shape of x, (batch, width)."""
        out: Tensor = x + self.second(self.dropout(nn.functional.gelu(self.first(self.norm(x)))))
        return out


class SineBlock(nn.Module):
    """x + two sine layers of x, all of one width."""

    def __init__(self, width: int, omega: float) -> None:
        super().__init__()
        self.first = hidden_sine_layer(width, width, omega)
        self.second = hidden_sine_layer(width, width, omega)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, of the shape of x, (batch, width)."""
        out: Tensor = x + self.second(self.first(x))
        return out
