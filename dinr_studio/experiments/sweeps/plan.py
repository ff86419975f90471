"""What a sweep is to find out: data, settings, what is varied, and under which terms runs are compared."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dinr_studio.config import FieldConfig, TrainingConfig
from dinr_studio.errors import ConfigError

SEED = "seed"
NOISE, SHARE, DIMENSIONS, EVALUATIONS, PRESET = "noise", "data_share", "dimensions", "evaluations", "preset"
CONDITIONS: dict[str, str] = {
    NOISE: "White noise on the data, percent of its standard deviation, drawn once per voxel; judged by clean data.",
    SHARE: "Percent of the voxels to train on that are used; the same held-out voxels judge every share.",
    DIMENSIONS: "Axes (1 to 4) of a synthetic field of 65,536 voxels that takes the data's place.",
    EVALUATIONS: "Evaluations of the vector field per voxel and pass, which set the steps of each integrator.",
    PRESET: "The preset that all other settings come from.",
}
UNITS = {NOISE: "% of the standard deviation", SHARE: "% of the voxels"}
TERMS: dict[str, str] = {
    "settings": "each run ends where its settings say",
    "steps": "equal optimiser steps",
    "parameters": "equal parameters (widths matched) and equal optimiser steps",
    "seconds": "equal seconds of training",
    "evaluations": "equal evaluations of the vector field",
}
MEASURES: dict[str, str] = {
    "kernel": "Effective rank and condition number of the tangent kernel, before and after training.",
    "size": "Bytes as a small file that costs at most 0.1 dB, their ratio to the data's, PSNR over all voxels.",
}
MOST_RUNS = 5000
ENDS = ("max_epochs", "time_limit", "goal_psnr", "patience")  # settings that say when a run ends


@dataclass(frozen=True)
class Axis:
    """One thing that is varied: a setting's name, or one of CONDITIONS, and its values in order."""

    name: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        known = [*FieldConfig.model_fields, *TrainingConfig.model_fields, *CONDITIONS]
        if self.name not in known:
            raise ConfigError(f"There is no setting {self.name} to vary; choose among {', '.join(known)}.")
        if not self.values:
            raise ConfigError(f"No values are named for {self.name}; write them as {self.name}=1,2,3.")
        if len(set(self.values)) < len(self.values):
            raise ConfigError(f"A value of {self.name} is named twice; name each once.")

    @property
    def is_numeric(self) -> bool:
        """Whether all its values are numbers."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


@dataclass(frozen=True)
class SweepPlan:
    """A whole sweep as the user said it.

    file: the data, as open_volume takes it with open_options; "" where a synthetic field takes its place. changes:
    settings that all runs share. axes: what is varied, every value with every other. terms: keys of TERMS; all runs
    are made under each. seconds: of training for each run (the mean over runs, where they get equal steps), or None
    for the settings' own ends. measures: keys of MEASURES. recipe: the name of the recipe that made the plan, or "".
    """

    file: str
    axes: tuple[Axis, ...]
    preset: str = "quick"
    changes: Mapping[str, Any] = field(default_factory=dict)
    open_options: Mapping[str, Any] = field(default_factory=dict)
    terms: tuple[str, ...] = ("settings",)
    seconds: float | None = None
    measures: tuple[str, ...] = ()
    recipe: str = ""

    def __post_init__(self) -> None:
        self._check_names()
        self._check_terms()
        if self.count > MOST_RUNS:
            raise ConfigError(f"These are {self.count:,} runs; {MOST_RUNS:,} are the most: vary less.")

    def _check_names(self) -> None:
        names = [axis.name for axis in self.axes]
        twice = next((name for name in names if names.count(name) > 1 or name in self.changes), None)
        if not names:
            raise ConfigError("Nothing is varied; name a setting and its values, such as steps=1,5,10,20.")
        if twice is not None:
            raise ConfigError(f"{twice} is said twice; vary it or set it once.")
        if bool(self.file) == (DIMENSIONS in names):
            said = "takes the data's place, so leave the file out" if self.file else "is not varied, so name a file"
            raise ConfigError(f"{DIMENSIONS} {said}.")

    def _check_terms(self) -> None:
        for chosen, known in ((self.terms, TERMS), (self.measures, MEASURES)):
            unknown = next((name for name in chosen if name not in known), None)
            if unknown is not None:
                raise ConfigError(f"There is no {unknown} to compare by; choose among {', '.join(known)}.")
        if not self.terms:
            raise ConfigError(f"Say how runs are to be compared: {', '.join(TERMS)}.")
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ConfigError(f"The seconds per run are {self.seconds:g}; they must be more than 0.")
        names = {axis.name for axis in self.axes}
        if "parameters" in self.terms and "width" in names:
            raise ConfigError("Widths cannot be varied at equal parameters, which they are matched by; drop one.")
        if self.terms == ("settings",) and self.seconds is None:
            return
        ends = sorted((names | set(self.changes)) & set(ENDS))
        if ends:
            raise ConfigError(
                f"{ends[0]} says when a run ends, and so do the terms {', '.join(self.terms)}; compare by settings, "
                "without seconds per run, or leave it out."
            )

    @property
    def count(self) -> int:
        """Points times terms: how many results there are to be."""
        return len(self.terms) * math.prod(len(axis.values) for axis in self.axes)

    def points(self) -> Iterator[dict[str, Any]]:
        """Every combination of the axes' values by name, the last axis quickest."""
        for values in itertools.product(*(axis.values for axis in self.axes)):
            yield dict(zip((axis.name for axis in self.axes), values, strict=True))

    def axis(self, name: str) -> Axis | None:
        """The axis of a name, or None where that is not varied."""
        return next((axis for axis in self.axes if axis.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """The plan fit for JSON."""
        return {**asdict(self), "axes": {axis.name: list(axis.values) for axis in self.axes}}


def plan_from(found: Mapping[str, Any]) -> SweepPlan:
    """The plan that `as_dict` wrote; ConfigError where it is none."""
    try:
        axes = tuple(Axis(name, tuple(values)) for name, values in found["axes"].items())
        lists = {name: tuple(found[name]) for name in ("terms", "measures")}
        return SweepPlan(**{**found, **lists, "axes": axes})
    except (KeyError, TypeError, AttributeError):
        raise ConfigError("The plan of the sweep is damaged; begin it anew in another folder.") from None


def with_seeds(plan: SweepPlan, seeds: int) -> SweepPlan:
    """The plan with so many seeds for each combination, 3407 and those after it."""
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds are too few; one is the least.")
    if seeds == 1:
        return plan
    first = int(plan.changes.get(SEED, TrainingConfig().seed))
    changes = {name: value for name, value in plan.changes.items() if name != SEED}
    return replace(plan, changes=changes, axes=(*plan.axes, Axis(SEED, tuple(range(first, first + seeds)))))
