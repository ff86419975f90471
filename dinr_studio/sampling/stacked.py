"""The weighted mean of a field and the cubic spline through the data, on grids slab by slab."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.sampling.spline import bases, spline_slab, to_coefficients


def stacked_slabs(
    field: FieldOnGrid, weights: Sequence[float], samples: NDArray[np.float32], at: Grid, grid: Grid
) -> Iterator[NDArray[np.float32]]:
    """Means weight * field + (1 - weight) * spline on a grid, as slabs like `evaluate_slabs`'s, in the data's unit.

    weights: the field's share by channel. samples: values (*at.shape, channels), as the network learns them
    (normalised), none missing; used up. at: their grid, which holds the `needed_box` of the grid.
    """
    to_coefficients(samples)
    matrices = bases(at, grid)
    share = np.asarray(weights, dtype=np.float64)
    start = 0
    for slab in evaluate_slabs(field, grid):
        spline = field.normalisation.to_values(spline_slab(samples, matrices, start, start + len(slab)))
        spline += share * (slab - spline)
        yield spline.astype(np.float32)
        start += len(slab)
