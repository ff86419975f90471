"""Fields of uncertainty: how far the weights of a last layer, or several fields, leave a value open at a place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from dinr_studio.fields.build import Field
from dinr_studio.fields.frozen import Evaluate, freeze


def decoder_inputs(field: Field, x: Tensor) -> Tensor:
    """What a field's decoder, a linear map, takes at coordinates: its last latent state and a one, (N, width + 1)."""
    latent = field.predict(x).latent.float()
    return torch.cat([latent, latent.new_ones(len(latent), 1)], dim=1)


class DecoderSpread(nn.Module):
    """Coordinates (N, axes) -> standard deviation (N, channels) of a field whose decoder's weights are uncertain.

    roots: (channels, width + 1, width + 1), each channel's R with R R^T the covariance of its weights and bias.
    """

    def __init__(self, field: Field, roots: Tensor) -> None:
        super().__init__()
        self.field = field
        self.roots: Tensor
        self.register_buffer("roots", roots)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Standard deviations at coordinates."""
        inputs = decoder_inputs(self.field, x)
        return torch.stack([(inputs @ root).norm(dim=1) for root in self.roots], dim=1)


class Ensemble(nn.Module):
    """Several fields of one normalisation, as one."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @cached_property
    def _frozen(self) -> list[Evaluate]:
        return [freeze(member) for member in self.members]

    def values(self, x: Tensor) -> Tensor:
        """The members' values, (members, N, channels)."""
        return torch.stack([member(x) for member in self._frozen])


class EnsembleMean(Ensemble):
    """Coordinates (N, axes) -> the mean of the members' values (N, channels)."""

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """The mean at coordinates."""
        return self.values(x).mean(dim=0)


class EnsembleSpread(Ensemble):
    """Coordinates (N, axes) -> the standard deviation between members (N, channels), over members - 1."""

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """The standard deviation at coordinates."""
        return self.values(x).std(dim=0, correction=1)
