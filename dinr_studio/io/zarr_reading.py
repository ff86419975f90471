"""Reading Zarr v2 and v3, OME-Zarr among it: choosing an array, and where its voxels are.

Chunks that a store lacks are missing values. Positions come from OME-Zarr metadata (voxel centres), else from
coordinate arrays beside the array, as xarray writes them, else from attributes by their usual names.
"""

from __future__ import annotations

import base64
import contextlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dinr_studio.errors import FileFormatError
from dinr_studio.io import cf
from dinr_studio.io.content import Content, DatasetEntry, Layout, choose_dataset, default_axes
from dinr_studio.io.ngff import Image, Level, images_of, letters_of
from dinr_studio.io.positions import from_attributes, text_of
from dinr_studio.io.zarr_arrays import StoredArray, parts_of, stored_array, values_of
from dinr_studio.io.zarr_store import ZarrStore, nodes, zarr_store

LABELS = "labels"  # the group of an image's segmentations, which are never meant unless they are named


@dataclass(frozen=True)
class _Found:
    """What a store holds: its arrays and its images by their levels' paths, both in the order of listing."""

    arrays: Mapping[str, StoredArray]
    levels: Mapping[str, tuple[Image, Level]]
    attributes: Mapping[str, Mapping[str, Any]]

    @property
    def entries(self) -> list[DatasetEntry]:
        """Everything that may be opened: levels of images first, without coordinates of other arrays."""
        first = [path for path in self.levels if path in self.arrays]
        rest = [path for path in self.arrays if path not in self.levels and not self._is_coordinate(path)]
        return [_entry(self.arrays[path]) for path in (*first, *rest) if self.arrays[path].is_sensible]

    @property
    def usual(self) -> list[DatasetEntry]:
        """What may be meant where nothing was chosen: the finest levels of images, else arrays of 2 dimensions on."""
        finest = {image.levels[0].path for image, _ in self.levels.values() if LABELS not in image.group.split("/")}
        entries = self.entries
        for some in ([e for e in entries if e.name in finest], [e for e in entries if len(e.shape) > 1]):
            if some:
                return some
        return entries

    def _is_coordinate(self, path: str) -> bool:
        group, _, name = path.rpartition("/")
        beside = [array for other, array in self.arrays.items() if other.rpartition("/")[0] == group]
        return any(name in array.dimension_names for array in beside) or any(
            name in cf.named_by(array.node.attributes) for array in beside
        )


def list_zarr(path: Path) -> list[DatasetEntry]:
    """The numeric arrays of a store: levels of images, finest first, then all others that are no coordinates."""
    return _found(zarr_store(path)).entries


def read_zarr(path: Path, dataset: str | None) -> Content:
    """One array of a store with its positions and units; of an image its finest level, unless another is named."""
    store = zarr_store(path)
    found = _found(store)
    array = _chosen(path, found, dataset)
    values, absent, notes = values_of(store, array)
    return _described(store, Content(values, "", missing=absent, dataset=array.name, notes=notes), array, found)


def map_zarr(path: Path, dataset: str | None) -> Content:
    """As `read_zarr`, with the values left in the store."""
    store = zarr_store(path)
    found = _found(store)
    array = _chosen(path, found, dataset)
    parts, notes = parts_of(store, array)
    content = Content(parts, "", dataset=array.name, notes=notes, layout=Layout(parts.part))
    return _described(store, content, array, found)


def _chosen(path: Path, found: _Found, dataset: str | None) -> StoredArray:
    entry = choose_dataset(path, found.usual if dataset is None else found.entries, dataset)
    return found.arrays["" if entry.name == "/" else entry.name]


def _described(store: ZarrStore, content: Content, array: StoredArray, found: _Found) -> Content:
    if array.node.path in found.levels:
        return _of_image(store.path, content, array, found)
    return _of_array(store, content, array, found)


def _found(store: ZarrStore) -> _Found:
    arrays: dict[str, StoredArray] = {}
    attributes: dict[str, Mapping[str, Any]] = {}
    levels: dict[str, tuple[Image, Level]] = {}
    for node in nodes(store):
        attributes[node.path] = node.attributes
        array = stored_array(node)
        if array is not None:
            arrays[node.path] = array
        for image in [] if node.is_array else images_of(node.path, node.attributes):
            levels |= {level.path: (image, level) for level in image.levels}
    return _Found(arrays, levels, attributes)


