"""The CF conventions for climate and forecast data: axes, positions, times, packed values, and what is missing.

For any file whose arrays have named dimensions and attributes: netCDF, and Zarr as xarray writes it.
Source: the CF conventions 1.11 (sections 2.5, 4, 5 and 8) and the attribute conventions of the NetCDF user's guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.epoch import USUAL_CALENDARS, Epoch
from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import Content
from dinr_studio.io.frame_times import with_gaps_filled
from dinr_studio.io.positions import Spacing, letter_of, short_unit, spacing, text_of

MOST_DIMENSIONS = 5
STANDARD_NAMES = {
    **dict.fromkeys(("longitude", "grid_longitude", "projection_x_coordinate"), "x"),
    **dict.fromkeys(("latitude", "grid_latitude", "projection_y_coordinate"), "y"),
    **dict.fromkeys(("height", "altitude", "depth", "air_pressure", "model_level_number", "sea_water_pressure"), "z"),
    **dict.fromkeys(("time", "forecast_reference_time", "forecast_period"), "t"),
}
PRESSURES = frozenset({"pa", "hpa", "kpa", "bar", "mbar", "millibar", "dbar", "decibar", "atm"})
NORTH, EAST = (re.compile(rf"degrees?_?({word}|{word[0]})", re.IGNORECASE) for word in ("north", "east"))
SINCE = re.compile(r"\s*(\w+)\s+since\s+(.+)", re.IGNORECASE)
OTHER_DIMENSIONS = {
    **dict.fromkeys(("lev", "plev", "alt", "isobaric", "nz", "bottom_top"), "z"),
    **dict.fromkeys(("nlat", "nj", "ny", "yc", "northing", "south_north"), "y"),
    **dict.fromkeys(("nlon", "ni", "nx", "xc", "easting", "west_east"), "x"),
}
NOTHING_WRITTEN = 9.969209968386869e36  # what netCDF puts where floats were never written


@dataclass(frozen=True)
class Variable:
    """A variable of a file, whose values are not read yet."""

    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    attributes: Mapping[str, Any]
    load: Callable[[], NDArray[Any]]


Lookup = Callable[[str], Variable | None]


def named_by(attributes: Mapping[str, Any]) -> set[str]:
    """Names of the variables that only serve to describe the one with these attributes."""
    served: set[str] = set()
    for name in ("coordinates", "bounds", "climatology", "grid_mapping"):
        served |= set(text_of(attributes.get(name, "")).replace(":", " ").split())
    return served


def content_of(content: Content, dimensions: Sequence[str], attributes: Mapping[str, Any], lookup: Lookup) -> Content:
    """Content of stored values alone, whose dimensions have names, with all that attributes and coordinates say.

    lookup: the variable of a name, or None where there is none. Values that
    stay in their file are `ZarrParts`. Raises FileFormatError from six dimensions on.
    """
    if content.layout is not None:
        values, absent = content.values.meaning(partial(unpacked, attributes=attributes)), None
    else:
        values, absent = unpacked(content.values, attributes)
    if content.missing is not None:
        absent = content.missing if absent is None else absent | content.missing
    content = replace(content, values=values, missing=absent, value_unit=_plain_unit(attributes))
    described = {name: variable.attributes for name in dimensions if (variable := lookup(name)) is not None}
    content, kept = _reduced(content, dimensions, described)
    letters, notes = axis_letters(kept, described)
    content = replace(content, axes=letters, notes=content.notes + notes)
    return _placed(content, kept, attributes, lookup)


def _plain_unit(attributes: Mapping[str, Any]) -> str:
    unit = text_of(attributes.get("units", "")).strip()
    return "" if unit == "1" else unit


def _reduced(
    content: Content, dimensions: Sequence[str], described: Mapping[str, Mapping[str, Any]]
) -> tuple[Content, list[str]]:
    """Without dimensions of length 1 that have no axis to lie along, all of them where there are 5 or more."""
    values = content.values
    many = values.ndim >= MOST_DIMENSIONS
    out = [
        i
        for i, name in enumerate(dimensions)
        if values.shape[i] == 1 and (many or axis_letter(name, described.get(name, {})) is None)
    ][: values.ndim - 1]
    kept = [name for i, name in enumerate(dimensions) if i not in out]
    if len(kept) > MOST_DIMENSIONS:
        raise FileFormatError(
            f"{content.dataset} has the dimensions {', '.join(dimensions)}; up to {MOST_DIMENSIONS} that are longer "
            "than 1 can be read: save the part you want."
        )
    notes = tuple(f"The dimension {dimensions[i]} has one place only and was left out." for i in out)
    return replace(content.squeezed(tuple(out)), notes=content.notes + notes), kept


def axis_letter(name: str, attributes: Mapping[str, Any]) -> str | None:
    """The axis that a dimension lies along, by its coordinate's attributes, else by its name; None where unknown."""
    axis = text_of(attributes.get("axis", "")).strip().lower()
    if axis in ("t", "z", "y", "x"):
        return axis
    standard = text_of(attributes.get("standard_name", "")).strip().lower()
    if standard in STANDARD_NAMES:
        return STANDARD_NAMES[standard]
    unit = text_of(attributes.get("units", "")).strip()
    for pattern, letter in ((NORTH, "y"), (EAST, "x"), (SINCE, "t")):
        if pattern.fullmatch(unit):
            return letter
    if unit.lower() in PRESSURES or "positive" in attributes:
        return "z"
    return letter_of(name) or OTHER_DIMENSIONS.get(name.lower())


