"""What an NRRD header says of its axes: which they are, and where voxels and frames lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinr_studio.affine import Placement, Space
from dinr_studio.coordinates import Orientation
from dinr_studio.errors import FileFormatError
from dinr_studio.io.geometry import place
from dinr_studio.volume import MAX_CHANNELS

SPATIAL_KINDS = ("domain", "space", "???", "none")
SPACES: dict[str, tuple[tuple[int, int, int], Space]] = {  # signs of x, y, z in the space that it is taken as
    "right-anterior-superior": ((1, 1, 1), "RAS"),
    "RAS": ((1, 1, 1), "RAS"),
    "left-posterior-superior": ((1, 1, 1), "LPS"),
    "LPS": ((1, 1, 1), "LPS"),
    "left-anterior-superior": ((-1, 1, 1), "RAS"),
    "LAS": ((-1, 1, 1), "RAS"),
}
NO_UNIT = "The header names no unit of length; programs for medical images take it as mm: state it with --unit mm."


class Places(NamedTuple):
    """Voxel sizes, origins and units by axis letter, and the rest as in Content."""

    voxel_size: Mapping[str, float]
    origin: Mapping[str, float]
    units: Mapping[str, str]
    orientation: Orientation | None
    notes: tuple[str, ...]


def axes_of(path: Path, fields: Mapping[str, Any], sizes: tuple[int, ...]) -> str:
    """A letter of x, y, z, t and c for each axis, by its kind, else by its number, the fastest first."""
    kinds = [str(kind).lower() for kind in fields.get("kinds", ())]
    if len(kinds) != len(sizes):
        kinds = _guessed_kinds(fields, len(sizes))
    letters, free = [], iter("xyz")
    for kind, size in zip(kinds, sizes, strict=True):
        frames = kind == "time" or (kind == "list" and size > MAX_CHANNELS)
        letters.append(next(free, "") if kind in SPATIAL_KINDS else "t" if frames else "c")
    if "" in letters or len(set(letters)) != len(letters):
        raise FileFormatError(
            f"{path.name} has the axes {', '.join(kinds)}; three of space, one of time and one for channels can be "
            "read: save the part you want."
        )
    return "".join(letters)


def nrrd_places(fields: Mapping[str, Any], axes: str) -> Places:
    """Where an NRRD header places its voxels and frames; axes: their letters, the fastest first.

    Space directions go before spacings and axis mins. Raises FileFormatError where they place them nowhere.
    """
    directions = _directions(fields, len(axes))
    there = [axis for axis in axes if axis in "xyz"]
    units = {axis: unit for axis, unit in zip(axes, _texts(fields, "units"), strict=False) if axis != "c"}
    if directions is None:
        placed = _by_spacings(fields, axes, there)
    else:
        placed = _by_directions(fields, axes, there, directions)
        given = set(_texts(fields, "space units")[:3])
        units |= dict.fromkeys(there, given.pop() if len(given) == 1 else "")
    size, start = _along(fields, axes, "t", directions) if "t" in axes else (1.0, 0.0)
    notes = placed.notes + (NO_UNIT,) * (bool(there) and not any(units.get(axis) for axis in there))
    return Places(
        dict(placed.voxel_size) | {"t": size}, dict(placed.origin) | {"t": start}, units, placed.orientation, notes
    )


def _guessed_kinds(fields: Mapping[str, Any], dimensions: int) -> list[str]:
    """Kinds of axes in a header that does not say them: those without a direction, or beyond three, are no space."""
    directions = _directions(fields, dimensions)
    if directions is None:
        return ["domain"] * min(3, dimensions) + ["time", "vector"][: max(0, dimensions - 3)]
    other = ["time" if i == dimensions - 1 else "vector" for i in range(dimensions)]
    return ["domain" if np.isfinite(row).any() else other[i] for i, row in enumerate(directions)]


def _directions(fields: Mapping[str, Any], dimensions: int) -> NDArray[np.float64] | None:
    """The step along each axis in space, a row of 1 to 4 numbers for each; not a number where an axis has none."""
    given = fields.get("space directions")
    if given is None:
        return None
    rows = [None if row is None else np.asarray(row, dtype=np.float64).ravel() for row in given]
    widths = {len(row) for row in rows if row is not None}
    if len(rows) != dimensions or len(widths) != 1 or not widths <= {1, 2, 3, 4}:
        raise FileFormatError("The header's space directions do not fit its axes; use an intact copy.")
    nowhere = np.full(widths.pop(), np.nan)
    return np.array([nowhere if row is None else row for row in rows])


def _by_directions(
    fields: Mapping[str, Any], axes: str, there: list[str], directions: NDArray[np.float64]
) -> Placement:
    name = str(fields.get("space", "")).strip()
    if name.endswith("-time") or (len(name) == 4 and name.endswith("T")):
        name = name.removesuffix("-time").removesuffix("T")
    signs, space = SPACES.get(name, ((1, 1, 1), ""))
    origin = np.asarray(fields.get("space origin", ()), dtype=np.float64).ravel()
    if not there:
        return Placement({}, {}, None)
    steps = {axis: _in_3d(directions[axes.index(axis)]) * signs for axis in there}
    return place(steps, _in_3d(origin) * signs, space)


def _in_3d(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first three components, those that are not there being 0."""
    return np.concatenate([vector, np.zeros(3)])[:3]


def _by_spacings(fields: Mapping[str, Any], axes: str, there: list[str]) -> Placement:
    """Along the array's own axes; a negative spacing is a mirrored axis."""
    found = {axis: _along(fields, axes, axis, None) for axis in there}
    if len(there) < 3:
        sizes, origins = ({axis: value[i] for axis, value in found.items()} for i in (0, 1))
        return Placement({axis: abs(size) for axis, size in sizes.items()}, origins, None)
    steps = {axis: np.eye(3)["xyz".index(axis)] * size for axis, (size, _) in found.items()}
    placed = place(steps, np.array([found[axis][1] for axis in "xyz"]), "")
    known = any(np.isfinite(number) for number in np.ravel(fields.get("spacings", ())).astype(float))
    note = "The header gives no voxel size, so 1 is taken: state it with --voxel-size."
    return placed if known else replace(placed, notes=(*placed.notes, note))


def _along(
    fields: Mapping[str, Any], axes: str, axis: str, directions: NDArray[np.float64] | None
) -> tuple[float, float]:
    """Step and first position along one axis, by spacing and axis min; 1 and 0 where the header says nothing.

    Where the samples are cells, the axis begins at the outer face of the first. A time axis of a space with time has
    its step in the fourth component of its direction.
    """
    i = axes.index(axis)
    step, low = (_number(fields, name, i) for name in ("spacings", "axis mins"))
    if directions is not None and directions.shape[1] == 4:
        step, origin = directions[i][3], np.ravel(fields.get("space origin", ()))
        low = float(origin[3]) if len(origin) == 4 else np.nan
    step = step if np.isfinite(step) and step != 0 else 1.0
    cells = [str(centering) for centering in fields.get("centerings", ())][i : i + 1] == ["cell"]
    return float(step), (low + step / 2 * cells) if np.isfinite(low) else 0.0


def _number(fields: Mapping[str, Any], name: str, i: int) -> float:
    numbers = np.ravel(fields.get(name, fields.get(name.replace(" ", ""), ()))).astype(float)
    return float(numbers[i]) if i < len(numbers) else float("nan")


def _texts(fields: Mapping[str, Any], name: str) -> list[str]:
    return [str(text).strip() for text in fields.get(name, ())]
