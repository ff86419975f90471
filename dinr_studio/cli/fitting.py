"""`fit`: from a file and settings to a run file, with progress, and stopping cleanly when asked to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinr_studio.cli.judging import print_scores
from dinr_studio.cli.progress import Progress, bar_or_lines, in_words
from dinr_studio.cli.team import begun, follows, launched, run_of_this_job, team_of_processes
from dinr_studio.config import FAMILIES, PROBE, FitConfig, with_changes
from dinr_studio.errors import ConfigError, OutputError, RunFileError
from dinr_studio.io.cropping import Crop
from dinr_studio.training.stopping import stop_requested

if TYPE_CHECKING:
    from dinr_studio.coordinates import Grid
    from dinr_studio.needs import Needs
    from dinr_studio.training.distributed import Team
    from dinr_studio.training.plan import Plan
    from dinr_studio.training.run import Run
    from dinr_studio.volume import Volume

RESUMABLE = ("max_epochs", "time_limit", "goal_psnr", "patience")


SAME_PLACE = 1e-3  # of a voxel


@dataclass(frozen=True)
class FitRequest:
    """What the user asked for; changes holds settings by name."""

    file: str
    output: Path
    preset: str
    family: str | None
    changes: dict[str, Any]
    open_options: dict[str, Any]


@dataclass(frozen=True)
class _Start:
    """What a fit begins with: settings, how the data was opened and its checksum, and the run to go on with."""

    config: FitConfig
    options: dict[str, Any]
    sha256: str
    plan: Plan
    needs: Needs
    resume: Run | None = None


Begin = Callable[[bool], "tuple[Volume, _Start]"]  # told whether torchrun has started this job before


def new_fit(request: FitRequest, *, force: bool) -> dict[str, Any]:
    """Fits from the beginning; returns what `fit --json` prints.

    A job of torchrun's that was started again goes on with the run that it has left instead.
    """
    return _with_team(request, lambda again: _checked(_new(request, force, again)))


def resume_fit(request: FitRequest) -> dict[str, Any]:
    """Goes on with the run in the output file; only the ends of a run may be changed."""
    return _with_team(request, lambda again: _checked(_resumed(request)))


def planned_fit(request: FitRequest, *, force: bool, resume: bool) -> dict[str, Any]:
    """What a fit would take, from its file and settings; nothing is written. Returns what `fit --dry-run` prints."""
    if follows():
        raise SystemExit(0)
    by_trial = not resume and left_open(request)
    if by_trial:
        request = replace(request, family=FAMILIES[0])
    volume, start = _resumed(request) if resume else _new(request, force, False)
    config, plan = start.config, start.plan
    return {
        **start.needs.as_dict(),
        "file": request.file,
        "run_file": str(request.output),
        "shape": list(volume.grid.shape),
        "preset": config.preset,
        "family": config.field.family,
        "family_by_trial": by_trial,
        "parameters": plan.parameters,
        "micro_batch": plan.micro_batch,
        "peak_memory_bytes": plan.peak_memory_bytes,
        "coordinates_per_second": plan.coordinates_per_second,
        "device": plan.device,
        "reasons": list(config.reasons),
        "plan": start.needs.in_words(),
    }


def _checked(begun: tuple[Volume, _Start]) -> tuple[Volume, _Start]:
    """The same, where memory and disk suffice."""
    begun[1].needs.check()
    return begun


def _with_team(request: FitRequest, begin: Begin) -> dict[str, Any]:
    """Fits, alone or as one process of several; all but their leader end here."""
    with team_of_processes() as team:
        volume, start = begin(False) if team is None else begun(team, request.file, begin)
        result = _fit(volume, start, request.output, team)
    if result is None:
        raise SystemExit(0)
    return result


def _new(request: FitRequest, force: bool, again: bool) -> tuple[Volume, _Start]:
    """A fresh start, unless this job has been started before."""
    from dinr_studio.training.run_file import check_run_name

    check_run_name(request.output)
    run = run_of_this_job(request.output)
    if run is not None and _goes_on(run, request, fresh=not again and (force or run.finished)):
        return _taken_up(request, run)
    if request.output.exists() and not force:
        raise OutputError(
            f"{request.output} exists already; --resume goes on with it, --force replaces it, or choose another name."
        )
    with_changes(FitConfig(), request.changes)  # refuses what is no setting before anything takes time
    from dinr_studio.io import open_volume

    volume = open_volume(request.file, **request.open_options)
    config = chosen_config(request, volume)
    return volume, _planned(volume, config, settled(request.open_options), request.output)


def chosen_config(request: FitRequest, volume: Volume) -> FitConfig:
    """The settings that were asked for, the rest derived from a volume."""
    from dinr_studio.training.choosing import chosen_config as chosen

    if left_open(request) and sys.stderr.isatty():
        typer.echo("Trying families for some seconds each; --family names one instead.", err=True)
    return chosen(request.preset, request.family, request.changes, volume)


def left_open(request: FitRequest) -> bool:
    """Whether the family is to be found by trial."""
    from dinr_studio.training import choosing

    return choosing.left_open(request.preset, request.family, request.changes)


def _goes_on(run: Run, request: FitRequest, *, fresh: bool) -> bool:
    """Whether a job's own run is what it is asked for again, by its settings; not where a fresh one is due."""
    config = run.config
    return (
        not fresh
        and config.preset == request.preset
        and request.family in (None, PROBE, config.field.family)
        and with_changes(config, request.changes) == config
    )


