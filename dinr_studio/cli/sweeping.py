"""`sweep`: from a request to a folder of results, with a live table, and stopping cleanly when asked to."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinr_studio.cli.progress import bar_or_lines, in_words
from dinr_studio.cli.signals import termination_interrupts
from dinr_studio.errors import ConfigError, OutputError
from dinr_studio.io.cropping import Crop

if TYPE_CHECKING:
    from rich.table import Table

    from dinr_studio.experiments.sweeps.recipes import Wish
    from dinr_studio.experiments.sweeps.running import Sweep, SweepProgress

MOST_LINES = 20  # of the live table
PLAIN_WIDTH = 160  # letters of a line where there is no terminal
NO_FOLDER = "Name the folder for the results with -o DIR."


@dataclass(frozen=True)
class SweepRequest:
    """What the user asked for, by option; vary holds texts such as steps=1,5."""

    file: str | None
    output: Path | None
    recipe: str | None = None
    vary: tuple[str, ...] = ()
    equal: tuple[str, ...] = ()
    seconds: float | None = None
    seeds: int = 1
    preset: str = "quick"
    changes: dict[str, Any] = field(default_factory=dict)
    measures: tuple[str, ...] = ()
    open_options: dict[str, Any] = field(default_factory=dict)


Begin = Callable[[SweepRequest], "Sweep"]
Follow = Callable[[Iterator["SweepProgress"]], "Sweep"]


def begun(request: SweepRequest) -> Sweep:
    """A new sweep, or the one in the folder where that has the same plan."""
    from dinr_studio.experiments.sweeps.running import new_sweep

    return new_sweep(_plan(request), _folder(request))


def begun_anew(request: SweepRequest) -> Sweep:
    """A new sweep, in place of the one in the folder."""
    from dinr_studio.experiments.sweeps.running import sweep_in_place_of

    return sweep_in_place_of(_plan(request), _folder(request))


def resumed(request: SweepRequest) -> Sweep:
    """The sweep in the folder; OutputError where the request asks for another plan."""
    from dinr_studio.experiments.sweeps.results import read_results
    from dinr_studio.experiments.sweeps.running import new_sweep, resumed_sweep

    folder = _folder(request)
    if request.file is None and request.recipe is None and not request.vary:
        return resumed_sweep(folder)
    read_results(folder)  # refuses a folder without a sweep
    return new_sweep(_plan(request), folder)


def _folder(request: SweepRequest) -> Path:
    if request.output is None:
        raise OutputError(NO_FOLDER)
    return request.output


def _plan(request: SweepRequest) -> Any:
    from dinr_studio.experiments.sweeps.recipes import free_plan, plan_of

    wish = _wish(request)
    if request.recipe is not None:
        return plan_of(request.recipe, wish)
    if not wish.axes:
        raise ConfigError("Nothing is varied; say what with --vary steps=1,5,10,20, or name a --recipe.")
    return free_plan(wish)


def _wish(request: SweepRequest) -> Wish:
    from dinr_studio.experiments.sweeps.recipes import Wish
    from dinr_studio.experiments.sweeps.words import axis_from

    file, options = request.file or "", dict(request.open_options)
    if file and not file.startswith("sample:"):
        file = str(Path(file).absolute())
    if isinstance(options.get("crop"), Crop):
        options["crop"] = _indices(file, options)
    return Wish(
        file=file,
        open_options=options,
        preset=request.preset,
        axes=tuple(axis_from(text) for text in request.vary),
        changes=request.changes,
        terms=request.equal,
        measures=request.measures,
        seconds=request.seconds,
        seeds=request.seeds,
    )


def _indices(file: str, options: dict[str, Any]) -> Any:
    """A part of the data by its voxels, which the sweep's folder keeps."""
    from dinr_studio.io.reading import open_volume

    open_volume(file, **options)
    return options["crop"].indices


