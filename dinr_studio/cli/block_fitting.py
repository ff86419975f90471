"""`fit --blocks`: a volume in overlapping blocks, one field each, by one process or shared by several."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinr_studio.cli import values
from dinr_studio.cli.fitting import (
    FitRequest,
    chosen_config,
    left_open,
    line_of,
    reopened,
    run_to_resume,
    settled,
)
from dinr_studio.cli.judging import print_scores
from dinr_studio.cli.progress import Progress, bar_or_lines, in_words
from dinr_studio.cli.team import begun, follows, run_of_this_job, team_of_processes
from dinr_studio.config import FAMILIES, FitConfig, changed, with_changes
from dinr_studio.errors import ConfigError, OutputError, RunFileError
from dinr_studio.training.stopping import stop_requested

if TYPE_CHECKING:
    from dinr_studio.coordinates import Grid
    from dinr_studio.needs import Needs
    from dinr_studio.partition import Partition
    from dinr_studio.training.blocks_fit import BlocksProgress, BlocksStart
    from dinr_studio.training.distributed import Team
    from dinr_studio.training.plan import Plan
    from dinr_studio.training.run import Run
    from dinr_studio.volume import Volume

AUTO = "auto"
TIME_LIMIT = "time_limit"


@dataclass(frozen=True)
class BlocksWish:
    """How a volume is to be cut, as the user said it: blocks along each axis, or auto; overlap in voxels or a share."""

    blocks: str
    overlap: str | None = None


@dataclass(frozen=True)
class _Start:
    """What a fit in blocks begins with: its run, how the data was opened, its checksum, and one block's plan."""

    run: Run
    options: dict[str, Any]
    sha256: str
    plan: Plan
    needs: Needs
    goes_on: bool = False


@dataclass(frozen=True)
class _Job:
    """A request and the number of processes that share it."""

    request: FitRequest
    processes: int


def wish_for(blocks: str | None, overlap: str | None, output: Path, *, resume: bool) -> BlocksWish | None:
    """What was said about blocks, or None where one field is to be fitted; a run to be resumed knows it by itself."""
    if resume:
        if blocks is not None or overlap is not None:
            raise ConfigError("A resumed run keeps its blocks; leave --blocks and --overlap out, or fit anew.")
        return BlocksWish("") if _holds_blocks(output) else None
    if blocks is None and overlap is not None:
        raise ConfigError("An overlap goes with blocks; say how many with --blocks, such as --blocks 2,2,2.")
    return None if blocks is None else BlocksWish(blocks, overlap)


def _holds_blocks(output: Path) -> bool:
    from dinr_studio.training.run_file import read_description

    try:
        return read_description(output).partition is not None
    except RunFileError:  # which the fit itself will tell
        return False


def new_fit(request: FitRequest, wish: BlocksWish, *, force: bool) -> dict[str, Any]:
    """Fits from the beginning; returns what `fit --json` prints.

    A time limit in the request is that of all blocks in turn. A job of torchrun's that was started again goes on with
    the run that it has left instead.
    """
    return _with_team(request, lambda job, again: _new(job, wish, force, again))


def resume_fit(request: FitRequest) -> dict[str, Any]:
    """Goes on with the blocks that are not finished; only the ends of their fits may be changed."""
    return _with_team(request, lambda job, again: _resumed(job, run_to_resume(request)))


def planned_fit(request: FitRequest, wish: BlocksWish, *, force: bool, resume: bool) -> dict[str, Any]:
    """What a fit in blocks would take; nothing is written. Returns what `fit --dry-run` prints."""
    if follows():
        raise SystemExit(0)
    by_trial = not resume and left_open(request)
    job = _Job(replace(request, family=FAMILIES[0]) if by_trial else request, processes=1)
    if resume:
        _, start, blocks = _resumed(job, run_to_resume(request))
    else:
        _, start, blocks = _new(job, wish, force, False)
    config, plan = start.run.config, start.plan
    return {
        **start.needs.as_dict(),
        "file": request.file,
        "run_file": str(request.output),
        "partition": _described(blocks.partition),
        "preset": config.preset,
        "family": config.field.family,
        "family_by_trial": by_trial,
        "parameters": plan.parameters * blocks.partition.count,
        "micro_batch": plan.micro_batch,
        "peak_memory_bytes": plan.peak_memory_bytes,
        "coordinates_per_second": plan.coordinates_per_second,
        "device": plan.device,
        "reasons": list(config.reasons),
        "plan": start.needs.in_words(),
    }


