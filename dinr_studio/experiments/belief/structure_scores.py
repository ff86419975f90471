"""Scores of structure of a run's field by its data, over all voxels, trained on or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.structure import Structure, structure
from dinr_studio.errors import DataError
from dinr_studio.experiments.belief.maps import Choice, Map, map_of_field, map_of_volume
from dinr_studio.experiments.steps import Steps, within
from dinr_studio.io.reading import open_volume
from dinr_studio.sampling.target import frame_of
from dinr_studio.stages import Stage
from dinr_studio.training.device import resolve_device
from dinr_studio.training.fit import field_of
from dinr_studio.training.run import Run
from dinr_studio.volume import Volume

NOTE = "over all voxels, those trained on among them; the held-out scores alone tell how well it predicts"


def structure_of(run: Run, volume: Volume, choice: Choice, regions: str | None = None) -> Steps[Structure]:
    """The scores of one channel at one moment; regions: a file of labels on the data's grid, or None for octants."""
    yield Stage(0.0, "reading the data")
    data = map_of_volume(volume.with_grid(run.grid), "data", choice)
    labels = None if regions is None else _labels(regions, data)
    evaluated = field_of(run, resolve_device(choice.device))
    steps = map_of_field(evaluated, frame_of(run.grid, choice.frame), "field", choice.channel)
    field = yield from within(steps, "evaluating the field", 0.05, 0.8)
    yield Stage(0.8, "comparing shapes")
    found = structure(
        data.values,
        field.values,
        data.grid.voxel_size,
        axes=data.grid.axes,
        unit=data.grid.units[0] if len(set(data.grid.units)) == 1 else "",
        value_unit=data.value_unit,
        labels=labels,
        missing=data.missing,
    )
    notes = [NOTE]
    if data.missing is not None:
        notes.append(f"{int(data.missing.sum()):,} missing voxels do not count")
    return replace(found, notes=tuple(notes))


def _labels(regions: str, data: Map) -> NDArray[np.int64]:
    """The numbers in a file of regions; DataError where they are not on the data's grid."""
    found = map_of_volume(open_volume(regions), Path(regions).name, Choice())
    if found.grid.shape != data.grid.shape:
        shapes = [" x ".join(map(str, grid.shape)) for grid in (found.grid, data.grid)]
        raise DataError(f"The regions in {found.name} have {shapes[0]} voxels, the data {shapes[1]}; give one grid.")
    return np.rint(found.values).astype(np.int64)
