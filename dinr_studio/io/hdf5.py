"""HDF5 files, through h5py: any numeric dataset, with the common conventions for positions and units.

Understood are dimension scales and coordinate vectors with `units` (netCDF, CF), and the attributes element_size_um,
voxel_size, spacing, pixel_size, origin, directions (with space: RAS or LPS), unit, units, axes, _FillValue,
missing_value, scale_factor and add_offset.
Links to other files are never followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import TIME_AXIS
from dinr_studio.epoch import Epoch
from dinr_studio.errors import FileFormatError
from dinr_studio.io.cf import axis_unit, epoch_of, time_attributes
from dinr_studio.io.content import Content, DatasetEntry, Layout, check_claim, choose_dataset, default_axes
from dinr_studio.io.cursor import Cursor
from dinr_studio.io.flat_file import Unchanged
from dinr_studio.io.hdf5_files import Hdf5Output, bytes_held
from dinr_studio.io.isolation import Trial, check_harmless
from dinr_studio.io.positions import (
    AXIS_WORDS,
    cache_for,
    chunks_for,
    from_attributes,
    letter_of,
    orientation_of,
    spacing,
    text_of,
)
from dinr_studio.io.writing import VolumeHeader

DEEPEST, MOST_OBJECTS = 16, 5000
CHUNK_VALUES = 1 << 16
COMPRESSIONS: dict[str, dict[str, Any]] = {  # the usual one first
    "gzip": {"compression": "gzip", "compression_opts": 4, "shuffle": True},
    "none": {},
}
TRIED_WITH = ("h5py",)


def list_hdf5(path: Path) -> list[DatasetEntry]:
    """The numeric datasets of 1 to 5 dimensions that are no coordinates of others."""
    import h5py

    check_harmless(path, __name__, try_hdf5.__name__)
    with h5py.File(path, "r") as file:
        return [
            DatasetEntry(name, dataset.shape, str(dataset.dtype))
            for name, dataset in _datasets(file)
            if _is_sensible(dataset)
        ]


def read_hdf5(path: Path, dataset: str | None) -> Content:
    """One dataset of an HDF5 file with its positions and units."""
    import h5py

    entry = choose_dataset(path, _candidates(path, dataset), dataset)
    with h5py.File(path, "r") as file:
        stored = _opened(path, file, entry)
        content = _described(path, file, stored)
        values, fill = _unpacked(stored)
        falling = content.layout.falling if content.layout else ()
        return replace(content, values=np.flip(values, falling), fill=fill, layout=None)


def map_hdf5(path: Path, dataset: str | None) -> Content:
    """As `read_hdf5`, with the values left in the file, which stays open for as long as they are in use."""
    import h5py

    entry = choose_dataset(path, _candidates(path, dataset), dataset)
    unchanged, file = Unchanged(path), h5py.File(path, "r")
    content = _described(path, file, _opened(path, file, entry, in_memory=False))
    return replace(content, values=KeptDataset(unchanged, file, content.values))


def _opened(path: Path, file: Any, entry: DatasetEntry, *, in_memory: bool = True) -> Any:
    stored = file[entry.name]
    if stored.external or stored.is_virtual:
        raise FileFormatError(f"{entry.name} in {path.name} points to other files; copy its values into one file.")
    claimed, compressed = stored.size * stored.dtype.itemsize, stored.compression is not None
    check_claim(path, claimed, compressed=compressed, stored=not in_memory)
    check_claim(path, bytes_held(stored) - claimed, compressed=True, stored=not in_memory)
    return stored


def _described(path: Path, file: Any, stored: Any) -> Content:
    """All of a dataset but its values, which are left in the file."""
    axes, guesses = _axes(stored, path)
    positions = _positions(file, stored, axes)
    fill, scale, offset = _packing(stored)
    return Content(
        values=stored,
        axes=axes,
        voxel_size=positions.sizes,
        origin=positions.origins,
        units=positions.units,
        value_unit=text_of(stored.attrs.get("units", "")),
        channel_names=tuple(text_of(name) for name in np.ravel(stored.attrs.get("channel_names", ()))),
        fill=fill,
        orientation=orientation_of(stored.attrs),
        dataset=stored.name.strip("/"),
        notes=guesses + positions.notes,
        layout=Layout(stored.chunks, tuple(positions.falling), scale, offset),
        epoch=positions.epoch,
    )


class KeptDataset:
    """A dataset with its file, which closes when nobody uses the dataset any more."""

    def __init__(self, unchanged: Unchanged, file: Any, dataset: Any) -> None:
        self._unchanged, self._file, self._dataset = unchanged, file, dataset

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return tuple(self._dataset.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type in the file."""
        dtype: np.dtype[Any] = self._dataset.dtype
        return dtype

    def __getitem__(self, index: Any) -> Any:
        self._unchanged.check()
        try:
            found = self._dataset[index]
        except (OSError, RuntimeError) as error:
            self._unchanged.check()
            raise FileFormatError(
                f"A part of {self._unchanged.path} cannot be read ({error}): it is damaged; use an intact copy."
            ) from error
        self._unchanged.check()
        return found


