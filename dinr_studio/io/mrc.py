"""MRC, CCP4 and MAP files, through mrcfile; also compressed by gzip or bzip2. Source: the MRC2014 standard."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import reversed_axes
from dinr_studio.errors import FileFormatError, OutputError
from dinr_studio.io.compressed import is_compressed, opened
from dinr_studio.io.content import Content, DatasetEntry, Layout, check_claim
from dinr_studio.io.flat_file import FlatFile
from dinr_studio.io.losses import lost_orientation
from dinr_studio.io.writing import VolumeHeader, in_metres

HEADER_BYTES = 1024
LONGEST_EXTENSION = 1 << 26  # bytes between header and values
MODE_BYTES = {0: 1, 1: 2, 2: 4, 4: 8, 6: 2, 12: 2}
UNREAD_MODES = (3, 101)  # complex integers, and 4-bit ones: numpy has no such types
WRITTEN_TYPES = ("float32", "float16", "int16", "uint16", "int8")
ANGSTROM = "angstrom"
LETTERS = {1: "x", 2: "y", 3: "z"}
STACK_SPACEGROUPS = range(401, 631)


def list_mrc(path: Path) -> list[DatasetEntry]:
    """The one array in an MRC file, by its header."""
    header = _read_header(path)
    shape = tuple(int(header[name]) for name in ("nz", "ny", "nx"))
    return [DatasetEntry("density", shape, f"mode {int(header['mode'])}")]


def read_mrc(path: Path, dataset: str | None) -> Content:
    """The map in an MRC file, its axes put right by MAPC, MAPR and MAPS, positions in angstrom.

    The centre of the first voxel lies at the header's origin, or at nstart times the voxel size where that is zero.
    """
    length = _check_size(path, _read_header(path))
    if is_compressed(path):  # what follows the values may unpack to anything
        with opened(path, length) as stream:
            return _content(
                path, lambda mrcfile: mrcfile.mrcinterpreter.MrcInterpreter(stream, permissive=True), _values
            )
    return _content(path, lambda mrcfile: mrcfile.open(path, permissive=True), _values)


def map_mrc(path: Path, dataset: str | None) -> Content:
    """As `read_mrc`, of a file that is not compressed, with the values left there."""
    if is_compressed(path):
        raise FileFormatError(f"{path.name} is compressed as a whole and larger than memory; unpack it first.")
    _check_size(path, _read_header(path), stored=True)
    content = _content(
        path,
        lambda mrcfile: mrcfile.open(path, permissive=True, header_only=True),
        lambda file: _left_in_file(path, file.header),
    )
    return replace(content, layout=Layout())


def _values(file: Any) -> Any:
    return file.data


def _content(path: Path, opened_by: Callable[[Any], Any], values_of: Callable[[Any], Any]) -> Content:
    """What mrcfile finds in a file; opened_by: its module to the file; values_of: the file to the values."""
    import mrcfile

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        file = opened_by(mrcfile)
        header = file.header.copy()
        values = values_of(file)
        stack = values is not None and len(values.shape) == 4
        if isinstance(file, mrcfile.mrcfile.MrcFile):
            file.close()
    notes = tuple(dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught))
    if values is None:
        raise FileFormatError(f"{path.name} is damaged: {notes[0] if notes else 'its values cannot be read'}.")
    axes = _axes(header)[3 - min(len(values.shape), 3) :]
    size, size_notes = _voxel_size(header, axes)
    return Content(
        values=values,
        axes=("t" if stack else "") + axes,
        voxel_size=size,
        origin=_origin(header, axes, size),
        units={} if size_notes else dict.fromkeys(axes, ANGSTROM),
        dataset="density",
        notes=notes + size_notes,
    )


def _left_in_file(path: Path, header: Any) -> FlatFile:
    """The values by parts, of the shape and type that mrcfile finds in a header."""
    from mrcfile.utils import data_dtype_from_header, data_shape_from_header

    offset = HEADER_BYTES + max(0, int(header.nsymbt))
    return FlatFile(path, offset, data_shape_from_header(header), data_dtype_from_header(header))


def _read_header(path: Path) -> Any:
    """The header alone, in the byte order of the file, from a plain or compressed file."""
    from mrcfile.dtypes import HEADER_DTYPE

    with opened(path) as file:
        raw = file.read(HEADER_BYTES)
    if len(raw) < HEADER_BYTES:
        raise FileFormatError(f"{path.name} is {len(raw)} bytes long, less than an MRC header; use an intact copy.")
    header = np.frombuffer(raw, dtype=HEADER_DTYPE)[0]
    if int(header["mode"]) not in (*MODE_BYTES, *UNREAD_MODES):
        header = np.frombuffer(raw, dtype=HEADER_DTYPE.newbyteorder())[0]
    if int(header["mode"]) in UNREAD_MODES:
        raise FileFormatError(
            f"{path.name} is stored in MRC mode {int(header['mode'])}; modes 0, 1, 2, 6 and 12 can be read: convert it "
            "with the program that it came from."
        )
    if int(header["mode"]) not in MODE_BYTES or min(int(header[n]) for n in ("nx", "ny", "nz")) < 1:
        raise FileFormatError(f"{path.name} has no valid MRC header (mode or size); it is damaged or not an MRC file.")
    return header


def _check_size(path: Path, header: Any, *, stored: bool = False) -> int:
    """Length of header and values; FileFormatError where the file is too short for the size that its header claims."""
    voxels = int(header["nx"]) * int(header["ny"]) * int(header["nz"])
    extended = int(header["nsymbt"])
    if not 0 <= extended <= LONGEST_EXTENSION:
        raise FileFormatError(f"{path.name} claims an extended header of {extended:,} bytes; use an intact copy.")
    claimed = voxels * MODE_BYTES[int(header["mode"])]
    check_claim(path, claimed, compressed=is_compressed(path), stored=stored)
    if not is_compressed(path):
        check_claim(path, HEADER_BYTES + extended + claimed, compressed=False, stored=stored)
    return HEADER_BYTES + extended + claimed


def _axes(header: Any) -> str:
    """Letters of sections, rows and columns, as MAPS, MAPR and MAPC say; z, y, x where they say nothing valid."""
    order = [int(header[name]) for name in ("maps", "mapr", "mapc")]
    return "".join(LETTERS[i] for i in order) if sorted(order) == [1, 2, 3] else "zyx"


def _voxel_size(header: Any, axes: str) -> tuple[dict[str, float], tuple[str, ...]]:
    """Cell length over cell intervals, by axis in angstrom; 1, with a note, where the header leaves it at zero."""
    sizes: dict[str, float] = {}
    for axis in axes:
        intervals, length = int(header[f"m{axis}"]), _decimal(header["cella"][axis])
        sizes[axis] = length / intervals if intervals > 0 and np.isfinite(length) and length > 0 else 0.0
    known = [size for size in sizes.values() if size > 0]
    if not known:
        return dict.fromkeys(axes, 1.0), ("The header gives no voxel size, so 1 is taken: state it with --voxel-size.",)
    if int(header["ispg"]) == 0 and int(header["mz"]) == 1 and "z" in axes and int(header["nz"]) > 1:
        sizes["z"] = sizes["x"]  # an image stack has no cell along z
    return {axis: size or known[-1] for axis, size in sizes.items()}, ()


def _origin(header: Any, axes: str, size: dict[str, float]) -> dict[str, float]:
    origin = {axis: _decimal(header["origin"][axis]) for axis in axes}
    if all(np.isfinite(position) for position in origin.values()) and any(origin.values()):
        return origin
    starts = dict(zip(_axes(header), ("nzstart", "nystart", "nxstart"), strict=True))
    return {axis: int(header[starts[axis]]) * size[axis] for axis in axes}


def _decimal(single: Any) -> float:
    """A single-precision number as the shortest decimal that means it: 364.8, not 364.79998779."""
    return float(str(np.float32(single)))


def lost_in_mrc(header: VolumeHeader) -> tuple[str, ...]:
    """What an MRC file cannot carry; OutputError where it cannot carry the values at all."""
    if header.channels > 1:
        raise OutputError(f"MRC holds one value per voxel and the field has {header.channels}; choose .h5 or .tif.")
    if header.dtype.name not in WRITTEN_TYPES:
        raise OutputError(f"MRC cannot hold {header.dtype.name}; choose one of {', '.join(WRITTEN_TYPES)}, or .h5.")
    if len(header.grid.shape) < 2:
        raise OutputError("MRC holds images and volumes, not lines; choose .h5 or .npy.")
    lost = []
    units = {header.grid.units[i] for i in header.grid.spatial}
    if len(units) > 1 or in_metres(next(iter(units), "")) is None:
        lost.append(f"MRC measures in angstrom; voxel sizes in {_listed(units)} were written as plain numbers.")
    elif units != {ANGSTROM}:
        lost.append(f"MRC measures in angstrom; positions in {_listed(units)} were converted.")
    if header.value_unit:
        lost.append(f"MRC has no place for the value's unit ({header.value_unit}).")
    if "t" in header.grid.axes:
        lost.append("MRC has no place for the times of the frames.")
    return tuple(lost) + lost_orientation(header.grid, "MRC")


def _listed(units: set[str]) -> str:
    return " and ".join(sorted(unit or "unknown units" for unit in units))


class MrcWriter:
    """Writes an MRC file slab by slab; the header's statistics follow when it closes.

    mrcfile makes the header and the file's full length; the values are then appended by plain writes, since pages of a
    memory map would count as memory of this process.
    """

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        import mrcfile

        grid, self._path = header.grid, path
        shape = grid.shape
        modes = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6, "float16": 12}
        with mrcfile.new_mmap(path, shape, mrc_mode=modes[header.dtype.name], overwrite=True) as file:
            size, origin = _in_angstrom(header)
            file.voxel_size = reversed_axes(size)
            for axis, position in zip("zyx", origin, strict=True):
                file.header.origin[axis] = position
            for note in header.notes[:8]:
                file.add_label(note[:79].encode("ascii", "replace").decode())
            if len(shape) == 3 and "z" not in grid.axes:
                file.set_image_stack()
            offset = HEADER_BYTES + int(file.header.nsymbt)
        self._file = open(path, "r+b")  # noqa: SIM115  (closed in close)
        self._file.seek(offset)
        self._statistics = _Statistics()

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, 1)."""
        self._statistics.add(slab)
        self._file.write(np.ascontiguousarray(slab).data)

    def close(self) -> None:
        """Writes the statistics of all values into the header."""
        import mrcfile

        self._file.close()
        with mrcfile.mmap(self._path, mode="r+") as file:
            file.header.dmin, file.header.dmax = self._statistics.low, self._statistics.high
            file.header.dmean, file.header.rms = self._statistics.mean, self._statistics.deviation


