"""Writing MetaImage files (.mha): a header of text, then the values slab by slab.

MetaImage stores channels fastest, then x, y, z and time, which is the order that slabs have.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.affine import affine_of
from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.errors import OutputError
from dinr_studio.io.lengths import in_unit
from dinr_studio.io.losses import check_type, lost_channel_names, lost_lengths, lost_value_unit
from dinr_studio.io.writing import VolumeHeader

COMPRESSIONS = ("none", "gzip")  # the usual one first
LEVEL = 4
TYPES = {
    "float32": "MET_FLOAT", "float64": "MET_DOUBLE", "int8": "MET_CHAR", "uint8": "MET_UCHAR", "int16": "MET_SHORT",
    "uint16": "MET_USHORT", "int32": "MET_INT", "uint32": "MET_UINT",
}  # fmt: skip
LONGEST_COMMENT = 200
SIZE_DIGITS = 20  # room for the length of the compressed values, which is known at the end
FROM = (("L", "R"), ("P", "A"), ("S", "I"))  # side that an axis comes from, where it falls or rises in x, y, z of LPS


def lost_in_metaimage(header: VolumeHeader) -> tuple[str, ...]:
    """What a MetaImage file cannot carry; OutputError where it cannot carry the values at all."""
    check_type(header, "MetaImage", tuple(TYPES))
    if len(header.grid.spatial) < 2:
        raise OutputError("MetaImage holds images and volumes, not lines; choose .h5 or .npy.")
    lost = lost_lengths(header.grid, "MetaImage", "mm")
    if TIME_AXIS in header.grid.axes and (unit := header.grid.units[header.grid.axes.index(TIME_AXIS)]):
        lost += (f"MetaImage has no place for the unit of time ({unit}).",)
    return lost + lost_value_unit(header, "MetaImage") + lost_channel_names(header, "MetaImage")


def _header_lines(header: VolumeHeader) -> list[str]:
    grid = in_unit(header.grid, "mm")
    lengths = dict(zip(grid.axes, grid.shape, strict=True))
    order = ["x", "y", "z", TIME_AXIS][: 4 if TIME_AXIS in grid.axes else len(grid.spatial)]
    affine = affine_of(grid, _space(grid))
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    count = len(order)
    directions, offset, spacing = np.eye(count), np.zeros(count), np.ones(count)
    n = min(count, 3)
    directions[:n, :n] = (affine[:3, :3] / sizes)[:n, :n]
    offset[:n], spacing[:n] = affine[:n, 3], sizes[:n]
    if TIME_AXIS in grid.axes:
        i = grid.axes.index(TIME_AXIS)
        offset[3], spacing[3] = grid.origin[i], grid.voxel_size[i]
    comment = " ".join(" ".join(header.notes).split()).encode("ascii", "replace").decode()[:LONGEST_COMMENT]
    packed = header.compression == "gzip"
    return [
        "ObjectType = Image",
        f"NDims = {count}",
        *([f"Comment = {comment}"] if comment else []),
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        f"CompressedData = {packed}",
        *([f"CompressedDataSize = {'0' * SIZE_DIGITS}"] if packed else []),
        f"TransformMatrix = {_row(directions.T.ravel())}",
        f"Offset = {_row(offset)}",
        f"CenterOfRotation = {_row(np.zeros(count))}",
        *([f"AnatomicalOrientation = {_letters(directions)}"] if _space(grid) else []),
        f"ElementSpacing = {_row(spacing)}",
        f"DimSize = {' '.join(str(lengths.get(axis, 1)) for axis in order)}",
        *([f"ElementNumberOfChannels = {header.channels}"] if header.channels > 1 else []),
        f"ElementType = {TYPES[header.dtype.name]}",
        "ElementDataFile = LOCAL",
    ]


def _space(grid: Grid) -> Any:
    """LPS, as all of ITK, for a grid in a patient; none for one that is not."""
    return "LPS" if grid.orientation is not None and grid.orientation.space else ""


def _letters(directions: NDArray[np.float64]) -> str:
    """The side of the patient that each axis comes from, as near as it lies; ? for time."""
    letters = ""
    for column in directions[:, :3].T:
        main = int(np.argmax(np.abs(column)))
        letters += FROM[main][int(column[main] > 0)]
    return letters + "?" * (len(directions) - 3)


def _row(numbers: Iterable[Any]) -> str:
    return " ".join(repr(float(number)) for number in numbers)


class MetaImageWriter:
    """Writes an .mha file slab by slab, compressed (as one zlib stream) where that was asked for."""

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        self._file = open(path, "wb")  # noqa: SIM115  (closed in close)
        text = ("\n".join(_header_lines(header)) + "\n").encode("ascii")
        self._file.write(text)
        self._size_at = text.find(b"CompressedDataSize = ") + len(b"CompressedDataSize = ")
        self._packer = zlib.compressobj(LEVEL) if header.compression == "gzip" else None
        self._packed = 0
        self._dtype = header.dtype.newbyteorder("<")

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        content: Any = np.ascontiguousarray(slab, dtype=self._dtype).data
        if self._packer is not None:
            content = self._packer.compress(content)
            self._packed += len(content)
        self._file.write(content)

    def close(self) -> None:
        """Finishes the file."""
        if self._packer is not None:
            rest = self._packer.flush()
            self._file.write(rest)
            self._file.seek(self._size_at)
            self._file.write(f"{self._packed + len(rest):0{SIZE_DIGITS}d}".encode())
        self._file.close()

    def abandon(self) -> None:
        """Closes the file as it is."""
        self._file.close()
