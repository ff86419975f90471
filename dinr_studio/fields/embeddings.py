"""Embeddings: coordinates (batch, axes) in about [-1, 1] -> first latent state (batch, width).

A new one is a function (FieldConfig, axes) -> nn.Module and a line in EMBEDDINGS.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dinr_studio.config import FieldConfig
from dinr_studio.fields.hash_grid import hash_grid_embedding
from dinr_studio.fields.layers import GaborLayer, first_sine_layer


class FourierFeatures(nn.Module):
    """Sines and cosines of 2 pi B x, with B fixed and its entries from N(0, bandwidth^2).

    `features` counts sines and cosines together, so B is (features/2, axes) and its rows are frequencies in cycles per
    unit of the coordinates. The phases are taken in full precision whatever the surrounding precision.
    Source: Tancik et al., Fourier Features Let Networks Learn High Frequency Functions, 2020.
    """

    frequencies: Tensor

    def __init__(self, axes: int, features: int, bandwidth: float) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(features // 2, axes) * bandwidth)

    def forward(self, x: Tensor) -> Tensor:
        """Features of coordinates: (batch, axes) -> (batch, features)."""
        phase = (2 * math.pi) * (x @ self.frequencies.T)
        return torch.cat([torch.sin(phase), torch.cos(phase)], dim=-1)


class Octaves(nn.Module):
    """The coordinates, then sines and cosines of 2^k pi x for k below `octaves`, axis by axis.

    (batch, axes) -> (batch, axes (1 + 2 octaves)). Octave k has 2^k / 2 cycles per unit of the coordinates.
    Source: Mildenhall et al., NeRF: Representing Scenes as Neural Radiance Fields for View Synthesis, 2020.
    """

    phases: Tensor

    def __init__(self, octaves: int) -> None:
        super().__init__()
        self.register_buffer("phases", math.pi * 2.0 ** torch.arange(octaves), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features of coordinates."""
        phase = (x[..., None] * self.phases.to(x.dtype)).flatten(-2)
        return torch.cat([x, torch.sin(phase), torch.cos(phase)], dim=-1)


def fourier_embedding(config: FieldConfig, axes: int) -> nn.Module:
    """Random Fourier features; a linear layer follows where their number is not the width."""
    features = FourierFeatures(axes, config.features, config.bandwidth)
    if config.features == config.width:
        return features
    return nn.Sequential(features, nn.Linear(config.features, config.width))


def siren_embedding(config: FieldConfig, axes: int) -> nn.Module:
    """One sine layer of frequency omega_0."""
    return first_sine_layer(axes, config.width, config.omega_0)


def positional_embedding(config: FieldConfig, axes: int) -> nn.Module:
    """The coordinates and their octaves, and a linear layer."""
    return nn.Sequential(Octaves(config.octaves), nn.Linear(axes * (1 + 2 * config.octaves), config.width))


def wire_embedding(config: FieldConfig, axes: int) -> nn.Module:
    """One layer of Gabor wavelets of frequency omega_0 and sharpness sigma_0."""
    return GaborLayer(axes, config.width, config.omega_0, config.sigma_0)


EMBEDDINGS: dict[str, Callable[[FieldConfig, int], nn.Module]] = {
    "fourier": fourier_embedding,
    "siren": siren_embedding,
    "positional": positional_embedding,
    "hashgrid": hash_grid_embedding,
    "wire": wire_embedding,
}
