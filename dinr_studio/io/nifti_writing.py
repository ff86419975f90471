"""Writing NIfTI files (.nii, .nii.gz): nibabel makes the header, the values follow slab by slab.

NIfTI stores x fastest, then y, z, time and, slowest, channels: one channel's slabs lie in the file as they come.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.affine import affine_of
from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.io.cursor import Cursor
from dinr_studio.io.lengths import SECONDS, all_lengths, in_unit
from dinr_studio.io.losses import check_type, lost_channel_names, lost_epoch, lost_lengths, lost_value_unit
from dinr_studio.io.optional import needed
from dinr_studio.io.writing import VolumeHeader, in_metres

WRITTEN_TYPES = ("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32")
LONGEST_IN_1 = 32767  # voxels along an axis of NIfTI-1
ALIGNED = 2  # the code of an affine that is not the scanner's own
GZIP_LEVEL = 4
COPIED_BYTES = 1 << 20
TIME_CODES = {"s": "sec", "ms": "msec", "us": "usec"}
UNIT_CODES = {"m": "meter", "mm": "mm", "um": "micron"}


def lost_in_nifti(header: VolumeHeader) -> tuple[str, ...]:
    """What a NIfTI file cannot carry; OutputError where it cannot carry the values at all."""
    check_type(header, "NIfTI", WRITTEN_TYPES)
    grid = header.grid
    lost = lost_lengths(grid, "NIfTI", _unit(grid)) if grid.spatial else ()
    if grid.orientation is None or not grid.orientation.space:
        lost += ("NIfTI places every volume in a patient; x, y and z were written as right, anterior and superior.",)
    if TIME_AXIS in grid.axes and (unit := grid.units[grid.axes.index(TIME_AXIS)]) not in SECONDS:
        lost += (f"NIfTI measures time in seconds; {unit or 'unknown units'} were written as plain numbers.",)
    return lost + lost_epoch(grid, "NIfTI") + lost_value_unit(header, "NIfTI") + lost_channel_names(header, "NIfTI")


def _unit(grid: Grid) -> str:
    """The one of m, mm and um that positions are written in: the grid's own, else the nearest below."""
    lengths = [in_metres(grid.units[i]) for i in grid.spatial]
    known = [length for length in lengths if length is not None]
    if len(set(known)) != 1 or len(known) < len(lengths):
        return "mm"
    return "m" if known[0] >= 1 else "mm" if known[0] >= 1e-3 else "um"


def _time(grid: Grid) -> tuple[float, float, str]:
    """Step and start of time, and the unit of both that NIfTI knows, if any."""
    if TIME_AXIS not in grid.axes:
        return 1.0, 0.0, ""
    i = grid.axes.index(TIME_AXIS)
    seconds = SECONDS.get(grid.units[i])
    if seconds is None:
        return grid.voxel_size[i], grid.origin[i], ""
    unit = next((name for name in ("s", "ms", "us") if SECONDS[name] <= seconds), "us")
    factor = seconds / SECONDS[unit]
    return grid.voxel_size[i] * factor, grid.origin[i] * factor, unit


def _shape(header: VolumeHeader) -> tuple[int, ...]:
    """Lengths of x, y, z, time and channels, as many as are needed."""
    lengths = dict(zip(header.grid.axes, header.grid.shape, strict=True)) | {"c": header.channels}
    if header.channels == 1:
        del lengths["c"]
    last = max(i for i, axis in enumerate("xyztc") if axis in lengths)
    return tuple(lengths.get(axis, 1) for axis in "xyztc"[: last + 1])


def _nifti_header(header: VolumeHeader) -> Any:
    nifti1, nifti2 = (needed(f"nibabel.nifti{version}", "medical", "NIfTI") for version in (1, 2))
    shape, unit = _shape(header), _unit(header.grid)
    made = (nifti2.Nifti2Header if max(shape) > LONGEST_IN_1 else nifti1.Nifti1Header)()
    made.set_data_dtype(header.dtype)
    made.set_data_shape(shape)
    affine = affine_of(in_unit(header.grid, unit), "RAS")
    made.set_sform(affine, ALIGNED)
    made.set_qform(affine, ALIGNED)
    step, start, time_unit = _time(header.grid)
    made["toffset"] = start
    if len(shape) > 3:
        made["pixdim"][4] = step
    known = all_lengths(header.grid)
    made.set_xyzt_units(UNIT_CODES[unit] if known else "unknown", TIME_CODES.get(time_unit, "unknown"))
    if header.channels > 1:
        made.set_intent("vector")
    if header.notes:
        made["descrip"] = header.notes[0].encode("ascii", "replace")[:79]
        made.extensions.append(nifti1.Nifti1Extension("comment", "\n".join(header.notes).encode()))
    return made


class NiftiWriter:
    """Writes a .nii file slab by slab; channels each to a place of their own."""

    def __init__(self, path: Path, header: VolumeHeader, file: Any = None) -> None:
        made = _nifti_header(header)
        self._file = file or open(path, "wb")  # noqa: SIM115  (closed in close)
        made.write_to(self._file)
        self._offset = int(made["vox_offset"])
        self._pad(self._offset - self._file.tell())
        self._channels, self._cursor = header.channels, Cursor(header.grid.shape)
        self._lines = header.grid.shape[0] * self._cursor.lines
        self._line = header.grid.size // self._lines * header.dtype.itemsize

    def _pad(self, count: int) -> None:
        self._file.write(b"\0" * count)

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        for channel in range(self._channels):
            if self._channels > 1:
                self._file.seek(self._offset + (channel * self._lines + self._cursor.line) * self._line)
            self._file.write(np.ascontiguousarray(slab[..., channel]).data)
        self._cursor.passed(slab)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class GzippedNiftiWriter:
    """Writes a .nii.gz file slab by slab; several channels by way of an unnamed file, since they do not come in order.

    That file lies in the same folder, is as large as the values, and goes away by itself.
    """

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        self._raw = open(path, "wb")  # noqa: SIM115  (closed in close)
        self._gzip = gzip.GzipFile("", "wb", GZIP_LEVEL, self._raw, mtime=0)
        self._spool = tempfile.TemporaryFile(dir=path.parent) if header.channels > 1 else None  # noqa: SIM115
        self._plain = NiftiWriter(path, header, self._spool or self._gzip)

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        self._plain.write(slab)

    def close(self) -> None:
        """Finishes and closes the file."""
        if self._spool is not None:
            self._spool.seek(0)
            shutil.copyfileobj(self._spool, self._gzip, COPIED_BYTES)
        self.abandon()

    def abandon(self) -> None:
        """Closes the file as it is."""
        if self._spool is not None:
            self._spool.close()
        try:
            self._gzip.close()
        finally:
            self._raw.close()
