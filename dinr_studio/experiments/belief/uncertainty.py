"""How sure a field is, as standard deviations in the value's unit: by an ensemble, or by one run's last layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.analysis.calibration import Calibration, calibrate
from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError, RunFileError
from dinr_studio.experiments.belief.ensembles import Asked, fit_ensemble, members_in
from dinr_studio.experiments.steps import Steps, part
from dinr_studio.fields.spread import EnsembleMean, EnsembleSpread
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.sampling.export import export
from dinr_studio.sampling.exports import ExportReport
from dinr_studio.stages import Stage
from dinr_studio.training.device import resolve_device
from dinr_studio.training.fit import field_of
from dinr_studio.training.laplace import laplace_spread
from dinr_studio.training.run import Run
from dinr_studio.training.run_data import volume_of
from dinr_studio.training.run_file import read_run
from dinr_studio.training.task import Task, prepare_as_fitted
from dinr_studio.volume import Volume

MOST_JUDGED = 20_000
LAPLACE, ENSEMBLE = "last-layer Laplace", "ensemble"


@dataclass(frozen=True)
class Uncertainty:
    """The mean and the standard deviation of a field, both to be evaluated anywhere, and how well the latter holds.

    spread gives calibrated deviations in the value's unit. run: the only, or the first one.
    """

    method: str
    members: int
    run: Run
    mean: FieldOnGrid
    spread: FieldOnGrid
    calibration: Calibration

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the metadata of the deviations."""
        of = f"{self.method} of {self.members}" if self.members > 1 else self.method
        return (
            f"standard deviation of the field by {of}, times {self.calibration.factor:.4g} by held-out voxels",
            *self.run.notes,
        )

    def as_dict(self) -> dict[str, Any]:
        """What is to be said of it, fit for JSON."""
        return {
            "method": self.method,
            "members": self.members,
            "value_unit": self.run.value_unit,
            "calibration": self.calibration.as_dict(),
        }


def uncertainty_of(path: Path, data: str | None, device: str) -> Steps[Uncertainty]:
    """The uncertainty of a run file, by its last layer, or of a folder of them, as an ensemble."""
    yield Stage(0.0, "reading the runs")
    if path.is_dir():
        runs = members_in(path)
        run_path = sorted(path.glob("*.dinr"))[0]
    else:
        runs, run_path = [read_run(path)], path
    yield Stage(0.1, "reading the data")
    volume = volume_of(runs[0], run_path, data)
    return (yield from uncertainty_from(runs, volume, resolve_device(device)))


def uncertainty_from(runs: Sequence[Run], volume: Volume, device: torch.device) -> Steps[Uncertainty]:
    """The same of runs that are read already; volume: their data."""
    run = runs[0]
    if run.config.training.held_out_share == 0:
        raise ConfigError("No voxels were held out, so nothing says how far to trust an uncertainty; fit with some.")
    yield Stage(0.2, "preparing the held-out voxels")
    task = prepare_as_fitted(volume, run.config.training, run.open_options)
    if len(run.held_out) and not np.array_equal(run.held_out, task.held_out_numbers):
        raise RunFileError("The run was fitted to a part of its data's voxels (--split), so these cannot judge it.")
    numbers = _judged(task, run)
    seed = run.config.training.choice_seed
    fields = [field_of(one, device) for one in runs]
    if len(fields) == 1:
        mean = fields[0]
        errors = _errors(task, mean, numbers)
        yield Stage(0.4, "the last layer's posterior")
        module: torch.nn.Module = laplace_spread(task, mean, errors, seed)
    else:
        members = [one.module for one in fields]
        mean = replace(fields[0], module=EnsembleMean(members))
        yield Stage(0.4, f"evaluating {len(members)} members")
        errors = _errors(task, mean, numbers)
        module = EnsembleSpread(members)
    raw = _spread_field(mean, module, 1.0)
    yield Stage(0.7, "calibrating")
    found = calibrate(errors, task.predicted(raw, numbers), seed=seed)
    spread = _spread_field(mean, module, found.factor)
    method = ENSEMBLE if len(fields) > 1 else LAPLACE
    return Uncertainty(method, len(fields), run, mean, spread, found)