def _entry(array: StoredArray) -> DatasetEntry:
    return DatasetEntry(array.name, array.shape, array.dtype.name)


def _of_image(path: Path, content: Content, array: StoredArray, found: _Found) -> Content:
    """A level of an image, whose axes, positions and channels its group describes."""
    image, level = found.levels[array.node.path]
    letters = letters_of(image) or ""
    if len(letters) != len(array.shape) or len(level.scale) not in (0, len(letters)):
        raise FileFormatError(
            f"The OME-Zarr axes {', '.join(name for name, _, _ in image.axes)} do not fit {array.name} in {path.name}, "
            f"of shape {array.shape}; use an intact copy."
        )
    sizes, origins, flipped = {}, {}, []
    for i, (letter, scale, start) in enumerate(zip(letters, level.scale, level.translation, strict=False)):
        if letter == "c" or scale == 0:
            continue
        sizes[letter] = abs(scale)
        origins[letter] = start if scale > 0 else start + scale * (array.shape[i] - 1)
        flipped += [i] if scale < 0 else []
    content = replace(
        cf.turned_round(content, tuple(flipped)),
        axes=letters,
        voxel_size=sizes,
        origin=origins,
        units={letter: unit for letter, (_, _, unit) in zip(letters, image.axes, strict=True) if letter != "c"},
    )
    names = image.channel_names
    return replace(
        _without_single_axes(content),
        channel_names=names if len(names) == _channels(content) else (),
        value_unit=_value_unit(array, found.attributes.get(image.group, {})),
    )


def _channels(content: Content) -> int:
    return int(content.values.shape[content.axes.index("c")]) if "c" in content.axes else 1


def _value_unit(array: StoredArray, group: Mapping[str, Any]) -> str:
    return text_of(array.node.attributes.get("units", group.get("value_unit", "")))


def _without_single_axes(content: Content) -> Content:
    """Without time and depth where these are of one frame and one plane, as images in OME-Zarr often have them."""
    for letter in "tz":
        axes = content.axes
        i = axes.find(letter)
        if i < 0 or content.values.shape[i] != 1 or len(axes) < 2 or axes in ("zc", "cz"):
            continue
        place = f"{content.origin.get(letter, 0.0):g} {content.units.get(letter, '')}".rstrip()
        note = f"The axis {letter} has one place only ({place}) and was left out."
        content = replace(content.squeezed((i,)), axes=axes.replace(letter, ""), notes=(*content.notes, note))
    return content


def _of_array(store: ZarrStore, content: Content, array: StoredArray, found: _Found) -> Content:
    """An array outside images: by its dimensions' names and the coordinates beside it, else by attributes."""
    group = array.node.path.rpartition("/")[0]
    attributes = array.node.attributes
    if array.dimension_names and all(array.dimension_names) and len(array.dimension_names) == len(array.shape):

        def variable(name: str) -> cf.Variable | None:
            beside = found.arrays.get(f"{group}/{name}" if group else name)
            if beside is None or beside.node.path == array.node.path or len(beside.shape) > cf.MOST_DIMENSIONS:
                return None
            return cf.Variable(
                beside.dimension_names, beside.shape, _with_fill(beside), lambda: values_of(store, beside)[0]
            )

        return cf.content_of(content, array.dimension_names, _with_fill(array), variable)
    axes, notes = default_axes(array.shape, store.path)
    sizes, origins, units = from_attributes({**found.attributes.get(group, {}), **attributes}, axes)
    return replace(
        content,
        axes=axes,
        voxel_size=sizes,
        origin=origins,
        units=units,
        value_unit=_value_unit(array, found.attributes.get(group, {})),
        notes=content.notes + notes,
    )


def _with_fill(array: StoredArray) -> Mapping[str, Any]:
    """Attributes with the fill value as xarray means it: in v3 a float's bytes as text, in v2 that of the array."""
    attributes = dict(array.node.attributes)
    given = attributes.get("_FillValue")
    if isinstance(given, str):
        with contextlib.suppress(ValueError):
            content = base64.b64decode(given, validate=True)
            if len(content) == 8:
                attributes["_FillValue"] = struct.unpack("<d", content)[0]
    elif given is None and array.version == 2 and array.fill:  # 0 is also what stands there where nothing is meant
        attributes["_FillValue"] = array.fill
    return attributes
