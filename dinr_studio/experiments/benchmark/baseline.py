"""The plain baseline: preset `paper`, dynamical ffnet, as a reader of the paper would write it in eager torch.

Kept as readable reference code for the benchmark and for tests of exactness, not for fits: whole batches at once,
32-bit floats, every intermediate kept by autograd, one gradient at a time for the tangent kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from dinr_studio.fields.presets import PAPER_FIELDS

PAPER = PAPER_FIELDS["dinr-ffnet"]
KINETIC_WEIGHT = 0.1
BATCH = 65_536  # the paper's


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
        z, dt = self._embedded(x), PAPER.horizon / PAPER.steps
        velocities = []
        for k in range(PAPER.steps):
            velocity = self._velocity(z, k * dt)
            velocities.append(velocity)
            z = z + dt * velocity
        kinetic_energy = 0.5 * dt * torch.stack(velocities).square().mean(dim=(1, 2)).sum()
        return self.decoder(z), kinetic_energy

    def values(self, x: Tensor) -> Tensor:
        """Values (batch, channels) alone, at coordinates (batch, axes)."""
        z, dt = self._embedded(x), PAPER.horizon / PAPER.steps
        for k in range(PAPER.steps):
            z = z + dt * self._velocity(z, k * dt)
        return torch.as_tensor(self.decoder(z))

    def _embedded(self, x: Tensor) -> Tensor:
        phase = 2 * math.pi * x @ self.frequencies
        return torch.cat([phase.sin(), phase.cos()], dim=1)

    def _velocity(self, z: Tensor, time: float) -> Tensor:
        t = torch.full((len(z), 1), time, device=z.device, dtype=z.dtype)
        return torch.as_tensor(self.vector_field(torch.cat([z, t], dim=1)))


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


def plain_grid(model: PlainDinr, axes: list[Tensor], batch: int = BATCH) -> Tensor:
    """Values (voxels, channels) on the grid that coordinates along each axis span, the paper's batch at a time."""
    with torch.no_grad():
        parts = torch.cartesian_prod(*axes).split(batch)  # type: ignore[no-untyped-call]
        return torch.cat([model.values(x) for x in parts])


def plain_tangent_kernel(model: PlainDinr, x: Tensor) -> Tensor:
    """The neural tangent kernel (points, points) of the first channel: the whole Jacobian, times its transpose."""
    jacobian = torch.empty(len(x), sum(p.numel() for p in model.parameters()), dtype=x.dtype)
    fill_jacobian(model, x, jacobian, range(len(x)))
    return jacobian @ jacobian.T


def fill_jacobian(model: PlainDinr, x: Tensor, jacobian: Tensor, rows: Iterable[int]) -> None:
    """Writes the gradient at each of some points x[row] into jacobian[row]: one forward of all, a backward for each."""
    parameters = list(model.parameters())
    values = model.values(x)[:, 0]
    for row in rows:
        gradients = torch.autograd.grad(values[row], parameters, retain_graph=True)
        jacobian[row] = torch.cat([gradient.reshape(-1) for gradient in gradients])


def fill_jacobian_by_points(model: PlainDinr, x: Tensor, jacobian: Tensor, rows: Iterable[int]) -> None:
    """The same, each point forward and backward by itself: quicker, where one thinks of it."""
    for row in rows:
        fill_jacobian(model, x[row : row + 1], jacobian[row : row + 1], [0])


def plain_twin(field: nn.Module, axes: int, channels: int = 1) -> PlainDinr:
    """The plain model with the weights of one of our fields of preset `paper`: the same function."""
    plain = PlainDinr(axes, channels)
    frequencies = field.get_buffer("embedding.frequencies")
    with torch.no_grad():
        plain.frequencies.copy_(frequencies.T)
        for own, parameter in zip(plain.parameters(), field.parameters(), strict=True):
            own.copy_(parameter)
    return plain
