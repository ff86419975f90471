"""Power spectra of data, field and residual in physical units; and how much detail an export invents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinr_studio.analysis.power import PowerCurve, axis_power, kept_up_to, power_needs, radial_power
from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.belief.maps import Choice, Map, data_of, is_run, map_of_field, map_of_volume, read_map
from dinr_studio.experiments.steps import Steps, within
from dinr_studio.sampling.beyond import Beyond, beyond_nyquist, share_in_words
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.target import frame_of, target_grid
from dinr_studio.stages import Stage
from dinr_studio.training.device import resolve_device
from dinr_studio.training.fit import field_of
from dinr_studio.training.run import Run
from dinr_studio.training.run_file import read_run
from dinr_studio.volume import Volume

DATA, FIELD, RESIDUAL = "data", "field", "residual"


@dataclass(frozen=True)
class MapSpectra:
    """The spectra of one map: over shells where its axes share a unit (else None), and along each axis by its name."""

    radial: PowerCurve | None
    axes: Mapping[str, PowerCurve]

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, fit for JSON."""
        return {
            "radial": None if self.radial is None else self.radial.as_dict(),
            "axes": {name: curve.as_dict() for name, curve in self.axes.items()},
        }


@dataclass(frozen=True)
class Spectra:
    """Spectra by what they are of: data, field, residual, and `field x2` where the field was evaluated more finely.

    unit: of length, "" where unknown; by_axis: the unit of each axis. beyond: share of the finer field's energy beyond
    the data's Nyquist frequency.
    """

    name: str
    maps: Mapping[str, MapSpectra]
    unit: str
    by_axis: Mapping[str, str]
    value_unit: str
    beyond: Beyond | None = None
    notes: tuple[str, ...] = ()

    @property
    def kept(self) -> float | None:
        """The frequency up to which the field keeps half the data's power, where it loses more beyond."""
        pair = [self.maps[name].radial if name in self.maps else None for name in (DATA, FIELD)]
        return None if pair[0] is None or pair[1] is None else kept_up_to(pair[0], pair[1])

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, fit for JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "unit_by_axis": dict(self.by_axis),
            "value_unit": self.value_unit,
            "spectra": {name: one.as_dict() for name, one in self.maps.items()},
            "half_power_frequency": self.kept,
            "beyond_nyquist": None if self.beyond is None else self.beyond.as_dict(),
            "verdict": verdict(self),
            "notes": list(self.notes),
        }


def spectra_of_source(source: str, choice: Choice, factor: tuple[float, ...] | None = None) -> Steps[Spectra]:
    """The spectra of a file's values, or of a run's data, field and residual, and of its field more finely."""
    name = Path(source).name
    if not is_run(source):
        if factor is not None:
            raise ConfigError(f"{name} is no run, so there is no field to evaluate more finely; leave --factor out.")
        data = yield from within(read_map(source, choice), "reading the values", 0.0, 0.5)
        return (yield from _spectra(name, {DATA: data}, None))
    run = read_run(Path(source))
    yield Stage(0.0, "reading the data")
    data = data_of(source, choice)
    evaluated = field_of(run, resolve_device(choice.device))
    return (yield from spectra_of_field(name, data, evaluated, choice, factor))


def spectra_of_field(
    name: str, data: Map, evaluated: FieldOnGrid, choice: Choice, factor: tuple[float, ...] | None = None
) -> Steps[Spectra]:
    """The spectra of data, of a field on the data's voxels, of what it misses, and of the field more finely."""
    own = frame_of(evaluated.grid, choice.frame)
    finer = None if factor is None else target_grid(own, factor=factor)
    power_needs(own.size if finer is None else finer.size, 4).check()
    field = yield from within(map_of_field(evaluated, own, name, choice.channel), "evaluating the field", 0.05, 0.3)
    residual = Map(RESIDUAL, data.values - field.values, data.grid, data.value_unit)
    maps, beyond = {DATA: data, FIELD: field, RESIDUAL: residual}, None
    if finer is not None:
        steps = map_of_field(evaluated, finer, name, choice.channel)
        maps[finer_name(own, finer)] = yield from within(steps, "evaluating the field more finely", 0.3, 0.8)
        beyond = yield from _beyond(evaluated, finer)
    return (yield from _spectra(name, maps, beyond))


def finer_name(own: Grid, finer: Grid) -> str:
    """What the field on a finer grid is called, such as `field x2`."""
    factors = {f"{own.voxel_size[i] / finer.voxel_size[i]:.3g}" for i in own.spatial}
    return f"{FIELD} x{factors.pop()}" if len(factors) == 1 else f"{FIELD}, finer"


def verdict(found: Spectra) -> str:
    """In sentences: up to where the field has the data's detail, and how much it adds beyond."""
    parts = []
    if FIELD in found.maps and found.maps[FIELD].radial is not None:
        unit = found.unit or "unit"
        if found.kept is None:
            parts.append("The field keeps at least half the data's power at every frequency.")
        else:
            length = f"{1 / found.kept:.4g} {found.unit}".rstrip()
            parts.append(
                f"The field keeps half the data's power or more up to {found.kept:.4g} cycles per {unit} (details of "
                f"{length}), and less beyond."
            )
    if found.beyond is not None:
        parts.append(
            f"On the finer grid {share_in_words(found.beyond.share)} of its variance lies beyond the data's Nyquist "
            "frequency, where no voxel confirms it."
        )
    return " ".join(parts)


def density_unit(value_unit: str, unit: str, axes: int) -> str:
    """The unit of a power density, such as `K² nm³`."""
    return f"{_grouped(value_unit or 'value')}² {_grouped(unit or 'unit')}" + {1: "", 2: "²", 3: "³"}.get(axes, "")


def _grouped(unit: str) -> str:
    """A unit to which an exponent can be added."""
    return unit if unit.isalpha() else f"({unit})"


def _beyond(evaluated: FieldOnGrid, finer: Grid) -> Steps[Beyond | None]:
    last = None
    for found in beyond_nyquist(evaluated, finer):
        yield Stage(0.85, "looking beyond the Nyquist frequency")
        last = found
    return last


def _spectra(name: str, maps: Mapping[str, Map], beyond: Beyond | None) -> Steps[Spectra]:
    found = {}
    for number, (of, one) in enumerate(maps.items()):
        yield Stage(0.9 + 0.1 * number / len(maps), f"the spectrum of the {of}")
        alike = len(set(one.grid.units)) == 1
        axes = {axis: axis_power(one.values, one.grid.voxel_size[i], i) for i, axis in enumerate(one.grid.axes)}
        found[of] = MapSpectra(radial_power(one.values, one.grid.voxel_size) if alike else None, axes)
    yield Stage(1.0, "done")
    first = next(iter(maps.values()))
    units = dict(zip(first.grid.axes, first.grid.units, strict=True))
    unit = first.grid.units[0] if len(set(first.grid.units)) == 1 else ""
    return Spectra(name, found, unit, units, first.value_unit, beyond, first.notes)


def spectra_of_open(
    name: str, volume: Volume, run: Run | None, choice: Choice, factor: tuple[float, ...] | None
) -> Steps[Spectra]:
    """The same of a volume that is open, and of a run fitted to it where there is one."""
    yield Stage(0.0, "reading the values")
    if run is None:
        return (yield from _spectra(name, {DATA: map_of_volume(volume, name, choice)}, None))
    data = map_of_volume(volume.with_grid(run.grid), name, choice)
    evaluated = field_of(run, resolve_device(choice.device))
    return (yield from spectra_of_field(name, data, evaluated, choice, factor))
