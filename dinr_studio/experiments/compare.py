"""Runs beside each other: settings that differ, costs, scores, curves, and what their fields differ by."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.spectrum import Spectrum, in_world_frequency, radial_spectrum
from dinr_studio.coordinates import CoordinateMap, Grid
from dinr_studio.errors import ConfigError, DinrError
from dinr_studio.experiments.repeat import all_settings
from dinr_studio.experiments.run_facts import RunFacts, held_out_alike, read_facts
from dinr_studio.experiments.steps import Steps, part, within
from dinr_studio.sampling.difference import Difference, coarse, difference_slabs, differences, shared_grid
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.sampling.exports import ExportProgress
from dinr_studio.stages import Stage
from dinr_studio.training.run import Run
from dinr_studio.volume import Volume

if TYPE_CHECKING:
    import torch

MOST_RUNS = 12
SPECTRUM_VOXELS = 40**3  # of the middle of what all fields share
PICTURE_VOXELS = 512  # along each edge of the slice that is shown
DATA = "data"  # the name of the data's spectrum among those of the fields


@dataclass(frozen=True)
class Plane:
    """A slice through the middle: values (rows, columns) of one channel by name, on a grid of two axes.

    fields: the first run's field as it is; differences: what each other has more than the first one.
    """

    grid: Grid
    fields: Mapping[str, NDArray[np.float64]]
    differences: Mapping[str, NDArray[np.float64]]
    value_unit: str
    where: str


@dataclass(frozen=True)
class Comparison:
    """Some runs beside each other.

    settings: of those that differ, a value for each run. alike: whether scores are of the same held-out voxels;
    held_out says so in a sentence. differences: of each other run's field from the first one's, by name, as far as they
    share places; refused: sentences on those that do not. spectra: radial power by run, and of the data where it was
    found, all over the same places; frequency in cycles per `frequency_unit`.
    """

    runs: tuple[RunFacts, ...]
    settings: Mapping[str, tuple[Any, ...]]
    alike: bool
    held_out: str
    differences: Mapping[str, Difference] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    spectra: Mapping[str, Spectrum] = field(default_factory=dict)
    frequency_unit: str = ""
    plane: Plane | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of it but pictures by name, fit for JSON."""
        return {
            "runs": [run.as_dict() for run in self.runs],
            "settings": {name: list(values) for name, values in self.settings.items()},
            "same_held_out_voxels": self.alike,
            "held_out": self.held_out,
            "differences": {
                name: {"of": name, "from": self.runs[0].name, **found.as_dict()}
                for name, found in self.differences.items()
            },
            "refused": list(self.refused),
            "spectra": {
                name: {"frequency": spectrum.frequency.tolist(), "power": spectrum.power.tolist()}
                for name, spectrum in self.spectra.items()
            },
            "frequency_unit": self.frequency_unit,
        }


def check_runs(paths: Sequence[Path]) -> None:
    """Raises ConfigError where there are too few or too many runs to compare."""
    if not 2 <= len(paths) <= MOST_RUNS:
        raise ConfigError(f"{len(paths)} runs were named; compare 2 to {MOST_RUNS}.")


def beside(runs: tuple[RunFacts, ...]) -> Comparison:
    """What the run files alone say; quick."""
    alike, sentence = held_out_alike(runs)
    return Comparison(runs, differing_settings(runs), alike, sentence)


def comparing(runs: tuple[RunFacts, ...], device: torch.device) -> Steps[Comparison]:
    """Compares runs, their fields included. Fields without places in common are told."""
    from dinr_studio.training.fit import field_of

    fields = {run.name: field_of(run.run, device) for run in runs}
    found = yield from part(_with_differences(beside(runs), fields), 0.0, 0.9)
    shared = {name: fields[name] for name in (runs[0].name, *found.differences)}
    yield Stage(0.9, "spectra")
    found = _with_spectra(found, shared)
    yield Stage(0.97, "slices")
    return replace(found, plane=_plane(found, shared))


def _with_differences(found: Comparison, fields: Mapping[str, FieldOnGrid]) -> Steps[Comparison]:
    """With what each other field has more than the first one."""
    first, *others = found.runs
    measured: dict[str, Difference] = {}
    refused: list[str] = []
    for number, other in enumerate(others):
        steps = differences(fields[first.name], fields[other.name], _range(first.run))
        share = number / len(others)
        try:
            doing = f"evaluating {other.name}"
            measured[other.name] = yield from within(steps, doing, share, share + 1 / len(others))
        except ConfigError as error:
            refused.append(f"{other.name} and {first.name}: {error}")
    return replace(found, differences=measured, refused=tuple(refused))


def difference_export(
    runs: tuple[RunFacts, ...], output: Path, device: torch.device, *, force: bool
) -> Generator[ExportProgress, None, None]:
    """Writes what the second run's field has more than the first one's, on the first one's voxels where both are."""
    from dinr_studio.sampling.difference import check_alike
    from dinr_studio.sampling.export import export
    from dinr_studio.training.fit import field_of
    from dinr_studio.training.run_data import check_not_data

    if len(runs) != 2:
        raise ConfigError(f"A difference is that of two runs, and {len(runs)} were named.")
    for run in runs:
        check_not_data(run.run, output)
    one, other = (field_of(run.run, device) for run in runs)
    check_alike(one, other)
    grid, where = shared_grid(one.grid, other.grid)
    notes = (f"difference of two fields: {runs[1].name} less {runs[0].name}", *((where,) if where else ()))
    for run in runs:
        notes += run.run.notes
    mark = f"difference from {runs[0].run.run_id}"
    yield from export(other, grid, output, force=force, notes=notes, slabs=difference_slabs(one), mark=mark)


