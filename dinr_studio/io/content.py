"""What a reader finds in a file, before it becomes a Volume; and the limits that files are held to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Orientation
from dinr_studio.epoch import Epoch
from dinr_studio.errors import FileFormatError
from dinr_studio.memory import available_bytes

MOST_INFLATION = 1100  # what the usual compressions reach at the very best; a file that claims more is not honest
MOST_GUESSED, SHORTEST_IMAGE = 4, 8  # channels, and rows or columns, of an array that says nothing of its axes
DEFAULT_AXES = {1: "x", 2: "yx", 3: "zyx", 4: "tzyx", 5: "tzyxc"}


@dataclass(frozen=True)
class DatasetEntry:
    """One array in a file: its name there, shape in the file's order, type, and what helps a person to choose it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    about: str = ""


@dataclass(frozen=True)
class Layout:
    """How values lie that stay in their file: by dimension of the stored array.

    chunk: what is read in one go along each; None where any part comes by itself. falling: dimensions to turn round. A
    value is stored * scale + offset.
    """

    chunk: tuple[int, ...] | None = None
    falling: tuple[int, ...] = ()
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Content:
    """An array as it lies in the file.

    values: a numpy array, or a `Store` that reads its parts where there is a layout. axes: one letter of t, z, y, x
    and c (channel) for each dimension of values. voxel_size, origin (centre of the first voxel) and units are by axis
    letter; what is not there is not known. orientation: how z, y and x lie in space, where the file says so; origin is
    then along the volume's own axes. missing: of values' shape, True where the file has no value, whatever stands in
    values there; None where that shows in the values alone (NaN, fill). files: all that was read, where that is not
    the one file or folder that was asked for. layout: of values that stay in the file. epoch: the date that time counts
    from, where the file says so.
    """

    values: Any
    axes: str
    voxel_size: Mapping[str, float] = field(default_factory=dict)
    origin: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    value_unit: str = ""
    channel_names: tuple[str, ...] = ()
    fill: float | None = None
    missing: NDArray[np.bool_] | None = None
    orientation: Orientation | None = None
    dataset: str = ""
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    layout: Layout | None = None
    epoch: Epoch | None = None

    def squeezed(self, dimensions: tuple[int, ...]) -> Content:
        """Without some dimensions of values, which have one place each; axes stay as they are."""
        layout = self.layout
        if layout is not None:
            left = [i for i in range(len(self.values.shape)) if i not in dimensions]
            chunk = None if layout.chunk is None else tuple(layout.chunk[i] for i in left)
            falling = tuple(left.index(i) for i in layout.falling if i in left)
            layout = replace(layout, chunk=chunk, falling=falling)
        absent = None if self.missing is None else self.missing.squeeze(dimensions)
        return replace(self, values=self.values.squeeze(dimensions), missing=absent, layout=layout)


def default_axes(shape: Sequence[int], path: Path) -> tuple[str, tuple[str, ...]]:
    """The axes of an array that says nothing of them, and a note where the last one is taken for channels.

    That is where it has 2 to 4 entries and lies behind two that are an image's.
    """
    if len(shape) not in DEFAULT_AXES:
        raise FileFormatError(
            f"The array in {path.name} has {len(shape)} dimensions; 1 to 5 can be read: save the part you want."
        )
    if len(shape) in (3, 4) and 2 <= shape[-1] <= MOST_GUESSED and min(shape[-3:-1]) >= SHORTEST_IMAGE:
        note = f"The last dimension, of {shape[-1]}, is taken as channels; state --axes if it is not."
        return f"{DEFAULT_AXES[len(shape) - 1]}c", (note,)
    return DEFAULT_AXES[len(shape)], ()


def check_claim(path: Path, claimed: int, *, compressed: bool, stored: bool = False) -> None:
    """Raises FileFormatError where a file cannot hold the bytes that its header claims, or memory cannot.

    stored: whether the values stay in the file, so that memory does not matter.
    """
    size = path.stat().st_size
    if claimed > size * (MOST_INFLATION if compressed else 1):
        raise FileFormatError(
            f"{path.name} claims {claimed:,} bytes of values and is only {size:,} bytes long: "
            "it is truncated or damaged; use an intact copy."
        )
    if not stored:
        check_memory(path.name, claimed)


def check_memory(name: str, claimed: int) -> None:
    """Raises FileFormatError where memory cannot hold the bytes of values that a file claims; name: the file's."""
    available = available_bytes()
    if claimed > available:
        raise FileFormatError(
            f"{name} holds {claimed / 1e9:.1f} GB of values and {available / 1e9:.1f} GB of memory are free; "
            "crop or bin it first."
        )


def choose_dataset(path: Path, entries: list[DatasetEntry], wanted: str | None) -> DatasetEntry:
    """The dataset that was asked for, or the only sensible one; FileFormatError lists them otherwise."""
    names = ", ".join(f"{entry.name} {entry.shape}" for entry in entries[:12])
    if wanted is not None:
        found = [entry for entry in entries if entry.name.strip("/") == wanted.strip("/")]
        if not found:
            raise FileFormatError(f"{path.name} has no dataset {wanted}; it has: {names or 'none that can be fitted'}.")
        return found[0]
    if not entries:
        raise FileFormatError(f"{path.name} holds no numeric array of 1 to 5 dimensions; nothing in it can be fitted.")
    if len(entries) > 1:
        raise FileFormatError(f"{path.name} holds several datasets; choose one with --dataset: {names}.")
    return entries[0]
