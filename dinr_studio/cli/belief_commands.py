"""The commands that say whether to believe a field: what each takes, what it prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from dinr_studio.cli import values
from dinr_studio.cli.commands import print_json, target_of
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
    Epochs,
    Factor,
    Family,
    Figure,
    Fill,
    FitDevice,
    Force,
    HoldOut,
    Mask,
    NewShape,
    NewSize,
    Preset,
    Seed,
    Settings,
    TimeLimit,
    Unit,
    VoxelSize,
    open_options,
)
from dinr_studio.errors import ConfigError

Source = Annotated[str, typer.Argument(metavar="RUN_OR_FILE", help="A run file or a volume file, or sample:NAME.")]
OneChannel = Annotated[int, typer.Option("--channel", help="Which channel, counted from 0.")]
Frame = Annotated[int | None, typer.Option(help="Which frame, counted from 0, of data with time.")]
MaskOrFile = Annotated[
    str, typer.Option("--mask", help="none, sphere, box (both with soft edges) or a file on the maps' grid.")
]

Folder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="A folder for the runs.")]


def fsc(
    first: Source,
    second: Annotated[
        str | None, typer.Argument(metavar="[RUN_OR_FILE]", help="The other map; none stands for a run's own data.")
    ] = None,
    output: Figure = None,
    mask: MaskOrFile = "none",
    directional: Annotated[bool, typer.Option("--directional", help="Also the resolution by direction.")] = False,
    local: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the local resolution as a volume, such as local.mrc.")
    ] = None,
    window: Annotated[int | None, typer.Option(help="Voxels along an edge of the local windows.")] = None,
    step: Annotated[int | None, typer.Option(help="Voxels between two local windows.")] = None,
    channel: OneChannel = 0,
    frame: Frame = None,
    dataset: Dataset = None,
    axes: Axes = None,
    voxel_size: VoxelSize = None,
    unit: Unit = None,
    fill: Fill = None,
    crop: CropPart = None,
    data: Data = None,
    device: Device = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Fourier shell correlation of two maps, files or runs: the resolution at 0.143, 0.5 and half-bit."""
    from dinr_studio.cli import believing
    from dinr_studio.experiments.belief.correlation import Wish
    from dinr_studio.experiments.belief.maps import Choice

    given = open_options(dataset, axes, voxel_size, unit, fill, None, crop, None, None, None)
    options = believing.options_of_files([first, second], given)
    wish = Wish(mask, directional, local, window=window, step=step, mask_options=believing.options_of_mask(given))
    choice = Choice(channel, frame, data, device, options)
    result = believing.correlate(first, second, choice, wish, figure=output, force=force)
    print_json(result) if as_json else believing.print_correlation(result)


