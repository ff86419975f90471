"""Many fields as one: each knows a block of the volume, and where blocks overlap their values blend smoothly.

The blended field is the sum of w_i f_i, a partition of unity (Babuska and Melenk, 1997): the weights add up to 1
everywhere, change only where blocks overlap, and do so with two continuous derivatives, so that no seam shows in
values, gradients or curvatures that the fields themselves do not have.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Evaluate = Callable[[Tensor], Tensor]

NARROWEST = 1e-30  # what stands for the width of a ramp that has none: a hard cut


def axis_weights(x: Tensor, ramps: Tensor) -> Tensor:
    """Weights (N, blocks) of the blocks along one axis at positions (N,); they add up to 1.

    ramps: (blocks - 1, 2), where each cut's change of weights begins and ends, in rising order without overlap. A
    weight is exactly 0 outside of its block's ramps, and outermost blocks go on for ever.
    """
    low, high = ramps[:, 0], ramps[:, 1]
    share = ((x[:, None] - low) / (high - low).clamp(min=NARROWEST)).clamp(0, 1)
    risen = share**3 * (share * (6 * share - 15) + 10)
    ends = risen.new_ones(len(x), 1)
    return torch.cat([ends, risen], dim=1) - torch.cat([risen, 0 * ends], dim=1)


class BlendedField(nn.Module):
    """Network coordinates (N, axes) of the whole volume -> blended normalised values (N, channels).

    ramps: for each axis (blocks along it - 1, 2), as in `axis_weights`, in the whole volume's network coordinates.
    slope, intercept: (blocks, axes), which make a block's own network coordinates of the whole's. A field is evaluated
    only where its weight is not 0.
    """

    def __init__(
        self,
        blocks: Sequence[nn.Module],
        channels: int,
        ramps: Sequence[NDArray[Any]],
        slope: NDArray[Any],
        intercept: NDArray[Any],
    ) -> None:
        super().__init__()
        self.blocks, self.channels = nn.ModuleList(blocks), channels
        # no buffers: weights are computed in float64, which a module would lose on its way to a device without it
        self.ramps = [torch.from_numpy(np.array(one, dtype=np.float64).reshape(-1, 2)) for one in ramps]
        self.slope = torch.from_numpy(np.array(slope, dtype=np.float64))
        self.intercept = torch.from_numpy(np.array(intercept, dtype=np.float64))

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(len(ramps) + 1 for ramps in self.ramps)

    def forward(self, x: Tensor) -> Tensor:
        """Values at coordinates."""
        return self.blend(x, lambda number: self.blocks[number])

    def blend(self, x: Tensor, of: Callable[[int], Evaluate]) -> Tensor:
        """Values at coordinates, with the block of a number evaluated by `of(number)`."""
        exact = x.to(torch.float32 if x.device.type == "mps" else torch.float64)
        weights = [axis_weights(exact[:, i], ramps.to(exact)) for i, ramps in enumerate(self.ramps)]
        slope, intercept = self.slope.to(exact), self.intercept.to(exact)
        values = x.new_zeros(len(x), self.channels)
        for at in itertools.product(*(one.any(dim=0).nonzero().flatten().tolist() for one in weights)):
            weight = torch.stack([one[:, i] for one, i in zip(weights, at, strict=True)]).prod(dim=0)
            here = weight.nonzero().flatten()
            if len(here):
                number = int(np.ravel_multi_index(at, self.counts))
                own = (exact[here] * slope[number] + intercept[number]).to(x.dtype)
                found = of(number)(own).to(x.dtype) * weight[here, None].to(x.dtype)
                values = values.index_add(0, here, found)
        return values

    def mapped(self, change: Callable[[nn.Module], nn.Module]) -> BlendedField:
        """The same blend of other fields, each made of the present one."""
        blocks = [change(block) for block in self.blocks]
        return BlendedField(
            blocks,
            self.channels,
            [one.numpy() for one in self.ramps],
            self.slope.numpy(),
            self.intercept.numpy(),
        )