def _planned(
    volume: Volume, config: FitConfig, options: dict[str, Any], output: Path, resume: Run | None = None
) -> _Start:
    from dinr_studio.training.plan import make_plan
    from dinr_studio.training.preflight import fit_needs

    plan = make_plan(volume, config)
    return _Start(config, options, volume.provenance.sha256, plan, fit_needs(plan, volume, config, output), resume)


def _resumed(request: FitRequest) -> tuple[Volume, _Start]:
    """The run in the output file, with its ends changed as asked for."""
    return _taken_up(request, run_to_resume(request))


def run_to_resume(request: FitRequest) -> Run:
    """The run in the output file; ConfigError where anything but its ends is to be changed."""
    fixed = sorted(set(request.changes) - set(RESUMABLE))
    if fixed or request.family is not None:
        named = ", ".join([*fixed, *(["family"] if request.family else [])])
        raise ConfigError(f"A resumed run keeps its settings, so {named} cannot be changed; leave it out, or fit anew.")
    from dinr_studio.training.run_file import read_run

    run = read_run(request.output)
    if request.preset not in ("auto", run.config.preset):
        raise ConfigError(
            f"A resumed run keeps its settings, those of preset {run.config.preset}; leave --preset out, or fit anew."
        )
    return run


def _taken_up(request: FitRequest, run: Run) -> tuple[Volume, _Start]:
    """A run to go on with and its data."""
    volume, options = reopened(request, run)
    config = with_changes(run.config, request.changes)
    return volume, _planned(volume, config, options, request.output, run)


def reopened(request: FitRequest, run: Run) -> tuple[Volume, dict[str, Any]]:
    """The data of a run, and how it was opened; RunFileError where that is no longer what it was fitted to."""
    from dinr_studio.io import open_volume
    from dinr_studio.training.run_data import options_of, what_changed

    options = {**options_of(run, request.output), **request.open_options}
    volume = open_volume(request.file, **options)
    changed = what_changed(run, volume)
    if changed == "mask":
        raise RunFileError(
            f"The mask is not the one that {request.output} was fitted with "
            f"({run.open_options.get('mask') or 'none'}); resume with that one, or fit anew."
        )
    if changed:
        raise RunFileError(
            f"{request.file} is not the file that {request.output} was fitted to ({run.provenance.file}); "
            "resume with that one, or fit anew."
        )
    if not _same_place(volume.grid, run.grid):
        raise RunFileError(
            f"{request.output} was fitted to another part of {request.file}, or to other voxel sizes; leave --crop and "
            "the like out, for a resumed run opens its data as before, or fit anew."
        )
    return volume, settled(options)


def _same_place(grid: Grid, other: Grid) -> bool:
    """Whether two grids have the same voxels at the same places."""
    return grid.shape == other.shape and all(
        abs(a - b) <= SAME_PLACE * size
        for a, b, size in zip(
            (*grid.origin, *grid.voxel_size),
            (*other.origin, *other.voxel_size),
            (*other.voxel_size, *other.voxel_size),
            strict=True,
        )
    )


def settled(options: dict[str, Any]) -> dict[str, Any]:
    """The options as the run file keeps them: a part to take by its voxels, once the file has been opened."""
    crop = options.get("crop")
    if isinstance(crop, Crop):
        typer.echo(f"Taking {crop.words}.", err=True)
        return {**options, "crop": crop.indices}
    return options


