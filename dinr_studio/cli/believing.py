"""`fsc` and `spectra`: what they do and print. Whether to believe a field, told by maps that ought to agree."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinr_studio.cli.following import followed
from dinr_studio.errors import ConfigError
from dinr_studio.io.atomic import check_place, exists_already

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.belief.correlation import Wish
    from dinr_studio.experiments.belief.maps import Choice


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


def options_of_files(sources: Sequence[str | None], given: dict[str, Any]) -> dict[str, Any]:
    """How the files among some sources are opened; ConfigError where options were given and all sources are runs."""
    from dinr_studio.experiments.belief.maps import is_run

    if given and all(source is None or is_run(source) for source in sources):
        names = ", ".join("--" + name.replace("_", "-") for name in given)
        raise ConfigError(
            f"{names} says how a volume file is opened, and {sources[0]} is a run, which has a grid of its own; leave "
            "it out, or give a volume file."
        )
    return given


def options_of_mask(given: dict[str, Any]) -> dict[str, Any]:
    """How a mask's file is opened, which lies on the grid that the maps' files have: cut to the same part."""
    return {name: given[name] for name in ("voxel_size", "unit", "crop") if "crop" in given and name in given}


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
    from dinr_studio.experiments.belief.correlation import correlated_sources
    from dinr_studio.experiments.steps import told

    found = followed(told(correlated_sources(first, second, choice, wish, force=force)))
    result: dict[str, Any] = found.as_dict()
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


def spectra(
    source: str, choice: Choice, factor: tuple[float, ...] | None, *, figure: Path | None, force: bool
) -> dict[str, Any]:
    """The spectra of a run or a file; returns what `spectra --json` prints."""
    check_outputs({"figure": figure}, force=force)
    from dinr_studio.experiments.belief.spectra import spectra_of_source
    from dinr_studio.experiments.steps import told

    found = followed(told(spectra_of_source(source, choice, factor)))
    result: dict[str, Any] = found.as_dict()
    if figure is not None:
        from dinr_studio.experiments.figures.spectra import spectra_figure

        result["figure"] = save(spectra_figure(found), figure, force=force)
    return result


def print_spectra(result: dict[str, Any]) -> None:
    """A table of the power over shells, thinned out, and the verdict."""
    radial = {name: one["radial"] for name, one in result["spectra"].items() if one["radial"] is not None}
    if radial:
        first = max(radial.values(), key=lambda curve: len(curve["frequency"]))["frequency"]
        unit = result["unit"] or "unit"
        typer.echo(f"power density in ({result['value_unit'] or 'value'})² by frequency in cycles per {unit}:")
        typer.echo(f"{'frequency':>12}" + "".join(f"{name:>14}" for name in radial))
        for row in _thinned(len(first)):
            cells = [f"{one['density'][row]:.4g}" if row < len(one["density"]) else "" for one in radial.values()]
            typer.echo(f"{first[row]:>12.4g}" + "".join(f"{cell:>14}" for cell in cells))
    else:
        typer.echo("The axes have several units, so there are spectra along each axis alone; see --json or -o.")
    if result["verdict"]:
        typer.echo(result["verdict"])
    if "figure" in result:
        typer.echo(f"wrote {result['figure']}")
    for sentence in result["notes"]:
        print(f"note: {sentence}", file=sys.stderr)


def _thinned(count: int, most: int = 16) -> list[int]:
    """Row numbers from 1 on, evenly spread, about `most` of them."""
    return sorted({1 + round(i * (count - 2) / max(1, most - 1)) for i in range(most)} if count > 2 else {count - 1})


def structure(
    run_path: Path, data: str | None, device: str, which: tuple[int, int | None], regions: str | None
) -> dict[str, Any]:
    """The scores of structure of a run; which: channel and frame. Returns what `score --structure --json` adds."""
    from dinr_studio.experiments.belief.maps import Choice
    from dinr_studio.experiments.belief.structure_scores import structure_of
    from dinr_studio.experiments.steps import told
    from dinr_studio.training.run_data import volume_of
    from dinr_studio.training.run_file import read_run

    run = read_run(run_path)
    choice = Choice(*which, data, device)
    result: dict[str, Any] = followed(
        told(structure_of(run, volume_of(run, run_path, data), choice, regions))
    ).as_dict()
    return result


def print_structure(result: dict[str, Any]) -> None:
    """Tables by region and by band."""
    value, length = result["value_unit"] or "value", result["unit"] or "unit"
    typer.echo(f"Structure, {result['notes'][0]}:")
    names = f"{'voxels':>10}{'PSNR (dB)':>11}{'SSIM':>8}{'gradient':>10}{f'MAE ({value})':>14}{f'W1 ({value})':>14}"
    typer.echo(f"{'region':<24}{names}")
    for name, one in {"whole": result["whole"], **result["regions"]}.items():
        similarity = "-" if one["ssim"] is None else f"{one['ssim']:.4f}"
        typer.echo(
            f"{name:<24}{one['voxels']:>10,}{one['psnr']:>11.2f}{similarity:>8}{one['gradient_error']:>10.4f}"
            f"{one['mae']:>14.4g}{one['histogram_distance']:>14.4g}"
        )
    typer.echo(f"{f'band (cycles per {length})':<34}{'error':>10}{'correlation':>13}{'share of power':>16}")
    for band in result["bands"]:
        typer.echo(
            f"{band['low']:>12.4g} to {band['high']:<18.4g}{band['error']:>10.4g}{band['correlation']:>13.4f}"
            f"{band['share']:>16.4g}"
        )
    typer.echo("gradient: |grad f - grad d| / |grad d|; W1: distance of histograms; error: power missed of the data's")
    for sentence in result["notes"][1:]:
        print(f"note: {sentence}", file=sys.stderr)
