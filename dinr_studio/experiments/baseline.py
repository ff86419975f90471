"""The plain baseline: preset `paper`, dynamical ffnet, as a reader of the paper would write it in eager torch.

Kept as readable reference code for the benchmark and for tests of exactness, not for fits: whole batches at once,
32-bit floats, every intermediate kept by autograd.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dinr_studio.fields.presets import PAPER_FIELDS

PAPER = PAPER_FIELDS["dinr-ffnet"]
KINETIC_WEIGHT = 0.1


class PlainBlock(nn.Module):
    """h + Linear(GELU(Linear(LayerNorm(h))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, h: Tensor) -> Tensor:
        """(batch, width) -> (batch, width)."""
        return h + torch.as_tensor(self.net(h))


class PlainDinr(nn.Module):
    """Fourier features -> N Euler steps of one residual network -> linear decoder."""

    frequencies: Tensor

    def __init__(self, axes: int = 3, channels: int = 1) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(axes, PAPER.features // 2) * PAPER.bandwidth)
        inside = PAPER.width + 1
        self.vector_field = nn.Sequential(
            *(PlainBlock(inside) for _ in range(PAPER.blocks)), nn.Linear(inside, PAPER.width)
        )
        self.decoder = nn.Linear(PAPER.width, channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Values (batch, channels) and kinetic energy (scalar) at coordinates (batch, axes)."""
        phase = 2 * math.pi * x @ self.frequencies
        z = torch.cat([phase.sin(), phase.cos()], dim=1)
        dt = PAPER.horizon / PAPER.steps
        velocities = []
        for k in range(PAPER.steps):
            t = torch.full((len(z), 1), k * dt, device=z.device, dtype=z.dtype)
            velocity = self.vector_field(torch.cat([z, t], dim=1))
            velocities.append(velocity)
            z = z + dt * velocity
        kinetic_energy = 0.5 * dt * torch.stack(velocities).square().mean(dim=(1, 2)).sum()
        return self.decoder(z), kinetic_energy


class PlainTraining:
    """Training of the plain field on all voxels of a volume: AdamW 1e-3, weight decay 1e-5, shuffled whole batches."""

    def __init__(self, coordinates: Tensor, values: Tensor, batch: int) -> None:
        """coordinates: (voxels, axes) in [-1, 1]; values: (voxels, channels) in [0, 1]."""
        self.coordinates, self.values, self.batch = coordinates, values, batch
        self.model = PlainDinr(coordinates.shape[1], values.shape[1])
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=1e-5)

    def step(self) -> int:
        """One optimiser step; returns the number of voxels in it."""
        chosen = torch.randperm(len(self.coordinates))[: self.batch]
        predicted, kinetic_energy = self.model(self.coordinates[chosen])
        loss = (predicted - self.values[chosen]).square().mean() + KINETIC_WEIGHT * kinetic_energy
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return len(chosen)
