"""`export`: a run's field on any grid, as a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinr_studio.cli.progress import Progress, bar_or_lines, in_words
from dinr_studio.cli.signals import termination_interrupts
from dinr_studio.cli.team import follows, launched, team_of_processes
from dinr_studio.io.atomic import check_place, exists_already
from dinr_studio.io.unfinished import is_unfinished, part_of, share_done
from dinr_studio.needs import LONG

if TYPE_CHECKING:
    from dinr_studio.coordinates import Grid
    from dinr_studio.needs import Needs
    from dinr_studio.sampling.evaluate import FieldOnGrid
    from dinr_studio.sampling.exports import ExportProgress
    from dinr_studio.training.distributed import Team


@dataclass(frozen=True)
class Ready:
    """An export that could begin: a field, where to evaluate it, and keywords of `export`.

    weights: the field's share by channel where it is combined with the spline, which makes `beside` bytes of memory.
    """

    field: FieldOnGrid
    grid: Grid
    options: dict[str, Any]
    weights: tuple[float, ...] = ()
    beside: int = 0


MakeReady = Callable[["Team"], Ready]


def field_alone(
    run_path: Path,
    target: Mapping[str, Any],
    options: Mapping[str, Any],
    device: str,
    output: Path,
    quantity: str | None = None,
) -> MakeReady:
    """What makes a run's field, or a quantity derived of it, ready to be exported.

    target: the arguments of target_grid. options: dtype, compression, force and left, as `sampling.export.export`
    takes them.
    """

    def ready(team: Team) -> Ready:
        from dinr_studio.interface import load
        from dinr_studio.training.run_data import check_not_data

        field = load(run_path, team.device(device))
        check_not_data(field.run, output)
        evaluated, notes = field.evaluated, field.run.notes
        if quantity is not None:
            from dinr_studio.sampling.derivatives import note_on, quantity_field

            evaluated, notes = quantity_field(evaluated, quantity), (*notes, note_on(quantity, evaluated))
        return Ready(evaluated, field.grid_for(**target), {**options, "notes": notes})

    return ready


def field_and_spline(
    run_path: Path, target: Mapping[str, Any], options: Mapping[str, Any], device: str, data: str | None, output: Path
) -> MakeReady:
    """What makes the weighted mean of field and cubic spline through the data ready; otherwise as `field_alone`.

    It raises ConfigError where that was not judged to be better, DataNotFound where the data is gone.
    """

    def ready(team: Team) -> Ready:
        from dinr_studio.interface import load
        from dinr_studio.sampling.exports import header_for
        from dinr_studio.sampling.preflight import spline_bytes
        from dinr_studio.training.run_data import check_not_data, volume_of
        from dinr_studio.training.stack_offer import stack_mark, stack_notes, stack_weights
        from dinr_studio.training.stacked_run import stacked_export

        field = load(run_path, team.device(device))
        run, grid = field.run, field.grid_for(**target)
        check_not_data(run, output)
        weights = stack_weights(run)
        slabs = stacked_export(run, volume_of(run, run_path, data), weights)
        more = {"notes": stack_notes(run, weights), "slabs": slabs, "mark": stack_mark(weights)}
        header = header_for(field.evaluated, grid, options["dtype"], (), "")
        beside = spline_bytes(header, output, run.grid)
        return Ready(field.evaluated, grid, {**options, **more}, weights, beside)

    return ready


def exported(output: Path, make_ready: MakeReady) -> dict[str, Any]:
    """Exports; returns what `export --json` prints."""
    ready, report = _exported(output, make_ready)
    return {**_described(report), "stacked_weights": list(ready.weights) or None}


def planned(output: Path, make_ready: MakeReady) -> dict[str, Any]:
    """What an export would take; nothing is written. Returns what `export --dry-run --json` prints."""
    from dinr_studio.training.distributed import ALONE

    if follows():
        raise SystemExit(0)
    check_place(output)
    ready = make_ready(ALONE)
    if output.exists() and not ready.options["force"]:
        raise exists_already(output)
    needs, grid = _needs(ready, output, ALONE), ready.grid
    return {
        **needs.as_dict(),
        "file": str(output),
        "shape": list(grid.shape),
        "voxel_size": list(grid.voxel_size),
        "unit": list(grid.units),
        "dtype": ready.options["dtype"],
        "plan": needs.in_words(),
    }


def _needs(ready: Ready, output: Path, team: Team) -> Needs:
    """What the export takes, as measured here; the processes of a team share the time."""
    from dinr_studio.sampling.export import coordinates_per_second
    from dinr_studio.sampling.exports import header_for
    from dinr_studio.sampling.preflight import export_needs

    given = {name: ready.options[name] for name in ("dtype", "notes", "compression")}
    rate = team.size * coordinates_per_second(ready.field)
    resumed = ready.options["left"] == "resume"
    header = header_for(ready.field, ready.grid, **given)
    return export_needs(header, output, ready.field.grid, rate=rate, beside=ready.beside, resumed=resumed)


def _exported(output: Path, make_ready: MakeReady) -> tuple[Ready, Any]:
    """Writes, telling how far it is; the report. The processes of a team share the work; only their leader returns."""
    with _team_for(output) as given, termination_interrupts():
        from dinr_studio.sampling.export import export
        from dinr_studio.training.distributed import ALONE

        team = given or ALONE
        ready = team.together(lambda: make_ready(team))
        if team.started_again and ready.options["left"] == "refuse" and is_unfinished(part_of(output)):
            ready.options["left"] = "resume"
        steps = export(ready.field, ready.grid, output, crew=team, **ready.options)

        def plan() -> Needs:
            needs = _needs(ready, output, team)
            needs.check()
            return needs

        needs = team.decided(plan)
        with bar_or_lines() if team.leads else nullcontext() as progress:
            if progress is not None and needs.seconds > LONG:
                progress.say(f"Plan: {needs.in_words()}")
            report = _followed(steps, progress, output)
    if not team.leads:
        raise SystemExit(0)
    return ready, report


def _followed(steps: Generator[ExportProgress, None, None], progress: Progress | None, output: Path) -> Any:
    """The report, after showing all; where it is interrupted, says whether it can be gone on with."""
    begun = False
    try:
        with closing(steps):
            for step in steps:
                begun = True
                if progress is not None:
                    doing = step.phase or f"{step.done:,} voxels, {in_words(step.remaining)} left"
                    progress.update(step.done / step.total, doing)
    except BaseException:
        done = share_done(output) if begun and progress is not None else None
        if progress is not None and done is not None:
            progress.say(
                f"{part_of(output)} holds {100 * done:.0f} % of the export; the same command with --resume goes on "
                "with it."
            )
        raise
    return step.report


@contextmanager
def _team_for(output: Path) -> Iterator[Team | None]:
    """The team for the time of the block where what is written can be shared; else its leader works alone."""
    if not launched() or output.suffix.lower() == ".zarr":
        with team_of_processes() as team:
            yield team
        return
    if follows():
        raise SystemExit(0)
    typer.echo(f"One process alone writes {output.name}; only a .zarr is shared by several.", err=True)
    yield None


def _described(report: Any) -> dict[str, Any]:
    from dinr_studio.training.device import peak_bytes

    grid = report.grid
    return {
        "file": report.file,
        "shape": list(grid.shape),
        "axes": list(grid.axes),
        "voxel_size": list(grid.voxel_size),
        "origin": list(grid.origin),
        "unit": list(grid.units),
        "dtype": report.dtype,
        "seconds": report.seconds,
        "peak_memory_bytes": peak_bytes(),
        "beyond_nyquist": None if report.beyond is None else report.beyond.as_dict(),
        "note": "" if report.beyond is None else report.beyond.note,
        "lost": list(report.lost),
    }


def print_result(result: dict[str, Any]) -> None:
    """The outcome in lines that a person reads."""
    size = " x ".join(f"{v:.6g} {u}".rstrip() for v, u in zip(result["voxel_size"], result["unit"], strict=True))
    origin = ", ".join(f"{v:.6g}" for v in result["origin"])
    typer.echo(f"wrote {result['file']}: {' x '.join(map(str, result['shape']))} voxels of {size}, origin {origin}")
    if result["stacked_weights"]:
        from dinr_studio.analysis.stacking import in_words as shares_in_words

        typer.echo(
            f"values: weighted mean of the field and a cubic spline ({shares_in_words(result['stacked_weights'])})"
        )
    if result["note"]:
        typer.echo(result["note"])
    typer.echo(f"{result['seconds']:.1f} s, {result['peak_memory_bytes'] / 2**30:.2f} GiB at most")
    for sentence in result["lost"]:
        print(f"note: {sentence}", file=sys.stderr)
