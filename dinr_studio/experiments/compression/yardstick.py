"""One PSNR for everything that stands for the same data: fields, codecs, transforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.scores import Peak, psnr
from dinr_studio.config import TrainingConfig
from dinr_studio.io.folders import length_of
from dinr_studio.sampling.evaluate import FieldOnGrid, values_at_indices
from dinr_studio.training.task import prepare_as_fitted, some_of
from dinr_studio.volume import Volume

MOST_JUDGED = 1 << 21  # voxels that a PSNR is taken on; all where there are fewer
MOST_SEARCHED = 1 << 15  # the same, while settings are searched


@dataclass(frozen=True)
class Yardstick:
    """Data that values are compared with.

    true: (N, channels), in the data's unit. numbers: flat indices (N,) of these voxels, or numbers of scattered
    samples. predict: a field's values there. data_range: the peak of the PSNR: greatest less least present value.
    whole: whether these are all voxels that have a value.
    """

    true: NDArray[np.float64]
    numbers: NDArray[np.integer[Any]]
    predict: Callable[[FieldOnGrid, NDArray[np.integer[Any]]], NDArray[np.float64]]
    data_range: Peak
    whole: bool

    def psnr(self, field: FieldOnGrid) -> float:
        """A field's PSNR in dB."""
        return psnr(self.true, self.predict(field, self.numbers), self.data_range)

    def psnr_of(self, values: NDArray[Any]) -> float:
        """The PSNR in dB of values on the whole grid, (*grid.shape, channels)."""
        return psnr(self.true, values.reshape(-1, values.shape[-1])[self.numbers], self.data_range)


def yardstick(
    volume: Volume, config: TrainingConfig, options: Mapping[str, Any], most: int = MOST_JUDGED, seed: int = 0
) -> Yardstick:
    """The data of a volume at all voxels that have a value, isolated extreme ones too, or at `most` of them at random.

    config, options: of the run to be judged, which matter where the values stay in their file or are scattered samples:
    then extreme values that the fit left out do not count.
    """
    if volume.is_stored or volume.samples is not None:
        task = prepare_as_fitted(volume, config, options)
        numbers = task.some_trained(most, seed)
        return Yardstick(task.source.values(numbers), numbers, task.predicted, task.data_range, len(numbers) < most)
    present = np.arange(volume.grid.size) if volume.missing is None else np.flatnonzero(~volume.missing)
    numbers = some_of(present, most, seed)
    true = volume.in_memory.reshape(-1, volume.channels)[numbers].astype(np.float64)
    return Yardstick(true, numbers, values_at_indices, volume.data_range, len(numbers) == len(present))


def raw_bytes(volume: Volume) -> int:
    """Bytes of a volume's values in the type that they are stored in; of a table, those of positions and values."""
    if volume.samples is not None:
        return volume.samples.positions.nbytes + volume.samples.values.nbytes
    return volume.grid.size * volume.channels * volume.values.dtype.itemsize


def stored_bytes(volume: Volume, options: Mapping[str, Any]) -> int | None:
    """Bytes of the file or folder that a volume was read from; None where it is but a part of that."""
    path = Path(volume.provenance.file)
    if {"crop", "channel", "value_columns"} & set(options) or not volume.provenance.file or not path.exists():
        return None
    return length_of(path)
