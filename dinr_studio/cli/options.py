"""Arguments and options that several commands take, by the names of their types."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dinr_studio.cli import values

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

# Of fits

Preset = Annotated[str, typer.Option(help="auto, quick, balanced, paper or paper-tuned.")]
Family = Annotated[str | None, typer.Option(help="dinr-siren, dinr-ffnet, siren, ffnet or probe (by trial).")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the voxels, at most.")]
TimeLimit = Annotated[str | None, typer.Option(help="Time of training of a fit, at most, as 60s, 5m or 1h.")]
HoldOut = Annotated[float | None, typer.Option(help="Share of voxels never trained on, such as 0.02.")]
FitDevice = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Seed = Annotated[int | None, typer.Option(help="Start of all random numbers; of several fits the first one's.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Any other setting, as NAME=VALUE.")]


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
