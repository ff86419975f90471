"""Scattered samples made ready for training: at their exact places, not those of the volume made of their means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinr_studio.analysis.held_out import held_out_samples
from dinr_studio.analysis.judge import HeldOutReport
from dinr_studio.analysis.outliers import isolated_samples
from dinr_studio.analysis.points import judge_samples, judged_rows, rival_scores
from dinr_studio.analysis.scores import Scores
from dinr_studio.binning import on_grid
from dinr_studio.config import TrainingConfig
from dinr_studio.coordinates import CoordinateMap
from dinr_studio.errors import DataError
from dinr_studio.normalisation import NORMALISATIONS, Normalisation
from dinr_studio.sample_table import SampleTable
from dinr_studio.sampling.evaluate import FieldOnGrid, values_at
from dinr_studio.training.batches import Batches, Drawn, Samples
from dinr_studio.training.task import WATCHED_VOXELS, Numbers, Task, some_of
from dinr_studio.volume import Volume


class PointSource:
    """Makes samples from the row numbers of a table."""

    def __init__(
        self,
        table: SampleTable,
        coordinates: CoordinateMap,
        normalisation: Normalisation,
        limits: tuple[tuple[float, float], ...] | None = None,
    ) -> None:
        """limits: least and greatest value of each channel to clip to, in the data's unit, or None."""
        self.table = table
        self._coordinates, self._normalisation = coordinates, normalisation
        self._limits = None if limits is None else np.asarray(limits).T

    def coordinates(self, numbers: Numbers) -> Tensor:
        """Network coordinates of rows (N,): (N, axes) float32."""
        return torch.from_numpy(self._coordinates.network(self.table.positions[numbers]).astype(np.float32))

    def values(self, numbers: Numbers) -> NDArray[np.float64]:
        """The table's own values in rows (N,), clipped to the limits: (N, channels)."""
        values = self.table.values[numbers]
        return values if self._limits is None else np.clip(values, *self._limits)

    def samples(self, numbers: Numbers) -> Samples:
        """What the network trains on in rows (N,)."""
        return Samples(
            self.coordinates(numbers), torch.from_numpy(self._normalisation.to_network(self.values(numbers)))
        )


@dataclass(frozen=True)
class PointsTask(Task):
    """Scattered samples with outliers and held-out ones set aside, numbered by their rows in the table.

    volume: the means of all that are no outliers. held_out, training: row numbers.
    """

    table: SampleTable
    held_out: Numbers
    training: Numbers

    @property
    def scattered(self) -> int:
        """Number of rows."""
        return self.table.count

    @property
    def held_out_numbers(self) -> Numbers:
        """The rows held out."""
        return self.held_out

    def batches(self, batch: int, seed: int) -> Drawn:
        """Batches of rows at random from the whole table."""
        return Batches(self.training, batch, seed)

    def some_trained(self, most: int, seed: int) -> Numbers:
        """Some of the rows trained on, in order."""
        return some_of(self.training, most, seed)

    def predicted(self, field: FieldOnGrid, numbers: Numbers) -> NDArray[np.float64]:
        """The field at the places of rows."""
        return values_at(field, self.table.positions[numbers])

    def judged(self, field: FieldOnGrid, seed: int) -> HeldOutReport | None:
        """The judgement on held-out samples."""
        if not len(self.held_out):
            return None
        return judge_samples(
            self.table,
            self.volume.grid,
            self.training,
            self.held_out,
            lambda rows: self.predicted(field, rows),
            data_range=self.data_range,
            seed=seed,
        )

    def rivals(self, seed: int) -> dict[str, Scores]:
        """Interpolation of held-out samples from the others."""
        if not len(self.held_out):
            return {}
        judged = judged_rows(self.held_out, seed)
        return rival_scores(self.table, self.volume.grid, self.training, judged, data_range=self.data_range)


def prepare_points(original: Volume, config: TrainingConfig) -> PointsTask:
    """The task of fitting to the samples that a volume carries; raises DataError where there is nothing to train on."""
    table = original.samples
    if table is None or table.count == 0:
        raise DataError("No sample lies in the part to fit; choose a larger one.")
    outlying = None if config.outliers == "keep" else isolated_samples(table, original.grid)
    kept = np.arange(table.count) if outlying is None else np.flatnonzero(~outlying)
    volume = original if outlying is None else on_grid(table.rows(kept), original.grid, original.provenance)
    held_out = np.empty(0, dtype=np.int64)
    if config.held_out_share > 0:
        held_out = kept[held_out_samples(volume, config.held_out_scheme, config.held_out_share, config.choice_seed)]
    clipped = config.outliers == "clip" and outlying is not None
    normalisation = NORMALISATIONS[config.normalisation](volume)
    coordinates = CoordinateMap.of(volume.grid, config.scaling)
    source = PointSource(table, coordinates, normalisation, volume.channel_ranges if clipped else None)
    training = np.setdiff1d(np.arange(table.count) if clipped else kept, held_out, assume_unique=True)
    return PointsTask(
        volume=volume,
        source=source,
        coordinates=coordinates,
        normalisation=normalisation,
        watched=some_of(held_out, WATCHED_VOXELS, config.seed),
        variance=float(normalisation.to_network(table.values[kept]).var(axis=0).mean()),
        outliers=table.count - len(kept),
        table=table,
        held_out=held_out,
        training=training,
    )
