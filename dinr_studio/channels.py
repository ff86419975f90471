"""Channels: the values that each voxel or sample has beside one another, their names and units, and what to show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

UNIT = re.compile(r"^(.*?)\s*[\[(]([^\])]*)[\])]$", re.DOTALL)
VECTOR = re.compile(r"[uvwxyz]|\w*?[_: ]?[xyzuvw012]", re.IGNORECASE)  # names of components, such as u, vx, B_y
COLOURS = ("red", "green", "blue")
MOST_COMPONENTS = 3  # of a vector that has a magnitude

LONGEST_LABEL = 400  # characters of a label that is looked at for a unit
MAGNITUDE: Literal["magnitude"] = "magnitude"
COLOUR: Literal["colour"] = "colour"
Component = int | Literal["magnitude", "colour"]  # a channel, counted from 0, or one number made of several


def name_and_unit(label: str) -> tuple[str, str]:
    """A label such as `x [mm]` or `x (mm)` in two; the unit is "" where there is none."""
    match = UNIT.match(label.strip()) if len(label) <= LONGEST_LABEL else None
    return (match[1].strip(), match[2].strip()) if match else (label.strip(), "")


def labelled(names: Sequence[str], units: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Names of channels and the unit of them all; units that differ stand in the names, and that of all is ""."""
    if len(set(units)) <= 1:
        return tuple(names), next(iter(units), "")
    return tuple(f"{name} [{unit}]" if unit else name for name, unit in zip(names, units, strict=True)), ""


def unit_of(names: Sequence[str], value_unit: str, channel: int) -> str:
    """The unit of a channel: that of all, or the one in its name."""
    return value_unit or (name_and_unit(names[channel])[1] if channel < len(names) else "")


def units_differ(names: Sequence[str], value_unit: str) -> bool:
    """Whether channels are measured in different units, so that no number can be made of several of them."""
    return not value_unit and len({name_and_unit(name)[1] for name in names}) > 1


def have_magnitude(names: Sequence[str], value_unit: str, channels: int) -> bool:
    """Whether channels can be the components of one vector: two or three of one unit, by that or by their names."""
    if not 2 <= channels <= MOST_COMPONENTS or units_differ(names, value_unit):
        return False
    return bool(value_unit) or all(VECTOR.fullmatch(name) for name in names)


def are_colours(names: Sequence[str], channels: int, dtype: np.dtype[Any]) -> bool:
    """Whether channels are red, green and blue: by their names, or three of a picture's type that have none."""
    if channels != len(COLOURS):
        return False
    return tuple(name.lower() for name in names) == COLOURS or (not names and dtype == np.uint8)


def components_of(names: Sequence[str], value_unit: str, channels: int, dtype: np.dtype[Any]) -> tuple[Component, ...]:
    """What can be shown of channels: colours first, where they are such, then each, then the length of a vector."""
    if are_colours(names, channels, dtype):
        return (COLOUR, *range(channels))
    return (*range(channels), MAGNITUDE) if have_magnitude(names, value_unit, channels) else tuple(range(channels))


def label_of(names: Sequence[str], chosen: Component) -> str:
    """What a component is called: a channel by its name, or by its number from 1."""
    if not isinstance(chosen, int):
        return chosen
    return names[chosen] if chosen < len(names) else f"{chosen + 1}"


def component(values: NDArray[Any], chosen: Component) -> NDArray[Any]:
    """One number for each voxel, (...), of values (..., channels).

    A channel as it is; the Euclidean norm of all; or, of colours, their mean, which is how bright they are.
    """
    if chosen == MAGNITUDE:
        return np.asarray(np.linalg.norm(values.astype(np.float64), axis=-1))
    if chosen == COLOUR:
        return np.asarray(values.mean(axis=-1, dtype=np.float64))
    found: NDArray[Any] = values[..., chosen]
    return found