def try_hdf5(path: str) -> None:
    """Touches all that reading a file would, and forgets it; see `check_harmless`."""
    import h5py

    trial = Trial(path)
    with h5py.File(path, "r") as file:
        for _, stored in _datasets(file):
            try:
                _positions(file, stored, _axes(stored, Path(path))[0])
                if not stored.external and not stored.is_virtual and trial.allows(bytes_held(stored)):
                    stored[...]
            except Exception as error:
                trial.take(error)


def _candidates(path: Path, dataset: str | None) -> list[DatasetEntry]:
    """What may be chosen from: everything by name, and by itself only the largest number of dimensions from 2 up."""
    entries = list_hdf5(path)
    if dataset is not None:
        return entries
    fields = [entry for entry in entries if len(entry.shape) >= 2]
    return fields or entries


def _datasets(file: Any) -> Iterator[tuple[str, Any]]:
    """All datasets of a file, by full name; links to elsewhere are passed over, and every group is met once."""
    import h5py

    waiting, seen, count = [("", file["/"], 0)], set[int](), 0
    while waiting:
        prefix, group, depth = waiting.pop()
        if hash(group.id) in seen or depth > DEEPEST:
            continue
        seen.add(hash(group.id))
        below = []
        for name in group:
            count += 1
            if count > MOST_OBJECTS:
                return
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            item = group[name]
            if isinstance(item, h5py.Dataset):
                yield f"{prefix}{name}", item
            elif isinstance(item, h5py.Group):
                below.append((f"{prefix}{name}/", item, depth + 1))
        waiting += reversed(below)


def _is_sensible(dataset: Any) -> bool:
    shape = dataset.shape
    return bool(
        dataset.dtype.kind in "biufc" and shape is not None and 1 <= len(shape) <= 5 and dataset.size > 1
    ) and not _is_scale(dataset)


def _is_scale(dataset: Any) -> bool:
    return bool(text_of(dataset.attrs.get("CLASS", "")) == "DIMENSION_SCALE" or dataset.name.endswith("_bnds"))


def _axes(stored: Any, path: Path) -> tuple[str, tuple[str, ...]]:
    """Axis letters by the `axes` attribute or names of dimension scales, else the usual ones; notes on guesses."""
    dimensions = stored.ndim
    declared = stored.attrs.get("axes", "")
    letters = "".join(text_of(part) for part in np.ravel(declared)).lower().replace(",", "").replace(" ", "")
    if len(letters) == dimensions and set(letters) <= set(AXIS_WORDS) and len(set(letters)) == dimensions:
        return letters, ()
    named = [letter_of(_dimension_name(stored, i)) for i in range(dimensions)]
    if None not in named and len(set(named)) == dimensions:
        return "".join(str(letter) for letter in named), ()
    return default_axes(stored.shape, path)


def _dimension_name(stored: Any, axis: int) -> str:
    scale = _scale(stored, axis)
    return stored.dims[axis].label or (scale.name.rpartition("/")[2] if scale is not None else "")


def _scale(stored: Any, axis: int) -> Any:
    """The first dimension scale attached to an axis, or None."""
    try:
        return stored.dims[axis][0] if len(stored.dims[axis]) else None
    except (KeyError, RuntimeError):
        return None


class _Positions(NamedTuple):
    """Sizes, origins and units by axis letter; notes; dimensions along which positions fall; the date of time 0."""

    sizes: dict[str, float]
    origins: dict[str, float]
    units: dict[str, str]
    notes: tuple[str, ...]
    falling: tuple[int, ...]
    epoch: Epoch | None


