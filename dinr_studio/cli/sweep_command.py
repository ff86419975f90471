"""The command `sweep`: what it takes, what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dinr_studio.cli import values
from dinr_studio.cli.commands import print_json, print_plan
from dinr_studio.cli.options import (
    AsJson,
    Axes,
    Channel,
    CropPart,
    Dataset,
    DryRun,
    Fill,
    Force,
    Mask,
    Positions,
    Preset,
    Unit,
    Values,
    VoxelSize,
    open_options,
)
from dinr_studio.errors import ConfigError


def sweep(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A volume as `fit` takes it; none to resume a sweep.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="The folder of the results; it may hold part.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="A named sweep; --recipes lists them.")] = None,
    recipes: Annotated[bool, typer.Option("--recipes", help="List the recipes, and what can be varied.")] = False,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="A setting and its values, steps=1,5,10,20; several are tried in every combination."),
    ] = None,
    equal: Annotated[
        str | None,
        typer.Option(help="What runs have in common, side by side: settings, steps, seconds, parameters, evaluations."),
    ] = None,
    seconds: Annotated[
        str | None,
        typer.Option(help="Training of each run, as 20s or 2m: the processor's time, of all threads."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each combination, with as many seeds.")] = 1,
    preset: Preset = "quick",
    settings: Annotated[list[str] | None, typer.Option("--set", help="A setting of all runs, as NAME=VALUE.")] = None,
    measure: Annotated[str | None, typer.Option(help="What else to measure: kernel, size.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Runs made at once, each with its part of the threads.")] = 1,
    keep_runs: Annotated[bool, typer.Option("--keep-runs", help="Keep a run file of each run in DIR/runs.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep in DIR.")] = False,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: AsJson = False,
    events: Annotated[bool, typer.Option("--events", hidden=True)] = False,
    dataset: Dataset = None,
    axes: Axes = None,
    voxel_size: VoxelSize = None,
    unit: Unit = None,
    fill: Fill = None,
    channel: Channel = None,
    crop: CropPart = None,
    mask: Mask = None,
    positions: Positions = None,
    value_columns: Values = None,
) -> None:
    """Fits the same data again and again with other settings, and says what they are worth."""
    from dinr_studio.cli import sweeping

    if recipes:
        print_json(sweeping.listed()) if as_json else sweeping.print_recipes()
        return
    options = open_options(dataset, axes, voxel_size, unit, fill, channel, crop, mask, positions, value_columns)
    request = sweeping.SweepRequest(
        file=file,
        output=output,
        recipe=recipe,
        vary=tuple(vary or ()),
        equal=_words(equal),
        seconds=values.seconds(seconds),
        seeds=seeds,
        preset=preset,
        changes=dict(values.setting(text) for text in settings or ()),
        measures=_words(measure),
        open_options=options,
    )
    if resume and force:
        raise ConfigError("A sweep is resumed or begun anew; give --resume or --force, not both.")
    begin: Any = sweeping.resumed if resume else sweeping.begun_anew if force else sweeping.begun
    if dry_run:
        print_plan(sweeping.planned(request, begin, processes), as_json)
    follow = sweeping.tell_events if events else sweeping.show
    result = sweeping.swept(begin(request), follow, processes=processes, keep=keep_runs)
    if not events:
        print_json(result) if as_json else sweeping.print_result(result)


def _words(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(part.strip() for part in text.split(",") if part.strip())
