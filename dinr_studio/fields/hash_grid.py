"""The multiresolution hash grid: features that lie on grids from coarse to fine, interpolated between vertices.

A level whose vertices fit its table has a row for each (dense); on finer levels vertices share rows by a hash of their
indices, and what collides is told apart by the other levels and the network.
Source: Mueller et al., Instant Neural Graphics Primitives with a Multiresolution Hash Encoding, 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dinr_studio.config import FieldConfig
from dinr_studio.errors import ConfigError

PRIMES = (1, 2_654_435_761, 805_459_861, 3_674_653_429)  # of the hash, one for each axis (Mueller et al.)
START = 1e-2  # entries begin between plus and minus this

Kernel = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def linear_kernel(position: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """First of two vertices around positions in [0, cells] and both weights, (..., 2): d-linear interpolation."""
    first = torch.minimum(position.detach().floor(), cells - 1)
    share = position - first
    return first, torch.stack([1 - share, share], dim=-1)


def smooth_kernel(position: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """First of three vertices, counted from one cell outside, and their weights, (..., 3): quadratic B-splines.

    Values have a continuous gradient everywhere.
    """
    nearest = position.detach().round()
    off = position - nearest
    return nearest, torch.stack([0.5 * (0.5 - off).square(), 0.75 - off.square(), 0.5 * (0.5 + off).square()], dim=-1)


KERNELS: dict[str, tuple[Kernel, int]] = {"linear": (linear_kernel, 1), "smooth": (smooth_kernel, 3)}


class HashGrid(nn.Module):
    """Coordinates (batch, axes) -> features (batch, levels * features), level by level from coarse to fine.

    cells: by level and axis, how many cells span [-1, 1]. Beyond that the features are those of the nearest face.
    """

    resolution: Tensor
    strides: Tensor
    starts: Tensor

    def __init__(self, cells: Sequence[Sequence[int]], features: int, table_size: int, interpolation: str) -> None:
        super().__init__()
        self.kernel, extra = KERNELS[interpolation]
        self.features, self.mask = features, (1 << table_size) - 1
        vertices = [[n + extra for n in level] for level in cells]
        rows = [min(math.prod(level), 1 << table_size) for level in vertices]
        self.dense = sum(math.prod(level) <= 1 << table_size for level in vertices)  # the coarse ones come first
        strides = [[math.prod(level[i + 1 :]) for i in range(len(level))] for level in vertices[: self.dense]]
        hashed = [list(PRIMES[: len(level)]) for level in vertices[self.dense :]]
        starts = [sum(rows[:level]) for level in range(len(rows))]
        self.register_buffer("resolution", torch.tensor(cells, dtype=torch.float32), persistent=False)
        self.register_buffer("strides", torch.tensor(strides + hashed), persistent=False)
        self.register_buffer("starts", torch.tensor(starts)[:, None], persistent=False)
        self.table = nn.Parameter(torch.empty(sum(rows), features).uniform_(-START, START))

    def forward(self, x: Tensor) -> Tensor:
        """Features of coordinates."""
        rows, weights = self.corners(x)
        shape = rows.shape[:2]
        rows, weights = rows.flatten(0, 1), weights.flatten(0, 1)
        if weights.requires_grad or not (self.training or not torch.is_grad_enabled()):
            found = torch.einsum("ncf,nc->nf", self.table[rows], weights)
        else:
            found = _WeightedRows.apply(self.table, rows, weights)  # type: ignore[no-untyped-call]
        return found.view(shape[0], shape[1] * self.features)

    def corners(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the table around each place and their weights, both (batch, levels, corners); weights add up to 1."""
        resolution = self.resolution.to(x.dtype)
        position = (x.clamp(-1, 1)[:, None] + 1) * (0.5 * resolution)
        first, weights = self.kernel(position, resolution)  # (batch, levels, axes), (batch, levels, axes, kernel)
        places = first.long()[..., None] + torch.arange(weights.shape[-1], device=x.device)
        terms = places * self.strides[..., None]
        dense = _combined(terms[:, : self.dense], torch.add)
        hashed = _combined(terms[:, self.dense :], torch.bitwise_xor) & self.mask
        return torch.cat([dense, hashed], dim=1) + self.starts, _combined(weights, torch.mul)

    def add_gram(self, kernel: Tensor, x: Tensor, gradients: Tensor) -> None:
        """Adds what the table contributes to a tangent kernel (N, N), level by level.

        x (N, axes); gradients (N, levels * features), of an output by the features there. Two places share what their
        weights have in common on the same rows, times the product of their gradients.
        """
        rows, weights = self.corners(x.detach())
        for level, g in enumerate(torch.split(gradients, self.features, dim=1)):
            spread = _spread(rows[:, level], weights[:, level], len(self.table))
            kernel += torch.from_numpy((spread.T @ spread).toarray()).to(kernel) * (g @ g.T)


