"""Where voxels are, from what files say of it: vectors of positions, and attributes by their usual names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import TIME_AXIS, Orientation

SIZE_ATTRIBUTES = ("voxel_size", "spacing", "pixel_size", "element_size", "resolution")
UNIT_ATTRIBUTES = ("axis_units", "unit", "voxel_size_unit", "spacing_unit", "length_unit")
AXIS_WORDS = {
    "t": ("t", "time"),
    "z": ("z", "depth", "level", "height", "altitude", "pressure"),
    "y": ("y", "lat", "latitude", "row"),
    "x": ("x", "lon", "longitude", "column"),
    "c": ("c", "channel", "band"),
}
UNIT_NAMES = {  # units by name (as UDUNITS-2 has them), and as they stand in grids
    "angstrom": "angstrom", "picometer": "pm", "nanometer": "nm", "micrometer": "um", "millimeter": "mm",
    "centimeter": "cm", "meter": "m", "kilometer": "km", "nanosecond": "ns", "microsecond": "us", "millisecond": "ms",
    "second": "s", "minute": "min", "hour": "h", "day": "d",
}  # fmt: skip
OTHER_NAMES = {"sec": "s", "hr": "h", "micron": "um", "µm": "um", "μm": "um", "msec": "ms", "1": "", "pixel": ""}
LEAST_CACHE, LARGEST_CACHE, CACHE_SLOTS = 1 << 20, 64 << 20, 20_011  # bytes, and a prime number of places
UNEVEN = 1e-3  # largest relative difference of steps along an axis that still counts as regular


class Spacing(NamedTuple):
    """What a vector of positions says: step (None of a single position), least position, and whether it falls."""

    size: float | None
    origin: float
    falling: bool
    notes: tuple[str, ...] = ()


def spacing(positions: NDArray[Any], letter: str) -> Spacing | None:
    """The regular axis nearest to the positions (n,) of voxel centres; None where they are not finite or all alike."""
    positions = np.asarray(positions, dtype=np.float64)
    if len(positions) == 0 or not np.isfinite(positions).all():
        return None
    if len(positions) == 1:
        return Spacing(None, float(positions[0]), False)
    steps = np.diff(positions)
    step = float(positions[-1] - positions[0]) / (len(positions) - 1)
    if step == 0:
        return None
    notes: tuple[str, ...] = ()
    if np.ptp(steps) > UNEVEN * abs(step):
        notes += (f"The positions along {letter} are unevenly spaced; their mean step is used.",)
    if step < 0:
        notes += (f"The positions along {letter} fall in the file; the values were turned round to make them rise.",)
    return Spacing(abs(step), float(positions.min()), step < 0, notes)


def orientation_of(attributes: Mapping[str, Any]) -> Orientation | None:
    """How the axes lie in space, by the attributes `directions`, (3, 3) as in Orientation, and `space`; None without.

    Directions that are no unit vectors do not count. Raises ConfigError where they span no volume.
    """
    given = np.asarray(attributes.get("directions", ()))
    if given.shape != (3, 3) or given.dtype.kind not in "iuf":
        return None
    directions = given.astype(np.float64)
    if not np.allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-6):
        return None
    space = text_of(attributes.get("space", ""))
    z, y, x = (tuple(float(number) for number in direction) for direction in directions)
    return Orientation((z, y, x), "RAS" if space == "RAS" else "LPS" if space == "LPS" else "")


def short_unit(name: str) -> str:
    """A unit as it stands in grids: "um" for micrometer, micrometre or micrometers; as it is where it is not known."""
    plain = name.strip().lower().replace("metre", "meter")
    for known in (plain, plain.removesuffix("s")):
        if known in UNIT_NAMES or known in OTHER_NAMES:
            return UNIT_NAMES.get(known) or OTHER_NAMES.get(known, "")
    return name.strip()


def letter_of(name: str) -> str | None:
    """The axis letter that a dimension's name means, or None."""
    for letter, words in AXIS_WORDS.items():
        if name.lower() in words or (len(name) > 3 and name.lower().startswith(words[1:])):
            return letter
    return None


def from_attributes(
    attributes: Mapping[str, Any], axes: str
) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """Voxel sizes, origins and units by axis letter, from attributes of an array and of its file."""
    letters = [letter for letter in axes if letter != "c"]
    spatial = [letter for letter in letters if letter != TIME_AXIS]
    sizes: dict[str, float] = {}
    units: dict[str, str] = {}
    if "element_size_um" in attributes:
        sizes, units = _by_letter(attributes["element_size_um"], letters, spatial), dict.fromkeys(spatial, "um")
    for name in SIZE_ATTRIBUTES:
        if not sizes and name in attributes:
            sizes = _by_letter(attributes[name], letters, spatial)
    for name in UNIT_ATTRIBUTES:
        given = [text_of(part) for part in np.ravel(attributes.get(name, ()))]
        if not units and len(given) == len(letters):
            units = dict(zip(letters, given, strict=True))
        elif not units and len(given) == 1:
            units = dict.fromkeys(spatial, given[0])
    origins = _by_letter(attributes["origin"], letters, spatial, sign=True) if "origin" in attributes else {}
    return sizes, origins, units


def _by_letter(given: Any, letters: list[str], spatial: list[str], *, sign: bool = False) -> dict[str, float]:
    """An attribute's numbers by axis, in z, y, x order: one for all spatial axes, one for each of them, or for all."""
    numbers = [float(number) for number in np.ravel(given)]
    if not numbers or not all(np.isfinite(n) and (sign or n > 0) for n in numbers):
        return {}
    if len(numbers) == 1 and not sign:
        return dict.fromkeys(spatial, numbers[0])
    for names in (letters, spatial):
        if len(numbers) == len(names):
            return dict(zip(names, numbers, strict=True))
    return {}


def text_of(value: Any) -> str:
    """An attribute's text, whether it is stored as text, bytes, or an array of either."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def cache_for(shape: Sequence[int], values: int, itemsize: int) -> dict[str, Any]:
    """Options of a new HDF5 file whose chunks of `chunks_for` are filled by slabs, or by strips of planes.

    What one strip has begun has room until the next ones have filled it, or it would be packed again for each of them.
    """
    chunks, lead = chunks_for(shape, values), min(2, len(shape) - 1)
    across = math.prod(-(-n // c) * c for n, c in zip(shape[lead:], chunks[lead:], strict=True))
    needed = math.prod(chunks[:lead]) * across * itemsize
    return {"rdcc_nbytes": min(max(needed, LEAST_CACHE), LARGEST_CACHE), "rdcc_nslots": CACHE_SLOTS}


def chunks_for(shape: Sequence[int], values: int) -> tuple[int, ...]:
    """Chunks of about so many values, thin along the first axis, since slabs come in that order."""
    chunks: list[int] = []
    left = values
    for n in reversed(shape):
        chunks.append(max(1, min(n, left if len(shape) == 1 else min(left, 256))))
        left = max(1, left // chunks[-1])
    return tuple(reversed(chunks))
