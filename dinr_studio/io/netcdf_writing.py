"""Writing netCDF-4 by the CF conventions: one variable, with coordinates that give positions, units and bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import TIME_AXIS
from dinr_studio.io.cf import time_attributes
from dinr_studio.io.cursor import Cursor
from dinr_studio.io.hdf5 import CHUNK_VALUES, COMPRESSIONS
from dinr_studio.io.hdf5_files import Hdf5Output
from dinr_studio.io.losses import check_type, lost_orientation
from dinr_studio.io.optional import needed
from dinr_studio.io.positions import cache_for, chunks_for
from dinr_studio.io.writing import VolumeHeader

CONVENTIONS = "CF-1.11"
NAME, CHANNEL, CHANNEL_NAME = "values", "channel", "channel_name"
WRITTEN_TYPES = ("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32")
STANDARD_NAMES = {"degrees_north": "latitude", "degrees_east": "longitude"}


def lost_in_netcdf(header: VolumeHeader) -> tuple[str, ...]:
    """What netCDF cannot carry; OutputError where it cannot carry the values at all."""
    check_type(header, "NetCDF", WRITTEN_TYPES)
    return lost_orientation(header.grid, "NetCDF")


class NetcdfWriter:
    """Writes a netCDF-4 file slab by slab, chunked and compressed unless told otherwise."""

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        grid = header.grid
        whole = (*grid.shape, header.channels) if header.channels > 1 else grid.shape
        cache = cache_for(whole, CHUNK_VALUES, header.dtype.itemsize)
        self._output = Hdf5Output(path, track_order=True, **cache)
        self._file = needed("h5netcdf", "netcdf", "NetCDF").File(self._output.file, "w")
        self._cursor = Cursor(grid.shape)
        dimensions = dict(zip(grid.axes, grid.shape, strict=True))
        if header.channels > 1:
            dimensions[CHANNEL] = header.channels
        self._file.dimensions = {**dimensions, "bounds": 2}
        self._file.attrs.update({"Conventions": CONVENTIONS, "source": "DINR Studio"})
        if header.notes:
            self._file.attrs["comment"] = "\n".join(header.notes)
        for i in range(len(grid.axes)):
            self._coordinate(header, i)
        shape = tuple(dimensions.values())
        self._values = self._file.create_variable(
            NAME,
            tuple(dimensions),
            header.dtype,
            fillvalue=header.dtype.type(np.nan) if header.dtype.kind == "f" else None,
            chunks=chunks_for(shape, CHUNK_VALUES),
            **COMPRESSIONS[header.compression or "gzip"],
        )
        if header.value_unit:
            self._values.attrs["units"] = header.value_unit
        if header.channels > 1 and header.channel_names:
            self._name_channels(header.channel_names)

    def _coordinate(self, header: VolumeHeader, axis: int) -> None:
        """The centres of the voxels along an axis, and their faces."""
        grid = header.grid
        name, positions = grid.axes[axis], grid.axis_positions(axis)
        variable = self._file.create_variable(name, (name,), np.float64, data=positions)
        unit = grid.units[axis]
        standard = "time" if name == TIME_AXIS else STANDARD_NAMES.get(unit)
        described = {"axis": name.upper(), "units": unit, "standard_name": standard, "bounds": f"{name}_bounds"}
        if name == TIME_AXIS:
            described |= time_attributes(grid)
        variable.attrs.update({key: value for key, value in described.items() if value})
        half = grid.voxel_size[axis] / 2
        faces = np.stack([positions - half, positions + half], axis=1)
        self._file.create_variable(f"{name}_bounds", (name, "bounds"), np.float64, data=faces)

    def _name_channels(self, names: tuple[str, ...]) -> None:
        import h5py

        labels = self._file.create_variable(CHANNEL_NAME, (CHANNEL,), h5py.string_dtype())
        labels[...] = np.array(names, dtype=object)
        self._values.attrs["coordinates"] = CHANNEL_NAME

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        where = self._cursor.passed(slab)
        self._values[where] = slab if len(self._values.shape) == slab.ndim else slab[..., 0]
        self._output.check()

    def close(self) -> None:
        """Closes the file."""
        try:
            self._file.close()
        finally:
            self._output.close()
