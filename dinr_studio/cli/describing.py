"""`info` of a run file: what was fitted to what, and how its weights are held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from dinr_studio.errors import plain


def describe_run(path: Path) -> dict[str, Any]:
    """What `info --json` prints of a run file; `packing` is None but for a small file."""
    from dinr_studio.fields.build import parameter_count
    from dinr_studio.training.run_file import read_description

    described = read_description(path)
    grid, field = described.grid, described.config.field
    blocks = 1 if described.partition is None else described.partition.count
    held = described.scores.get("held_out") if described.scores else None
    return {
        "file": str(path),
        "format": "run file" if described.packing is None else "small run file",
        "bytes": path.stat().st_size,
        "run_id": described.run_id,
        "program_version": described.program_version,
        "created": described.created,
        "preset": described.config.preset,
        "family": field.family,
        "embedding": field.embedding,
        "width": field.width,
        "steps": field.steps,
        "blocks": blocks,
        "parameters": blocks * parameter_count(field, len(grid.shape), len(described.channel_ranges)),
        "shape": list(grid.shape),
        "axes": list(grid.axes),
        "voxel_size": list(grid.voxel_size),
        "origin": list(grid.origin),
        "unit": list(grid.units),
        "channels": len(described.channel_ranges),
        "channel_names": list(described.channel_names),
        "channel_ranges": [list(ends) for ends in described.channel_ranges],
        "value_unit": described.value_unit,
        "data": described.provenance.file,
        "sha256": described.provenance.sha256,
        "finished": described.finished,
        "end_reason": described.end_reason,
        "held_out_psnr": held["psnr"] if isinstance(held, dict) else None,
        "packing": None if described.packing is None else described.packing.model_dump(),
    }


def print_run(described: dict[str, Any]) -> None:
    """The description in lines that a person reads."""
    units = described["unit"]
    size = " x ".join(f"{v:g} {u}".rstrip() for v, u in zip(described["voxel_size"], units, strict=True))
    origin = ", ".join(f"{v:g} {u}".rstrip() for v, u in zip(described["origin"], units, strict=True))
    low, high = min(r[0] for r in described["channel_ranges"]), max(r[1] for r in described["channel_ranges"])
    held = described["held_out_psnr"]
    blocks = "" if described["blocks"] == 1 else f" in {described['blocks']} blocks"
    lines = {
        "file": f"{described['file']} ({described['bytes']:,} bytes)",
        "format": described["format"],
        "run": f"{described['run_id'][:8]}, DINR Studio {described['program_version']}, {described['created']}",
        "field": f"{described['family']}, width {described['width']}{blocks}, {described['parameters']:,} parameters",
        "shape": f"{' x '.join(map(str, described['shape']))} ({', '.join(described['axes'])})",
        "voxel size": size,
        "origin": f"{origin} (centre of the first voxel)",
        "values": f"{low:g} to {high:g} {described['value_unit']}".rstrip(),
        "data": described["data"],
        "end": described["end_reason"] if described["finished"] else f"not finished: {described['end_reason']}",
        **({} if held is None else {"held-out": f"{held:.2f} dB"}),
        **({} if described["packing"] is None else {"weights": _packing_in_words(described["packing"])}),
    }
    for name, text in lines.items():
        typer.echo(plain(f"{name:>11}  {text}"))


def _packing_in_words(packing: dict[str, Any]) -> str:
    bits = "steps by sensitivity" if packing["bits"] is None else f"{packing['bits']} bits"
    if packing["psnr"] is None:
        return bits
    return f"{bits}; {packing['psnr']:.2f} dB on {packing['voxels']:,} voxels ({packing['psnr_before']:.2f} dB before)"
