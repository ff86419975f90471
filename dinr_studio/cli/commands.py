"""The commands: what each takes, what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from dinr_studio.cli import values
from dinr_studio.cli.options import (
    AsJson,
    Axes,
    Box,
    Channel,
    CropPart,
    Data,
    DataFile,
    Dataset,
    Device,
    DryRun,
    Epochs,
    Factor,
    Family,
    Fill,
    FitDevice,
    Force,
    HoldOut,
    Mask,
    NewShape,
    NewSize,
    Positions,
    Preset,
    Quantity,
    RunFile,
    Seed,
    Settings,
    Stream,
    TimeLimit,
    Times,
    Unit,
    Values,
    VoxelSize,
    open_options,
)
from dinr_studio.errors import ConfigError


def info(
    file: DataFile,
    as_json: AsJson = False,
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
    """Shape, axes, voxel size, units, range and missing share of a volume, and the datasets in its file.

    Of a run file: its field, grid, data and scores.
    """
    from dinr_studio.cli import describing, inspecting

    if file.lower().endswith(".dinr"):
        run = describing.describe_run(Path(file))
        print_json(run) if as_json else describing.print_run(run)
        return
    options = open_options(dataset, axes, voxel_size, unit, fill, channel, crop, mask, positions, value_columns)
    described = inspecting.describe(file, options)
    print_json(described) if as_json else inspecting.print_description(described)


def fit(
    file: DataFile,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="RUN.dinr", help="The run file to write.")],
    preset: Preset = "auto",
    epochs: Epochs = None,
    time_limit: TimeLimit = None,
    goal: Annotated[float | None, typer.Option(help="Stop at this held-out PSNR in dB.")] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many looks without a better score.")] = None,
    holdout: HoldOut = None,
    holdout_scheme: Annotated[
        str | None, typer.Option(help="random, blocks, planes (every second one) or frames (whole moments).")
    ] = None,
    family: Family = None,
    embedding: Annotated[str | None, typer.Option(help="siren, fourier, positional, hashgrid or wire.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps N through latent time.")] = None,
    kinetic_weight: Annotated[float | None, typer.Option(help="Weight of the kinetic energy.")] = None,
    integrator: Annotated[str | None, typer.Option(help="euler, midpoint, rk4 or dopri5.")] = None,
    width: Annotated[int | None, typer.Option(help="Latent channels.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32 or bf16.")] = None,
    outliers: Annotated[str | None, typer.Option(help="Isolated extreme voxels: exclude, clip or keep.")] = None,
    device: FitDevice = None,
    seed: Seed = None,
    settings: Settings = None,
    blocks: Annotated[
        str | None,
        typer.Option(help="Fit overlapping blocks, one field each: so many along z,y,x, or auto (of 128^3 voxels)."),
    ] = None,
    overlap: Annotated[
        str | None, typer.Option(help="Voxels that neighbouring blocks share, or their share of a block such as 0.2.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN.dinr.")] = False,
    stream: Stream = False,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: AsJson = False,
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
    """Fits a neural field to a volume, judges it on held-out voxels, and writes the run file."""
    from dinr_studio.cli import block_fitting, fitting

    given = {
        "max_epochs": epochs,
        "time_limit": values.seconds(time_limit),
        "goal_psnr": goal,
        "patience": patience,
        "held_out_share": holdout,
        "held_out_scheme": holdout_scheme,
        "embedding": embedding,
        "steps": steps,
        "kinetic_weight": kinetic_weight,
        "integrator": integrator,
        "width": width,
        "learning_rate": learning_rate,
        "precision": precision,
        "outliers": outliers,
        "device": device,
        "seed": seed,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    changes |= dict(values.setting(text) for text in settings or ())
    options = open_options(dataset, axes, voxel_size, unit, fill, channel, crop, mask, positions, value_columns)
    if stream:
        options["stored"] = True
    request = fitting.FitRequest(file, output, preset, family, changes, options)
    wish = block_fitting.wish_for(blocks, overlap, output, resume=resume)
    if dry_run and wish is not None:
        print_plan(block_fitting.planned_fit(request, wish, force=force, resume=resume), as_json)
    if dry_run:
        print_plan(fitting.planned_fit(request, force=force, resume=resume), as_json)
    if wish is not None:
        result = block_fitting.resume_fit(request) if resume else block_fitting.new_fit(request, wish, force=force)
        print_json(result) if as_json else block_fitting.print_result(result)
        return
    result = fitting.resume_fit(request) if resume else fitting.new_fit(request, force=force)
    print_json(result) if as_json else fitting.print_result(result)


def export(
    run: RunFile,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The volume to write: .mrc .h5 .tif .npy")
    ],
    factor: Factor = None,
    voxel_size: NewSize = None,
    shape: NewShape = None,
    box: Box = None,
    times: Times = None,
    quantity: Quantity = None,
    dtype: Annotated[str, typer.Option(help="Type of the values, such as float32 or int16.")] = "float32",
    compression: Annotated[str, typer.Option(help="gzip or none, where the format has a choice.")] = "",
    stack: Annotated[
        bool, typer.Option("--stack", help="Combine with the cubic spline, where that was judged to be better.")
    ] = False,
    data: Data = None,
    device: Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an export to a .zarr that was interrupted, where there is one.")
    ] = False,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Writes the field, or a quantity derived of it, on any grid, with its physical coordinates."""
    from dinr_studio.cli import exporting

    target = {**target_of(factor, voxel_size, shape, box), "times": times}
    left = "resume" if resume else "discard" if force else "refuse"
    options = {"dtype": dtype, "compression": compression, "force": force, "left": left}
    if stack and quantity is not None:
        raise ConfigError("--stack combines values, not quantities derived of the field; leave it or --quantity out.")
    if stack:
        ready = exporting.field_and_spline(run, target, options, device, data, output)
    else:
        ready = exporting.field_alone(run, target, options, device, output, quantity)
    if dry_run:
        print_plan(exporting.planned(output, ready), as_json)
    result = exporting.exported(output, ready)
    print_json(result) if as_json else exporting.print_result(result)


