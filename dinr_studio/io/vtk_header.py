"""What VTK image files claim, read before VTK sees them: safe against entities, and against sizes out of thin air."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

import numpy as np

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import check_claim, check_memory

PIECE_BYTES = 1 << 16
MOST_PARTS = 1 << 20  # that pieces may cut the whole into
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

Extent = tuple[tuple[int, int], ...]  # first and last index of points along x, y and z


class VtiArray(NamedTuple):
    """An array of a .vti file: its name, whether it belongs to cells, its type, components, and whether it is text."""

    name: str
    of_cells: bool
    type: str
    components: int
    is_text: bool


class VtiHeader(NamedTuple):
    """What a .vti file says before its values. points: number of points along x, y and z."""

    points: tuple[int, ...]
    arrays: tuple[VtiArray, ...]

    def shape(self, array: VtiArray) -> tuple[int, ...]:
        """Shape of an array's values as z, y, x and, where there are several, components."""
        lengths = [max(1, n - 1) if array.of_cells else n for n in reversed(self.points)]
        return (*lengths, array.components) if array.components > 1 else tuple(lengths)

    def bytes(self, array: VtiArray) -> int:
        """Length of an array's values in memory."""
        return math.prod(self.shape(array)) * TYPE_BYTES[array.type]


class _Done(Exception):
    """All that is needed of an XML file has been read."""


class _VtiParser:
    """Looks through a .vti file up to its appended data, and refuses document types, where entities come from."""

    def __init__(self, path: Path) -> None:
        self.file: dict[str, str] = {}
        self.image: dict[str, str] = {}
        self.pieces: list[str] = []
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
        elif name == "Piece":
            self.pieces.append(attributes.get("Extent", ""))
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
        extent = _extent(parser.image["WholeExtent"])
        pieces = [_extent(piece) for piece in parser.pieces]
        arrays = [_vti_array(attributes, cells) for attributes, cells in parser.arrays]
    except (KeyError, ValueError) as error:
        raise FileFormatError(f"{path.name} has no valid extent or arrays ({error}); use an intact copy.") from error
    _check_pieces(path, extent, pieces)
    _check_places(path, parser.image)
    known = dict.fromkeys(array for array in arrays if array.type in TYPE_BYTES)  # once, in files of several pieces
    header = VtiHeader(tuple(high - low + 1 for low, high in extent), tuple(known))
    least = sum(header.bytes(a) // (TYPE_BYTES[a.type] if a.is_text else 1) for a in header.arrays)
    check_claim(path, least, compressed=bool(parser.file.get("compressor")))
    check_memory(path.name, sum(header.bytes(array) for array in header.arrays))
    return header


def _extent(text: str) -> Extent:
    """First and last index of points along x, y and z."""
    numbers = [int(word) for word in text.split()]
    extent = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    if len(extent) != 3 or any(low > high for low, high in extent):
        raise ValueError(f"extent {text[:60]!r}")
    return extent


def _check_pieces(path: Path, whole: Extent, pieces: list[Extent]) -> None:
    """FileFormatError where pieces do not fill the whole: VTK would leave what is missing to chance."""
    inside = all(low <= a and b <= high for piece in pieces for (a, b), (low, high) in zip(piece, whole, strict=True))
    boxes = [
        [(a, b) if high > low else (a, a + 1) for (a, b), (low, high) in zip(piece, whole, strict=True)]
        for piece in (whole, *pieces)
    ]  # of cells; an axis of which the whole has one point counts as one cell
    edges = [sorted({end for box in boxes for end in box[axis]}) for axis in range(3)]
    if math.prod(len(ends) for ends in edges) > MOST_PARTS:
        raise FileFormatError(f"{path.name} is in {len(pieces)} pieces, which are too many; save it as one.")
    filled = np.zeros([len(ends) - 1 for ends in edges], dtype=bool)
    for box in boxes[1:]:
        filled[tuple(slice(ends.index(a), ends.index(b)) for (a, b), ends in zip(box, edges, strict=True))] = True
    if not (inside and filled.all()):
        raise FileFormatError(f"{path.name} is damaged: its pieces do not fill its extent; use an intact copy.")


def _check_places(path: Path, image: dict[str, str]) -> None:
    """FileFormatError where positions are no numbers: VTK would take others without a word."""
    for name, usual in (("Origin", "0 0 0"), ("Spacing", "1 1 1"), ("Direction", "1 0 0 0 1 0 0 0 1")):
        text = image.get(name, usual)
        try:
            numbers = [float(word) for word in text.split()]
        except ValueError:
            numbers = []
        if len(numbers) != len(usual.split()) or not all(math.isfinite(number) for number in numbers):
            raise FileFormatError(f"{path.name} has the {name} {text[:60]!r}, which is no place; use an intact copy.")


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
