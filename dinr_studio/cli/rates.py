"""`rate-distortion`: what it does and prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinr_studio.cli.believing import check_outputs, save
from dinr_studio.cli.following import followed
from dinr_studio.errors import ConfigError

if TYPE_CHECKING:
    from dinr_studio.experiments.compression.rate_distortion import RateWish


def study_volume(
    file: str, options: dict[str, Any], wish: RateWish, *, figure: Path | None, force: bool
) -> dict[str, Any]:
    """Fits of some sizes and codecs, on a volume; returns what is printed."""
    from dinr_studio.cli.fitting import settled
    from dinr_studio.experiments.compression.rate_distortion import rate_distortion
    from dinr_studio.io import open_volume

    check_outputs({"figure": figure}, force=force)
    volume = open_volume(file, **options)
    if volume.samples is not None:
        raise ConfigError(f"{file} is a table of scattered samples, which no codec takes; give a volume.")
    return _finished(followed(rate_distortion(volume.loaded(), wish, settled(options))), figure, force)


def study_run(run_path: Path, data: str | None, wish: RateWish, *, figure: Path | None, force: bool) -> dict[str, Any]:
    """A run's field in some bits and codecs, on its data; returns what is printed."""
    from dinr_studio.experiments.compression.rate_distortion import of_run
    from dinr_studio.training.run_data import volume_of
    from dinr_studio.training.run_file import read_run

    check_outputs({"figure": figure}, force=force)
    run = read_run(run_path)
    volume = volume_of(run, run_path, data)
    if volume.samples is not None:
        raise ConfigError(f"{run_path} was fitted to a table of scattered samples, which no codec takes.")
    return _finished(followed(of_run(run, volume.loaded(), wish)), figure, force)


def _finished(study: Any, figure: Path | None, force: bool) -> dict[str, Any]:
    result: dict[str, Any] = study.as_dict()
    if figure is not None:
        from dinr_studio.experiments.figures.compression import compression_figure

        result["figure"] = save(compression_figure(study), figure, force=force)
    return result


def print_study(result: dict[str, Any]) -> None:
    """A line on each point, PSNRs at some ratios, and the verdict."""
    where = "all" if result["whole"] else "some"
    typer.echo(
        f"{result['name']}: {result['raw_bytes']:,} bytes of {result['raw_type']}; PSNR on {where} "
        f"{result['voxels']:,} voxels as decoded, with the data's range as the peak"
    )
    typer.echo(f"{'':<20}{'':<32}{'bytes':>11}{'ratio':>9}{'PSNR (dB)':>11}")
    for point in result["points"]:
        psnr = "lossless" if point["psnr"] >= 300 else f"{point['psnr']:.2f}"
        row = f"{point['method']:<20}{point['setting']:<32}{point['bytes']:>11,}{point['ratio']:>9.1f}{psnr:>11}"
        typer.echo(row)
    ratios = list(next(iter(result["psnr_at"].values())))
    typer.echo(f"{'dB at a ratio of':<20}" + "".join(f"{ratio:>9}" for ratio in ratios))
    for method, found in result["psnr_at"].items():
        if any(value is not None for value in found.values()):
            cells = ["-" if value is None else f"{value:.1f}" for value in found.values()]
            typer.echo(f"{method:<20}" + "".join(f"{cell:>9}" for cell in cells))
    typer.echo(result["verdict"])
    if "figure" in result:
        typer.echo(f"wrote {result['figure']}")
