"""A run: everything that a run file holds, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.config import FitConfig
from dinr_studio.coordinates import CoordinateMap, Grid
from dinr_studio.normalisation import Normalisation
from dinr_studio.partition import Partition
from dinr_studio.training.run_description import Packing
from dinr_studio.volume import Provenance

Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class TrainerState:
    """What a later process needs to go on exactly where a trainer stopped.

    weights and good are the present weights and the last ones known to be good, by parameter name. optimiser holds the
    optimiser's arrays as KIND/PARAMETER (`exp_avg/decoder.bias`). scalars are plain numbers, or None.
    """

    step: int
    elapsed: float
    weights: Weights
    good: Weights
    optimiser: Weights
    scalars: Mapping[str, float | int | None]


@dataclass(frozen=True)
class History:
    """A run's curve: equally long float64 columns, one row for each look, and what happened at which step.

    Columns: step, epoch, elapsed (s), learning_rate, data_loss, kinetic_energy, total_loss (means since the row before,
    normalised units), held_out_psnr (dB), memory_bytes (resident, of the process). What was not measured is NaN.
    """

    columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    events: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Run:
    """One fit: settings, weights, history, scores, and all that places the field in the world.

    best: the weights to use, kept at the best held-out score. held_out: flat indices of the voxels never trained on.
    channel_ranges: least and greatest present value by channel, in the value's unit. open_options: how the file was
    opened (keyword arguments of open_volume). state is None where the run cannot be resumed. scattered: how many rows
    the table of samples had that it was fitted to, in which case held_out are some of them; 0 for a volume.

    partition: the blocks that have a field each, where one field does not hold all. Weights have one more axis then,
    the first, which counts blocks (0 before all are fitted); block_maps are the blocks' maps to network coordinates.
    Where the values stay in their file, held_out is empty: what is held out follows from the settings.
    packing: how a small file held the weights; None where it was none. Such a run has no state, history or held_out.
    """

    run_id: str
    program_version: str
    created: str
    config: FitConfig
    grid: Grid
    coordinates: CoordinateMap
    normalisation: Normalisation
    channel_ranges: tuple[tuple[float, float], ...]
    channel_names: tuple[str, ...]
    value_unit: str
    provenance: Provenance
    open_options: Mapping[str, Any]
    outliers: int
    held_out: NDArray[np.integer[Any]]
    best: Weights
    state: TrainerState | None = None
    history: History = History()
    scores: Mapping[str, Any] = field(default_factory=dict)
    finished: bool = False
    end_reason: str = ""
    scattered: int = 0
    partition: Partition | None = None
    block_maps: tuple[CoordinateMap, ...] = ()
    packing: Packing | None = None

    @property
    def channels(self) -> int:
        """Number of values per voxel."""
        return len(self.channel_ranges)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on the origin of the field's values, for the metadata of exported files."""
        file = PurePath(self.provenance.file).name
        notes = [f"DINR Studio {self.program_version}: field of {file}, run {self.run_id[:8]}"]
        if self.outliers and self.config.training.outliers != "keep":
            treated = "left out" if self.config.training.outliers == "exclude" else "clipped"
            notes.append(f"{self.outliers} isolated extreme voxels of the data were {treated} in the fit")
        if self.partition is not None:
            notes.append(f"{self.partition.count} overlapping blocks with a field each, blended where they overlap")
        return tuple(notes)

    def rescaled(self, voxel_size: tuple[float, ...]) -> Run:
        """The same field with its voxels of another size in the world (where the file had lied)."""
        factors = [new / old for new, old in zip(voxel_size, self.grid.voxel_size, strict=True)]
        options = {**self.open_options, "voxel_size": list(voxel_size)}
        grid, coordinates = self.grid.rescaled(voxel_size), self.coordinates.rescaled(factors)
        maps = tuple(one.rescaled(factors) for one in self.block_maps)
        return self.updated(grid=grid, coordinates=coordinates, block_maps=maps, open_options=options)

    def updated(self, **changes: Any) -> Run:
        """The same run further on."""
        return replace(self, **changes)
