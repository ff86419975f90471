"""Which columns of a table say where and when its samples were taken, and which hold their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import name_and_unit
from dinr_studio.coordinates import SPATIAL_AXES, TIME_AXIS
from dinr_studio.errors import ConfigError, FileFormatError
from dinr_studio.volume import MAX_CHANNELS

Kind = Literal["number", "time", "text"]

AXES = (TIME_AXIS, *SPATIAL_AXES)
AXIS_NAMES: dict[str, tuple[str, ...]] = {
    "t": ("t", "time", "datetime", "timestamp", "date", "frame"),
    "z": ("z", "points:2", "depth", "height", "altitude", "alt", "elevation", "level"),
    "y": ("y", "points:1", "lat", "latitude", "northing"),
    "x": ("x", "points:0", "lon", "long", "lng", "longitude", "easting"),
}
GEOGRAPHIC = ("lat", "latitude", "lon", "long", "lng", "longitude")  # in degrees, where nothing else is said
VECTORS = (
    ("u", "v", "w"),
    ("vx", "vy", "vz"),
    ("ux", "uy", "uz"),
    ("u_x", "u_y", "u_z"),
    ("v_x", "v_y", "v_z"),
    ("u:0", "u:1", "u:2"),
)
COUNTERS = (  # numbers that tell rows apart and measure nothing
    "", "id", "index", "idx", "no", "no.", "nr", "number", "row", "station", "station_id", "point", "point_id",
    "unnamed: 0", "i", "j", "k", "flag", "flags", "mask", "year", "month", "day", "hour", "minute", "second",
)  # fmt: skip
MOST_LISTED = 20


@dataclass(frozen=True)
class Columns:
    """The columns of a table, by the names that the file gives them.

    kinds: numbers, dates and times (read as seconds since 1970), or text. read: positions among the columns -> one
    float64 array (rows,) each, NaN where a cell is empty. notes: sentences on how the file was understood.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    read: Callable[[Sequence[int]], list[NDArray[np.float64]]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Positions among a table's columns: of each axis (in the order t, z, y, x), and of the values."""

    axes: Mapping[str, int]
    values: tuple[int, ...]
    notes: tuple[str, ...] = ()


def axis_unit(header: str) -> str:
    """The unit of a position: what its header says, degrees of longitude and latitude, or ""."""
    name, unit = name_and_unit(header)
    return unit or ("degree" if name.lower() in GEOGRAPHIC else "")


def choose_columns(columns: Columns, file: str, positions: str | None, values: str | None) -> Choice:
    """The columns to use: those named by the user, separated by commas, the others by what their names say.

    positions: columns in the order t, z, y, x, or in any order where their names tell the axes, or as `x=COLUMN`.
    Raises ConfigError where a column is not there, FileFormatError where the names say too little.
    """
    notes: tuple[str, ...] = ()
    axes = _known_axes(columns) if positions is None else _named_axes(columns, file, positions)
    if not axes:
        raise FileFormatError(
            f"{file} has no column x, y, z, t, lon or lat; name those of the positions with --positions, in the order "
            f"t,z,y,x as far as there: {_listed(columns)}."
        )
    if values is not None:
        chosen = tuple(_position(columns, file, name) for name in values.split(","))
        if set(chosen) & set(axes.values()):
            raise ConfigError("A column cannot be a position and a value; change --positions or --values.")
        return Choice(axes, _checked_values(columns, file, chosen), notes)
    chosen = _known_values(columns, axes)
    if not chosen and positions is None and "z" in axes and len(axes) > 2:
        notes = (f"{columns.names[axes['z']]} is taken as the value, for there is no other",)
        chosen = (axes["z"],)
        axes = {axis: at for axis, at in axes.items() if axis != "z"}
    if not chosen:
        raise FileFormatError(
            f"{file} has no column of numbers beside the positions; name the values with --values: {_listed(columns)}."
        )
    return Choice(axes, _checked_values(columns, file, chosen), notes)


def plain_name(header: str) -> str:
    """A header's name without unit and in small letters, but for T: that is a temperature, and t is time."""
    name = name_and_unit(header)[0]
    return name if name == "T" else name.lower()


def _listed(columns: Columns) -> str:
    names = ", ".join(name or "(no name)" for name in columns.names[:MOST_LISTED])
    if not names:
        return "it has none"
    return f"its columns are {names}" + (" and more" if len(columns.names) > MOST_LISTED else "")


def _known_axes(columns: Columns) -> dict[str, int]:
    """Column of each axis, by the first of its usual names that occurs."""
    plain = [
        plain_name(name) if kind != "text" else None for name, kind in zip(columns.names, columns.kinds, strict=True)
    ]
    found = {}
    for axis in AXES:
        at = next((plain.index(name) for name in AXIS_NAMES[axis] if name in plain), None)
        if at is not None and (axis == TIME_AXIS or columns.kinds[at] == "number"):
            found[axis] = at
    return found


def _named_axes(columns: Columns, file: str, text: str) -> dict[str, int]:
    """Column of each axis as the user has them."""
    given = [part.strip() for part in text.split(",")]
    axes, names = [], []
    for part in given:
        axis, equals, name = part.partition("=")
        known = axis.strip() if equals else next((a for a in AXES if plain_name(part) in AXIS_NAMES[a]), "")
        axes.append(known)
        names.append(name.strip() if equals else part)
    if len(set(axes)) < len(axes) or not set(axes) <= set(AXES):
        if any("=" in part for part in given) or len(given) > len(AXES):
            raise ConfigError(
                f"--positions is {text!r}; name one to four columns in the order t,z,y,x, or as x=COLUMN,y=COLUMN."
            )
        axes = list(AXES[len(AXES) - len(given) :])
    found = {axis: _position(columns, file, name) for axis, name in zip(axes, names, strict=True)}
    for at in found.values():
        if columns.kinds[at] == "text":
            raise ConfigError(f"The column {columns.names[at]} of {file} holds text; positions have to be numbers.")
    return {axis: found[axis] for axis in AXES if axis in found}


def _position(columns: Columns, file: str, name: str) -> int:
    """Where a column is, by its whole header or by that without its unit, if need be in another case of letters."""
    wanted = name.strip()
    bare = [name_and_unit(header)[0] for header in columns.names]
    for headers in (list(columns.names), bare):
        if wanted in headers:
            return headers.index(wanted)
    for headers in (list(columns.names), bare):
        small = [header.lower() for header in headers]
        if wanted.lower() in small:
            return small.index(wanted.lower())
    raise ConfigError(f"{file} has no column {name.strip()}; {_listed(columns)}.")


def _known_values(columns: Columns, axes: Mapping[str, int]) -> tuple[int, ...]:
    """The components of a vector, where there is one; otherwise every column of numbers that is no position."""
    free = [i for i, kind in enumerate(columns.kinds) if kind == "number" and i not in axes.values()]
    plain = {plain_name(columns.names[i]): i for i in reversed(free)}
    for vector in VECTORS:
        if vector[0] in plain and vector[1] in plain:
            return tuple(plain[name] for name in vector if name in plain)
    others = {name for names in AXIS_NAMES.values() for name in names} | set(COUNTERS)
    return tuple(i for i in free if plain_name(columns.names[i]) not in others)


def _checked_values(columns: Columns, file: str, chosen: tuple[int, ...]) -> tuple[int, ...]:
    for at in chosen:
        if columns.kinds[at] != "number":
            raise ConfigError(
                f"The column {columns.names[at]} of {file} holds no numbers; choose others with --values."
            )
    if len(chosen) > MAX_CHANNELS:
        raise FileFormatError(
            f"{file} has {len(chosen)} columns of values and {MAX_CHANNELS} are allowed; choose some with --values: "
            f"{_listed(columns)}."
        )
    return chosen
