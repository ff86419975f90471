"""A part of a volume as people name it: voxels START:STOP along each axis, or places in a unit of length or time."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError
from dinr_studio.io.writing import in_metres

NUMBER, UNIT = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", r"[^\d\s.+-]\S*"
END = re.compile(rf"\s*(?:({NUMBER})\s*({UNIT})?)?\s*")
FORM = (
    "write START:STOP for each axis, separated by commas, in voxels as 10:50,:,0:64, or in a unit as 0.5:2nm; a range "
    "without ends is all of the axis"
)
EDGE = 1e-6  # of a voxel: what a range may miss a centre by

Indices = list[list[int]]


class Span(NamedTuple):
    """A range along one axis; None is the volume's own end. unit: of the ends, or "" where they count voxels."""

    start: float | None
    stop: float | None
    unit: str


class Crop:
    """A part that was asked for. Called with a grid it tells which voxels these are, and keeps that in `indices`.

    words: the same, as voxels and as places, for people.
    """

    def __init__(self, text: str) -> None:
        self.spans = tuple(_span(part, text) for part in text.split(","))
        self.indices: Indices | None = None
        self.words = ""

    def __call__(self, grid: Grid) -> Indices:
        """Start and stop along each axis of a grid; ConfigError where that is not possible."""
        if len(self.spans) != len(grid.shape):
            raise ConfigError(
                f"--crop has {len(self.spans)} ranges and the volume {len(grid.shape)} axes ({', '.join(grid.axes)}); "
                f"{FORM}."
            )
        self.indices = [_on_axis(grid, axis, span) for axis, span in enumerate(self.spans)]
        self.words = in_words(grid, self.indices)
        return self.indices


def in_words(grid: Grid, indices: Sequence[Sequence[int]]) -> str:
    """A part of a grid, as voxels and as the places of its faces."""
    parts = []
    for axis, (start, stop) in enumerate(indices):
        low, high = (_face(grid, axis, end) for end in (start, stop))
        place = f"{low:g} to {high:g} {grid.units[axis]}".rstrip()
        parts.append(f"{grid.axes[axis]} {start}:{stop} of {grid.shape[axis]} ({place})")
    return ", ".join(parts)


def indices_on(grid: Grid, crop: Sequence[Sequence[int]] | Callable[[Grid], Indices]) -> Sequence[Sequence[int]]:
    """The voxels of a part of a grid, however it was named."""
    return crop(grid) if callable(crop) else crop


def _span(part: str, text: str) -> Span:
    ends = [END.fullmatch(end) for end in part.split(":")]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        raise ConfigError(f"--crop is {text!r}; {FORM}.")
    units = {end[2] for end in ends if end is not None and end[2]}
    start, stop = (float(end[1]) if end is not None and end[1] else None for end in ends)
    whole = all(number is None or number.is_integer() for number in (start, stop))
    if len(units) > 1 or not (units or whole):
        raise ConfigError(f"--crop is {text!r}; {FORM}.")
    return Span(start, stop, units.pop() if units else "")


def _on_axis(grid: Grid, axis: int, span: Span) -> list[int]:
    """Start and stop index: of voxels named themselves, or of those whose centres lie between two places."""
    length, name = grid.shape[axis], grid.axes[axis]
    low, high = 0.0, float(length)
    if span.unit:
        scale = _in_unit_of(grid, axis, span.unit)
        low = low if span.start is None else _position(grid, axis, span.start * scale)
        high = high if span.stop is None else _position(grid, axis, span.stop * scale)
        start, stop = max(0, math.ceil(low - 0.5 - EDGE)), min(length, math.floor(high + 0.5 + EDGE))
    else:
        start, stop = int(span.start or 0), length if span.stop is None else int(span.stop)
    if not 0 <= start < stop <= length:
        ends = f"{_face(grid, axis, 0):g} to {_face(grid, axis, length):g} {grid.units[axis]}".rstrip()
        raise ConfigError(
            f"--crop along {name} holds no voxel of the volume; it has voxels 0:{length}, from {ends}: choose a part."
        )
    return [start, stop]


def _in_unit_of(grid: Grid, axis: int, unit: str) -> float:
    """The length of a unit in that of an axis; ConfigError where these have nothing to do with each other."""
    own = grid.units[axis]
    lengths = in_metres(unit), in_metres(own)
    if unit == own:
        return 1.0
    if axis not in grid.spatial or lengths[0] is None or lengths[1] is None:
        raise ConfigError(
            f"--crop along {grid.axes[axis]} is in {unit} and that axis in {own or 'no unit'}; give voxels, or "
            f"{own or 'a unit by --unit'}."
        )
    return lengths[0] / lengths[1]


def _position(grid: Grid, axis: int, place: float) -> float:
    """A place in voxels from the first voxel's face."""
    return (place - _face(grid, axis, 0)) / grid.voxel_size[axis]


def _face(grid: Grid, axis: int, index: int) -> float:
    """Where a voxel begins, in world units."""
    return grid.origin[axis] + (index - 0.5) * grid.voxel_size[axis]
