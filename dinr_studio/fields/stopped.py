"""A dynamical field that stops early: what its state at an earlier latent time decodes to."""

from __future__ import annotations

from torch import Tensor, nn

from dinr_studio.fields.dinr import DinrField


class StoppedField(nn.Module):
    """coordinates (batch, axes) -> normalised values (batch, channels), decoded at a latent time in [0, T]."""

    def __init__(self, field: DinrField, time: float) -> None:
        super().__init__()
        self.field, self.time = field, time

    def forward(self, x: Tensor) -> Tensor:
        """Values at coordinates."""
        values: Tensor = self.field.decoder(self.field.solve(x, until=self.time).latent)
        return values
