"""The commands that say whether to believe a field: what each takes, what it prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dinr_studio.cli.commands import AsJson, Data, Device, Factor, Force, print_json

Source = Annotated[str, typer.Argument(metavar="RUN_OR_FILE", help="A run file or a volume file, or sample:NAME.")]
Figure = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FIGURE", help="A figure to write: .svg, .pdf or .png.")
]
OneChannel = Annotated[int, typer.Option("--channel", help="Which channel, counted from 0.")]
Frame = Annotated[int | None, typer.Option(help="Which frame, counted from 0, of data with time.")]
MaskOrFile = Annotated[
    str, typer.Option("--mask", help="none, sphere, box (both with soft edges) or a file on the maps' grid.")
]


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
    data: Data = None,
    device: Device = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Fourier shell correlation of two maps, files or runs: the resolution at 0.143, 0.5 and half-bit."""
    from dinr_studio.cli import believing
    from dinr_studio.experiments.correlation import Wish
    from dinr_studio.experiments.maps import Choice

    choice = Choice(channel, frame, data, device)
    wish = Wish(mask, directional, local, window=window, step=step)
    result = believing.correlate(first, second, choice, wish, figure=output, force=force)
    print_json(result) if as_json else believing.print_correlation(result)


def spectra(
    source: Source,
    output: Figure = None,
    factor: Factor = None,
    channel: OneChannel = 0,
    frame: Frame = None,
    data: Data = None,
    device: Device = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Power spectra of data, field and residual, over all directions and along each axis, in physical units."""
    from dinr_studio.cli import believing, values
    from dinr_studio.experiments.maps import Choice

    factors = values.numbers(factor, "--factor")
    choice = Choice(channel, frame, data, device)
    result = believing.spectra(source, choice, factors, figure=output, force=force)
    print_json(result) if as_json else believing.print_spectra(result)


BELIEF: dict[str, Callable[..., None]] = {"fsc": fsc, "spectra": spectra}
