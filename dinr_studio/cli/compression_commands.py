"""The commands on compression: what each takes, what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dinr_studio.cli import values
from dinr_studio.cli.commands import print_json
from dinr_studio.cli.options import (
    AsJson,
    Axes,
    Channel,
    CropPart,
    Data,
    Dataset,
    Figure,
    Fill,
    Force,
    Mask,
    Unit,
    VoxelSize,
    open_options,
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
    finetune: Annotated[
        str | None, typer.Option(help="Time of training on with rounded weights, as 20s: better at few bits.")
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

    wish = compressing.wish_of(bits, target_psnr, ratio, values.seconds(finetune))
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


def rate_distortion(
    source: Source,
    figure: Figure = None,
    time_limit: Annotated[str | None, typer.Option(help="Time of each fit to a volume, as 60s (default).")] = None,
    ratios: Annotated[
        str | None, typer.Option(help="Ratios that fields are fitted for: 30,100,300,1000 by default; none fits none.")
    ] = None,
    codecs: Annotated[
        str | None, typer.Option(help="Some of zfp,sz3,sperr,jpeg2000,dct,dct-low-pass,rounded,blosc.")
    ] = None,
    family: Annotated[str | None, typer.Option(help="Of the fields; dinr-siren by default.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A setting of the fits, as NAME=VALUE.")] = None,
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
    """PSNR against ratio: fields of some sizes in some bits, and codecs (zfp, SZ3, SPERR, DCT ...), on one volume."""
    from dinr_studio.cli import rates
    from dinr_studio.errors import ConfigError
    from dinr_studio.experiments.compression.rate_distortion import RATIOS, RateWish

    chosen = () if ratios == "none" else values.numbers(ratios, "--ratios") or RATIOS
    seconds = values.seconds(time_limit) or RateWish.seconds
    named = tuple(codecs.split(",")) if codecs else RateWish.codecs
    changes = dict(values.setting(text) for text in settings or ())
    wish = RateWish(seconds, chosen, codecs=named, family=family or RateWish.family, settings=changes)
    options = open_options(dataset, axes, voxel_size, unit, fill, channel, crop, mask, None, None)
    if source.lower().endswith(".dinr"):
        if time_limit is not None or ratios is not None or family is not None or changes or options:
            raise ConfigError("A run is fitted already: --time-limit, --ratios, --set and the like go with a volume.")
        result = rates.study_run(Path(source), data, wish, figure=figure, force=force)
    else:
        if data is not None:
            raise ConfigError("--data goes with a run file; a volume is its own data.")
        result = rates.study_volume(source, options, wish, figure=figure, force=force)
    print_json(result) if as_json else rates.print_study(result)
