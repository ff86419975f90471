"""`mesh`: an isosurface of a run's field, as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from dinr_studio.cli.progress import bar_or_lines, in_words
from dinr_studio.needs import LONG

DOING = {"meshing": "making the surface", "writing": "writing the file", "done": "done"}


def mesh_run(
    run_path: Path,
    output: Path,
    target: dict[str, Any],
    *,
    level: float,
    channel: int,
    frame: int | None,
    quantity: str | None,
    device: str,
    force: bool,
) -> dict[str, Any]:
    """Writes the mesh; returns what `mesh --json` prints. target: the arguments of target_grid, for the frame."""
    from dinr_studio.interface import load
    from dinr_studio.sampling.export import coordinates_per_second
    from dinr_studio.sampling.mesh import mesh
    from dinr_studio.sampling.preflight import mesh_needs
    from dinr_studio.sampling.surface import check_meshable
    from dinr_studio.sampling.target import frame_of, target_grid

    loaded = load(run_path, device)
    run, field, notes = loaded.run, loaded.evaluated, loaded.run.notes
    if quantity is not None:
        from dinr_studio.sampling.derivatives import note_on, quantity_field

        field, notes = quantity_field(field, quantity), (*notes, note_on(quantity, field))
    grid = target_grid(frame_of(run.grid, frame), **target)
    check_meshable(grid)
    needs = mesh_needs(grid, rate=coordinates_per_second(field))
    needs.check()
    with bar_or_lines() as progress:
        if needs.seconds > LONG:
            progress.say(f"Plan: {needs.in_words()}")
        for step in mesh(field, grid, output, level=level, channel=channel, force=force, notes=notes):
            doing = DOING.get(step.phase, f"{step.done:,} voxels, {in_words(step.remaining)} left")
            progress.update(0.95 * step.done / step.total if step.report is None else 1.0, doing)
    return _described(step.report)


def _described(report: Any) -> dict[str, Any]:
    return {
        "file": report.file,
        "vertices": report.vertices,
        "triangles": report.triangles,
        "level": report.level,
        "value_unit": report.value_unit,
        "unit": report.unit,
        "shape": list(report.grid.shape),
        "voxel_size": list(report.grid.voxel_size),
        "seconds": report.seconds,
        "notes": list(report.notes),
    }


def print_result(result: dict[str, Any]) -> None:
    """The outcome in lines that a person reads."""
    level = f"{result['level']:g} {result['value_unit']}".rstrip()
    typer.echo(
        f"wrote {result['file']}: {result['triangles']:,} triangles, {result['vertices']:,} vertices at {level}, "
        f"in {result['seconds']:.1f} s"
    )
    for sentence in result["notes"]:
        print(f"note: {sentence}", file=sys.stderr)
