"""`score` and `slice`: how good a run's field is, and what it looks like beside its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def scores_of(run_path: Path, data: str | None, device: str) -> dict[str, Any]:
    """What `score --json` prints: the stored scores, or fresh ones where the run ended before it was judged."""
    from dinr_studio.training.run_file import read_description

    description = read_description(run_path)
    if description.scores and data is None:
        return {"run_file": str(run_path), **description.scores}
    from dinr_studio.interface import load
    from dinr_studio.training.run_data import volume_of

    field = load(run_path, device)
    return {"run_file": str(run_path), **field.judge(volume_of(field.run, run_path, data))}


def print_scores(result: dict[str, Any]) -> None:
    """The held-out table and the verdict."""
    held = result["held_out"]
    train = result["train"]["psnr"]
    if held is None:
        typer.echo(f"No voxels were held out, so nothing says how far to trust it; {train:.2f} dB on training voxels.")
        return
    rows = {"field": held, **{f"{name} interpolation": scores for name, scores in held["interpolation"].items()}}
    if held.get("stacked") is not None:
        rows["field with spline"] = held["stacked"]
    channels = held.get("by_channel", [])
    mixed = len({channel["unit"] for channel in channels}) > 1
    measured = "each channel in shares of its own range" if mixed else f"data range {held['data_range']:g}"
    typer.echo(f"On {held['voxels']:,} held-out {held.get('of', 'voxels')} ({measured}):")
    typer.echo(f"{'':<22}{'PSNR (dB)':>10}{'SSIM':>9}{'MAE':>12}{'relative L2':>13}")
    for name, scores in rows.items():
        similarity = "-" if scores["ssim"] is None else f"{scores['ssim']:.4f}"
        typer.echo(
            f"{name:<22}{scores['psnr']:>10.2f}{similarity:>9}{scores['mae']:>12.4g}{scores['relative_l2']:>13.4g}"
        )
    _print_channels(channels)
    typer.echo(held["verdict"])
    if result.get("blocks"):
        typer.echo(_on_blocks(result["blocks"]))
    typer.echo(f"On training voxels the field has {train:.2f} dB.")


def _print_channels(channels: list[dict[str, Any]]) -> None:
    """A line on each channel, by its own range."""
    for channel in channels:
        best = max(channel["interpolation"], key=lambda name: channel["interpolation"][name]["psnr"])
        typer.echo(
            f"  {channel['name']}: {channel['psnr']:.2f} dB of its range {channel['data_range']:.4g} {channel['unit']}"
            f" ({best} interpolation {channel['interpolation'][best]['psnr']:.2f} dB), MAE {channel['mae']:.4g}"
        )


def _on_blocks(blocks: list[dict[str, Any]]) -> str:
    """How much the blocks' own scores differ."""
    scored = sorted((block["psnr"], block["block"] + 1) for block in blocks if block["psnr"] is not None)
    if not scored:
        return f"{len(blocks)} blocks with a field each."
    (low, worst), (high, best) = scored[0], scored[-1]
    return (
        f"{len(blocks)} blocks with a field each, by themselves {low:.2f} dB (block {worst}) to {high:.2f} dB "
        f"(block {best}) on their held-out voxels."
    )


def draw_slice(
    run_path: Path,
    output: Path,
    *,
    axis: str | None,
    index: int | None,
    channel: int,
    data: str | None,
    device: str,
    force: bool,
) -> None:
    """Writes the picture of one slice."""
    from dinr_studio.interface import load
    from dinr_studio.sampling.picture import slice_picture
    from dinr_studio.training.run_data import check_not_data, volume_of

    field = load(run_path, device)
    check_not_data(field.run, output)
    volume = volume_of(field.run, run_path, data)
    slice_picture(volume, field.evaluated, output, axis=axis, index=index, channel=channel, force=force)


def draw_quantity(
    run_path: Path,
    output: Path,
    quantity: str,
    factor: float,
    *,
    axis: str | None,
    index: int | None,
    channel: int,
    device: str,
    force: bool,
) -> None:
    """Writes the picture of one slice of a quantity derived of the field, which needs no data."""
    from dinr_studio.cli.following import followed
    from dinr_studio.experiments.figures.quantity import quantity_figure
    from dinr_studio.experiments.figures.style import check_figure_name, save_figure
    from dinr_studio.interface import load
    from dinr_studio.io.atomic import check_place, exists_already
    from dinr_studio.sampling.quantity_slice import quantity_slice

    check_figure_name(output)
    check_place(output)
    if output.exists() and not force:
        raise exists_already(output)
    field = load(run_path, device)
    name = Path(field.run.provenance.file).name
    stages = quantity_slice(field.evaluated, quantity, axis=axis, index=index, channel=channel, factor=factor)
    save_figure(quantity_figure(followed(stages), name), output, force=force)
