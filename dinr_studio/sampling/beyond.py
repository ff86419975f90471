"""How much of an exported field lies beyond the data's Nyquist frequency, where no voxel says what is right.

Whole where the export is small; else some boxes evenly spread through it, evaluated as the export evaluates them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.fourier import FEWEST_VOXELS, power_beyond
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.sampling.exports import Slabs

BOX_VOXELS = 1 << 15  # of an export that is looked at as a whole, and of each of the boxes that stand for a larger one
MOST_BOXES = 8
WORK = 0.125  # of an export's voxels: what is looked at beforehand, but for the first box
LOOKING = "looking beyond the data's Nyquist frequency"
FINER = 1.001  # voxels that much smaller than the data's are finer
NOTE = "energy beyond the data's Nyquist frequency: "


@dataclass(frozen=True)
class Beyond:
    """share: of the variance, 0 to 1, under a Hann window. voxels: how many of the export's were looked at, of `of`."""

    share: float
    voxels: int
    of: int

    @property
    def note(self) -> str:
        """A sentence for the file's metadata."""
        where = "" if self.voxels >= self.of else f", by {self.voxels:,} of {self.of:,} voxels"
        return f"{NOTE}{share_in_words(self.share)} of the variance, which no voxel of the data confirms{where}"

    @property
    def in_words(self) -> str:
        """A sentence for the window."""
        return f"{share_in_words(self.share)} of its variance lies beyond the data's Nyquist frequency."

    def as_dict(self) -> dict[str, float | int]:
        """The same for `--json`."""
        return {"share": self.share, "voxels": self.voxels, "of_voxels": self.of}


def share_in_words(share: float) -> str:
    """A share in percent, to two digits."""
    return "under 0.001 %" if share < 1e-5 else f"{100 * share:.2g} %"


def beyond_nyquist(field: FieldOnGrid, grid: Grid, slabs: Slabs = evaluate_slabs) -> Iterator[Beyond | None]:
    """Yields None after some of the work, and at last the share; nothing where the grid is nowhere finer than the data.

    field: whose grid is the data's. slabs: what evaluates it, as in `export`. The mean over channels.
    """
    if not is_finer(field.grid, grid):
        return
    power, looked = np.zeros((2, field.channels)), 0
    for box in boxes(grid):
        parts: list[NDArray[np.float32]] = []
        for slab in slabs(field, box):
            if slab is not None:
                parts.append(slab)
            yield None
        power += _power(field, box, np.concatenate(parts))
        looked += box.size
    beyond, total = power
    shares = np.divide(beyond, total, out=np.zeros(field.channels), where=total > 0)
    yield Beyond(float(shares.mean()), looked, grid.size)


def is_finer(data: Grid, grid: Grid) -> bool:
    """Whether a grid has smaller voxels than the data along an axis in space, of several voxels."""
    return any(FINER * grid.voxel_size[i] < data.voxel_size[i] and grid.shape[i] >= FEWEST_VOXELS for i in data.spatial)


def boxes(grid: Grid) -> list[Grid]:
    """A small grid of one moment as it is; of others some boxes of one moment each, spread through space and time."""
    long = [i for i, n in enumerate(grid.shape) if n >= FEWEST_VOXELS]
    spatial = [i for i in long if i in grid.spatial]
    if grid.size <= BOX_VOXELS and TIME_AXIS not in grid.axes:
        return [grid]
    edge = max(FEWEST_VOXELS, int(BOX_VOXELS ** (1 / max(1, len(spatial))) + 1e-9))
    wanted = [n if i not in long else min(edge, n) if i in spatial else 1 for i, n in enumerate(grid.shape)]
    count = min(MOST_BOXES, max(1, int(WORK * grid.size / math.prod(wanted))))
    found: dict[tuple[int, ...], Grid] = {}
    for number in range(count):
        centres = _spread(number, len(grid.shape))
        start = tuple(
            min(max(0, round(share * n - length / 2)), n - length)
            for share, n, length in zip(centres, grid.shape, wanted, strict=True)
        )
        found[start] = grid.cropped(start, [first + length for first, length in zip(start, wanted, strict=True)])
    return list(found.values())


def _spread(number: int, axes: int) -> list[float]:
    """The first, second ... of places in the unit cube that lie evenly from the first on: its middle, then others."""
    ratio = 2.0
    for _ in range(40):  # the root of x^(axes + 1) = x + 1, a golden ratio for so many axes
        ratio = (1 + ratio) ** (1 / (axes + 1))
    return [(0.5 + number * ratio ** -(axis + 1)) % 1.0 for axis in range(axes)]


def lasting(notes: tuple[str, ...]) -> tuple[str, ...]:
    """The notes that an export to go on with is known by: all but the share, whose last digit may differ."""
    return tuple(note for note in notes if not note.startswith(NOTE))


def _power(field: FieldOnGrid, box: Grid, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Power beyond the data's Nyquist frequency, and of all, by channel: (2, channels)."""
    axes = [i for i in box.spatial if box.shape[i] >= FEWEST_VOXELS]
    nyquist = [0.5 / field.grid.voxel_size[i] for i in axes]
    size = [box.voxel_size[i] for i in axes]
    power = np.zeros((2, field.channels))
    for channel in range(field.channels):
        one = values[..., channel].astype(np.float64)
        rest = [i for i in range(one.ndim) if i not in axes]
        for moment in np.moveaxis(one, rest, range(len(rest))).reshape(-1, *(box.shape[i] for i in axes)):
            power[:, channel] += power_beyond(moment, size, nyquist)
    return power
