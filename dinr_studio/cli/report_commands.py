"""The commands that put runs beside each other and write them up: what each takes, what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dinr_studio.cli.commands import print_json
from dinr_studio.cli.options import AsJson, Data, Device, Force

RunFiles = Annotated[list[Path], typer.Argument(metavar="RUN.dinr ...", help="Run files that `fit` has written.")]


def compare(
    runs: RunFiles,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FIGURE", help="Curves, spectra and difference: .svg, .pdf or .png."),
    ] = None,
    difference: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write the second field less the first as a volume, such as difference.mrc."),
    ] = None,
    device: Device = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Runs beside each other: settings that differ, cost, scores, and by how much the fields differ, and where."""
    from dinr_studio.cli import comparing

    result = comparing.compare_runs(runs, figure=output, difference=difference, device=device, force=force)
    print_json(result) if as_json else comparing.print_comparison(result)


def report(
    runs: RunFiles,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="REPORT", help="The report: .html or .pdf")],
    data: Data = None,
    device: Device = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """One file on runs: data, settings, scores, pictures, curves, the command that repeats it, methods, citations."""
    from dinr_studio.cli import reporting

    result = reporting.report_runs(runs, output, data=data, device=device, force=force)
    print_json(result) if as_json else reporting.print_report(result)