def planned(request: SweepRequest, begin: Begin, processes: int) -> dict[str, Any]:
    """How many runs there would be and about how long they take; nothing is written."""
    from dinr_studio.experiments.sweeps.running import planned_sweep

    sweep = planned_sweep(_plan(request)) if request.output is None else begin(request)
    resolved, waiting = sweep.resolved, len(sweep.waiting)
    seconds = sweep.expected(processes)
    refused = sorted({cell.fault for cell in resolved.cells if cell.fault})
    plan = (
        f"{len(resolved.runs)} runs for {len(resolved.cells)} results, {waiting} of them still to be made: about "
        f"{in_words(seconds)} with {processes} process{'es' if processes > 1 else ''}."
    )
    return {
        "runs": len(resolved.runs),
        "results": len(resolved.cells),
        "waiting": waiting,
        "processes": processes,
        "seconds": seconds,
        "refused": refused,
        "plan": "\n".join([plan, *(f"Refused: {sentence}" for sentence in refused)]),
        "fits": True,
        "fault": "",
    }


def swept(sweep: Sweep, follow: Follow, *, processes: int, keep: bool) -> dict[str, Any]:
    """Makes the runs that are missing and writes what they come to; returns what `sweep --json` prints.

    Interrupted, it writes as much of that as there is, and KeyboardInterrupt goes on.
    """
    from dinr_studio.experiments.sweeps.outcome import write_outcome
    from dinr_studio.experiments.sweeps.running import run_sweep

    progress = run_sweep(sweep, processes=processes, keep=keep)
    with termination_interrupts():
        try:
            with closing(progress):
                follow(progress)
        finally:
            kept = _kept(sweep)
            if kept is not None:
                write_outcome(kept)
    assert kept is not None
    return outcome(kept)


def _kept(sweep: Sweep) -> Sweep | None:
    """The sweep with the records that its folder holds by now; None where it has not begun."""
    from dinr_studio.experiments.sweeps.results import holds_sweep
    from dinr_studio.experiments.sweeps.running import resumed_sweep

    return resumed_sweep(sweep.folder) if holds_sweep(sweep.folder) else None


def outcome(sweep: Sweep) -> dict[str, Any]:
    """All that a sweep came to, fit for JSON."""
    from dinr_studio.experiments.sweeps.recipes import findings_of
    from dinr_studio.experiments.sweeps.results import read_results, rows_of
    from dinr_studio.experiments.sweeps.summary import summarise, summary_rows

    _, records, _ = read_results(sweep.folder)
    summary = summarise(sweep.resolved, records)
    return {
        "folder": str(sweep.folder),
        "plan": sweep.resolved.plan.as_dict(),
        "runs": rows_of(sweep.resolved, records),
        "summary": summary_rows(summary),
        "findings": findings_of(summary),
    }


def show(progress: Iterator[SweepProgress]) -> Sweep:
    """Follows a sweep: a live table where there is a terminal, a line for each run where there is none."""
    return _live(progress) if sys.stderr.isatty() else _lines(progress)


def _lines(progress: Iterator[SweepProgress]) -> Sweep:
    with bar_or_lines() as bar:
        for moment in progress:
            if moment.ended:
                left = f"{moment.done}/{moment.total}, {in_words(moment.remaining)} left"
                bar.say(f"{left}: {_said(moment.sweep, moment.ended)}")
    return moment.sweep


def _live(progress: Iterator[SweepProgress]) -> Sweep:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
        for moment in progress:
            live.update(_table(moment))
    return moment.sweep


def _table(moment: SweepProgress) -> Table:
    """The latest runs, those under way among them."""
    from rich.table import Table

    sweep = moment.sweep
    title = f"{moment.done} of {moment.total} runs, {in_words(moment.remaining)} left"
    table = Table(title=title, title_justify="left")
    for heading in ("run", "status", "PSNR (dB)", "steps", "seconds"):
        table.add_column(heading, justify="left" if heading == "run" else "right")
    ended = [key for key in sweep.records if key not in moment.running]
    for key in ended[-max(1, MOST_LINES - len(moment.running)) :]:
        record = sweep.records[key]
        cells = (
            _number(record.get("psnr"), 2),
            _number(record.get("steps_taken"), 0),
            _number(record.get("seconds"), 1),
        )
        table.add_row(_point(sweep, key), record["status"], *cells)
    for key, under_way in moment.running.items():
        table.add_row(_point(sweep, key), f"{100 * under_way.share:.0f} %", _number(under_way.psnr, 2), "", "")
    return table