def axis_letters(dimensions: Sequence[str], described: Mapping[str, Mapping[str, Any]]) -> tuple[str, tuple[str, ...]]:
    """A letter for each of up to five dimensions; notes say which were a guess."""
    letters: list[str | None] = []
    for name in dimensions:
        letter = axis_letter(name, described.get(name, {}))
        letters.append(None if letter in letters else letter)
    free = [letter for letter in "xyzct" if letter not in letters]
    notes: tuple[str, ...] = ()
    for i in reversed(range(len(letters))):
        if letters[i] is None:
            letters[i] = free.pop(0)
            notes = (f"The dimension {dimensions[i]} is taken as {letters[i]}.", *notes)
    return "".join(str(letter) for letter in letters), notes


def _placed(content: Content, dimensions: Sequence[str], attributes: Mapping[str, Any], lookup: Lookup) -> Content:
    """With positions, units and names of channels, from coordinates; values turned round where positions fall."""
    sizes, origins, units = {}, {}, {}
    notes, falling = content.notes, []
    for i, (name, letter) in enumerate(zip(dimensions, content.axes, strict=True)):
        variable = lookup(name)
        if letter == "c" or variable is None or variable.shape != (content.values.shape[i],):
            continue
        units[letter], more = axis_unit(variable.attributes)
        notes += more
        found = _spacing(variable, letter, lookup)
        if found is None:
            notes += (f"The positions along {letter} are no numbers that rise or fall; they were left out.",)
            continue
        if letter == "t":
            times, _ = unpacked(variable.load(), variable.attributes)
            content, found = with_gaps_filled(content, i, times, found)
            content = replace(content, epoch=epoch_of(variable.attributes))
        notes += found.notes
        origins[letter] = found.origin
        if found.size is not None:
            sizes[letter] = found.size
        falling += [i] if found.falling else []
    return replace(
        turned_round(content, tuple(falling)),
        voxel_size=sizes,
        origin=origins,
        units=units,
        channel_names=_channel_names(content, dimensions, attributes, lookup),
        notes=notes + _curved(content, dimensions, attributes, lookup),
    )


def turned_round(content: Content, dimensions: tuple[int, ...]) -> Content:
    """With values, and what is missing, in reverse order along some dimensions."""
    if content.layout is not None:
        falling = tuple(sorted({*content.layout.falling} ^ {*dimensions}))
        return replace(content, layout=replace(content.layout, falling=falling))
    absent = None if content.missing is None else np.flip(content.missing, dimensions)
    return replace(content, values=np.flip(content.values, dimensions), missing=absent)


def time_attributes(grid: Grid) -> dict[str, str]:
    """Attributes of a time coordinate: its unit, with the date that it counts from where that is known."""
    unit = grid.units[grid.axes.index(TIME_AXIS)]
    if grid.epoch is None:
        return {"units": unit}
    return {"units": grid.epoch.since(unit), "calendar": grid.epoch.calendar or "standard"}


def epoch_of(attributes: Mapping[str, Any]) -> Epoch | None:
    """The date that times count from, or None."""
    since = SINCE.fullmatch(text_of(attributes.get("units", "")).strip())
    calendar = text_of(attributes.get("calendar", "")).strip().lower()
    return None if since is None else Epoch(since[2].strip(), "" if calendar in USUAL_CALENDARS else calendar)