def write_uncertainty(found: Uncertainty, grid: Grid, path: Path, *, force: bool) -> Steps[list[ExportReport]]:
    """Writes deviations to a file and the mean beside it (NAME-mean), in any format; returns both reports."""
    reports = []
    spread = replace(found.spread, grid=grid)  # whose own voxels confirm nothing in any case
    mean_notes = (f"mean of {found.members} members", *found.run.notes) if found.members > 1 else found.run.notes
    for number, (evaluated, file, notes) in enumerate(
        ((spread, path, found.notes), (found.mean, mean_path(path), mean_notes))
    ):
        for step in export(evaluated, grid, file, notes=notes, force=force):
            yield Stage((number + step.done / step.total) / 2, f"writing {file.name}")
            if step.report is not None:
                reports.append(step.report)
    return reports


def mean_path(path: Path) -> Path:
    """Where the mean goes that belongs to deviations at a path."""
    from dinr_studio.io.writing import written_suffix

    suffix = written_suffix(path)
    return path.with_name(f"{path.name[: -len(suffix)]}-mean{path.name[-len(suffix) :]}")


def _judged(task: Task, run: Run) -> NDArray[Any]:
    """Numbers of held-out samples, at most MOST_JUDGED of them."""
    numbers = task.held_out_numbers
    numbers = numbers if len(numbers) else task.watched
    if len(numbers) <= MOST_JUDGED:
        return numbers
    return np.sort(np.random.default_rng(run.config.training.choice_seed).choice(numbers, MOST_JUDGED, replace=False))


def _errors(task: Task, field: FieldOnGrid, numbers: NDArray[Any]) -> NDArray[np.float64]:
    return task.source.values(numbers) - task.predicted(field, numbers)


def _spread_field(mean: FieldOnGrid, module: torch.nn.Module, factor: float) -> FieldOnGrid:
    """Deviations as a field: scaled as values are, without their offset, and by a factor."""
    scale = tuple(factor * abs(one) for one in mean.normalisation.scale)
    names = tuple(f"deviation of {name}" for name in mean.channel_names)
    normalisation = Normalisation(scale, (0.0,) * len(scale))
    return replace(mean, module=module.to(mean.device), normalisation=normalisation, channel_names=names)


@dataclass(frozen=True)
class Looked:
    """An uncertainty with one plane of it: mean and calibrated deviation of the first channel, (rows, columns)."""

    uncertainty: Uncertainty
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def uncertainty_open(run: Run, volume: Volume, folder: Path | None) -> Steps[Looked]:
    """The uncertainty of an open run, or of the ensemble in a folder, on the open data, with its middle plane."""
    yield Stage(0.0, "reading the runs")
    runs = [run] if folder is None else members_in(folder)
    if runs[0].grid.shape != run.grid.shape or runs[0].provenance.sha256 != run.provenance.sha256:
        raise RunFileError(f"The ensemble in {folder} was fitted to other data than what is open; open its data.")
    data = volume.with_grid(runs[0].grid)
    device = resolve_device(runs[0].config.training.device)
    found = yield from part(uncertainty_from(runs, data, device), 0.05, 0.8)
    yield Stage(0.8, "evaluating a slice")
    plane = middle_plane(run.grid)
    slices = [np.concatenate(list(evaluate_slabs(one, plane)))[..., 0] for one in (found.mean, found.spread)]
    mean, deviation = (one.reshape(one.shape[-2:] if one.ndim > 1 else (1, -1)).astype(np.float64) for one in slices)
    return Looked(found, mean, deviation)


def ensemble_open(
    volume: Volume, folder: Path, members: int, asked: Asked, open_options: Mapping[str, Any]
) -> Steps[Looked]:
    """Fits what is missing of an ensemble on the open data in a folder, then as `uncertainty_open` of that folder."""
    yield from part(fit_ensemble(volume, folder, members, asked, open_options), 0.0, 0.9)
    first = members_in(folder)[0]
    return (yield from part(uncertainty_open(first, volume, folder), 0.9, 1.0))


def middle_plane(grid: Grid) -> Grid:
    """The plane of the last two axes in the middle of the others."""
    keep = len(grid.shape) - 2
    start = [n // 2 if i < keep else 0 for i, n in enumerate(grid.shape)]
    stop = [n // 2 + 1 if i < keep else n for i, n in enumerate(grid.shape)]
    return grid.cropped(start, stop)