def _fit(volume: Volume, start: _Start, output: Path, team: Team | None) -> dict[str, Any] | None:
    """Fits, and says how it goes; None in a process that only follows, which says nothing."""
    from dinr_studio.training.distributed import ALONE
    from dinr_studio.training.fit import fit
    from dinr_studio.training.plan import shared_plan

    team = team or ALONE
    config, plan = start.config, shared_plan(start.plan, start.config, team.size)
    snapshots = fit(volume, config, path=output, resume=start.resume, open_options=start.options, team=team)
    if not team.leads:
        with stop_requested(b"") as stop:
            team.asked_to_stop = stop.is_set
            for _ in snapshots:
                pass
        return None
    with bar_or_lines() as progress, stop_requested() as stop:
        next(snapshots)  # makes the data ready, and refuses what cannot be trained on
        _announce(progress, volume, config, plan)
        if launched() and start.resume is not None and start.resume.state is not None:
            progress.say(f"Going on from step {start.resume.state.step} of {output}.")
        last = _followed(snapshots, progress, lambda: stop.is_set() or team.stop_wanted, config, output)
    return {**_outcome(volume, config, last, plan), "run_file": str(output), "processes": team.size}


def _outcome(volume: Volume, config: FitConfig, last: Any, plan: Plan) -> dict[str, Any]:
    """Scores, cost and settings of a finished fit, from its last snapshot."""
    from dinr_studio.analysis.held_out import expected_share
    from dinr_studio.training.device import peak_bytes

    run = last.run
    left_out = run.outliers if config.training.outliers == "exclude" else 0
    share = 0.0
    if volume.is_stored:  # held out by a rule, which no list tells
        share = expected_share(volume.grid, config.training.held_out_scheme, config.training.held_out_share)
    trained = round(volume.grid.size * (1 - volume.missing_share) * (1 - share)) - len(run.held_out) - left_out
    return {
        **dict(run.scores),
        "coordinates_per_second": last.epoch * trained / max(last.elapsed, 1e-9),
        "seconds": last.elapsed,
        "peak_memory_bytes": peak_bytes(),
        "plan": {"peak_memory_bytes": plan.peak_memory_bytes, "seconds": plan.seconds, "device": plan.device},
        "preset": config.preset,
        "family": config.field.family,
        "steps_trained": last.step,
        "epochs": last.epoch,
        "end_reason": run.end_reason,
        "outliers": run.outliers,
        "settings": {**config.field.model_dump(), **config.training.model_dump()},
        "reasons": list(config.reasons),
    }


def _followed(snapshots: Any, progress: Progress, stop: Callable[[], bool], config: FitConfig, output: Path) -> Any:
    """The last snapshot, after showing all; when asked to stop it closes the fit, which saves it, and interrupts."""
    for snapshot in snapshots:
        for event in snapshot.events:
            progress.say(event)
        progress.update(*line_of(snapshot, config))
        if stop() and snapshot.phase == "training":
            snapshots.close()
            progress.say(f"Stopped at step {snapshot.step}; {output} holds the run, and --resume goes on with it.")
            raise KeyboardInterrupt
    return snapshot


def _announce(progress: Progress, volume: Any, config: FitConfig, plan: Any) -> None:
    """The plan in words, before the work begins."""
    shape = " x ".join(map(str, volume.grid.shape))
    progress.say(
        f"{config.field.family}, preset {config.preset}: {plan.parameters:,} parameters, {shape} voxels, {plan.device}"
    )
    for reason in config.reasons:
        progress.say(f"  {reason}")
    progress.say(
        f"Plan: at most {plan.peak_memory_bytes / 2**30:.2f} GiB of memory, about {in_words(plan.seconds)} of training "
        f"({in_words(plan.seconds_per_epoch)} an epoch)"
    )


def line_of(snapshot: Any, config: FitConfig) -> tuple[float, str]:
    """Share done, and the present state in a line."""
    if snapshot.phase == "preparing":
        return 0.0, "preparing"
    if snapshot.phase in ("judging", "done"):
        return 1.0, "judging on held-out voxels" if snapshot.phase == "judging" else "done"
    total = snapshot.elapsed + snapshot.remaining
    share = snapshot.elapsed / total if total > 0 else 0.0
    psnr = "" if snapshot.best_psnr is None else f", {snapshot.best_psnr:.1f} dB held-out"
    return share, (
        f"epoch {snapshot.epoch:.1f}/{config.training.max_epochs}, loss {snapshot.data_loss:.2e}{psnr}, "
        f"{snapshot.coordinates_per_second:,.0f} voxels/s, {in_words(snapshot.remaining)} left"
    )


def print_result(result: dict[str, Any]) -> None:
    """The outcome in lines that a person reads."""
    if result["outliers"]:
        found, done = result["outliers"], result["settings"]["outliers"]
        typer.echo(f"{found} isolated extreme voxels were found; setting outliers={done}.", file=sys.stderr)
    print_scores(result)
    typer.echo(
        f"{result['end_reason']}; {result['seconds']:.1f} s, {result['coordinates_per_second']:,.0f} voxels/s, "
        f"{result['peak_memory_bytes'] / 2**30:.2f} GiB at most; wrote {result['run_file']}"
    )