def axis_unit(attributes: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The unit of an axis; of times "since" some date, which goes into a note."""
    unit = text_of(attributes.get("units", "")).strip()
    since = SINCE.fullmatch(unit)
    if since is None:
        return short_unit(unit), ()
    calendar = text_of(attributes.get("calendar", "")).strip()
    of = "" if calendar.lower() in USUAL_CALENDARS else f" (calendar {calendar})"
    return short_unit(since[1]), (f"Time counts in {since[1]} since {since[2].strip()}{of}.",)


def _spacing(variable: Variable, letter: str, lookup: Lookup) -> Spacing | None:
    """The regular axis of a coordinate; the size of a single voxel is that of its bounds."""
    values, _ = unpacked(variable.load(), variable.attributes)
    if values.dtype.kind not in "iuf":
        return None
    found = spacing(values, letter)
    bounds = lookup(text_of(variable.attributes.get("bounds", "")))
    if found is not None and found.size is None and bounds is not None and bounds.shape == (1, 2):
        size = float(np.abs(np.diff(bounds.load().astype(np.float64))).max())
        found = found._replace(size=size) if np.isfinite(size) and size > 0 else found
    return found


def _channel_names(
    content: Content, dimensions: Sequence[str], attributes: Mapping[str, Any], lookup: Lookup
) -> tuple[str, ...]:
    """Names of the channels: a coordinate of texts along their dimension."""
    if "c" not in content.axes:
        return ()
    along = dimensions[content.axes.index("c")]
    count = content.values.shape[content.axes.index("c")]
    for name in (along, *text_of(attributes.get("coordinates", "")).split()):
        variable = lookup(name)
        if variable is not None and variable.dimensions == (along,) and variable.shape == (count,):
            labels = variable.load()
            if labels.dtype.kind in "OSUT":
                return tuple(text_of(label) for label in labels)
    return ()


def _curved(
    content: Content, dimensions: Sequence[str], attributes: Mapping[str, Any], lookup: Lookup
) -> tuple[str, ...]:
    """A note where the only positions are those of a grid that is bent."""
    for name in text_of(attributes.get("coordinates", "")).split():
        variable = lookup(name)
        if variable is None or len(variable.dimensions) != 2 or not set(variable.dimensions) <= set(dimensions):
            continue
        if all(lookup(along) is None for along in variable.dimensions):
            return (f"The grid is bent ({name} has two dimensions); positions count voxels instead.",)
    return ()


def unpacked(stored: NDArray[Any], attributes: Mapping[str, Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Values as scale_factor and add_offset mean them, and where they are missing; None where that is nowhere.

    Missing are _FillValue, missing_value and what lies beyond valid_range, valid_min or valid_max.
    """
    if stored.dtype.kind not in "iuf":
        return stored, None
    if stored.dtype.kind == "i" and text_of(attributes.get("_Unsigned", "")).lower() == "true":
        stored = stored.view(stored.dtype.str.replace("i", "u"))
    absent = _filled(stored, attributes)
    scale, offset = (_numbers(attributes, name) for name in ("scale_factor", "add_offset"))
    values = stored
    if scale.size == 1 or offset.size == 1:
        values = stored.astype(np.float64) * (scale[0] if scale.size == 1 else 1.0)
        values += offset[0] if offset.size == 1 else 0.0
        values = values.astype(np.float32) if stored.dtype.itemsize <= 2 else values
    low, high = _valid(attributes)
    packed = values is not stored and not _is_real(attributes)
    with np.errstate(invalid="ignore"):
        absent |= ((stored if packed else values) < low) | ((stored if packed else values) > high)
    return values, absent if absent.any() else None


def _filled(stored: NDArray[Any], attributes: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Where stored values are a fill."""
    absent = np.zeros(stored.shape, dtype=bool)
    fills = [*_numbers(attributes, "_FillValue"), *_numbers(attributes, "missing_value")]
    if not fills and stored.dtype.kind == "f":
        fills = [NOTHING_WRITTEN]
    for fill in fills:
        if stored.dtype.kind == "f":
            with np.errstate(over="ignore"):
                absent |= stored == np.asarray(fill).astype(stored.dtype)
            continue
        if stored.dtype.kind == "u" and fill < 0:  # written for the signed type of the same length
            fill += 2 ** (8 * stored.dtype.itemsize)
        if float(fill).is_integer() and np.iinfo(stored.dtype).min <= fill <= np.iinfo(stored.dtype).max:
            absent |= stored == np.asarray(int(fill)).astype(stored.dtype)
    return absent


def _valid(attributes: Mapping[str, Any]) -> tuple[float, float]:
    """Least and greatest value that counts as measured."""
    both = _numbers(attributes, "valid_range")
    if both.size == 2:
        return float(both[0]), float(both[1])
    low, high = _numbers(attributes, "valid_min"), _numbers(attributes, "valid_max")
    return float(low[0]) if low.size == 1 else -np.inf, float(high[0]) if high.size == 1 else np.inf


def _is_real(attributes: Mapping[str, Any]) -> bool:
    """Whether the valid range is of real numbers: of packed values it is then one of what they mean."""
    given = [attributes[name] for name in ("valid_range", "valid_min", "valid_max") if name in attributes]
    return bool(given) and np.asarray(given[0]).dtype.kind == "f"


def _numbers(attributes: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """An attribute's numbers; none where it is not there or is no number."""
    try:
        return np.ravel(np.asarray(attributes.get(name, ()), dtype=np.float64))
    except (TypeError, ValueError):
        return np.zeros(0)
