"""`info` and `sample`: what is in a file, and the volumes that come with the program."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import typer

from dinr_studio.coordinates import SPATIAL_AXES, TIME_AXIS, Grid, Orientation
from dinr_studio.errors import FileFormatError, plain
from dinr_studio.io.atomic import atomic_output
from dinr_studio.io.cropping import Crop
from dinr_studio.samples import SAMPLES, sample_path


def describe(file: str, options: dict[str, Any]) -> dict[str, Any]:
    """What `info --json` prints; of a file with several datasets and none chosen, their list alone."""
    from dinr_studio.io.reading import list_datasets, open_volume

    entries = list_datasets(file)
    datasets = [entry.name for entry in entries]
    listing = [{"name": e.name, "shape": list(e.shape), "dtype": e.dtype, "about": e.about} for e in entries]
    try:
        volume = open_volume(file, **options)
    except FileFormatError:
        if len(entries) < 2 or "dataset" in options:
            raise
        return {"file": file, "datasets": datasets, "dataset_details": listing, "shape": None}
    grid, crop = volume.grid, options.get("crop")
    return {
        "file": volume.provenance.file,
        "crop": crop.indices if isinstance(crop, Crop) else None,
        "part": crop.words if isinstance(crop, Crop) else "",
        "format": volume.provenance.reader,
        "dataset": volume.provenance.dataset,
        "shape": list(grid.shape),
        "axes": list(grid.axes),
        "voxel_size": list(grid.voxel_size),
        "origin": list(grid.origin),
        "unit": list(grid.units),
        "extent": list(grid.extent),
        "orientation": _orientation(grid.orientation),
        "channels": volume.channels,
        "channel_names": list(volume.channel_names),
        "dtype": str(volume.values.dtype),
        "value_range": list(volume.value_range),
        "channel_ranges": [list(ends) for ends in volume.channel_ranges],
        "frames": _frames(grid),
        "sampled": volume.is_stored,
        "value_unit": volume.value_unit,
        "missing_share": volume.missing_share,
        "datasets": datasets,
        "dataset_details": listing,
        "notes": list(volume.provenance.notes),
        "sha256": volume.provenance.sha256,
    }


def print_description(described: dict[str, Any]) -> None:
    """The description in lines that a person reads."""
    if described["shape"] is None:
        typer.echo(f"{described['file']} holds several datasets; choose one with --dataset:")
        for entry in described["dataset_details"]:
            typer.echo(
                plain(f"  {entry['name']}  {tuple(entry['shape'])}  {entry['dtype']}  {entry['about']}".rstrip())
            )
        return
    units = described["unit"]
    size = " x ".join(f"{v:g} {u}".rstrip() for v, u in zip(described["voxel_size"], units, strict=True))
    origin = ", ".join(f"{v:g} {u}".rstrip() for v, u in zip(described["origin"], units, strict=True))
    extent = " x ".join(f"{v:g} {u}".rstrip() for v, u in zip(described["extent"], units, strict=True))
    turned = described["orientation"]
    own = "" if turned is None else ", along the volume's own axes"
    of_sample = " (of a sample: the file is too large to be read whole)" * described["sampled"]
    lines = {
        "file": described["file"],
        "format": described["format"],
        "dataset": described["dataset"],
        **({"part": described["part"]} if described["part"] else {}),
        "shape": f"{' x '.join(map(str, described['shape']))} ({', '.join(described['axes'])})",
        "voxel size": size,
        "origin": f"{origin} (centre of the first voxel{own})",
        "extent": extent,
        **({} if described["frames"] is None else {"time": _frames_in_words(described["frames"])}),
        **({} if turned is None else {"orientation": _orientation_in_words(turned)}),
        "channels": f"{described['channels']} {' '.join(described['channel_names'])}".strip(),
        "type": described["dtype"],
        "values": _values_in_words(described) + of_sample,
        "missing": f"{100 * described['missing_share']:.2f} %{of_sample}",
    }
    for name, text in lines.items():
        typer.echo(plain(f"{name:>11}  {text}"))
    for note in described["notes"]:
        typer.echo(plain(f"{'note':>11}  {note}"))


def _values_in_words(described: dict[str, Any]) -> str:
    """The range of the values, of each channel where there are several."""
    names, unit = described["channel_names"], described["value_unit"]
    ranges = [f"{low:g} to {high:g}" for low, high in described["channel_ranges"]]
    if len(ranges) > 1:
        ranges = [f"{names[i] if i < len(names) else f'channel {i + 1}'} {text}" for i, text in enumerate(ranges)]
    return f"{', '.join(ranges)} {unit}".rstrip()


def _frames(grid: Grid) -> dict[str, Any] | None:
    """Count, step and first and last moment of a grid with time, in its unit."""
    if TIME_AXIS not in grid.axes:
        return None
    at = grid.axes.index(TIME_AXIS)
    moments = grid.axis_positions(at)
    return {
        "count": grid.shape[at],
        "step": grid.voxel_size[at],
        "unit": grid.units[at],
        "first": float(moments[0]),
        "last": float(moments[-1]),
        "first_date": grid.moment(float(moments[0])),
        "last_date": grid.moment(float(moments[-1])),
    }


def _frames_in_words(frames: dict[str, Any]) -> str:
    unit = frames["unit"] or "frames of unknown length"
    text = f"{frames['count']} frames, one every {frames['step']:g} {unit}, from {frames['first']:g} to "
    text += f"{frames['last']:g} {frames['unit']}".rstrip()
    return f"{text} ({frames['first_date']} to {frames['last_date']})" if frames["first_date"] else text


def _orientation(orientation: Orientation | None) -> dict[str, Any] | None:
    if orientation is None:
        return None
    return {"directions": [list(direction) for direction in orientation.directions], "space": orientation.space}


def _orientation_in_words(described: dict[str, Any]) -> str:
    """Which way the axes x, y and z lie, by components along x, y and z of space."""
    ways = []
    for axis, direction in reversed(list(zip(SPATIAL_AXES, described["directions"], strict=True))):
        parts = ", ".join(f"{round(part, 4) + 0.0:g}" for part in reversed(direction))
        ways.append(f"{axis} along ({parts})")
    return f"{', '.join(ways)}{' in ' * bool(described['space'])}{described['space']}"


def print_samples() -> None:
    """A line or two on each sample."""
    for sample in SAMPLES.values():
        typer.echo(f"{sample.name:<14} {sample.title}. {sample.description}")
        typer.echo(f"{'':<14} {sample.source}; licence {sample.licence}")


def write_sample(name: str, output: Path | None, *, force: bool) -> Path:
    """Copies a sample to a file, of its own name in this folder by default; returns where it is."""
    source = sample_path(name)
    target = Path(source.name) if output is None else output
    with atomic_output(target, force=force) as temporary:
        shutil.copyfile(source, temporary)
    return target