def mesh(
    run: RunFile,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="The mesh to write: .ply .stl .obj")],
    level: Annotated[float, typer.Option(help="Value on the surface, in the data's or the quantity's unit.")],
    factor: Factor = None,
    voxel_size: NewSize = None,
    shape: NewShape = None,
    box: Box = None,
    channel: Annotated[int, typer.Option(help="Which channel, counted from 0.")] = 0,
    frame: Annotated[int | None, typer.Option(help="Which frame, counted from 0, of a field with time.")] = None,
    quantity: Quantity = None,
    device: Device = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Writes the surface on which the field has a value, as a mesh in physical units."""
    from dinr_studio.cli import meshing

    target = target_of(factor, voxel_size, shape, box)
    chosen: dict[str, Any] = {"level": level, "channel": channel, "frame": frame, "quantity": quantity}
    result = meshing.mesh_run(run, output, target, **chosen, device=device, force=force)
    print_json(result) if as_json else meshing.print_result(result)


def score(
    run: RunFile,
    structure: Annotated[
        bool, typer.Option("--structure", help="Also SSIM in 3D, gradients, histograms, by region and by frequency.")
    ] = False,
    regions: Annotated[
        str | None, typer.Option(metavar="FILE", help="Regions for --structure by number; octants by default.")
    ] = None,
    channel: Annotated[int, typer.Option(help="Which channel --structure scores, counted from 0.")] = 0,
    frame: Annotated[int | None, typer.Option(help="Which frame --structure scores, of data with time.")] = None,
    as_json: AsJson = False,
    data: Data = None,
    device: Device = "auto",
) -> None:
    """The field's errors on held-out voxels, beside those of classical interpolation."""
    from dinr_studio.cli import believing, judging

    result = judging.scores_of(run, data, device)
    if structure or regions is not None:
        result["structure"] = believing.structure(run, data, device, (channel, frame), regions)
    if as_json:
        print_json(result)
        return
    judging.print_scores(result)
    if "structure" in result:
        believing.print_structure(result["structure"])


def slice_(
    run: RunFile,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PICTURE", help="The picture: .png, .pdf or .svg")],
    axis: Annotated[str | None, typer.Option(help="Axis that the slice is across: z, y, x or t.")] = None,
    index: Annotated[int | None, typer.Option(help="Which slice, counted from 0; the middle one by default.")] = None,
    channel: Annotated[int, typer.Option(help="Which channel, of the field or of the quantity, counted from 0.")] = 0,
    quantity: Quantity = None,
    factor: Annotated[float, typer.Option(help="With --quantity: pixels per voxel along each side.")] = 1.0,
    data: Data = None,
    device: Device = "auto",
    force: Force = False,
) -> None:
    """Data, field and residual of one slice side by side, or a quantity derived of the field, as a picture."""
    from dinr_studio.cli import judging

    place: dict[str, Any] = {"axis": axis, "index": index, "channel": channel}
    if quantity is None:
        judging.draw_slice(run, output, **place, data=data, device=device, force=force)
    else:
        judging.draw_quantity(run, output, quantity, factor, **place, device=device, force=force)
    typer.echo(f"wrote {output}")


def sample(
    name: Annotated[str | None, typer.Argument(help="The sample to write; none lists them.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write it.")] = None,
    force: Force = False,
) -> None:
    """Lists the samples that come with the program, or writes one out."""
    from dinr_studio.cli import inspecting

    if name is None:
        inspecting.print_samples()
    else:
        typer.echo(f"wrote {inspecting.write_sample(name, output, force=force)}")


def benchmark(
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="End within 8 minutes; the whole takes some 40.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Say as well where the time of a step goes.")] = False,
) -> None:
    """Speed, memory and quality for time against a plain implementation of the paper, in one run."""
    from dinr_studio.cli import benchmarking

    result = benchmarking.measure("quick" if quick else "full", profile=profile)
    print_json(result) if as_json else benchmarking.print_result(result)


def target_of(factor: str | None, voxel_size: str | None, shape: str | None, box: str | None) -> dict[str, Any]:
    """What was said about the grid to evaluate on, by keyword of target_grid."""
    return {
        "factor": values.numbers(factor, "--factor"),
        "voxel_size": values.numbers(voxel_size, "--voxel-size"),
        "shape": values.whole_numbers(shape, "--shape"),
        "box": values.box(box),
    }


def print_plan(planned: dict[str, Any], as_json: bool) -> NoReturn:
    """Prints what a work would take, and ends with status 0 where it fits or 1 where it does not."""
    if as_json:
        print_json(planned)
    else:
        typer.echo(planned["plan"])
        typer.echo(planned["fault"], err=True, nl=bool(planned["fault"]))
    raise typer.Exit(0 if planned["fits"] else 1)


def print_json(result: dict[str, Any]) -> None:
    """Prints one object on standard output."""
    typer.echo(json.dumps(result, allow_nan=False))
