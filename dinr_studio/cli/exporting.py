"""`export`: a run's field on any grid, as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from dinr_studio.cli.progress import bar_or_lines, in_words
from dinr_studio.cli.signals import termination_interrupts


def export_run(
    run_path: Path, output: Path, target: dict[str, Any], *, dtype: str, compression: str, device: str, force: bool
) -> dict[str, Any]:
    """Exports; returns what `export --json` prints. target: the arguments of target_grid."""
    from dinr_studio.sampling.export import export
    from dinr_studio.sampling.target import target_grid
    from dinr_studio.training.device import resolve_device
    from dinr_studio.training.fit import field_of
    from dinr_studio.training.run_file import read_run

    run = read_run(run_path)
    grid = target_grid(run.grid, **target)
    field = field_of(run, resolve_device(device))
    with bar_or_lines() as progress, termination_interrupts():
        for step in export(field, grid, output, dtype=dtype, force=force, notes=run.notes, compression=compression):
            progress.update(step.done / step.total, f"{step.done:,} voxels, {in_words(step.remaining)} left")
    return _described(step.report)


def _described(report: Any) -> dict[str, Any]:
    from dinr_studio.training.device import peak_bytes

    grid = report.grid
    return {
        "file": report.file,
        "shape": list(grid.shape),
        "axes": list(grid.axes),
        "voxel_size": list(grid.voxel_size),
        "origin": list(grid.origin),
        "unit": list(grid.units),
        "dtype": report.dtype,
        "seconds": report.seconds,
        "peak_memory_bytes": peak_bytes(),
        "lost": list(report.lost),
    }


def print_result(result: dict[str, Any]) -> None:
    """The outcome in lines that a person reads."""
    size = " x ".join(f"{v:.6g} {u}".rstrip() for v, u in zip(result["voxel_size"], result["unit"], strict=True))
    origin = ", ".join(f"{v:.6g}" for v in result["origin"])
    typer.echo(f"wrote {result['file']}: {' x '.join(map(str, result['shape']))} voxels of {size}, origin {origin}")
    typer.echo(f"{result['seconds']:.1f} s, {result['peak_memory_bytes'] / 2**30:.2f} GiB at most")
    for sentence in result["lost"]:
        print(f"note: {sentence}", file=sys.stderr)
