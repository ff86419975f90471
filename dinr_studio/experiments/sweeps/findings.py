"""What a sweep has found, in sentences made from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dinr_studio.experiments.sweeps.plan import DIMENSIONS, SEED
from dinr_studio.experiments.sweeps.summary import METRICS, Group, Summary, terms_in_words, value_in_words

CLOSE = 0.02  # by which numbers of parameters that count as equal may differ
EVEN = 0.05  # dB, or share of other numbers, within which two count as equal


def best_of(summary: Summary, along: str, metric: str | None = None, reference: Any = None) -> list[str]:
    """For each terms and combination of the other axes: which value of an axis does best, and by how much.

    metric: by default the sweep's headline. reference: the value that the best is compared with; by default the second
    best and the last.
    """
    said, metric = [], metric or summary.headline
    for terms in summary.terms:
        for others, groups in summary.lines(terms, along):
            known = [group for group in groups if math.isfinite(group.value(metric))]
            if len(known) < 2:
                continue
            more = METRICS[metric].more_is_better
            ranked = sorted(known, key=lambda group: group.value(metric), reverse=more)
            rivals = _rivals(ranked, along, reference)
            said.append(f"At {terms_in_words(terms)}{_where(others)} {_ahead(ranked[0], rivals, along, metric)}")
    return said


def _rivals(ranked: list[Group], along: str, reference: Any) -> list[Group]:
    named = [group for group in ranked if reference is not None and group.point[along] == reference]
    if named and named[0] is not ranked[0]:
        return named
    return [ranked[1]] if len(ranked) == 2 else [ranked[1], ranked[-1]]


def _ahead(best: Group, rivals: list[Group], along: str, metric: str) -> str:
    """Such as: steps 1 is best (36.20 dB): 0.30 dB ahead of steps 5 and 2.10 dB ahead of steps 20."""
    kind, value = METRICS[metric], best.value(metric)
    gaps = [abs(value - rival.value(metric)) for rival in rivals]
    names = [value_in_words(along, rival.point[along]) for rival in rivals]
    name = value_in_words(along, best.point[along])
    even = EVEN if kind.unit == "dB" else EVEN * abs(value)
    if max(gaps) < even:
        return f"{name} is as good as {' and '.join(names)} ({kind.said(value)})."
    said = " and ".join(
        f"{kind.said(gap)} ahead of {rival}" if gap >= even else f"as good as {rival}"
        for gap, rival in zip(gaps, names, strict=True)
    )
    return f"{name} is best ({kind.said(value)}): {said}{_by_seeds(best, rivals, gaps, metric)}."


def _by_seeds(best: Group, rivals: list[Group], gaps: list[float], metric: str) -> str:
    """How the differences compare with the spread between seeds."""
    spreads = [group.metrics[metric] for group in (best, *rivals)]
    if min(spread.count for spread in spreads) < 2:
        return ""
    deviation = max(spread.deviation for spread in spreads)
    within = ", which is more than that" if deviation > max(gaps) else ""
    return f" (seeds differ by {METRICS[metric].said(deviation)}{within})"


def _where(others: Mapping[str, Any]) -> str:
    named = [value_in_words(name, value) for name, value in others.items()]
    return f" with {', '.join(named)}," if named else ""


def faults(summary: Summary) -> list[str]:
    """What came to nothing and why, each sentence once."""
    told: dict[str, int] = {}
    for group in summary.groups:
        for fault in group.faults:
            told[fault] = told.get(fault, 0) + 1
    return [f"Of {count} combination{'s' if count > 1 else ''}: {fault}" for fault, count in told.items()]


def unequal(summary: Summary) -> list[str]:
    """By how much parameters that were to be equal differ, where it is more than counts as equal."""
    counts = [
        group.value("parameters")
        for group in summary.groups
        if "parameters" in group.terms and math.isfinite(group.value("parameters"))
    ]
    if not counts or max(counts) <= (1 + CLOSE) * min(counts):
        return []
    return [
        f"At equal parameters these are {min(counts):,.0f} to {max(counts):,.0f}: no widths bring them closer "
        f"together than {100 * (max(counts) / min(counts) - 1):.0f} %."
    ]


def by_one_seed(summary: Summary) -> list[str]:
    """A caution where nothing tells what is chance."""
    seeds = summary.plan.axis(SEED)
    if seeds is not None or not any(group.metrics for group in summary.groups):
        return []
    return ["Each combination was run with one seed, so small differences may be chance; several seeds tell."]


def general(summary: Summary) -> list[str]:
    """What is said of a sweep without a recipe: the best value along the first axis."""
    first = next((axis.name for axis in summary.plan.axes if axis.name != SEED), None)
    return [] if first is None else best_of(summary, first)


def kernels(summary: Summary) -> list[str]:
    """Scores of the families, with effective ranks and condition numbers of their kernels."""
    return [*best_of(summary, "family"), *_each(summary, "family", _kernel)]


def _kernel(name: str, group: Group) -> str:
    before, after = group.value("effective_rank_before"), group.value("effective_rank")
    conditions = group.value("condition_number_before"), group.value("condition_number")
    return (
        f"{name} has effective rank {before:.1f} before and {after:.1f} after training, condition number "
        f"{conditions[0]:.2g} and {conditions[1]:.2g}"
    )


def profile(summary: Summary) -> list[str]:
    """Time and memory of a step as the number of axes grows."""
    said = []
    for terms in summary.terms:
        for others, groups in summary.lines(terms, DIMENSIONS):
            for metric in ("step_milliseconds", "step_memory_mib"):
                known = [group for group in groups if math.isfinite(group.value(metric))]
                if known:
                    said.append(f"At {terms_in_words(terms)}{_where(others)} {_growth(known, metric)}")
    return said


def _growth(groups: Sequence[Group], metric: str) -> str:
    kind, first = METRICS[metric], groups[0].value(metric)
    parts = [f"{kind.said(first)} in {groups[0].point[DIMENSIONS]}D"]
    parts += [
        f"{kind.said(group.value(metric))} in {group.point[DIMENSIONS]}D ({group.value(metric) / first:.2f} times)"
        for group in groups[1:]
    ]
    return f"{kind.title.lower()} is {', '.join(parts)}."


def rates(summary: Summary) -> list[str]:
    """Which family has the better score at each width, what it takes in bytes, and what storing it small costs."""
    said = [*best_of(summary, "family", "small_psnr"), *_each(summary, "width", _rate)]
    losses = [group.value("run_psnr") - group.value("small_psnr") for group in summary.groups]
    losses = [loss for loss in losses if math.isfinite(loss)]
    if losses:
        said.append(f"Storing the weights as a small file costs at most {max(0.0, max(losses)):.2f} dB.")
    return said


def _rate(name: str, group: Group) -> str:
    return f"{name}: {group.value('small_psnr'):.1f} dB at ratio {group.value('ratio'):.1f}"


def integrators(summary: Summary) -> list[str]:
    """The best integrator for each number of evaluations, and how many the adaptive one took."""
    said = best_of(summary, "integrator")
    for terms in summary.terms:
        adaptive = [group for group in summary.under(terms) if group.point.get("integrator") == "dopri5"]
        counted = [group.value("evaluations_per_voxel") for group in adaptive]
        counted = sorted({round(count, 1) for count in counted if math.isfinite(count)})
        if counted:
            many = f"{counted[0]:g}" if len(counted) == 1 else f"{counted[0]:g} to {counted[-1]:g}"
            said.append(f"At {terms_in_words(terms)} dopri5 chose {many} evaluations per voxel.")
    return said


def embeddings(summary: Summary) -> list[str]:
    """The best embedding for each family, and for each embedding with or without dynamics."""
    return [*best_of(summary, "embedding"), *best_of(summary, "family")]


def _each(summary: Summary, along: str, describe: Any) -> Iterator[str]:
    """A sentence for each terms and combination of other axes that tells each value of an axis."""
    for terms in summary.terms:
        for others, groups in summary.lines(terms, along):
            known = [describe(value_in_words(along, group.point[along]), group) for group in groups if group.metrics]
            if known:
                yield f"At {terms_in_words(terms)}{_where(others)} {'; '.join(known)}."
