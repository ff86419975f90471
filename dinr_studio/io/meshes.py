"""Triangle meshes as files, through trimesh: PLY, STL and OBJ. Vertices are x, y, z, as these formats have them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import OutputError

SINGLE_STEP = 2.0**-23  # relative distance of neighbouring single-precision numbers
COARSE = 0.01  # of a voxel: what rounding may move a vertex by before it is told


@dataclass(frozen=True)
class Mesh:
    """A surface: vertices (V, 3) float64 as x, y, z in world units; triangles (T, 3), vertex numbers, right-handed.

    voxel: the smallest voxel size of the grid it was found on, in world units. comments: sentences for the file.
    """

    vertices: NDArray[np.float64]
    triangles: NDArray[np.integer[Any]]
    voxel: float
    comments: tuple[str, ...] = ()


def write_mesh(mesh: Mesh, file: Path, suffix: str) -> None:
    """Writes a mesh to a file in the format of a suffix."""
    _format(suffix).write(mesh, file)


def bytes_of_mesh(suffix: str, vertices: int, triangles: int) -> int:
    """Length, in bytes, of a file of so many vertices and triangles; for OBJ about."""
    chosen = _format(suffix)
    return 1024 + chosen.bytes_per_vertex * vertices + chosen.bytes_per_triangle * triangles


def lost_in_mesh(suffix: str, unit: str, farthest: float, voxel: float) -> tuple[str, ...]:
    """Sentences on what a format cannot carry; OutputError for a format that is not known.

    farthest: the largest coordinate, by magnitude; voxel: the smallest voxel size; both in the unit.
    """
    chosen = _format(suffix)
    lost = [f"{chosen.name} carries no unit: the positions are in {unit or 'an unknown unit'}."]
    rounded = farthest * SINGLE_STEP
    if chosen.single and rounded > COARSE * voxel:
        lost.append(f"{chosen.name} rounds positions to {rounded:.2g} {unit}".rstrip() + "; choose .obj to keep them.")
    return tuple(lost)


def _ply(mesh: Mesh, file: Path) -> None:
    from trimesh.exchange.ply import export_ply

    written: bytes = export_ply(_trimesh(mesh), vertex_normal=False)
    head, end, body = written.partition(b"end_header\n")
    lines = [line for line in head.splitlines() if not line.startswith(b"comment")]
    lines[2:2] = [f"comment {text}".encode("ascii", "replace") for text in mesh.comments]
    with open(file, "wb") as out:
        out.write(b"\n".join(lines) + b"\n" + end)
        out.write(memoryview(body))


def _stl(mesh: Mesh, file: Path) -> None:
    from trimesh.exchange.stl import export_stl

    file.write_bytes(export_stl(_trimesh(mesh)))


def _obj(mesh: Mesh, file: Path) -> None:
    from trimesh.exchange.obj import export_obj

    digits = max(2, 4 - math.floor(math.log10(mesh.voxel)))  # a ten-thousandth of a voxel
    header = "\n# ".join(mesh.comments) or None
    text = export_obj(_trimesh(mesh), include_normals=False, include_color=False, digits=digits, header=header)
    file.write_text(text, encoding="utf-8")


def _trimesh(mesh: Mesh) -> Any:
    import trimesh

    return trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False, validate=False)


@dataclass(frozen=True)
class _Format:
    name: str
    write: Callable[[Mesh, Path], None]
    bytes_per_vertex: int
    bytes_per_triangle: int
    single: bool


MESH_FORMATS = {
    ".ply": _Format("PLY", _ply, 12, 13, True),
    ".stl": _Format("STL", _stl, 0, 50, True),
    ".obj": _Format("OBJ", _obj, 48, 24, False),
}


def _format(suffix: str) -> _Format:
    if suffix.lower() not in MESH_FORMATS:
        raise OutputError(f"The ending {suffix!r} names no mesh format; end the name in {', '.join(MESH_FORMATS)}.")
    return MESH_FORMATS[suffix.lower()]
