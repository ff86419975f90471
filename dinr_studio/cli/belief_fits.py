"""`ensemble`, `twin-fit` and `uncertainty`: what they do and print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinr_studio.cli.believing import check_outputs, save
from dinr_studio.cli.following import followed
from dinr_studio.errors import FileFormatError

if TYPE_CHECKING:
    from dinr_studio.experiments.belief.ensembles import Asked
    from dinr_studio.experiments.belief.maps import Choice


def ensemble(file: str, folder: Path, members: int, asked: Asked, open_options: dict[str, Any]) -> dict[str, Any]:
    """Fits what is missing of an ensemble; returns what `ensemble --json` prints."""
    from dinr_studio.experiments.belief.ensembles import fit_ensemble
    from dinr_studio.experiments.steps import told

    volume, options = _opened(file, open_options)
    result: dict[str, Any] = followed(told(fit_ensemble(volume, folder, members, asked, options))).as_dict()
    return result


def print_ensemble(result: dict[str, Any]) -> None:
    """A line on each member, and what to do with them."""
    for member in result["members"]:
        psnr = member["held_out_psnr"]
        scored = "nothing held out" if psnr is None else f"{psnr:.2f} dB held-out"
        typer.echo(f"{member['run_file']}: seed {member['seed']}, {scored}")
    typer.echo(f"dinr-studio uncertainty {result['folder']} -o OUT.mrc writes mean and standard deviation.")


def twin_fit(
    files: tuple[str, str | None], folder: Path, asked: Asked, choice: Choice, mask: str, open_options: dict[str, Any]
) -> dict[str, Any]:
    """Fits both half maps, or both halves of one volume (no second file); returns what `twin-fit --json` prints."""
    from dinr_studio.experiments.belief.twins import Half, fit_twins, half_maps, split
    from dinr_studio.experiments.steps import told

    first, options = _opened(files[0], open_options)
    if files[1] is None:
        seed = int((asked.changes or {}).get("seed", 0))
        halves = tuple(Half(half, options) for half in split(first, seed))
    else:
        second, other = _opened(files[1], open_options)
        halves = half_maps(Half(first, options), Half(second, other))
    found = followed(told(fit_twins((halves[0], halves[1]), folder, asked, choice, mask)))
    result: dict[str, Any] = found.as_dict()
    return result


def print_twins(result: dict[str, Any]) -> None:
    """Resolutions of fields and half maps, and the verdict."""
    unit = result["fields"]["unit"]
    thresholds = list(result["fields"]["resolution"])
    typer.echo(f"{f'resolution ({unit or chr(63)})':<24}" + "".join(f"{name:>12}" for name in thresholds))
    for name in ("fields", "halves"):
        if result[name] is None:
            continue
        for curve, lengths in result[name]["resolution_by_curve"].items():
            cells = ["Nyquist" if lengths[at] is None else f"{lengths[at]:.4g}" for at in thresholds]
            typer.echo(f"{f'{name}, {curve}':<24}" + "".join(f"{cell:>12}" for cell in cells))
    typer.echo(result["verdict"])
    for sentence in result["notes"]:
        print(f"note: {sentence}", file=sys.stderr)
    typer.echo(f"wrote {', '.join([*result['runs'], result['table'], result['figure']])}")


def uncertainty(
    source: Path,
    output: Path | None,
    target: dict[str, Any],
    *,
    figure: Path | None,
    data: str | None,
    device: str,
    force: bool,
) -> dict[str, Any]:
    """Finds and writes mean and deviations; returns what `uncertainty --json` prints."""
    from dinr_studio.experiments.belief.uncertainty import mean_path, uncertainty_of, write_uncertainty
    from dinr_studio.experiments.steps import told
    from dinr_studio.sampling.target import target_grid
    from dinr_studio.training.run_data import check_not_data

    check_outputs({"figure": figure, "volume": output}, force=force)
    if output is not None:
        check_outputs({"volume": mean_path(output)}, force=force)
    found = followed(told(uncertainty_of(source, data, device)))
    result: dict[str, Any] = {"source": str(source), **found.as_dict(), "file": None, "mean_file": None}
    if output is not None:
        check_not_data(found.run, output)
        grid = target_grid(found.run.grid, **target)
        written = followed(told(write_uncertainty(found, grid, output, force=force)))
        result |= {"file": written[0].file, "mean_file": written[1].file, "lost": list(written[0].lost)}
    if figure is not None:
        from dinr_studio.experiments.figures.uncertainty import calibration_figure

        result["figure"] = save(calibration_figure(found.calibration, found.method), figure, force=force)
    return result


def print_uncertainty(result: dict[str, Any]) -> None:
    """Coverage by level and the verdict."""
    members = f" of {result['members']} members" if result["members"] > 1 else ""
    calibration = result["calibration"]
    typer.echo(f"{result['method']}{members}, on {calibration['judged_values']:,} held-out values:")
    typer.echo(f"{'interval':<10}{'as it stands':>14}{'scaled':>10}")
    for level, row in calibration["coverage"].items():
        raw, scaled = (f"{100 * row[name]:.1f} %" for name in ("raw", "scaled"))
        typer.echo(f"{100 * float(level):>6.0f} %  {raw:>14}{scaled:>10}")
    typer.echo(calibration["verdict"])
    for name in ("file", "mean_file", "figure"):
        if result.get(name):
            typer.echo(f"wrote {result[name]}")
    for sentence in result.get("lost", ()):
        print(f"note: {sentence}", file=sys.stderr)


def _opened(file: str, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A volume, and how it was opened, as a run file keeps it."""
    from dinr_studio.cli.fitting import settled
    from dinr_studio.io import open_volume

    if file.endswith(".dinr"):
        raise FileFormatError(f"{file} is a run file; give the volume that is to be fitted.")
    volume = open_volume(file, **options)
    return volume, settled(options)