def partition_for(grid: Grid, wish: BlocksWish) -> Partition:
    """The blocks that were asked for; ConfigError where they cannot be."""
    from dinr_studio.partition import automatic_counts, partition_of

    overlap = values.numbers(wish.overlap, "--overlap") or ()
    if wish.blocks.strip().lower() == AUTO:
        return partition_of(grid, automatic_counts(grid), overlap)
    try:
        counts = tuple(int(part) for part in wish.blocks.split(","))
    except ValueError:
        raise ConfigError(
            f"--blocks is {wish.blocks!r}; write how many along each axis, such as 2,2,1, or auto."
        ) from None
    return partition_of(grid, counts, overlap)


def _with_team(
    request: FitRequest, begin: Callable[[_Job, bool], tuple[Volume, _Start, BlocksStart]]
) -> dict[str, Any]:
    """Fits, alone or as one process of several; all but their leader end here."""
    own: list[BlocksStart] = []

    def lead(again: bool, processes: int) -> tuple[Volume, _Start]:
        volume, start, blocks = begin(_Job(request, processes), again)
        start.needs.check()
        own.append(blocks)
        return volume, start

    with team_of_processes() as team:
        if team is None:
            volume, start = lead(False, 1)
        else:
            size = team.size
            volume, start = begun(team, request.file, lambda again: lead(again, size))
        result = _fit(volume, start, own, request.output, team)
    if result is None:
        raise SystemExit(0)
    return result


def _new(job: _Job, wish: BlocksWish, force: bool, again: bool) -> tuple[Volume, _Start, BlocksStart]:
    from dinr_studio.io import open_volume
    from dinr_studio.training.blocks_fit import begin_blocks

    request = job.request
    run = run_of_this_job(request.output)
    if run is not None and run.partition is not None and not run.finished and (again or not force):
        return _resumed(job, run)
    if request.output.exists() and not force:
        raise OutputError(
            f"{request.output} exists already; --resume goes on with it, --force replaces it, or choose another name."
        )
    from dinr_studio.training.run_file import check_run_name

    check_run_name(request.output)
    with_changes(FitConfig(), request.changes)
    volume = open_volume(request.file, **request.open_options)
    if volume.samples is not None:
        raise ConfigError("Scattered samples are fitted by one field; leave --blocks out.")
    partition = partition_for(volume.grid, wish)
    config, options = _config(job, volume, partition), settled(request.open_options)
    blocks = begin_blocks(volume, partition, config, request.output, options)
    return volume, _start(job, volume, blocks, options), blocks


def _config(job: _Job, volume: Volume, partition: Partition) -> FitConfig:
    """The settings for all blocks."""
    from dinr_studio.training.block_task import liveliest_block

    block = liveliest_block(volume, partition)
    config = chosen_config(job.request, block)
    if TIME_LIMIT in job.request.changes:
        config = _limited(config, partition.count, job.processes)
    shape = " x ".join(map(str, block.grid.shape))
    reasons = (f"from the block of the finest detail, of {shape} voxels", *config.reasons)
    return changed(config, reasons=reasons)


def _start(job: _Job, volume: Volume, blocks: BlocksStart, options: dict[str, Any], left: int = 0) -> _Start:
    """What a fit in blocks begins with; left: how many blocks are to be fitted yet, where some are finished."""
    from dinr_studio.training.block_task import liveliest_block
    from dinr_studio.training.plan import make_plan
    from dinr_studio.training.preflight import fit_needs

    config, partition = blocks.run.config, blocks.partition
    block = liveliest_block(volume, partition)
    plan = make_plan(block, config)
    needs = fit_needs(plan, block, config, job.request.output)
    turns = math.ceil((left or partition.count) / job.processes)
    needs = replace(needs, disk=needs.disk * partition.count, seconds=plan.seconds * turns)
    return _Start(blocks.run, options, volume.provenance.sha256, plan, needs, goes_on=left > 0)


def _limited(config: FitConfig, blocks: int, processes: int) -> FitConfig:
    """The settings of each block where the time limit is that of all which one process fits in turn."""
    seconds = config.training.time_limit
    share = None if seconds is None else seconds / math.ceil(blocks / processes)
    return with_changes(config, {TIME_LIMIT: share})


def _resumed(job: _Job, run: Run) -> tuple[Volume, _Start, BlocksStart]:
    """A run of blocks to go on with, with its ends changed as asked for."""
    from dinr_studio.training.blocks_fit import finished_parts, resume_blocks

    volume, options = reopened(job.request, run)
    config = with_changes(run.config, job.request.changes)
    count = 0 if run.partition is None else run.partition.count
    left = max(1, count - len(finished_parts(run, job.request.output)))
    if TIME_LIMIT in job.request.changes:
        config = _limited(config, left, job.processes)
    blocks = resume_blocks(volume, run.updated(config=config))
    return volume, _start(job, volume, blocks, options, left), blocks


