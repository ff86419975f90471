"""`report`: runs written up as one page of HTML or as PDF."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from dinr_studio.cli.following import followed
from dinr_studio.errors import ConfigError, plain
from dinr_studio.io.atomic import check_place, exists_already


def report_runs(paths: list[Path], output: Path, *, data: str | None, device: str, force: bool) -> dict[str, Any]:
    """Writes the report; returns what `report --json` prints."""
    from dinr_studio.experiments.report.making import check_report, make_report
    from dinr_studio.experiments.steps import told

    check_report(paths, output)
    check_place(output)
    if output.exists() and not force:
        raise exists_already(output)
    if data is not None and len(paths) > 1:
        raise ConfigError("--data names the data of one run; report on that run alone, or put the data back.")
    written = followed(told(make_report(paths, output, data, device, force=force)))
    result: dict[str, Any] = written.as_dict()
    return result


def print_report(result: dict[str, Any]) -> None:
    """Where the report is, and what is not in it."""
    typer.echo(plain(f"wrote {result['file']}"))
    for sentence in result["left_out"]:
        print(plain(f"left out: {sentence}"), file=sys.stderr)
