"""Writing VTK image files slab by slab: .vti with appended values, and legacy .vtk.

VTK stores channels fastest, then x, y and z, which is the order that slabs have.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from dinr_studio.affine import affine_of
from dinr_studio.io.losses import (
    check_single_time,
    check_type,
    lost_channel_names,
    lost_orientation,
    lost_units,
    lost_value_unit,
)
from dinr_studio.io.writing import VolumeHeader

VTI_COMPRESSIONS = ("gzip", "none")  # the usual one first
LEVEL = 4
BLOCK_BYTES = 1 << 20  # values that are packed together
TYPES = {  # of .vti and of .vtk
    "float32": ("Float32", "float"), "float64": ("Float64", "double"), "int8": ("Int8", "signed_char"),
    "uint8": ("UInt8", "unsigned_char"), "int16": ("Int16", "short"), "uint16": ("UInt16", "unsigned_short"),
    "int32": ("Int32", "int"), "uint32": ("UInt32", "unsigned_int"),
}  # fmt: skip
NAME = "values"
MOST_SCALARS = 4  # components that a legacy array of scalars may have
LONGEST_TITLE = 250


def lost_in_vti(header: VolumeHeader) -> tuple[str, ...]:
    """What a .vti file cannot carry; OutputError where it cannot carry the values at all."""
    check_type(header, "VTI", tuple(TYPES))
    check_single_time(header.grid, "VTI")
    lost = lost_units(header.grid, "VTI") + lost_value_unit(header, "VTI")
    if header.grid.orientation is not None and header.grid.orientation.space:
        lost += (f"VTI does not say that positions are those of a patient's space ({header.grid.orientation.space}).",)
    return lost + (lost_channel_names(header, "VTI") if header.channels == 1 else ())


def lost_in_vtk(header: VolumeHeader) -> tuple[str, ...]:
    """What a legacy .vtk file cannot carry; OutputError where it cannot carry the values at all."""
    check_type(header, "VTK", tuple(TYPES))
    check_single_time(header.grid, "VTK")
    lost = lost_units(header.grid, "VTK") + lost_value_unit(header, "VTK") + lost_orientation(header.grid, "VTK")
    return lost + lost_channel_names(header, "VTK")


def _lengths(header: VolumeHeader) -> list[int]:
    """Number of voxels along x, y and z."""
    lengths = dict(zip(header.grid.axes, header.grid.shape, strict=True))
    return [lengths.get(axis, 1) for axis in "xyz"]


def _row(numbers: Iterable[Any]) -> str:
    return " ".join(repr(float(number)) for number in numbers)


def _vti_text(header: VolumeHeader) -> str:
    """All of a .vti file before the values."""
    affine = affine_of(header.grid, "")
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    extent = " ".join(f"0 {n - 1}" for n in _lengths(header))
    names = header.channel_names if header.channels > 1 else ()
    components = "".join(f" ComponentName{i}={quoteattr(name)}" for i, name in enumerate(names))
    packed = "" if header.compression == "none" else ' compressor="vtkZLibDataCompressor"'
    notes = " ".join(" ".join(header.notes).split()).replace("--", "==")  # which XML has no room for in comments
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64"{packed}>
  <!-- {notes or "DINR Studio"} -->
  <ImageData WholeExtent="{extent}" Origin="{_row(affine[:3, 3])}" Spacing="{_row(sizes)}" \
Direction="{_row((affine[:3, :3] / sizes).ravel())}">
    <Piece Extent="{extent}">
      <PointData Scalars="{NAME}">
        <DataArray type="{TYPES[header.dtype.name][0]}" Name="{NAME}" NumberOfComponents="{header.channels}"\
{components} format="appended" offset="0"/>
      </PointData>
      <CellData/>
    </Piece>
  </ImageData>
  <AppendedData encoding="raw">
_"""


class VtiWriter:
    """Writes a .vti file slab by slab, its values in packed blocks unless told otherwise.

    The list of the blocks' lengths stands before them: room is left for it, and it follows when the file closes.
    """

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        self._file = open(path, "wb")  # noqa: SIM115  (closed in close)
        self._file.write(_vti_text(header).encode())
        self._dtype, self._total = header.dtype.newbyteorder("<"), header.value_bytes
        self._packed = header.compression != "none"
        self._list_at, self._waiting = self._file.tell(), bytearray()
        self._lengths: list[int] = []
        blocks = -(-self._total // BLOCK_BYTES)
        self._file.write(bytes(8 * (3 + blocks)) if self._packed else struct.pack("<Q", self._total))

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        content = np.ascontiguousarray(slab, dtype=self._dtype).reshape(-1).view(np.uint8).data
        if not self._packed:
            self._file.write(content)
            return
        for start in range(0, len(content), BLOCK_BYTES):
            self._waiting += content[start : start + BLOCK_BYTES]
            if len(self._waiting) >= BLOCK_BYTES:
                self._write_block()

    def _write_block(self) -> None:
        block = zlib.compress(bytes(self._waiting[:BLOCK_BYTES]), LEVEL)
        del self._waiting[:BLOCK_BYTES]
        self._lengths.append(len(block))
        self._file.write(block)

    def close(self) -> None:
        """Finishes the file."""
        if self._waiting:
            self._write_block()
        self._file.write(b"\n  </AppendedData>\n</VTKFile>\n")
        if self._packed:
            self._file.seek(self._list_at)
            numbers = (len(self._lengths), BLOCK_BYTES, self._total % BLOCK_BYTES, *self._lengths)
            self._file.write(struct.pack(f"<{len(numbers)}Q", *numbers))
        self._file.close()

    def abandon(self) -> None:
        """Closes the file as it is."""
        self._file.close()


def _vtk_text(header: VolumeHeader) -> str:
    """All of a legacy file before the values."""
    affine = affine_of(header.grid, "")
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    origin = np.linalg.solve(affine[:3, :3] / sizes, affine[:3, 3])  # along the volume's own axes
    title = " ".join(" ".join(header.notes).split()).encode("ascii", "replace").decode()[:LONGEST_TITLE]
    kind, channels, voxels = TYPES[header.dtype.name][1], header.channels, header.grid.size
    scalars = f"SCALARS {NAME} {kind} {channels}\nLOOKUP_TABLE default"
    lines = [
        "# vtk DataFile Version 3.0",
        title or "DINR Studio",
        "BINARY",
        "DATASET STRUCTURED_POINTS",
        f"DIMENSIONS {' '.join(map(str, _lengths(header)))}",
        f"SPACING {_row(sizes)}",
        f"ORIGIN {_row(origin)}",
        f"POINT_DATA {voxels}",
        scalars if channels <= MOST_SCALARS else f"FIELD FieldData 1\n{NAME} {channels} {voxels} {kind}",
    ]
    return "\n".join(lines) + "\n"


class VtkWriter:
    """Writes a legacy .vtk file of structured points slab by slab, big-endian as all of them."""

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        self._file = open(path, "wb")  # noqa: SIM115  (closed in close)
        self._file.write(_vtk_text(header).encode("ascii"))
        self._dtype = header.dtype.newbyteorder(">")

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        self._file.write(np.ascontiguousarray(slab, dtype=self._dtype).data)

    def close(self) -> None:
        """Closes the file."""
        self._file.write(b"\n")
        self._file.close()
