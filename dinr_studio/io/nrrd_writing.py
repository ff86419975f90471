"""Writing NRRD files: a header of text, then the values slab by slab, compressed as they come.

NRRD stores channels fastest, then x, y, z and time, which is the order that slabs have.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.affine import affine_of
from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.io.losses import check_type, lost_channel_names
from dinr_studio.io.writing import VolumeHeader

COMPRESSIONS = ("gzip", "none")  # the usual one first
GZIP_LEVEL = 4
TYPES = {
    "float32": "float", "float64": "double", "int8": "int8", "uint8": "uint8", "int16": "int16", "uint16": "uint16",
    "int32": "int32", "uint32": "uint32",
}  # fmt: skip
SPACES = {"RAS": "right-anterior-superior", "LPS": "left-posterior-superior"}


def lost_in_nrrd(header: VolumeHeader) -> tuple[str, ...]:
    """What an NRRD file cannot carry; OutputError where it cannot carry the values at all."""
    check_type(header, "NRRD", tuple(TYPES))
    return lost_channel_names(header, "NRRD")


def _header_lines(header: VolumeHeader) -> list[str]:
    """The header's lines, axes in the file's order: channels, x, y, z, time."""
    grid, channels = header.grid, header.channels > 1
    order = [axis for axis in ("x", "y", "z", TIME_AXIS) if axis in grid.axes]
    lengths = [grid.shape[grid.axes.index(axis)] for axis in order]
    kinds = ["time" if axis == TIME_AXIS else "domain" for axis in order]
    return [
        "NRRD0005",
        *(f"# {line}" for note in header.notes for line in note.splitlines()),
        f"type: {TYPES[header.dtype.name]}",
        f"dimension: {len(order) + channels}",
        *_space_lines(grid, order, channels),
        f"sizes: {_row([header.channels] * channels + lengths)}",
        f"kinds: {_row(['vector'] * channels + kinds)}",
        f"encoding: {'raw' if header.compression == 'none' else 'gzip'}",
        "endian: little",
        *([f"sample units: {' '.join(header.value_unit.split())}"] if header.value_unit else []),
    ]


def _space_lines(grid: Grid, order: Sequence[str], channels: bool) -> list[str]:
    """How the axes lie in a space of as many dimensions as the grid has; times by spacing and axis min."""
    spatial = [axis for axis in order if axis != TIME_AXIS]
    space = grid.orientation.space if grid.orientation else ""
    count = len(spatial)
    lines = [f"space: {SPACES[space]}" if space else f"space dimension: {count}"] if count else []
    affine = affine_of(grid, space)[:count]
    directions = ["none"] * channels + [_vector(affine[:, "xyz".index(axis)]) for axis in spatial]
    if count:
        lines += [f"space directions: {_row(directions + ['none'] * (TIME_AXIS in order))}"]
        units = [_quoted(grid.units[grid.axes.index(axis)]) for axis in spatial]
        lines += [f"space units: {_row(units)}"] if any(grid.units[i] for i in grid.spatial) else []
        lines += [f"space origin: {_vector(affine[:, 3])}"]
    if TIME_AXIS in order:
        i, before = grid.axes.index(TIME_AXIS), channels + count
        lines += [
            f"spacings: {_row(['nan'] * before + [repr(float(grid.voxel_size[i]))])}",
            f"axis mins: {_row(['nan'] * before + [repr(float(grid.origin[i]))])}",
            f"units: {_row([_quoted('')] * before + [_quoted(grid.units[i])])}",
        ]
    return lines


def _row(items: Sequence[Any]) -> str:
    return " ".join(str(item) for item in items)


def _vector(numbers: NDArray[np.float64]) -> str:
    return f"({','.join(repr(float(number)) for number in numbers)})"


def _quoted(text: str) -> str:
    plain = " ".join(text.replace("\\", "/").replace('"', "'").split())
    return f'"{plain}"'


class NrrdWriter:
    """Writes an .nrrd file slab by slab, its values compressed by gzip unless told otherwise."""

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        self._raw = open(path, "wb")  # noqa: SIM115  (closed in close)
        self._raw.write(("\n".join(_header_lines(header)) + "\n\n").encode())
        plain = header.compression == "none"
        self._values: Any = self._raw if plain else gzip.GzipFile("", "wb", GZIP_LEVEL, self._raw, mtime=0)
        self._dtype = header.dtype.newbyteorder("<")

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        self._values.write(np.ascontiguousarray(slab, dtype=self._dtype).data)

    def close(self) -> None:
        """Closes the file."""
        try:
            self._values.close()
        finally:
            self._raw.close()
