"""What a sweep leaves for people: a table of means, sentences, and a figure, beside its results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from dinr_studio.experiments.figures.style import save_figure
from dinr_studio.experiments.figures.sweep import draw_sweep, metrics_of
from dinr_studio.experiments.sweeps.plan import SEED
from dinr_studio.experiments.sweeps.recipes import RECIPES, findings_of
from dinr_studio.experiments.sweeps.results import as_csv
from dinr_studio.experiments.sweeps.running import Sweep
from dinr_studio.experiments.sweeps.summary import METRICS, Group, Summary, summarise, summary_rows, terms_in_words
from dinr_studio.io.atomic import atomic_output

SUMMARY_TABLE, SUMMARY_TEXT, FIGURES = "summary.csv", "summary.md", ("sweep.svg",)
ALSO_SHOWN = ("fit_psnr", "parameters", "steps_taken", "processor_seconds", "step_milliseconds")


def write_outcome(sweep: Sweep) -> Summary:
    """Writes summary.csv, summary.md and sweep.svg of the runs made so far into the sweep's folder."""
    summary = summarise(sweep.resolved, sweep.records)
    _write(sweep.folder / SUMMARY_TABLE, as_csv(summary_rows(summary)))
    _write(sweep.folder / SUMMARY_TEXT, as_markdown(summary, findings_of(summary)))
    if any(group.metrics for group in summary.groups):
        figure = draw_sweep(summary)
        for name in FIGURES:
            save_figure(figure, sweep.folder / name, force=True)
    return summary


def tables(summary: Summary) -> list[tuple[str, list[str], list[list[str]]]]:
    """For each terms: these in words, headings, and rows of the means with their deviations over seeds."""
    names = [axis.name for axis in summary.plan.axes if axis.name != SEED]
    differing = [name for name in ALSO_SHOWN if len({group.value(name) for group in summary.groups}) > 1]
    metrics = list(dict.fromkeys((*metrics_of(summary), summary.headline, *differing)))
    headings = [*names, *(METRICS[name].heading for name in metrics), "runs"]
    return [
        (terms_in_words(terms), headings, [_row(group, names, metrics) for group in summary.under(terms)])
        for terms in summary.terms
    ]


def _row(group: Group, names: Sequence[str], metrics: Sequence[str]) -> list[str]:
    cells = [_shown(group.point[name]) for name in names] + [_measured(group, metric) for metric in metrics]
    done = max((spread.count for spread in group.metrics.values()), default=0)
    return [*cells, f"{done} of {group.runs}"]


def _measured(group: Group, metric: str) -> str:
    spread = group.metrics.get(metric)
    if spread is None or not math.isfinite(spread.mean):
        return "-"
    decimals = METRICS[metric].decimals
    shown = f"{spread.mean:.3g}" if abs(spread.mean) >= 1e7 else f"{spread.mean:,.{decimals}f}"
    varies = spread.count > 1 and metric not in ALSO_SHOWN
    return f"{shown} ± {spread.deviation:,.{decimals}f}" if varies else shown


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_markdown(summary: Summary, said: Sequence[str]) -> str:
    """The question, what was found, and the table."""
    recipe = RECIPES.get(summary.plan.recipe)
    lines = [f"# Sweep {recipe.name if recipe else 'of ' + ', '.join(axis.name for axis in summary.plan.axes)}", ""]
    lines += [recipe.question, ""] if recipe else []
    lines += [f"- {sentence}" for sentence in said]
    for title, headings, rows in tables(summary):
        lines += ["", f"## At {title}", "", f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", *conditions(summary), ""]
    return "\n".join(lines)


def conditions(summary: Summary) -> list[str]:
    """How it was measured, in sentences."""
    plan = summary.plan
    data = PurePath(plan.file).name or "synthetic fields of 65,536 voxels"
    return [
        f"Data: {data}. Preset {plan.preset}, settings derived from the data as it is, without added noise."
        + (f" Set: {', '.join(f'{name}={value}' for name, value in plan.changes.items())}." if plan.changes else ""),
        "Noise is normal, in percent of the data's standard deviation, drawn once per voxel for each seed. PSNRs are "
        "in dB of the clean data's range; held-out voxels were never trained on and choose which weights are kept.",
        "Seconds are the processor's (of all threads of the run's process) where it trains, and the wall clock's on a "
        "GPU; looks at held-out voxels are not counted.",
    ]


def _write(path: Path, text: str) -> None:
    with atomic_output(path, force=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