def differing_settings(runs: Sequence[RunFacts]) -> dict[str, tuple[Any, ...]]:
    """The settings, and what of the data, that are not the same in all runs, by name, with each run's value."""
    tables = [_table(run.run) for run in runs]
    names = list(dict.fromkeys(name for table in tables for name in table))
    rows = {name: tuple(table.get(name) for table in tables) for name in names}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}


def _table(run: Run) -> dict[str, Any]:
    """Everything of a run that a person could have set."""
    blocks = None if run.partition is None else list(run.partition.counts)
    return {
        "data": Path(run.provenance.file).name or "an array",
        "data_sha256": run.provenance.sha256,
        "shape": list(run.grid.shape),
        "voxel_size": list(run.grid.voxel_size),
        **{f"opened_with_{name}": option for name, option in run.open_options.items()},
        "preset": run.config.preset,
        **all_settings(run.config),
        "field_blocks": blocks,
    }


def _range(run: Run) -> float:
    """Greatest less least value of a run's data."""
    return max(high for _, high in run.channel_ranges) - min(low for low, _ in run.channel_ranges)


def _with_spectra(found: Comparison, fields: Mapping[str, FieldOnGrid]) -> Comparison:
    """With the power spectra of all fields, and of the data where it is found, over the places that they share."""
    first = found.runs[0].run
    grid = middle(_places_of_all(fields), SPECTRUM_VOXELS)
    coordinates = CoordinateMap.of(grid)
    volumes = {name: Volume(np.concatenate(list(evaluate_slabs(one, grid))), grid) for name, one in fields.items()}
    data = data_on(first, Path(found.runs[0].file), grid)
    if data is not None:
        volumes = {DATA: data, **volumes}
    spectra, unit = {}, next((grid.units[i] for i in grid.spatial), "") or "voxel unit"
    for name, volume in volumes.items():
        spectrum = radial_spectrum(volume, coordinates)
        physical = in_world_frequency(spectrum, coordinates, grid)
        unit = unit if physical is not None else "network unit"
        spectra[name] = physical or spectrum
    return replace(found, spectra=spectra, frequency_unit=unit)


def _places_of_all(fields: Mapping[str, FieldOnGrid]) -> Grid:
    """The first one's voxels that lie in the boxes of all; of the first alone where some share none."""
    grids = iter(fields.values())
    shared = next(grids).grid
    for other in grids:
        try:
            shared = shared_grid(shared, other.grid)[0]
        except ConfigError:
            continue
    return shared


def middle(grid: Grid, most: int) -> Grid:
    """The middle part of a grid, of about `most` voxels at most."""
    share = min(1.0, (most / grid.size) ** (1 / max(1, sum(n > 1 for n in grid.shape))))
    kept = [max(1, round(n * share)) for n in grid.shape]
    start = [(n - k) // 2 for n, k in zip(grid.shape, kept, strict=True)]
    return grid.cropped(start, [s + k for s, k in zip(start, kept, strict=True)])


def data_on(run: Run, path: Path, grid: Grid) -> Volume | None:
    """The data of a run on a part of its own grid; None where it is not to be found."""
    from dinr_studio.training.run_data import volume_of

    try:
        volume = volume_of(run, path)
    except DinrError:
        return None
    return part_on(volume, run.grid, grid)


def part_on(volume: Volume, own: Grid, grid: Grid) -> Volume:
    """The part of a volume on a grid of some of its voxels, in memory; own: the volume's grid, as a run has it."""
    start = [round(float(i)) for i in own.index(np.asarray(grid.origin))]
    stop = [s + n for s, n in zip(start, grid.shape, strict=True)]
    return volume.cropped(start, stop).with_grid(grid).loaded()


def _plane(found: Comparison, fields: Mapping[str, FieldOnGrid]) -> Plane | None:
    """The middle slice, across the axes before the last two, of the first channel; None of a line."""
    first = found.runs[0]
    shown = [first.name, *list(found.differences)]
    grid = _places_of_all({name: fields[name] for name in shown})
    if len(grid.shape) < 2:
        return None
    held = range(len(grid.shape) - 2)
    at = {axis: grid.shape[axis] // 2 for axis in held}
    start = [at.get(axis, 0) for axis in range(len(grid.shape))]
    stop = [at[axis] + 1 if axis in at else n for axis, n in enumerate(grid.shape)]
    part = coarse(grid.cropped(start, stop), PICTURE_VOXELS**2)
    values = dict(_slices({name: fields[name] for name in shown}, part))
    where = ", ".join(f"{part.axes[axis]} = {part.origin[axis]:.4g} {part.units[axis]}".rstrip() for axis in held)
    others = {name: values[name] - values[first.name] for name in shown[1:]}
    last = [len(grid.shape) - 2, len(grid.shape) - 1]
    return Plane(part.along(last), {first.name: values[first.name]}, others, first.run.value_unit, where)


def _slices(fields: Mapping[str, FieldOnGrid], part: Grid) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for name, one in fields.items():
        yield name, np.concatenate(list(evaluate_slabs(one, part)))[..., 0].reshape(part.shape[-2:]).astype(np.float64)


def read_and_compare(paths: Sequence[Path], device: str) -> Steps[Comparison]:
    """Compares the runs in files; see `comparing`."""
    from dinr_studio.training.device import resolve_device

    check_runs(paths)
    yield Stage(0.0, "reading runs")
    return (yield from part(comparing(read_facts(paths), resolve_device(device)), 0.02, 1.0))
