"""The commands on compression: what each takes, what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dinr_studio.cli import values
from dinr_studio.cli.commands import (
    AsJson,
    Axes,
    Channel,
    CropPart,
    Data,
    Dataset,
    Fill,
    Force,
    Mask,
    Unit,
    VoxelSize,
    open_options,
    print_json,
)

Source = Annotated[
    str, typer.Argument(metavar="RUN.dinr|FILE", help="A run file, or a volume that a field is fitted to first.")
]


def compress(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="SMALL.dinr", help="The small file to write.")],
    bits: Annotated[
        str | None,
        typer.Option(help="Of each weight: 32, 16, 8 or fewer, or auto: as few as cost no more than 0.1 dB."),
    ] = None,
    target_psnr: Annotated[float | None, typer.Option(help="As few bits as keep this PSNR in dB.")] = None,
    ratio: Annotated[
        float | None, typer.Option(help="Raw values' bytes over the small file's, at least, such as 100.")
    ] = None,
    time_limit: Annotated[str | None, typer.Option(help="Time of the fit to a volume, as 60s (default) or 5m.")] = None,
    family: Annotated[str | None, typer.Option(help="Of the field fitted to a volume; dinr-siren by default.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A setting of that fit, as NAME=VALUE.")] = None,
    data: Data = None,
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
) -> None:
    """Writes a field in few bytes: weights in few bits, entropy-coded, in a file that every command opens."""
    from dinr_studio.cli import compressing
    from dinr_studio.errors import ConfigError

    wish = compressing.wish_of(bits, target_psnr, ratio)
    options = open_options(dataset, axes, voxel_size, unit, fill, channel, crop, mask, None, None)
    if source.lower().endswith(".dinr"):
        if time_limit is not None or family is not None or settings or options:
            raise ConfigError("A run is fitted already: --time-limit, --family, --set and the like go with a volume.")
        result = compressing.compress_run(Path(source), output, wish, data, force=force)
    else:
        if data is not None:
            raise ConfigError("--data goes with a run file; a volume is its own data.")
        changes = dict(values.setting(text) for text in settings or ())
        request = compressing.VolumeRequest(source, options, values.seconds(time_limit), family, changes)
        result = compressing.compress_volume(request, output, wish, force=force)
    print_json(result) if as_json else compressing.print_result(result)