def _in_angstrom(header: VolumeHeader) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Voxel size and origin as z, y, x in angstrom (plain numbers where the unit is not one of length)."""
    grid = header.grid
    sizes, origins = {"z": 1.0, "y": 1.0, "x": 1.0}, {"z": 0.0, "y": 0.0, "x": 0.0}
    for i in grid.spatial:
        factor = (in_metres(grid.units[i]) or 1e-10) * 1e10
        sizes[grid.axes[i]] = grid.voxel_size[i] * factor
        origins[grid.axes[i]] = grid.origin[i] * factor
    if "z" not in grid.axes:
        sizes["z"] = sizes["x"]
    return (sizes["z"], sizes["y"], sizes["x"]), (origins["z"], origins["y"], origins["x"])


class _Statistics:
    """Least, greatest, mean and standard deviation of values that come in parts (Chan's parallel update, 1979)."""

    def __init__(self) -> None:
        self.low, self.high, self.mean = np.inf, -np.inf, 0.0
        self._count, self._squares = 0, 0.0

    @property
    def deviation(self) -> float:
        """Root mean square deviation from the mean."""
        return float(np.sqrt(self._squares / max(1, self._count)))

    def add(self, values: NDArray[Any]) -> None:
        """Takes a part in."""
        mean = float(values.mean(dtype=np.float64))
        squares = float(np.square(values.astype(np.float64) - mean).sum())
        count = self._count + values.size
        difference = mean - self.mean
        self._squares += squares + difference**2 * self._count * values.size / count
        self.mean += difference * values.size / count
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self._count = count
