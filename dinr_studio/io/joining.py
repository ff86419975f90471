"""Several datasets of one file, on the same grid, as the channels of one: velocity from u, v and w."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import labelled
from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import Content, DatasetEntry
from dinr_studio.volume import MAX_CHANNELS

SEPARATOR = ","
SAME = 1e-6  # of a voxel: what positions of one grid may differ by

Read = Callable[[Path, str | None], Content]


def names_in(dataset: str | None, listed: Callable[[], Sequence[DatasetEntry]]) -> tuple[str, ...]:
    """The names in a choice of datasets, separated by commas; a dataset whose own name has commas is one."""
    if dataset is None or SEPARATOR not in dataset:
        return ()
    if dataset.strip("/") in {entry.name.strip("/") for entry in listed()}:
        return ()
    return tuple(name.strip() for name in dataset.split(SEPARATOR) if name.strip())


def joined(read: Read, path: Path, names: Sequence[str]) -> Content:
    """The named datasets as channels, in that order; FileFormatError where their grids, or what they are, differ."""
    if len(set(names)) < len(names):
        raise FileFormatError(f"The datasets {', '.join(names)} name one twice; give each once.")
    if len(names) > MAX_CHANNELS:
        raise FileFormatError(f"{len(names)} datasets are chosen and {MAX_CHANNELS} are allowed; choose fewer.")
    parts = [read(path, name) for name in names]
    first = parts[0]
    for part in parts:
        if "c" in part.axes:
            raise FileFormatError(f"{part.dataset} has channels of its own; open it alone, or choose others.")
        _check_alike(path, first, part)
    labels, unit = labelled([name.rpartition("/")[2] for name in names], [part.value_unit for part in parts])
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    if not unit and any(part.value_unit for part in parts):
        notes += ("The channels have different units, which stand in their names; each is scored by its own range.",)
    return replace(
        first,
        values=_stacked(parts),
        missing=_missing(parts),
        axes=f"{first.axes}c",
        channel_names=labels,
        value_unit=unit,
        dataset=SEPARATOR.join(names),
        notes=notes,
        layout=first.layout and replace(first.layout, chunk=first.layout.chunk and (*first.layout.chunk, len(parts))),
    )


def _check_alike(path: Path, first: Content, other: Content) -> None:
    """FileFormatError where two datasets do not lie on one grid, or are stored in ways that do not go together."""
    both = f"{first.dataset} and {other.dataset} in {path.name}"
    compared: tuple[tuple[str, Any, Any], ...] = (
        ("shapes", tuple(first.values.shape), tuple(other.values.shape)),
        ("axes", first.axes, other.axes),
        ("units of positions", dict(first.units), dict(other.units)),
    )
    for what, mine, yours in compared:
        if mine != yours:
            raise FileFormatError(
                f"{both} have different {what} ({mine} and {yours}), so they are no channels of one field; "
                "open them one by one."
            )
    sizes = {axis: float(first.voxel_size.get(axis, 1.0)) for axis in first.axes}
    for known, found in ((first.voxel_size, other.voxel_size), (first.origin, other.origin)):
        for axis, size in sizes.items():
            if abs(float(known.get(axis, 0.0)) - float(found.get(axis, 0.0))) > SAME * size:
                raise FileFormatError(
                    f"{both} have other positions along {axis} (a staggered grid?), so they are no channels of one "
                    "field; bring them onto one grid first, or open them one by one."
                )
    if first.orientation != other.orientation:
        raise FileFormatError(f"{both} lie turned differently in space; open them one by one.")
    if first.layout is not None and (first.fill, first.layout) != (other.fill, other.layout):
        raise FileFormatError(
            f"{both} are packed differently and too large to be read whole; unpack them first, or open them one by one."
        )


def _stacked(parts: Sequence[Content]) -> Any:
    """All values with an axis of channels, in memory or, where they stay there, in their file."""
    if parts[0].layout is not None:
        return JoinedStore([part.values for part in parts])
    fills = {part.fill for part in parts}
    values = [_plain(part) if len(fills) > 1 else np.asarray(part.values) for part in parts]
    return np.stack(values, axis=-1)


def _plain(part: Content) -> NDArray[Any]:
    """Values with NaN for the fill of their own, where the datasets have different ones."""
    values = np.asarray(part.values)
    if part.fill is None:
        return values
    plain = values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64, copy=True)
    plain[values == part.fill] = np.nan
    return plain


def _missing(parts: Sequence[Content]) -> NDArray[np.bool_] | None:
    """Where any of the datasets has no value, for each channel alike; None where that shows in the values."""
    known = [part.missing for part in parts if part.missing is not None]
    if not known:
        return None
    anywhere: NDArray[np.bool_] = np.logical_or.reduce(known)
    return np.repeat(anywhere[..., np.newaxis], len(parts), axis=-1)


class JoinedStore:
    """Arrays in a file, of one shape, read as one with an axis of channels at its end."""

    def __init__(self, stores: Sequence[Any]) -> None:
        self._stores = stores

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension, that of channels last."""
        return (*self._stores[0].shape, len(self._stores))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that holds those of all."""
        dtype: np.dtype[Any] = np.result_type(*(store.dtype for store in self._stores))
        return dtype

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """A part, by slices with positive steps, one for each dimension."""
        *place, channels = index
        return np.stack([np.asarray(store[tuple(place)]) for store in self._stores[channels]], axis=-1)