def _point(sweep: Sweep, key: str) -> str:
    """What a run is, by all terms that it answers and the values of the axes."""
    cells = [cell for cell in sweep.resolved.cells if cell.run == key]
    terms = "+".join(dict.fromkeys(cell.terms for cell in cells))
    return f"{terms}: {', '.join(f'{name}={value}' for name, value in cells[0].point.items())}"


def _said(sweep: Sweep, key: str) -> str:
    record = sweep.records[key]
    if record["status"] != "done":
        return f"{_point(sweep, key)}: {record['status']}: {record['fault']}"
    return (
        f"{_point(sweep, key)}: {record['psnr']:.2f} dB, {record['steps_taken']:,} steps, "
        f"{record['processor_seconds']:.1f} s of the processor"
    )


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:,.{decimals}f}"


def tell_events(progress: Iterator[SweepProgress]) -> Sweep:
    """Follows a sweep with a JSON object a line on standard output: for the window, whose child this process is."""
    for moment in progress:
        event: dict[str, Any] = {
            "done": moment.done,
            "total": moment.total,
            "remaining": moment.remaining,
            "running": {key: [under_way.share, under_way.psnr] for key, under_way in moment.running.items()},
        }
        if moment.ended:
            event |= {"run": moment.ended, "record": moment.sweep.records[moment.ended]}
        print(json.dumps(event, allow_nan=False), flush=True)
    return moment.sweep


def print_result(result: dict[str, Any]) -> None:
    """The tables of means and the sentences that a person reads."""
    from rich.console import Console
    from rich.table import Table

    from dinr_studio.experiments.sweeps.outcome import tables
    from dinr_studio.experiments.sweeps.results import read_results
    from dinr_studio.experiments.sweeps.summary import summarise

    resolved, records, _ = read_results(Path(result["folder"]))
    for title, headings, rows in tables(summarise(resolved, records)):
        shown = Table(title=f"At {title}", title_justify="left", box=None)
        for heading in headings:
            shown.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            shown.add_row(*row)
        Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(shown)
    for sentence in result["findings"]:
        typer.echo(sentence)
    typer.echo(f"wrote {result['folder']}: sweep.json, runs.csv, summary.csv, summary.md, sweep.svg")


def listed() -> dict[str, Any]:
    """The recipes and what can be varied, fit for JSON."""
    from dinr_studio.experiments.sweeps.plan import CONDITIONS, MEASURES, TERMS
    from dinr_studio.experiments.sweeps.recipes import RECIPES

    recipes = {
        recipe.name: {
            "question": recipe.question,
            "axes": {one.name: list(one.values) for one in recipe.axes},
            "equal": list(recipe.terms),
            "seconds": recipe.seconds,
        }
        for recipe in RECIPES.values()
    }
    return {"recipes": recipes, "conditions": CONDITIONS, "equal": TERMS, "measures": MEASURES}


def print_recipes() -> None:
    """The same for people."""
    found = listed()
    for name, recipe in found["recipes"].items():
        axes = "  ".join(f"{key}={','.join(map(str, listed))}" for key, listed in recipe["axes"].items())
        typer.echo(f"{name:<18}{recipe['question']}\n{'':<18}{axes}  --equal {','.join(recipe['equal'])}")
    for title in ("conditions", "equal", "measures"):
        heads = {"conditions": "Beside any setting can be varied:", "equal": "--equal:", "measures": "--measure:"}
        typer.echo(f"\n{heads[title]}")
        for name, said in found[title].items():
            typer.echo(f"  {name:<16}{said}")