def _combined(terms: Tensor, join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """For every corner the terms of its axes joined: (batch, levels, axes, kernel) -> (batch, levels, kernel^axes)."""
    found = terms[:, :, 0]
    for axis in range(1, terms.shape[2]):
        found = join(found[..., None], terms[:, :, axis, None, :]).flatten(2)
    return found


class _WeightedRows(torch.autograd.Function):
    """Sums of a table's rows (rows, features) by weights, both (places, corners) -> (places, features).

    The quick way in training: the gradient is that of the table alone, added up by a sparse product where a processor
    computes, which takes a quarter of index_add's time.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.table_rows = len(table)
        return torch.nn.functional.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, weights = ctx.saved_tensors
        if gradient.device.type == "cpu":
            return _added_up(ctx.table_rows, rows, weights, gradient), None, None
        shares = (weights[..., None] * gradient[:, None]).flatten(0, 1)
        return gradient.new_zeros(ctx.table_rows, gradient.shape[1]).index_add_(0, rows.flatten(), shares), None, None


def _added_up(table_rows: int, rows: Tensor, weights: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of a table, (table rows, features), from that of its weighted sums."""
    added: Tensor = torch.from_numpy(_spread(rows, weights, table_rows) @ gradient.numpy())
    return added


def _spread(rows: Tensor, weights: Tensor, table_rows: int) -> Any:
    """The transposed matrix of interpolation, (table rows, places), sparse, from both of (places, corners)."""
    import numpy as np
    from scipy.sparse import csc_array

    places, corners = rows.shape
    ends = np.arange(0, places * corners + 1, corners, dtype=np.int32)
    parts = (weights.cpu().numpy().ravel(), rows.cpu().numpy().ravel().astype(np.int32), ends)
    return csc_array(parts, shape=(table_rows, places))


class HashGridEmbedding(nn.Module):
    """A hash grid's features and the coordinates themselves, in a linear layer: (batch, axes) -> (batch, width)."""

    def __init__(self, grid: HashGrid, axes: int, width: int) -> None:
        super().__init__()
        self.grid = grid
        self.linear = nn.Linear(len(grid.resolution) * grid.features + axes, width)

    def forward(self, x: Tensor) -> Tensor:
        """First latent state of coordinates."""
        latent: Tensor = self.linear(torch.cat([x, self.grid(x)], dim=-1))
        return latent


def level_cells(coarsest: int, finest: Sequence[int], levels: int) -> list[list[int]]:
    """Cells across [-1, 1] by level and axis, growing by one factor from level to level.

    coarsest counts along the axis with the most cells; finest along each. One level is the finest.
    """
    growth = (max(finest) / coarsest) ** (1 / max(1, levels - 1))
    return [[max(1, round(n / growth ** (levels - 1 - level))) for n in finest] for level in range(levels)]


def hash_grid_embedding(config: FieldConfig, axes: int) -> nn.Module:
    """A hash grid as the settings say; ConfigError where they are for another number of axes."""
    finest = config.finest_resolution
    if len(finest) not in (1, axes):
        raise ConfigError(
            f"The setting finest_resolution has {len(finest)} numbers and the volume {axes} axes; give one number for "
            "all axes, or one for each."
        )
    finest = finest * axes if len(finest) == 1 else finest
    cells = level_cells(min(config.coarsest_resolution, max(finest)), finest, config.levels)
    grid = HashGrid(cells, config.features_per_level, config.table_size, config.interpolation)
    return HashGridEmbedding(grid, axes, config.width)
