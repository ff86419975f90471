"""Vector fields f(z, t) of the latent ODE: (batch, width) and a time -> (batch, width).

Time joins z as one more channel, so the blocks are width + 1 wide and a last projection returns to width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dinr_studio.config import FieldConfig
from dinr_studio.fields.layers import GeluBlock, SineBlock


class ResidualVectorField(nn.Module):
    """Residual blocks on [z, t], then a projection back to z's width; one set of weights for all times."""

    def __init__(self, blocks: list[nn.Module], width: int, *, zero_start: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.projection = nn.Linear(width + 1, width)
        if zero_start:
            nn.init.zeros_(self.projection.weight)
            nn.init.zeros_(self.projection.bias)

    def forward(self, z: Tensor, t: float | Tensor) -> Tensor:
        """Velocity at latent state z, (batch, width), and latent time t, a number or a scalar."""
        time = torch.as_tensor(t, dtype=z.dtype, device=z.device)
        h = torch.cat([z, time.expand(len(z), 1)], dim=1)
        for block in self.blocks:
            h = block(h)
        velocity: Tensor = self.projection(h)
        return velocity.to(z.dtype)


def ffnet_vector_field(config: FieldConfig) -> ResidualVectorField:
    """Blocks of LayerNorm, Linear, GELU, Linear."""
    blocks: list[nn.Module] = [GeluBlock(config.width + 1, config.dropout) for _ in range(config.blocks)]
    return ResidualVectorField(blocks, config.width, zero_start=config.zero_start)


def siren_vector_field(config: FieldConfig) -> ResidualVectorField:
    """Blocks of two sine layers."""
    blocks: list[nn.Module] = [SineBlock(config.width + 1, config.hidden_omega) for _ in range(config.blocks)]
    return ResidualVectorField(blocks, config.width, zero_start=config.zero_start)


VECTOR_FIELDS: dict[str, Callable[[FieldConfig], ResidualVectorField]] = {
    "ffnet": ffnet_vector_field,
    "siren": siren_vector_field,
}
