"""`export`: a run's field on any grid, as a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinr_studio.cli.progress import Progress, bar_or_lines, in_words
from dinr_studio.cli.signals import termination_interrupts
from dinr_studio.cli.team import follows, launched, team_of_processes
from dinr_studio.io.unfinished import is_unfinished, part_of, share_done

if TYPE_CHECKING:
    from dinr_studio.coordinates import Grid
    from dinr_studio.sampling.evaluate import FieldOnGrid
    from dinr_studio.sampling.exports import ExportProgress
    from dinr_studio.training.distributed import Team

Ready = tuple["FieldOnGrid", "Grid", dict[str, Any]]  # a field, where to evaluate it, and keywords of `export`


def export_run(
    run_path: Path, output: Path, target: Mapping[str, Any], *, options: Mapping[str, Any], device: str
) -> dict[str, Any]:
    """Exports the field; returns what `export --json` prints.

    target: the arguments of target_grid. options: dtype, compression, force and left, as `sampling.export.export`
    takes them.
    """

    def ready(team: Team) -> Ready:
        from dinr_studio.sampling.target import target_grid
        from dinr_studio.training.fit import field_of
        from dinr_studio.training.run_file import read_run

        run = read_run(run_path)
        grid = target_grid(run.grid, **target)
        return field_of(run, team.device(device)), grid, {**options, "notes": run.notes}

    return {**_described(_exported(output, ready)), "stacked_weights": None}


def export_stacked(
    run_path: Path,
    output: Path,
    target: Mapping[str, Any],
    *,
    options: Mapping[str, Any],
    device: str,
    data: str | None,
) -> dict[str, Any]:
    """Exports the weighted mean of field and cubic spline through the data; otherwise as `export_run`.

    Raises ConfigError where that was not judged to be better, DataNotFound where the data is gone.
    """
    from dinr_studio.training.stack_offer import stack_mark, stack_notes, stack_weights

    weights: list[float] = []

    def ready(team: Team) -> Ready:
        from dinr_studio.sampling.target import target_grid
        from dinr_studio.training.fit import field_of
        from dinr_studio.training.run_data import volume_of
        from dinr_studio.training.run_file import read_run
        from dinr_studio.training.stacked_run import stacked_export

        run = read_run(run_path)
        grid = target_grid(run.grid, **target)
        weights.extend(stack_weights(run))
        slabs = stacked_export(run, volume_of(run, run_path, data), tuple(weights))
        more = {"notes": stack_notes(run, tuple(weights)), "slabs": slabs, "mark": stack_mark(tuple(weights))}
        return field_of(run, team.device(device)), grid, {**options, **more}

    return {**_described(_exported(output, ready)), "stacked_weights": weights}


def _exported(output: Path, ready: Callable[[Team], Ready]) -> Any:
    """Writes, telling how far it is; the report. The processes of a team share the work; only their leader returns."""
    with _team_for(output) as given, termination_interrupts():
        from dinr_studio.sampling.export import export
        from dinr_studio.training.distributed import ALONE

        team = given or ALONE
        field, grid, options = team.together(lambda: ready(team))
        if team.started_again and options["left"] == "refuse" and is_unfinished(part_of(output)):
            options = {**options, "left": "resume"}
        with bar_or_lines() if team.leads else nullcontext() as progress:
            report = _followed(export(field, grid, output, crew=team, **options), progress, output)
    if not team.leads:
        raise SystemExit(0)
    return report


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
    typer.echo(f"{result['seconds']:.1f} s, {result['peak_memory_bytes'] / 2**30:.2f} GiB at most")
    for sentence in result["lost"]:
        print(f"note: {sentence}", file=sys.stderr)
