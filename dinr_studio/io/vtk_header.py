"""What VTK image files claim, read before VTK sees them: safe against entities, and against sizes out of thin air."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import check_claim, check_memory

PIECE_BYTES = 1 << 16
TYPE_BYTES = {
    "Int8": 1, "UInt8": 1, "Int16": 2, "UInt16": 2, "Int32": 4, "UInt32": 4, "Int64": 8, "UInt64": 8, "Float32": 4,
    "Float64": 8,
}  # fmt: skip
LEGACY_START = 4096
LEGACY = re.compile(
    rb"# vtk DataFile Version [^\n]*\n[^\n]*\n\s*(ascii|binary)\s+dataset\s+(\w+)\s(.*?)(?:point_data|cell_data|$)",
    re.IGNORECASE | re.DOTALL,
)
DIMENSIONS = re.compile(rb"\bdimensions\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s", re.IGNORECASE)


class VtiArray(NamedTuple):
    """An array of a .vti file: its name, whether it belongs to cells, its type, components, and whether it is text."""

    name: str
    of_cells: bool
    type: str
    components: int
    is_text: bool


class VtiHeader(NamedTuple):
    """points: number of points along x, y and z."""

    points: tuple[int, ...]
    arrays: tuple[VtiArray, ...]

    def shape(self, array: VtiArray) -> tuple[int, ...]:
        """Shape of an array's values as z, y, x and, where there are several, components."""
        lengths = [max(1, n - 1) if array.of_cells else n for n in reversed(self.points)]
        return (*lengths, array.components) if array.components > 1 else tuple(lengths)


class _Done(Exception):
    """All that is needed of an XML file has been read."""


class _VtiParser:
    """Looks through a .vti file up to its appended data, and refuses document types, where entities come from."""

    def __init__(self, path: Path) -> None:
        self.file: dict[str, str] = {}
        self.image: dict[str, str] = {}
        self.arrays: list[tuple[dict[str, str], bool]] = []
        self._path, self._inside = path, ""
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._on_doctype
        self._parser.StartElementHandler = self._on_element

    def parse(self) -> None:
        """Reads the file piece by piece as far as needed."""
        try:
            with open(self._path, "rb") as file:
                while piece := file.read(PIECE_BYTES):
                    self._parser.Parse(piece, False)
                self._parser.Parse(b"", True)
        except _Done:
            pass
        except expat.ExpatError as error:
            raise FileFormatError(f"{self._path.name} is not valid XML ({error}); use an intact copy.") from error

    def _on_doctype(self, *_: Any) -> None:
        raise FileFormatError(
            f"{self._path.name} declares a document type, which VTK files have no use for; it is not opened."
        )

    def _on_element(self, name: str, attributes: dict[str, str]) -> None:
        if name == "VTKFile":
            self.file = attributes
        elif name == "ImageData":
            self.image = attributes
        elif name in ("PointData", "CellData", "FieldData"):
            self._inside = name
        elif name == "DataArray" and self._inside in ("PointData", "CellData"):
            self.arrays.append((attributes, self._inside == "CellData"))
        elif name == "AppendedData":
            raise _Done


def read_vti_header(path: Path) -> VtiHeader:
    """The extent and arrays of a .vti file, checked against its size and the memory; FileFormatError where they lie."""
    parser = _VtiParser(path)
    parser.parse()
    if parser.file.get("type") != "ImageData" or not parser.image:
        raise FileFormatError(f"{path.name} is no VTK file of type ImageData; convert it to image data first.")
    try:
        extent = [int(word) for word in parser.image["WholeExtent"].split()]
        arrays = [_vti_array(attributes, cells) for attributes, cells in parser.arrays]
    except (KeyError, ValueError) as error:
        raise FileFormatError(f"{path.name} has no valid extent or arrays ({error}); use an intact copy.") from error
    points = tuple(high - low + 1 for low, high in zip(extent[::2], extent[1::2], strict=False))
    if len(extent) != 6 or min(points) < 1:
        raise FileFormatError(f"{path.name} claims the extent {tuple(extent)}; it is damaged: use an intact copy.")
    known = dict.fromkeys(array for array in arrays if array.type in TYPE_BYTES)  # once, in files of several pieces
    header = VtiHeader(points, tuple(known))
    packed = bool(parser.file.get("compressor"))
    sizes = [(math.prod(header.shape(array)), array) for array in header.arrays]
    claimed = sum(values * (1 if array.is_text else TYPE_BYTES[array.type]) for values, array in sizes)
    check_claim(path, claimed, compressed=packed)
    check_memory(path.name, sum(values * TYPE_BYTES[array.type] for values, array in sizes))
    return header


def _vti_array(attributes: dict[str, str], of_cells: bool) -> VtiArray:
    components = int(attributes.get("NumberOfComponents", "1") or 1)
    if not 1 <= components <= 1 << 16:
        raise ValueError(f"{components} components")
    text = attributes.get("format", "appended") == "ascii"
    return VtiArray(attributes["Name"], of_cells, attributes["type"], components, text)


def check_legacy(path: Path) -> None:
    """Raises FileFormatError where a legacy .vtk file is no image, or too short for the one that it claims."""
    with open(path, "rb") as file:
        start = file.read(LEGACY_START)
    found = LEGACY.match(start)
    if found is None:
        raise FileFormatError(f"{path.name} has no valid header of a VTK file; it is damaged or not a VTK file.")
    kind = found[2].decode().upper()
    if kind != "STRUCTURED_POINTS":
        raise FileFormatError(f"{path.name} holds a {kind} of VTK; resample it to image data (.vti) first.")
    lengths = DIMENSIONS.search(found[3] + b"\n")
    points = [int(number) for number in lengths.groups()] if lengths else [0]
    if min(points) < 1:
        raise FileFormatError(f"{path.name} claims the dimensions {tuple(points)}; it is damaged: use an intact copy.")
    check_claim(path, math.prod(points), compressed=False)  # of one byte each at least
