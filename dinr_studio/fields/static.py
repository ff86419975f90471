"""The static baselines of the paper: the same embeddings and blocks, no dynamics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dinr_studio.config import FieldConfig
from dinr_studio.fields.dinr import Prediction
from dinr_studio.fields.embeddings import EMBEDDINGS
from dinr_studio.fields.layers import GeluBlock, hidden_sine_layer


class StaticField(nn.Module):
    """coordinates (batch, axes) -> normalised values (batch, channels), through a stack of layers."""

    def __init__(self, config: FieldConfig, axes: int, channels: int, *, precision: str = "fp32") -> None:
        super().__init__()
        self.config, self.precision = config, precision
        self.embedding = EMBEDDINGS[config.embedding](config, axes)
        self.body = _siren_body(config) if config.family == "siren" else _ffnet_body(config)
        self.decoder = nn.Linear(config.width, channels)

    def predict(self, x: Tensor) -> Prediction:
        """Values with the last hidden state; the kinetic energy of a static field is zero."""
        latent = self.embedding(x)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            latent = self.body(latent).to(latent.dtype)
        return Prediction(self.decoder(latent), latent.new_zeros(()), latent)

    def forward(self, x: Tensor) -> Tensor:
        """Values at coordinates."""
        return self.predict(x).values


def _ffnet_body(config: FieldConfig) -> nn.Sequential:
    return nn.Sequential(*(GeluBlock(config.width, config.dropout) for _ in range(config.blocks)))


def _siren_body(config: FieldConfig) -> nn.Sequential:
    """Sine layers after the embedding, which counts as the first of `layers` where it is a sine layer itself."""
    return nn.Sequential(
        *(hidden_sine_layer(config.width, config.width, config.hidden_omega) for _ in range(config.layers - 1))
    )