def _positions(file: Any, stored: Any, axes: str) -> _Positions:
    """Where the voxels are: from coordinate vectors, else from attributes."""
    sizes, origins, units = from_attributes({**dict(file.attrs), **dict(stored.attrs)}, axes)
    notes: tuple[str, ...] = ()
    falling: tuple[int, ...] = ()
    epoch = None
    for i, letter in enumerate(axes):
        scale = _scale(stored, i)
        if letter == "c" or scale is None or scale.shape != (stored.shape[i],) or scale.dtype.kind not in "iuf":
            continue
        if "units" in scale.attrs:
            units[letter] = text_of(scale.attrs["units"])
        if letter == TIME_AXIS and (epoch := epoch_of(scale.attrs)) is not None:
            units[letter], _ = axis_unit(scale.attrs)
        found = spacing(scale[...], letter)
        if found is None:
            notes += (f"The positions along {letter} are no numbers that rise or fall; they were left out.",)
            continue
        origins[letter] = found.origin
        notes += found.notes
        falling += (i,) if found.falling else ()
        if found.size is not None:
            sizes[letter] = found.size
    return _Positions(sizes, origins, units, notes, falling, epoch)


def _packing(stored: Any) -> tuple[float | None, float, float]:
    """Fill value, scale factor and offset of a dataset, as its attributes say."""
    fill = next((stored.attrs[name] for name in ("_FillValue", "missing_value") if name in stored.attrs), None)
    scale, offset = (float(np.ravel(stored.attrs.get(n, d))[0]) for n, d in (("scale_factor", 1), ("add_offset", 0)))
    return None if fill is None else float(np.ravel(fill)[0]), scale, offset


def _unpacked(stored: Any) -> tuple[NDArray[Any], float | None]:
    """The values, unpacked by scale_factor and add_offset where there are such, and the fill value that is left."""
    values: NDArray[Any] = stored[...]
    fill, scale, offset = _packing(stored)
    if (scale, offset) == (1.0, 0.0) or values.dtype.kind not in "iuf":
        return values, fill
    unpacked = values.astype(np.float64) * scale + offset
    if fill is not None:
        unpacked[values == fill] = np.nan
    return unpacked.astype(np.float32) if values.dtype.itemsize <= 2 else unpacked, None


def lost_in_hdf5(header: VolumeHeader) -> tuple[str, ...]:
    """HDF5 carries everything."""
    return ()


class Hdf5Writer:
    """Writes a chunked dataset `values`, compressed unless told otherwise, with a dimension scale for each axis."""

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        grid = header.grid
        shape = grid.shape + ((header.channels,) if header.channels > 1 else ())
        self._output = Hdf5Output(path, **cache_for(shape, CHUNK_VALUES, header.dtype.itemsize))
        self._file = self._output.file
        self._cursor = Cursor(grid.shape)
        self._values = self._file.create_dataset(
            "values",
            shape,
            header.dtype,
            chunks=chunks_for(shape, CHUNK_VALUES),
            **COMPRESSIONS[header.compression or "gzip"],
        )
        self._values.attrs.update(
            {
                "axes": ",".join(grid.axes) + (",c" if header.channels > 1 else ""),
                "voxel_size": grid.voxel_size,
                "origin": grid.origin,
                "axis_units": list(grid.units),
                "units": header.value_unit,
            }
        )
        if grid.orientation is not None:
            self._values.attrs.update({"directions": grid.orientation.directions, "space": grid.orientation.space})
        if header.channel_names:
            self._values.attrs["channel_names"] = list(header.channel_names)
        if header.notes:
            self._values.attrs["notes"] = "\n".join(header.notes)
        for i, axis in enumerate(grid.axes):
            self._file[axis] = grid.axis_positions(i)
            self._file[axis].attrs.update(time_attributes(grid) if axis == TIME_AXIS else {"units": grid.units[i]})
            self._file[axis].make_scale(axis)
            self._values.dims[i].label = axis
            self._values.dims[i].attach_scale(self._file[axis])

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        self._values[self._cursor.passed(slab)] = slab if self._values.ndim == slab.ndim else slab[..., 0]
        self._output.check()

    def close(self) -> None:
        """Closes the file."""
        self._output.close()