def _fit(
    volume: Volume, start: _Start, own: list[BlocksStart], output: Path, team: Team | None
) -> dict[str, Any] | None:
    """Fits, and says how it goes; None in a process that only follows, which says nothing."""
    from dinr_studio.training.blocks_fit import discard_parts, fit_blocks, resume_blocks
    from dinr_studio.training.distributed import ALONE, INTERRUPTED, Dismissed

    team = team or ALONE
    blocks = team.together(lambda: own[0] if own else resume_blocks(volume, start.run))
    if not team.leads:
        with stop_requested(b"") as stop:
            for step in fit_blocks(volume, blocks, output, stop=stop.is_set, team=team):
                if step.phase == "stopped":
                    raise Dismissed(INTERRUPTED)
        return None
    with bar_or_lines() as progress, stop_requested() as stop:
        _announce(progress, start, blocks.partition, team.size)
        if not start.goes_on:
            discard_parts(output)
        for step in fit_blocks(volume, blocks, output, stop=stop.is_set, team=team):
            _show(progress, step, start.run.config)
            if step.phase == "stopped":
                progress.say(f"Stopped; {output} and the folder beside it hold the run, and --resume goes on with it.")
                raise KeyboardInterrupt
    if step.run is None:
        raise AssertionError("a fit that was not stopped ends with its run")
    return {**_outcome(step.run, start.plan, blocks.partition), "run_file": str(output), "processes": team.size}


def _announce(progress: Progress, start: _Start, partition: Partition, processes: int) -> None:
    """The plan in words, before the work begins."""
    config, plan = start.run.config, start.plan
    counts, largest = (" x ".join(map(str, numbers)) for numbers in (partition.counts, partition.largest))
    overlap = ", ".join(map(str, partition.overlap))
    progress.say(
        f"{partition.count} blocks ({counts}) of up to {largest} voxels, neighbours share {overlap}; one field each: "
        f"{config.field.family}, preset {config.preset}, {plan.parameters:,} parameters, {plan.device}"
    )
    for reason in config.reasons:
        progress.say(f"  {reason}")
    among = f" in each of {processes} processes" if processes > 1 else ""
    progress.say(f"{start.needs.in_words()} ({in_words(plan.seconds)} a block){among}")


def _show(progress: Progress, step: BlocksProgress, config: FitConfig) -> None:
    """How far the fit is; says what happened in a block, and how it ended."""
    if step.phase == "judging":
        progress.update(1.0, "judging the whole on held-out voxels")
    if step.snapshot is None:
        return
    snapshot, name = step.snapshot, f"block {step.block + 1} of {step.count}"
    for event in snapshot.events:
        progress.say(f"{name}: {event}")
    if snapshot.phase == "preparing" and snapshot.step:
        progress.say(f"{name}: going on from step {snapshot.step}")
    if snapshot.phase == "done" and snapshot.run is not None:
        score = "" if snapshot.best_psnr is None else f"{snapshot.best_psnr:.1f} dB held-out, "
        progress.say(f"{name}: {score}{snapshot.run.end_reason}")
    share, line = line_of(snapshot, config)
    progress.update(min(0.999, (step.own_finished + share) / max(1, step.own)), f"{name}: {line}")


def _outcome(run: Run, plan: Plan, partition: Partition) -> dict[str, Any]:
    """Scores, cost and settings of a finished fit."""
    from dinr_studio.training.device import peak_bytes

    config, scores = run.config, dict(run.scores)
    return {
        **scores,
        "seconds": sum(block["seconds"] for block in scores["blocks"]),
        "peak_memory_bytes": peak_bytes(),
        "plan": {"peak_memory_bytes": plan.peak_memory_bytes, "seconds": plan.seconds, "device": plan.device},
        "preset": config.preset,
        "family": config.field.family,
        "partition": _described(partition),
        "end_reason": run.end_reason,
        "outliers": run.outliers,
        "settings": {**config.field.model_dump(), **config.training.model_dump()},
        "reasons": list(config.reasons),
    }


def _described(partition: Partition) -> dict[str, Any]:
    return {
        "counts": list(partition.counts),
        "overlap": list(partition.overlap),
        "largest": list(partition.largest),
    }


def print_result(result: dict[str, Any]) -> None:
    """The outcome in lines that a person reads."""
    print_scores(result)
    typer.echo(
        f"{result['end_reason']}; {result['seconds']:.1f} s of training in all, "
        f"{result['peak_memory_bytes'] / 2**30:.2f} GiB at most; wrote {result['run_file']}"
    )