def spectra(
    source: Source,
    output: Figure = None,
    factor: Factor = None,
    channel: OneChannel = 0,
    frame: Frame = None,
    dataset: Dataset = None,
    axes: Axes = None,
    voxel_size: VoxelSize = None,
    unit: Unit = None,
    fill: Fill = None,
    crop: CropPart = None,
    data: Data = None,
    device: Device = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Power spectra of data, field and residual, over all directions and along each axis, in physical units."""
    from dinr_studio.cli import believing
    from dinr_studio.experiments.belief.maps import Choice

    factors = values.numbers(factor, "--factor")
    given = open_options(dataset, axes, voxel_size, unit, fill, None, crop, None, None, None)
    choice = Choice(channel, frame, data, device, believing.options_of_files([source], given))
    result = believing.spectra(source, choice, factors, figure=output, force=force)
    print_json(result) if as_json else believing.print_spectra(result)


@dataclass(frozen=True)
class _Wanted:
    """Options of fits as they were typed."""

    epochs: int | None
    time_limit: str | None
    holdout: float | None
    device: str | None
    seed: int | None
    settings: list[str] | None

    def changes(self) -> dict[str, Any]:
        """The settings by name that were given."""
        given = {
            "max_epochs": self.epochs,
            "time_limit": values.seconds(self.time_limit),
            "held_out_share": self.holdout,
            "device": self.device,
            "seed": self.seed,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return changes | dict(values.setting(text) for text in self.settings or ())


def ensemble(
    file: DataFile,
    output: Folder,
    members: Annotated[int, typer.Option(help="How many fits, each from a seed of its own.")] = 5,
    preset: Preset = "auto",
    family: Family = None,
    epochs: Epochs = None,
    time_limit: TimeLimit = None,
    holdout: HoldOut = None,
    fit_device: FitDevice = None,
    seed: Seed = None,
    settings: Settings = None,
    dataset: Dataset = None,
    axes: Axes = None,
    voxel_size: VoxelSize = None,
    unit: Unit = None,
    fill: Fill = None,
    channel: Channel = None,
    crop: CropPart = None,
    mask: Mask = None,
    as_json: AsJson = False,
) -> None:
    """Fits an ensemble, one field a seed; members that are in the folder are kept, so an interrupted one goes on."""
    from dinr_studio.cli import belief_fits
    from dinr_studio.experiments.belief.ensembles import Asked

    changes = _Wanted(epochs, time_limit, holdout, fit_device, seed, settings).changes()
    options = open_options(dataset, axes, voxel_size, unit, fill, channel, crop, mask, None, None)
    result = belief_fits.ensemble(file, output, members, Asked(preset, family, changes), options)
    print_json(result) if as_json else belief_fits.print_ensemble(result)


def twin_fit(
    first: Annotated[str, typer.Argument(metavar="HALF1", help="The first half map, or the volume to split.")],
    second: Annotated[str | None, typer.Argument(metavar="[HALF2]", help="The second half map.")] = None,
    *,
    output: Folder,
    split: Annotated[
        bool, typer.Option("--split", help="Split one volume into two halves of its voxels, where noise is white.")
    ] = False,
    fsc_mask: MaskOrFile = "none",
    preset: Preset = "auto",
    family: Family = None,
    epochs: Epochs = None,
    time_limit: TimeLimit = None,
    holdout: HoldOut = None,
    fit_device: FitDevice = None,
    seed: Seed = None,
    settings: Settings = None,
    dataset: Dataset = None,
    voxel_size: VoxelSize = None,
    unit: Unit = None,
    crop: CropPart = None,
    channel: OneChannel = 0,
    frame: Frame = None,
    as_json: AsJson = False,
) -> None:
    """Fits two half maps independently and correlates both fields, beside the half maps themselves."""
    from dinr_studio.cli import belief_fits
    from dinr_studio.experiments.belief.ensembles import Asked
    from dinr_studio.experiments.belief.maps import Choice

    if (second is None) != split:
        raise ConfigError("Give two half maps, or one volume and --split.")
    changes = _Wanted(epochs, time_limit, holdout, fit_device, seed, settings).changes()
    options = open_options(dataset, None, voxel_size, unit, None, None, crop, None, None, None)
    choice = Choice(channel, frame, None, fit_device or "auto")
    asked = Asked(preset, family, changes)
    result = belief_fits.twin_fit((first, second), output, asked, choice, fsc_mask, options)
    print_json(result) if as_json else belief_fits.print_twins(result)


def uncertainty(
    source: Annotated[
        Path, typer.Argument(metavar="RUN_OR_DIR", help="A run file (last-layer Laplace) or a folder of an ensemble.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="Write the deviations here and the mean to OUT-mean."),
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="A figure of the calibration to write.")] = None,
    factor: Factor = None,
    new_size: NewSize = None,
    shape: NewShape = None,
    box: Box = None,
    data: Data = None,
    device: Device = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Standard deviations of a field, calibrated on held-out voxels, and its mean, as volumes in the value's unit."""
    from dinr_studio.cli import belief_fits

    target = target_of(factor, new_size, shape, box)
    result = belief_fits.uncertainty(source, output, target, figure=figure, data=data, device=device, force=force)
    print_json(result) if as_json else belief_fits.print_uncertainty(result)


BELIEF: dict[str, Callable[..., None]] = {
    "fsc": fsc,
    "spectra": spectra,
    "twin-fit": twin_fit,
    "ensemble": ensemble,
    "uncertainty": uncertainty,
}
