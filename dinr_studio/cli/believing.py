"""`fsc`: what it does and prints. Whether to believe a field, told by maps that ought to agree."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from dinr_studio.cli.progress import bar_or_lines
from dinr_studio.cli.signals import termination_interrupts
from dinr_studio.io.atomic import check_place, exists_already

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.correlation import Wish
    from dinr_studio.experiments.maps import Choice
    from dinr_studio.experiments.steps import Step

T = TypeVar("T")


def followed(steps: Generator[Step, None, T]) -> T:
    """What an analysis returns, after showing how far it is; interrupted, it is closed."""
    with bar_or_lines() as progress, termination_interrupts(), closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            progress.update(step.share, step.doing)


def check_outputs(outputs: dict[str, Path | None], *, force: bool) -> None:
    """OutputError, before any work, where a file cannot be written or would be replaced; by kind: figure or volume."""
    from dinr_studio.experiments.figures.style import check_figure_name
    from dinr_studio.io.writing import written_suffix

    for kind, path in outputs.items():
        if path is None:
            continue
        check_figure_name(path) if kind == "figure" else written_suffix(path)
        check_place(path)
        if path.exists() and not force:
            raise exists_already(path)


def save(figure: Figure, path: Path, *, force: bool) -> str:
    """Writes a figure; its name."""
    from dinr_studio.experiments.figures.style import save_figure

    save_figure(figure, path, force=force)
    return str(path)


def correlate(
    first: str, second: str | None, choice: Choice, wish: Wish, *, figure: Path | None, force: bool
) -> dict[str, Any]:
    """Correlates two maps; returns what `fsc --json` prints."""
    check_outputs({"figure": figure, "volume": wish.local}, force=force)
    from dinr_studio.experiments.correlation import correlated_sources

    found = followed(correlated_sources(first, second, choice, wish, force=force))
    result = found.as_dict()
    if figure is not None:
        from dinr_studio.experiments.figures.fsc import fsc_figure

        result["figure"] = save(fsc_figure(found), figure, force=force)
    return result


def print_correlation(result: dict[str, Any]) -> None:
    """Resolutions by curve and threshold, and what else was found, in lines that a person reads."""
    unit = result["unit"]
    typer.echo(f"{result['first']} against {result['second']}, mask: {result['mask']}")
    thresholds = list(result["resolution"])
    typer.echo(f"{f'resolution ({unit or chr(63)})':<24}" + "".join(f"{name:>12}" for name in thresholds))
    for curve, lengths in result["resolution_by_curve"].items():
        cells = ["Nyquist" if lengths[name] is None else f"{lengths[name]:.4g}" for name in thresholds]
        typer.echo(f"{curve:<24}" + "".join(f"{cell:>12}" for cell in cells))
    typer.echo(result["verdict"])
    if result["directional"] is not None:
        typer.echo(result["directional"]["verdict"])
    local = result["local"]
    if local is not None:
        where = f"; wrote {local['file']}" if local["file"] else ""
        typer.echo(
            f"Local resolution at {local['threshold']:g} in {local['windows']:,} windows of {local['window_voxels']} "
            f"voxels: {local['finest']:.4g} to {local['coarsest']:.4g} {unit}, median {local['median']:.4g}{where}"
        )
    if "figure" in result:
        typer.echo(f"wrote {result['figure']}")
    for sentence in result["notes"]:
        print(f"note: {sentence}", file=sys.stderr)
