"""Named sweeps: the paper's experiments and its open questions, asked of anyone's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

from dinr_studio.config import FAMILIES, Embedding
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.sweeps import findings
from dinr_studio.experiments.sweeps.plan import DIMENSIONS, EVALUATIONS, NOISE, SHARE, Axis, SweepPlan, with_seeds
from dinr_studio.experiments.sweeps.summary import Summary

ALL_TERMS = ("steps", "seconds", "parameters")


@dataclass(frozen=True)
class Recipe:
    """A sweep by name.

    question: what it asks, in a sentence. axes, changes, terms, measures and seconds: of its plan. along: what a
    figure's horizontal axis is, an axis of the plan or a metric; metrics: what its vertical axes are, a row each.
    findings: what it says of the results.
    """

    name: str
    question: str
    axes: tuple[Axis, ...]
    findings: Callable[[Summary], list[str]]
    changes: Mapping[str, Any] = field(default_factory=dict)
    terms: tuple[str, ...] = ALL_TERMS
    measures: tuple[str, ...] = ()
    seconds: float = 20.0
    along: str = ""
    metrics: tuple[str, ...] = ("psnr",)

    @property
    def needs_file(self) -> bool:
        """Whether it is asked of a file, and not of synthetic fields."""
        return all(axis.name != DIMENSIONS for axis in self.axes)


_ALL = (
    Recipe(
        "ablation-steps",
        "Do more steps through latent time help?",
        (Axis("steps", (1, 5, 10, 20)),),
        partial(findings.best_of, along="steps"),
        {"family": "dinr-siren"},
        along="steps",
    ),
    Recipe(
        "kinetic-vs-noise",
        "Does the kinetic penalty help, and does it the more the noisier the data is?",
        (Axis(NOISE, (0, 10, 20, 30)), Axis("kinetic_weight", (0, 0.01, 0.1, 1))),
        partial(findings.best_of, along="kinetic_weight", reference=0),
        {"family": "dinr-siren", "steps": 4},
        along=NOISE,
    ),
    Recipe(
        "ntk-vs-static",
        "Do dynamics give the tangent kernel a higher rank than a static field of as many parameters has?",
        (Axis("family", ("dinr-siren", "siren")),),
        findings.kernels,
        {"steps": 4},
        terms=("parameters", "seconds"),
        measures=("kernel",),
        metrics=("psnr", "effective_rank", "condition_number"),
    ),
    Recipe(
        "sparse",
        "Which family does best where only a share of the voxels is known?",
        (Axis(SHARE, (25, 50, 75, 100)), Axis("family", FAMILIES)),
        partial(findings.best_of, along="family"),
        along=SHARE,
    ),
    Recipe(
        "compression",
        "How good is a field for the bytes that its weights take?",
        (Axis("width", (12, 16, 24, 32, 48, 64, 96)), Axis("family", ("dinr-siren", "siren"))),
        findings.rates,
        terms=("steps", "seconds"),
        measures=("size",),
        along="bytes",
        metrics=("small_psnr",),
    ),
    Recipe(
        "profile-2d-3d-4d",
        "What do time and memory per step become as dimensions grow, at equal numbers of voxels?",
        (Axis(DIMENSIONS, (2, 3, 4)), Axis("family", FAMILIES)),
        findings.profile,
        {"steps": 4},
        terms=("seconds", "parameters"),
        seconds=5.0,
        along=DIMENSIONS,
        metrics=("step_milliseconds", "step_memory_mib"),
    ),
    Recipe(
        "integrators",
        "Does a better integrator help at equal evaluations of the vector field?",
        (Axis(EVALUATIONS, (4, 8, 16)), Axis("integrator", ("euler", "midpoint", "rk4", "dopri5"))),
        findings.integrators,
        {"family": "dinr-siren"},
        terms=("evaluations", "seconds"),
        along=EVALUATIONS,
    ),
    Recipe(
        "embeddings",
        "Which embedding does best, with dynamics and without?",
        (Axis("embedding", get_args(Embedding)), Axis("family", ("dinr-siren", "siren", "dinr-ffnet", "ffnet"))),
        findings.embeddings,
        terms=("steps", "seconds", "parameters"),
        along="embedding",
    ),
)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}


@dataclass(frozen=True)
class Wish:
    """What the user says of a recipe: the file ("" for none), and what he wants otherwise than it is by default."""

    file: str = ""
    open_options: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "quick"
    axes: tuple[Axis, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    terms: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    seconds: float | None = None
    seeds: int = 1


def recipe_of(name: str) -> Recipe:
    """The recipe of a name; ConfigError names them all where there is none."""
    if name not in RECIPES:
        raise ConfigError(f"There is no recipe {name}; choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]


def plan_of(name: str, wish: Wish) -> SweepPlan:
    """A recipe's plan for some data; axes in the wish take the place of the recipe's own, or join them."""
    recipe = recipe_of(name)
    if wish.file and not recipe.needs_file:
        raise ConfigError(f"The recipe {name} makes its own fields; leave {wish.file} out.")
    if not wish.file and recipe.needs_file:
        raise ConfigError(f"The recipe {name} is asked of data; name a file, or sample:NAME.")
    by_hand = {axis.name: axis for axis in wish.axes}
    axes = [by_hand.pop(axis.name, axis) for axis in recipe.axes if axis.name not in wish.changes]
    axes += by_hand.values()
    own = {key: value for key, value in recipe.changes.items() if all(axis.name != key for axis in axes)}
    plan = SweepPlan(
        file=wish.file,
        axes=tuple(axes),
        preset=wish.preset,
        changes={**own, **wish.changes},
        open_options=wish.open_options,
        terms=wish.terms or recipe.terms,
        seconds=wish.seconds or recipe.seconds,
        measures=tuple(dict.fromkeys((*recipe.measures, *wish.measures))),
        recipe=name,
    )
    return with_seeds(plan, wish.seeds)


def free_plan(wish: Wish) -> SweepPlan:
    """The plan of a sweep without a recipe."""
    plan = SweepPlan(
        file=wish.file,
        axes=wish.axes,
        preset=wish.preset,
        changes=wish.changes,
        open_options=wish.open_options,
        terms=wish.terms or ("settings",),
        seconds=wish.seconds,
        measures=wish.measures,
    )
    return with_seeds(plan, wish.seeds)


def findings_of(summary: Summary) -> list[str]:
    """What a sweep says, by its recipe or in general, and what came to nothing."""
    recipe = RECIPES.get(summary.plan.recipe)
    say = findings.general if recipe is None else recipe.findings
    more = (findings.unequal, findings.by_one_seed, findings.faults)
    return [*say(summary), *(sentence for tell in more for sentence in tell(summary))]
