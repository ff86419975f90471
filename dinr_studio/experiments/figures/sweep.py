"""Figures of a sweep: a column for each terms, a row for each metric, a line for each combination of the other axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dinr_studio.experiments.figures.style import COLUMN, figure_style, new_figure
from dinr_studio.experiments.sweeps.plan import SEED
from dinr_studio.experiments.sweeps.recipes import RECIPES
from dinr_studio.experiments.sweeps.summary import (
    METRICS,
    Group,
    Summary,
    axis_label,
    terms_in_words,
    value_in_words,
)
from dinr_studio.words import capitalised

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE_SPAN = 20  # ratio of the greatest to the least value from which an axis is logarithmic, or by rank
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
PANEL_HEIGHT, PANEL_WIDTH = 2.3, 2.4
SLANTED: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}  # names that would run together
DARK_LINES = 6  # colours before they come again, with another line style
LETTER, HANDLE = 0.06, 0.6  # inches that a letter takes, and in the legend a line's sample with the gaps
MOST_NAMED = 6  # points on a logarithmic axis that are named
STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Line:
    """One line of a panel: where its points are, their heights and standard deviations over seeds, and its name."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """One panel: lines, labels, and how the horizontal axis runs: linear, log, or by rank with these names."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    logarithmic: bool = False
    names: tuple[str, ...] = ()
    log_height: bool = False


def along_of(summary: Summary) -> str:
    """What the horizontal axis is: the recipe's choice, the first numeric axis, or the first."""
    recipe = RECIPES.get(summary.plan.recipe)
    axes = [axis for axis in summary.plan.axes if axis.name != SEED]
    if recipe is not None and (recipe.along in METRICS or any(axis.name == recipe.along for axis in axes)):
        return recipe.along
    if not axes:
        return SEED
    return next((axis.name for axis in axes if axis.is_numeric), axes[0].name)


def metrics_of(summary: Summary) -> tuple[str, ...]:
    """What the vertical axes are."""
    recipe = RECIPES.get(summary.plan.recipe)
    metrics = ("psnr",) if recipe is None else recipe.metrics
    return tuple(summary.headline if metric == "psnr" else metric for metric in metrics)


def panels(summary: Summary) -> list[list[Panel]]:
    """Rows of panels: a row for each metric, in it one for each terms."""
    along = along_of(summary)
    return [[_panel(summary, terms, along, metric) for terms in summary.terms] for metric in metrics_of(summary)]


def _panel(summary: Summary, terms: tuple[str, ...], along: str, metric: str) -> Panel:
    kind = METRICS[metric]
    title, log_height = _capital(terms_in_words(terms)), metric.startswith("condition_number")
    if along in METRICS:
        lines = tuple(_curve(summary, terms, along, metric))
        return Panel(title, METRICS[along].label, kind.label, lines, logarithmic=True, log_height=log_height)
    axis = summary.plan.axis(along)
    values = () if axis is None else axis.values
    numeric = axis is not None and axis.is_numeric
    logarithmic = numeric and min(values) > 0 and max(values) >= WIDE_SPAN * min(values)
    ranked = not numeric or (not logarithmic and _spans_widely(values))
    places = {value: float(rank) if ranked else float(value) for rank, value in enumerate(values)}
    lines = tuple(
        _line(", ".join(value_in_words(name, value) for name, value in others.items()), groups, along, places, metric)
        for others, groups in summary.lines(terms, along)
    )
    names = tuple(f"{value:g}" if isinstance(value, int | float) else str(value) for value in values) if ranked else ()
    return Panel(title, axis_label(along), kind.label, lines, logarithmic, names, log_height)


def _spans_widely(values: Sequence[float]) -> bool:
    positive = [abs(value) for value in values if value]
    return len(positive) > 1 and max(positive) >= WIDE_SPAN * min(positive)


def _line(name: str, groups: list[Group], along: str, places: dict[Any, float], metric: str) -> Line:
    known = [group for group in groups if math.isfinite(group.value(metric))]
    return Line(
        name,
        tuple(places[group.point[along]] for group in known),
        tuple(group.value(metric) for group in known),
        tuple(group.metrics[metric].deviation for group in known),
    )


def _curve(summary: Summary, terms: tuple[str, ...], along: str, metric: str) -> list[Line]:
    """Lines of one metric over another, through the values of the first axis."""
    first = next(axis.name for axis in summary.plan.axes if axis.name != SEED)
    lines = []
    for others, groups in summary.lines(terms, first):
        known = [group for group in groups if math.isfinite(group.value(metric)) and math.isfinite(group.value(along))]
        known.sort(key=lambda group: group.value(along))
        name = ", ".join(value_in_words(key, value) for key, value in others.items())
        x, y = (tuple(group.value(which) for group in known) for which in (along, metric))
        lines.append(Line(name, x, y, tuple(group.metrics[metric].deviation for group in known)))
    return lines


def draw_sweep(summary: Summary) -> Figure:
    """The figure of a sweep, as far as it has come."""
    rows = panels(summary)
    columns = max(1, len(rows[0]))
    with figure_style():
        figure = new_figure(max(COLUMN, PANEL_WIDTH * columns), PANEL_HEIGHT * len(rows) + 0.5)
        grid = figure.subplots(len(rows), columns, squeeze=False, sharex=True, sharey="row")
        for row, (axes_of_row, panels_of_row) in enumerate(zip(grid, rows, strict=True)):
            for column, (axes, panel) in enumerate(zip(axes_of_row, panels_of_row, strict=True)):
                _draw(axes, panel)
                axes.set_title(panel.title if row == 0 else "")
                axes.set_xlabel(panel.x_label if row == len(rows) - 1 else "")
                axes.set_ylabel(panel.y_label if column == 0 else "")
        handles, names = grid[0][0].get_legend_handles_labels()
        if any(names):
            room = figure.get_figwidth() / (LETTER * max(map(len, names)) + HANDLE)
            figure.legend(handles, names, loc="outside lower center", ncols=max(1, min(int(room), len(names))))
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    for number, line in enumerate(panel.lines):
        style = STYLES[number // DARK_LINES % len(STYLES)] if len(line.x) > 1 else ""
        axes.errorbar(
            line.x,
            line.y,
            yerr=line.deviation if any(line.deviation) else None,
            marker=MARKERS[number % len(MARKERS)],
            markersize=3.5,
            capsize=2,
            linestyle="" if panel.names and not _is_ordered(panel.names) else style,
            label=line.name or None,
        )
    if panel.logarithmic:
        axes.set_xscale("log")
        _name_places(axes, panel)
    if panel.log_height and any(line.y for line in panel.lines):
        axes.set_yscale("log")
    if panel.names:
        crowded = LETTER * (max(map(len, panel.names)) + 1) * len(panel.names) > PANEL_WIDTH
        axes.set_xticks(range(len(panel.names)), panel.names, **(SLANTED if crowded else {}))
        axes.margins(x=0.12)
    elif not panel.logarithmic:
        axes.set_xticks(sorted({place for line in panel.lines for place in line.x}))


def _name_places(axes: Axes, panel: Panel) -> None:
    """Names the points on a logarithmic axis by their values, where these are few."""
    from matplotlib.ticker import NullFormatter

    places = sorted({place for line in panel.lines for place in line.x})
    if 0 < len(places) <= MOST_NAMED:
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_tick_params(which="minor", length=0)


def _is_ordered(names: tuple[str, ...]) -> bool:
    """Whether names are numbers, so that a line between their places means something."""
    return all(name.replace(".", "").replace("e-", "").isdigit() for name in names)


def _capital(words: str) -> str:
    return capitalised(words)
