"""What the runs of a sweep come to: means and standard deviations over seeds, by terms and values of the axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from dinr_studio.experiments.sweeps.plan import DIMENSIONS, EVALUATIONS, NOISE, SEED, SHARE, UNITS, SweepPlan

if TYPE_CHECKING:
    from dinr_studio.experiments.sweeps.resolving import Resolved
    from dinr_studio.experiments.sweeps.results import Records


@dataclass(frozen=True)
class Metric:
    """A number that was measured of a run: how it is called, its unit, and whether more of it is better.

    short: a table's heading, with the unit; by default the label.
    """

    title: str
    unit: str
    more_is_better: bool = True
    decimals: int = 2
    short: str = ""

    @property
    def label(self) -> str:
        """For an axis or a column."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def heading(self) -> str:
        """For a table."""
        return self.short or self.label

    def said(self, value: float) -> str:
        """A value with its unit."""
        number = f"{value:.3g}" if abs(value) >= 10_000 else f"{value:.{self.decimals}f}"
        return f"{number} {self.unit}".rstrip()


METRICS: dict[str, Metric] = {
    "psnr": Metric("Held-out PSNR, clean", "dB", short="PSNR (dB)"),
    "fit_psnr": Metric("PSNR of the fit", "dB", short="fit (dB)"),
    "fit_clean_psnr": Metric("PSNR of the fit, clean", "dB", short="fit, clean (dB)"),
    "ssim": Metric("SSIM", "", decimals=4),
    "steps_taken": Metric("Optimiser steps", "", decimals=0, short="opt. steps"),
    "processor_seconds": Metric("Processor time", "s", False, short="time (s)"),
    "seconds": Metric("Time", "s", False),
    "step_milliseconds": Metric("Time per step", "ms", False, short="step (ms)"),
    "step_memory_mib": Metric("Memory of a step", "MiB", False, 1, short="step (MiB)"),
    "parameters": Metric("Parameters", "", False, 0, short="parameters"),
    "evaluations_per_voxel": Metric("Evaluations per voxel", "", False),
    "effective_rank_before": Metric("Effective rank before training", "", decimals=1),
    "effective_rank": Metric("Effective rank", "", decimals=1, short="rank"),
    "condition_number_before": Metric("Condition number before training", "", False, 0),
    "condition_number": Metric("Condition number", "", False, 0, short="condition"),
    "bytes": Metric("Small file", "bytes", False, 0, "bytes"),
    "bits_per_weight": Metric("Bits per weight", "", False, 1),
    "ratio": Metric("Compression ratio", "", decimals=1, short="ratio"),
    "run_psnr": Metric("PSNR over all voxels", "dB"),
    "small_psnr": Metric("PSNR of the small file", "dB", short="small file (dB)"),
}
TERMS_WORDS = {
    "settings": "the settings' own ends",
    "steps": "equal steps",
    "parameters": "equal parameters and steps",
    "seconds": "equal seconds",
    "evaluations": "equal evaluations",
}


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a metric over the seeds that gave one; deviation 0 where there is one seed."""

    mean: float
    deviation: float
    count: int


@dataclass(frozen=True)
class Group:
    """The runs of one point under some terms, all seeds together.

    terms: all that these very runs answer. faults: sentences of the runs that came to nothing.
    """

    terms: tuple[str, ...]
    point: Mapping[str, Any]
    metrics: Mapping[str, Spread]
    made: int
    runs: int
    faults: tuple[str, ...] = ()

    def value(self, metric: str) -> float:
        """The mean of a metric, NaN where there is none."""
        found = self.metrics.get(metric)
        return math.nan if found is None else found.mean


@dataclass(frozen=True)
class Summary:
    """All groups of a sweep in the order of its plan."""

    plan: SweepPlan
    groups: tuple[Group, ...]

    @property
    def terms(self) -> list[tuple[str, ...]]:
        """The terms in order; those that the same runs answer are together."""
        return list(dict.fromkeys(group.terms for group in self.groups))

    def under(self, terms: tuple[str, ...]) -> list[Group]:
        """The groups under some terms."""
        return [group for group in self.groups if group.terms == terms]

    def lines(self, terms: tuple[str, ...], along: str) -> Iterator[tuple[dict[str, Any], list[Group]]]:
        """Groups that differ only in one axis, in its order, by the values of all other axes."""
        lines: dict[tuple[Any, ...], list[Group]] = {}
        others = [axis.name for axis in self.plan.axes if axis.name not in (along, SEED)]
        for group in self.under(terms):
            lines.setdefault(tuple(group.point[name] for name in others), []).append(group)
        for values, groups in lines.items():
            yield dict(zip(others, values, strict=True)), groups

    @property
    def headline(self) -> str:
        """The metric that runs are compared by: held-out PSNR, or that of the fit where nothing is held out."""
        return "psnr" if "psnr" in self.metrics() or "fit_clean_psnr" not in self.metrics() else "fit_clean_psnr"

    def metrics(self) -> list[str]:
        """Names of METRICS that any run has."""
        return [name for name in METRICS if any(name in group.metrics for group in self.groups)]


def summarise(resolved: Resolved, records: Records) -> Summary:
    """The means over seeds of all runs that are made."""
    by_terms: dict[str, dict[tuple[Any, ...], list[Any]]] = {terms: {} for terms in resolved.plan.terms}
    for cell in resolved.cells:
        point = tuple((name, value) for name, value in cell.point.items() if name != SEED)
        by_terms[cell.terms].setdefault(point, []).append(cell)
    groups = []
    for terms, also in _together(by_terms).items():
        for point, cells in by_terms[terms].items():
            found = [{"status": "refused", "fault": c.fault} if c.fault else records.get(c.run) for c in cells]
            groups.append(_group((terms, *also), dict(point), [record for record in found if record], len(cells)))
    return Summary(resolved.plan, tuple(groups))


def _together(by_terms: Mapping[str, Mapping[tuple[Any, ...], list[Any]]]) -> dict[str, tuple[str, ...]]:
    """Terms, each with the others that exactly the same runs answer."""
    first: dict[Any, str] = {}
    together: dict[str, tuple[str, ...]] = {}
    for terms, points in by_terms.items():
        runs = tuple((point, tuple(cell.run for cell in cells)) for point, cells in points.items())
        leader = first.setdefault(runs, terms)
        together[leader] = together.get(leader, ()) if leader == terms else (*together[leader], terms)
    return together


def _group(terms: tuple[str, ...], point: dict[str, Any], records: list[Mapping[str, Any]], runs: int) -> Group:
    done = [record for record in records if record["status"] == "done"]
    metrics = {}
    for name in METRICS:
        values = [float(record[name]) for record in done if record.get(name) is not None]
        if values:
            metrics[name] = Spread(mean(values), stdev(values) if len(values) > 1 else 0.0, len(values))
    faults = tuple(dict.fromkeys(record["fault"] for record in records if record["status"] != "done"))
    return Group(terms, point, metrics, len(records), runs, faults)


def terms_in_words(terms: tuple[str, ...]) -> str:
    """How the runs under some terms are equal."""
    if set(terms) == {"steps", "parameters"}:
        return "equal steps and parameters"
    return " and ".join(TERMS_WORDS[name] for name in terms)


def value_in_words(name: str, value: Any) -> str:
    """A value of an axis, as tables and legends name it."""
    if name == NOISE:
        return f"{value:g} % noise"
    if name == SHARE:
        return f"{value:g} % of the voxels"
    if name == DIMENSIONS:
        return f"{value}D"
    if name == EVALUATIONS:
        return f"{value} evaluations"
    if isinstance(value, str):
        return value
    return f"{name} {value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else f"{name} {value}"


def axis_label(name: str) -> str:
    """A figure's label of an axis, with its unit."""
    words = name.replace("_", " ")
    return f"{words} ({UNITS[name]})" if name in UNITS else words


def summary_rows(summary: Summary) -> list[dict[str, Any]]:
    """One row for each group: terms, values, how many seeds, and each metric's mean and deviation."""
    rows = []
    for group in summary.groups:
        row: dict[str, Any] = {"terms": "+".join(group.terms), **group.point, "seeds": group.made}
        for name in summary.metrics():
            spread = group.metrics.get(name)
            row[name] = None if spread is None else spread.mean
            row[f"{name}_sd"] = None if spread is None else spread.deviation
        row["fault"] = " ".join(group.faults)
        rows.append(row)
    return rows
