"""NPY and NPZ files, through numpy; nothing pickled is ever loaded."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import Content, DatasetEntry, Layout, check_claim, choose_dataset, default_axes
from dinr_studio.io.flat_file import FlatFile
from dinr_studio.io.losses import lost_orientation
from dinr_studio.io.writing import VolumeHeader

MOST_ARRAYS = 1000  # in an NPZ file


def list_npy(path: Path) -> list[DatasetEntry]:
    """The one array in an NPY file."""
    with open(path, "rb") as file:
        shape, _, dtype = _npy_header(path, file)
    return [DatasetEntry(path.stem, shape, str(dtype))]


def read_npy(path: Path, dataset: str | None) -> Content:
    """The array in an NPY file, which knows nothing of voxels."""
    entry = list_npy(path)[0]
    check_claim(path, _bytes(entry), compressed=False)
    values = np.load(path, allow_pickle=False)
    axes, notes = default_axes(values.shape, path)
    return Content(values, axes, dataset=entry.name, notes=notes)


def map_npy(path: Path, dataset: str | None) -> Content:
    """The array in an NPY file, left there."""
    with open(path, "rb") as file:
        shape, fortran_order, dtype = _npy_header(path, file)
        offset = file.tell()
    values = FlatFile(path, offset, shape, dtype, fortran_order=fortran_order)
    axes, notes = default_axes(shape, path)
    return Content(values, axes, dataset=path.stem, notes=notes, layout=Layout())


def list_npz(path: Path) -> list[DatasetEntry]:
    """The numeric arrays in an NPZ file, by their headers."""
    entries = []
    with zipfile.ZipFile(path) as archive:
        if len(archive.namelist()) > MOST_ARRAYS:
            raise FileFormatError(f"{path.name} holds more than {MOST_ARRAYS:,} arrays; save the ones you want.")
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as file:
                    shape, _, dtype = _npy_header(path, file)
                if 1 <= len(shape) <= 5 and dtype.kind in "biufc" and int(np.prod(shape)) > 1:
                    entries.append(DatasetEntry(name.removesuffix(".npy"), shape, str(dtype)))
    return entries


def read_npz(path: Path, dataset: str | None) -> Content:
    """One array of an NPZ file."""
    entry = choose_dataset(path, list_npz(path), dataset)
    check_claim(path, _bytes(entry), compressed=True)
    with np.load(path, allow_pickle=False) as arrays:
        values = arrays[entry.name]
    axes, notes = default_axes(values.shape, path)
    return Content(values, axes, dataset=entry.name, notes=notes)


def _npy_header(path: Path, file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise FileFormatError(f"{path.name} is of NPY version {version}, which cannot be read; save it again.")
    shape, fortran_order, dtype = readers[version](file)
    if dtype.hasobject:
        raise FileFormatError(f"{path.name} holds Python objects, which are never loaded; save plain numbers.")
    return shape, fortran_order, dtype


def _bytes(entry: DatasetEntry) -> int:
    size = np.dtype(entry.dtype).itemsize
    for length in entry.shape:
        size *= int(length)
    return size


def lost_in_npy(header: VolumeHeader) -> tuple[str, ...]:
    """What an NPY file cannot carry."""
    bare = "NPY holds the bare numbers: voxel size, origin and units are not in it."
    return (bare, *lost_orientation(header.grid, "NPY"))


class NpyWriter:
    """Writes an NPY file slab by slab."""

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        self._file = open(path, "wb")  # noqa: SIM115  (closed in close)
        shape = header.grid.shape + ((header.channels,) if header.channels > 1 else ())
        description = {"descr": np.lib.format.dtype_to_descr(header.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, description)

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        self._file.write(np.ascontiguousarray(slab).data)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
