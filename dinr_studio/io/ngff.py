"""OME-Zarr (NGFF 0.1 to 0.5): what its metadata say of images, resolution levels, axes, positions and channels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dinr_studio.errors import FileFormatError
from dinr_studio.io.positions import UNIT_NAMES, short_unit

VERSION = "0.5"
WRITTEN_UNITS = {short: name for name, short in UNIT_NAMES.items()} | {
    **dict.fromkeys(("Å", "A"), "angstrom"),
    **dict.fromkeys(("µm", "μm", "micron"), "micrometer"),
}
OLDEST_AXES = "tczyx"  # of all images before NGFF 0.3


@dataclass(frozen=True)
class Level:
    """One resolution of an image. path: of its array. scale and translation: one number per dimension, or empty."""

    path: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]


@dataclass(frozen=True)
class Image:
    """An image and its resolution levels, finest first; axes: (name, type, unit) of each dimension."""

    group: str
    axes: tuple[tuple[str, str, str], ...]
    levels: tuple[Level, ...]
    channel_names: tuple[str, ...]


def images_of(group: str, attributes: Mapping[str, Any]) -> list[Image]:
    """The images that a group's attributes describe; FileFormatError where the description is damaged."""
    given = attributes.get("ome", attributes)
    if not isinstance(given, dict) or "multiscales" not in given:
        return []
    try:
        names = tuple(str(channel.get("label", "")) for channel in given.get("omero", {}).get("channels", ()))
        return [_image(group, multiscale, names if any(names) else ()) for multiscale in given["multiscales"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"The multiscales metadata of {group or 'the store'} do not follow OME-Zarr ({error!r:.60}); "
            "use an intact copy, or choose an array with --dataset after removing them."
        ) from error


def _image(group: str, multiscale: Mapping[str, Any], names: tuple[str, ...]) -> Image:
    whole = multiscale.get("coordinateTransformations")
    levels = []
    for dataset in multiscale["datasets"]:
        path = "/".join(part for part in (group, str(dataset["path"]).strip("/")) if part)
        levels.append(Level(path, *_composed(_transform(dataset.get("coordinateTransformations")), _transform(whole))))
    axes = []
    for axis in multiscale.get("axes", OLDEST_AXES):
        given = {"name": axis} if isinstance(axis, str) else axis
        axes.append(
            (str(given["name"]).lower(), str(given.get("type", "")).lower(), short_unit(str(given.get("unit", ""))))
        )
    return Image(group, tuple(axes), tuple(levels), names)


def _transform(steps: Sequence[Mapping[str, Any]] | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scale and translation of a list of transformations, each empty where it is the identity."""
    scale: tuple[float, ...] = ()
    translation: tuple[float, ...] = ()
    for step in steps or ():
        if step["type"] == "scale":
            scale, translation = _composed((scale, translation), (_numbers(step["scale"]), ()))
        elif step["type"] == "translation":
            scale, translation = _composed((scale, translation), ((), _numbers(step["translation"])))
        elif step["type"] != "identity":
            raise ValueError(f"unknown transformation {step['type']}")
    return scale, translation


def _composed(
    first: tuple[tuple[float, ...], tuple[float, ...]], then: tuple[tuple[float, ...], tuple[float, ...]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """One scale and translation after another: x -> (x * s + t) * s' + t'."""
    dimensions = max(map(len, (*first, *then)))
    s, t, s2, t2 = (
        part or (neutral,) * dimensions for part, neutral in zip((*first, *then), (1.0, 0.0, 1.0, 0.0), strict=True)
    )
    if not dimensions:
        return (), ()
    return (
        tuple(a * b for a, b in zip(s, s2, strict=True)),
        tuple(a * b + c for a, b, c in zip(t, s2, t2, strict=True)),
    )


def _numbers(given: Any) -> tuple[float, ...]:
    numbers = tuple(float(number) for number in given)
    if not all(map(math.isfinite, numbers)):
        raise ValueError("numbers that are not finite")
    return numbers


def letters_of(image: Image) -> str | None:
    """The axis letters of an image's dimensions by name, else by type; None where they cannot be told."""
    letters: list[str | None] = []
    for name, kind, _ in image.axes:
        by_type = {"time": "t", "channel": "c"}.get(kind)
        letters.append(by_type or (name if name in ("t", "c", "z", "y", "x") else None))
    free = [letter for letter in "xyz" if letter not in letters]
    for i in reversed(range(len(letters))):
        if letters[i] is None and free:
            letters[i] = free.pop(0)
    known = [letter for letter in letters if letter is not None]
    return "".join(known) if len(set(known)) == len(letters) else None
