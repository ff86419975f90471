"""From a plan to its runs: all settings of each, how it ends, and about how long it takes.

Runs whose settings agree are one run, whichever points and terms ask for it: steps of a static field, say, or equal
parameters where nothing changes their number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig, changed, with_changes
from dinr_studio.errors import ConfigError, DinrError
from dinr_studio.experiments.sweeps.conditions import Conditions, synthetic
from dinr_studio.experiments.sweeps.equal import evaluations_per_pass, with_evaluations
from dinr_studio.experiments.sweeps.plan import (
    CONDITIONS,
    DIMENSIONS,
    ENDS,
    EVALUATIONS,
    NOISE,
    PRESET,
    SHARE,
    SweepPlan,
)
from dinr_studio.fields.build import build_field, parameter_count
from dinr_studio.fields.equal import with_parameters
from dinr_studio.training.device import effective_precision, resolve_device
from dinr_studio.training.plan import mean_rate
from dinr_studio.training.presets import preset_config
from dinr_studio.volume import Volume

OVERHEAD = 1.25  # time of a whole run over that of its training: looks, scores, and the data made ready
KEY_LENGTH = 12


@dataclass(frozen=True)
class RunSpec:
    """One fit, fully said.

    clock: what its end is counted in: `settings` (its own ends, by seconds of its clock), `steps`, `seconds` or
    `evaluations` (of the vector field, times voxels); limit: how much of that, None for `settings`. dimensions: of the
    synthetic field, 0 for a file. expected: seconds that its training is to take on this machine, about.
    """

    config: FitConfig
    conditions: Conditions
    clock: str
    limit: float | None
    dimensions: int = 0
    measures: tuple[str, ...] = ()
    expected: float = field(default=0.0, compare=False)

    @property
    def key(self) -> str:
        """A name that runs have in common if and only if nothing that matters differs."""
        settings = _effective(self.config).model_dump(mode="json", exclude={"reasons", "preset"})
        said = [settings, asdict(self.conditions), self.clock, self.limit, self.dimensions, sorted(self.measures)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]

    def as_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {**asdict(replace(self, config=FitConfig())), "config": self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class Cell:
    """One result to be: values of the axes, the terms, and the run that answers, or the fault that forbids it."""

    terms: str
    point: Mapping[str, Any]
    run: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Resolved:
    """A plan with all runs, by key in the order in which they are made."""

    plan: SweepPlan
    cells: tuple[Cell, ...]
    runs: Mapping[str, RunSpec]

    @property
    def expected(self) -> float:
        """Seconds that all runs together take one after another, about."""
        return OVERHEAD * sum(run.expected for run in self.runs.values())


def spec_from(found: Mapping[str, Any]) -> RunSpec:
    """The run that `as_dict` wrote."""
    config = FitConfig.model_validate(found["config"])
    conditions, measures = Conditions(**found["conditions"]), tuple(found["measures"])
    return RunSpec(**{**found, "config": config, "conditions": conditions, "measures": measures})


def resolve(plan: SweepPlan, volume: Volume | None) -> Resolved:
    """All runs of a plan for its data (None where synthetic fields take its place).

    Combinations that cannot be are kept with their fault. Raises ConfigError where no combination can be.
    """
    return _Resolving(plan, volume).resolved()


class _Resolving:
    """One plan being resolved, with what is known of its data and of this machine's speed."""

    def __init__(self, plan: SweepPlan, volume: Volume | None) -> None:
        self.plan, self.file_volume = plan, volume
        self.preset = cache(self._preset)
        self.rate = cache(self._rate)

    def volume(self, dimensions: int) -> Volume:
        """The data, or a synthetic field of so many axes."""
        if dimensions:
            return _synthetic(dimensions)
        if self.file_volume is None:
            raise ConfigError("The sweep has no data; name a file.")
        return self.file_volume

    def resolved(self) -> Resolved:
        points = list(self.plan.points())
        configured = [_attempt(self._configured, point) for point in points]
        valid = [found for found in configured if isinstance(found, RunSpec)]
        if not valid:
            raise ConfigError(next(found for found in configured if isinstance(found, str)))
        cells: list[Cell] = []
        runs: dict[str, RunSpec] = {}
        for terms in self.plan.terms:
            ended = TERMS_ENDS[terms](self, valid)
            for point, found in zip(points, configured, strict=True):
                spec = _attempt(ended, found) if isinstance(found, RunSpec) else found
                if isinstance(spec, str):
                    cells.append(Cell(terms, point, fault=spec))
                    continue
                cells.append(Cell(terms, point, run=spec.key))
                runs.setdefault(spec.key, replace(spec, expected=self._expected(spec)))
        return Resolved(self.plan, tuple(cells), runs)

    def _configured(self, point: Mapping[str, Any]) -> RunSpec:
        """A run with the settings of a point and no end yet."""
        said = {**self.plan.changes, **point}
        settings = {name: value for name, value in said.items() if name not in CONDITIONS}
        conditions = Conditions(*(_number(said, name, default) for name, default in ((NOISE, 0.0), (SHARE, 100.0))))
        dimensions = int(said.get(DIMENSIONS, 0))
        device, unused = settings.get("device", "auto"), _unused(settings, conditions)
        known = settings.get("family"), device, unused, settings.get("embedding")
        config = with_changes(self.preset(said.get(PRESET, self.plan.preset), dimensions, *known), settings)
        if EVALUATIONS in said:
            config = changed(config, field=with_evaluations(config.field, int(said[EVALUATIONS])))
        return RunSpec(config, conditions, "settings", None, dimensions, self.plan.measures)

    def _preset(
        self,
        preset: str,
        dimensions: int,
        family: str | None,
        device: str,
        unused: float | None,
        embedding: str | None,
    ) -> FitConfig:
        return preset_config(preset, self.volume(dimensions), family, device, unused, embedding)

    def budget(self, reference: RunSpec) -> float:
        """Seconds for each run."""
        seconds = self.plan.seconds or reference.config.training.time_limit
        if seconds is None:
            raise ConfigError(
                f"Preset {reference.config.preset} sets no time limit; say how many seconds each run gets."
            )
        return seconds

    def _rate(self, config: FitConfig, dimensions: int) -> float:
        """Voxels per second of training, measured."""
        volume = self.volume(dimensions)
        device = resolve_device(config.training.device)
        axes, micro_batch = len(volume.grid.shape), min(config.training.micro_batch, config.training.batch)
        precision = effective_precision(config.training.precision, device)
        built = build_field(config.field, axes, volume.channels, seed=0, precision=precision).to(device)
        return mean_rate(built, config, axes, micro_batch, device)

    def seconds_per_step(self, spec: RunSpec) -> float:
        """Seconds of one optimiser step on this machine."""
        return spec.config.training.batch / self.rate(_timed(spec.config), spec.dimensions)

    def _expected(self, spec: RunSpec) -> float:
        if spec.clock == "seconds" and spec.limit is not None:
            return spec.limit
        per_step = self.seconds_per_step(spec)
        if spec.clock == "steps" and spec.limit is not None:
            return spec.limit * per_step
        if spec.clock == "evaluations" and spec.limit is not None:
            per_voxel = evaluations_per_pass(spec.config.field) or evaluations_per_pass(FieldConfig())
            return spec.limit / (per_voxel or 1) / spec.config.training.batch * per_step
        training = spec.config.training
        voxels = self.volume(spec.dimensions).count * (1 - training.held_out_share) * spec.conditions.share / 100
        whole = training.max_epochs * voxels / training.batch * per_step
        return min(whole, training.time_limit or whole)

    def parameters(self, spec: RunSpec) -> int:
        """Number of trained parameters."""
        volume = self.volume(spec.dimensions)
        return parameter_count(spec.config.field, len(volume.grid.shape), volume.channels)

    def steps(self, valid: list[RunSpec]) -> int:
        """Optimiser steps for each run, so that a run takes the budget on average; the settings' own without one."""
        first = valid[0]
        if self.plan.seconds is None and first.config.training.time_limit is None:
            voxels = self.volume(first.dimensions).count * (1 - first.config.training.held_out_share)
            per_epoch = -(-int(voxels * first.conditions.share / 100) // first.config.training.batch)
            return max(1, first.config.training.max_epochs * per_epoch)
        mean = sum(self.seconds_per_step(spec) for spec in valid) / len(valid)
        return max(1, round(self.budget(first) / mean))


Ended = Callable[[RunSpec], RunSpec]
T = TypeVar("T")


def _attempt(make: Callable[[T], RunSpec], of: T) -> RunSpec | str:
    """What is made of something, or the sentence on why it cannot be."""
    try:
        return make(of)
    except DinrError as error:
        return str(error)


def _by_settings(resolving: _Resolving, valid: list[RunSpec]) -> Ended:
    seconds = resolving.plan.seconds
    return (lambda spec: spec) if seconds is None else _ends("seconds", seconds)


def _by_steps(resolving: _Resolving, valid: list[RunSpec]) -> Ended:
    return _ends("steps", resolving.steps(valid))


def _by_seconds(resolving: _Resolving, valid: list[RunSpec]) -> Ended:
    return _ends("seconds", resolving.budget(valid[0]))


def _by_parameters(resolving: _Resolving, valid: list[RunSpec]) -> Ended:
    target = resolving.parameters(valid[0])

    def with_width(spec: RunSpec) -> RunSpec:
        volume = resolving.volume(spec.dimensions)
        if resolving.parameters(spec) == target:
            return spec
        field = with_parameters(spec.config.field, len(volume.grid.shape), volume.channels, target)
        return replace(spec, config=changed(spec.config, field=field))

    end = _ends("steps", resolving.steps(valid))  # as many as under equal steps: half of the runs are the same
    return lambda spec: end(with_width(spec))


def _by_evaluations(resolving: _Resolving, valid: list[RunSpec]) -> Ended:
    """As many evaluations, over all voxels, as the first run with a known number of them makes in the budget."""
    first = next((spec for spec in valid if evaluations_per_pass(spec.config.field)), None)
    if first is None:
        raise ConfigError("No run has a known number of evaluations; vary a fixed-step integrator as well.")
    per_pass = evaluations_per_pass(first.config.field) or 1
    steps = resolving.budget(first) / resolving.seconds_per_step(first)
    end = _ends("evaluations", max(1, round(steps)) * first.config.training.batch * per_pass)

    def ended(spec: RunSpec) -> RunSpec:
        if evaluations_per_pass(spec.config.field) == 0:
            raise ConfigError(f"The static family {spec.config.field.family} has no vector field to count by.")
        return end(spec)

    return ended


TERMS_ENDS: dict[str, Callable[[_Resolving, list[RunSpec]], Ended]] = {
    "settings": _by_settings,
    "steps": _by_steps,
    "parameters": _by_parameters,
    "seconds": _by_seconds,
    "evaluations": _by_evaluations,
}


def _ends(clock: str, limit: float) -> Ended:
    """A run that ends by a clock and by nothing else."""
    none = {name: TrainingConfig.model_fields[name].default for name in ENDS}

    def ended(spec: RunSpec) -> RunSpec:
        training = changed(spec.config.training, **none)
        return replace(spec, config=changed(spec.config, training=training), clock=clock, limit=float(limit))

    return ended


def _effective(config: FitConfig) -> FitConfig:
    """The settings with those that do nothing here at their defaults."""
    field, training = config.field, config.training
    dynamical = ("steps", "horizon", "integrator", "tolerance", "zero_start")
    idle: tuple[str, ...] = ("tolerance",) if field.integrator != "dopri5" else ("steps",)
    if not field.family.startswith("dinr-"):
        idle = dynamical
        training = changed(training, kinetic_weight=0.0, growing_steps=False)
    field = changed(field, **{name: FieldConfig.model_fields[name].default for name in idle})
    return changed(config, field=field, training=training)


def _timed(config: FitConfig) -> FitConfig:
    """The settings without those that no speed depends on, so that it is measured once for all."""
    kept = changed(_effective(config), preset="", reasons=())
    free = {"seed": 0, "kinetic_weight": 0.0, "learning_rate": 1e-3, "held_out_share": 0.02, "time_limit": None}
    field = changed(kept.field, omega_0=30.0, hidden_omega=15.0, bandwidth=10.0)
    return changed(kept, field=field, training=changed(kept.training, **free, max_epochs=1))


def _unused(settings: Mapping[str, Any], conditions: Conditions) -> float | None:
    """Share of the voxels that is not trained on, as presets are told of it; None where it is the usual one."""
    if "held_out_share" not in settings and conditions.share == 100:
        return None
    held_out = _number(settings, "held_out_share", TrainingConfig().held_out_share)
    return min(0.95, max(0.0, 1 - conditions.share / 100 * (1 - held_out)))


def _number(values: Mapping[str, Any], name: str, default: float) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} is {value!r}; it must be a number.")
    return float(value)


@cache
def _synthetic(dimensions: int) -> Volume:
    return synthetic(dimensions)
