"""What an export or a mesh takes, before it begins; torch is not needed for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from dinr_studio.coordinates import Grid
from dinr_studio.errors import DinrError
from dinr_studio.io.atomic import SPARE_BYTES, free_bytes
from dinr_studio.io.unfinished import share_done
from dinr_studio.io.writing import VolumeHeader, types_for, written_suffix
from dinr_studio.io.zarr_writing import level_bytes, tiles
from dinr_studio.memory import available_bytes
from dinr_studio.needs import Needs
from dinr_studio.sampling.spline import needed_box
from dinr_studio.words import bytes_in_words

TILED = ".zarr"  # the format that several processes can write at once, and go on with
EXPORT_BYTES = 128 << 20  # measured: slabs or tiles, what they are evaluated from, and what a library keeps of a file
SPLINE_BYTES = 10  # of a value: its coefficient, a copy while it is found, masks of what is missing
MOST_TILES = 64  # looked at for the largest
BYTES_PER_VOXEL = 24  # measured: values and triangles of a surface that fills a box of 128^3
SURFACE_BYTES = 150 << 20  # of the process that makes it
ROOMY = 0.8  # of what is free: what a smaller plan may take
SMALLEST_SHARE = 1e-3  # of a grid's edge: a smaller one is no offer
SMALLER_TYPES = ("float16", "int16", "uint8")


def export_needs(
    header: VolumeHeader, path: Path, source: Grid, *, rate: float = math.nan, beside: int = 0, resumed: bool = False
) -> Needs:
    """What an export of a field takes.

    source: the grid that the field was fitted on, which factors go by. rate: voxels a second. beside: bytes of what
    else is in memory meanwhile, such as the spline's. resumed: whether it goes on with what was left of one.
    """
    left = 1.0 - (share_done(path) or 0.0) if resumed else 1.0
    room = None
    with suppress(DinrError):  # a folder that is not there is told by whoever writes
        room = max(0, free_bytes(path) - SPARE_BYTES)
    disk = round(left * written_bytes(header, path))
    needs = Needs(
        f"The export to {path.name}",
        EXPORT_BYTES + beside,
        available_bytes(),
        disk,
        room,
        left * header.grid.size / rate if rate > 0 else math.nan,
    )
    if needs.disk_short and room is not None:
        return replace(needs, smaller=tuple(_smaller(header, path, source, room)))
    return needs


def written_bytes(header: VolumeHeader, path: Path) -> int:
    """Length of the values in a file or folder, at most: compressed ones are shorter."""
    return level_bytes(header) if written_suffix(path) == TILED else header.value_bytes


def spline_bytes(header: VolumeHeader, path: Path, source: Grid) -> int:
    """Memory that the cubic spline through the data takes in an export of field and spline.

    source: the grid of the data. To a Zarr store it goes tile by tile, each with a spline of its own.
    """
    target = header.grid
    if written_suffix(path) == TILED:
        target = max((target.cropped(*tile) for tile in tiles(header)[:MOST_TILES]), key=lambda grid: grid.size)
    start, stop = needed_box(source, target)
    return SPLINE_BYTES * math.prod(b - a for a, b in zip(start, stop, strict=True)) * header.channels


def mesh_needs(grid: Grid, *, rate: float = math.nan) -> Needs:
    """What an isosurface on a grid takes; how long its file gets is known, and checked, once it is found."""
    memory, free = SURFACE_BYTES + BYTES_PER_VOXEL * grid.size, available_bytes()
    seconds = grid.size / rate if rate > 0 else math.nan
    share = max(0.0, (ROOMY * free - SURFACE_BYTES) / (memory - SURFACE_BYTES)) ** (1 / 3)
    fitting = [max(2, int(n * share)) if i in grid.spatial else n for i, n in enumerate(grid.shape)]
    smaller = (f"{_listed(fitting)} voxels or fewer would do",) if memory > free else ()
    return Needs(f"A surface on {_listed(grid.shape)} voxels", memory, free, seconds=seconds, smaller=smaller)


def _smaller(header: VolumeHeader, path: Path, source: Grid, room: int) -> Iterator[str]:
    """Exports of the same box that a disk has room for: a coarser one, and one in a smaller type."""
    share = (room / written_bytes(header, path)) ** (1 / len(header.grid.spatial))
    factors = [source.voxel_size[i] / header.grid.voxel_size[i] for i in header.grid.spatial]
    while share > SMALLEST_SHARE:
        factor = _rounded_down(share * min(factors))
        edge = [n * factor / min(factors) if i in header.grid.spatial else n for i, n in enumerate(header.grid.shape)]
        coarser = replace(header, grid=header.grid.with_shape([max(1, round(n)) for n in edge]))
        size = written_bytes(coarser, path)
        if size <= room:
            alike = np.allclose(factors, factors[0], rtol=1e-3)
            named = f"a factor of {factor:g}" if alike else f"a shape of {_listed(coarser.grid.shape)}"
            yield f"{named} takes {bytes_in_words(size)}"
            break
        share *= 0.95
    for name in types_for(header, path):
        smaller = replace(header, dtype=np.dtype(name))
        if name in SMALLER_TYPES and written_bytes(smaller, path) <= room:
            yield f"type {name} takes {bytes_in_words(written_bytes(smaller, path))}"
            return


def _rounded_down(factor: float) -> float:
    """To two digits."""
    digit = 10 ** (math.floor(math.log10(factor)) - 1)
    return float(f"{math.floor(factor / digit + 1e-9) * digit:.6g}")


def _listed(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
