"""The commands: what each takes, what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from dinr_studio.cli import values
from dinr_studio.errors import ConfigError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]
DataFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="A volume file, a folder or a quoted pattern ('slices/*.tif') of files, or sample:NAME."
    ),
]
RunFile = Annotated[Path, typer.Argument(metavar="RUN.dinr", help="A run file that `fit` has written.")]
Figure = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FIGURE", help="A figure to write: .svg, .pdf or .png.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what it would take and whether it fits (status 0 or 1); write nothing.")
]
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        "--variable",
        help="Dataset to open, in a file that holds several; several on one grid as channels of one field: u,v,w.",
    ),
]
Axes = Annotated[str | None, typer.Option(help="Letters t, z, y, x, c of the stored array's dimensions, as in zyxc.")]
VoxelSize = Annotated[
    str | None, typer.Option(help="Voxel size, one number or one per axis (z,y,x), if the file lies.")
]
Unit = Annotated[str | None, typer.Option(help="Unit of the voxel size, such as angstrom, nm, mm or m.")]
Fill = Annotated[float | None, typer.Option(help="Value that means missing.")]
Mask = Annotated[
    str | None, typer.Option(metavar="FILE", help="Second file on the same grid; voxels where it is 0 are left out.")
]
Stream = Annotated[
    bool,
    typer.Option(
        "--stream", help="Leave the values in their file and read them as they are needed; large ones always are."
    ),
]
Channel = Annotated[int | None, typer.Option(help="Use this channel only, counted from 0.")]
Positions = Annotated[str | None, typer.Option(help="Columns of a table that are places, such as t,z,y,x.")]
CropPart = Annotated[
    str | None,
    typer.Option("--crop", help="Part to take: START:STOP for each axis, in voxels (0:64,:,9:40) or a unit (0.5:2nm)."),
]
Values = Annotated[str | None, typer.Option("--values", help="Columns of a table to fit, such as u,v.")]
Data = Annotated[str | None, typer.Option("--data", help="The data file, where it is not where it was at the fit.")]
Factor = Annotated[str | None, typer.Option(help="Voxels per old voxel, one number or one per axis.")]
NewSize = Annotated[str | None, typer.Option("--voxel-size", help="New voxel size, one number or one per axis.")]
NewShape = Annotated[str | None, typer.Option("--shape", help="New shape, as Z,Y,X.")]
Box = Annotated[str | None, typer.Option(help="Part to export: START:STOP in world units for each axis.")]
Times = Annotated[
    str | None,
    typer.Option(help="Frames of a field with time: 2x, START:STOP:STEP, instants 0.5,1,1.5, or dates with / between."),
]
Quantity = Annotated[
    str | None,
    typer.Option(
        help="Instead of the value: gradient, gradient-magnitude, laplacian, hessian, divergence, curl, "
        "vorticity-magnitude, q-criterion, time-derivative, or the kinetic-energy of the latent dynamics."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]


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
    preset: Annotated[str, typer.Option(help="auto, quick, balanced, paper or paper-tuned.")] = "auto",
    epochs: Annotated[int | None, typer.Option(help="Passes over the voxels, at most.")] = None,
    time_limit: Annotated[str | None, typer.Option(help="Time of training, at most, as 60s, 5m or 1h.")] = None,
    goal: Annotated[float | None, typer.Option(help="Stop at this held-out PSNR in dB.")] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many looks without a better score.")] = None,
    holdout: Annotated[float | None, typer.Option(help="Share of voxels never trained on, such as 0.02.")] = None,
    holdout_scheme: Annotated[
        str | None, typer.Option(help="random, blocks, planes (every second one) or frames (whole moments).")
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(help="dinr-siren, dinr-ffnet, siren, ffnet or probe (by trial)."),
    ] = None,
    embedding: Annotated[str | None, typer.Option(help="siren, fourier, positional, hashgrid or wire.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps N through latent time.")] = None,
    kinetic_weight: Annotated[float | None, typer.Option(help="Weight of the kinetic energy.")] = None,
    integrator: Annotated[str | None, typer.Option(help="euler, midpoint, rk4 or dopri5.")] = None,
    width: Annotated[int | None, typer.Option(help="Latent channels.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32 or bf16.")] = None,
    outliers: Annotated[str | None, typer.Option(help="Isolated extreme voxels: exclude, clip or keep.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = None,
    seed: Annotated[int | None, typer.Option(help="Start of all random numbers.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Any other setting, as NAME=VALUE.")] = None,
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


def open_options(
    dataset: str | None,
    axes: str | None,
    voxel_size: str | None,
    unit: str | None,
    fill: float | None,
    channel: int | None,
    crop: str | None,
    mask: str | None,
    positions: str | None,
    value_columns: str | None,
) -> dict[str, Any]:
    """What was said about opening the file, by keyword of open_volume."""
    from dinr_studio.io.cropping import Crop

    sizes = values.numbers(voxel_size, "--voxel-size")
    given = {
        "dataset": dataset,
        "axes": axes,
        "voxel_size": None if sizes is None else list(sizes),
        "unit": unit,
        "fill": fill,
        "channel": channel,
        "crop": None if crop is None else Crop(crop),
        "mask": mask if mask is None or mask.startswith("sample:") else str(Path(mask).absolute()),
        "position_columns": positions,
        "value_columns": value_columns,
    }
    return {name: value for name, value in given.items() if value is not None}


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
