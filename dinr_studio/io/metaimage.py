"""MetaImage files (.mha, and .mhd with its values in a file beside it): SimpleITK reads where the voxels lie.

The header is looked at here first, since it says how much memory and which file the library would go for. The values
are read here too: of damaged ones the library makes up numbers without a word. Positions are in mm, as in all of ITK,
and of space LPS where the header says which way the axes point in a patient.
"""

from __future__ import annotations

import math
import re
import sys
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinr_studio.affine import Placement, Space
from dinr_studio.errors import FileFormatError
from dinr_studio.io.beside import data_file
from dinr_studio.io.content import Content, DatasetEntry, check_claim
from dinr_studio.io.geometry import place
from dinr_studio.io.isolation import DAMAGED, check_harmless
from dinr_studio.io.optional import needed

TRIED_WITH = ("SimpleITK",)
LONGEST_HEADER = 1 << 16
ELEMENTS = {
    "CHAR": "int8", "UCHAR": "uint8", "SHORT": "int16", "USHORT": "uint16", "INT": "int32", "UINT": "uint32",
    "LONG": "int32", "ULONG": "uint32", "LONG_LONG": "int64", "ULONG_LONG": "uint64", "FLOAT": "float32",
    "DOUBLE": "float64",
}  # fmt: skip
LINE = re.compile(r"[ \t]*(\w+)[ \t]*[=:](.*)")
AXES = {2: "yx", 3: "zyx", 4: "tzyx"}
MOST_CHANNELS = 1024
PIECE_BYTES = 1 << 20
EITHER_STREAM = 32 + zlib.MAX_WBITS  # zlib or gzip, by its first bytes


class _Header(NamedTuple):
    """What a header says that matters before the library reads the file. shape: as z, y, x, with t first."""

    fields: dict[str, str]
    shape: tuple[int, ...]
    channels: int
    dtype: np.dtype[Any]
    values_in: Path
    offset: int
    packed: bool

    @property
    def bytes(self) -> int:
        """Length of the values, not packed."""
        return math.prod(self.shape) * self.channels * self.dtype.itemsize


def list_metaimage(path: Path) -> list[DatasetEntry]:
    """The one image in a MetaImage file, by its header."""
    header = _read_header(path)
    shape = header.shape + ((header.channels,) if header.channels > 1 else ())
    return [DatasetEntry("image", shape, str(header.dtype))]


def read_metaimage(path: Path, dataset: str | None) -> Content:
    """The image in a MetaImage file with its place in space; a fourth dimension is time."""
    header = _read_header(path)
    check_harmless(path, __name__, try_metaimage.__name__)
    image = _information(path)
    if tuple(image.GetSize()) != header.shape[::-1]:
        raise FileFormatError(f"{path.name} does not clearly say how large its image is; use an intact copy.")
    values = _values(header)
    placed, size, origin = _placement(header, image)
    axes = AXES[len(header.shape)] + ("c" if header.channels > 1 else "")
    if axes.startswith("tz") and values.shape[1] == 1:  # frames of an image
        values, axes = values[:, 0], axes.replace("z", "")
    return Content(
        values=values,
        axes=axes,
        voxel_size=dict(placed.voxel_size) | size,
        origin=dict(placed.origin) | origin,
        units=dict.fromkeys("zyx", "mm"),
        orientation=placed.orientation,
        dataset="image",
        notes=placed.notes + ((f"Comment: {header.fields['Comment']}",) if header.fields.get("Comment") else ()),
        files=() if header.values_in == path else (path, header.values_in),
    )


def try_metaimage(path: str) -> None:
    """Reads a header as `read_metaimage` would, and forgets it; see `check_harmless`."""
    needed("SimpleITK", "medical", "MetaImage")
    try:
        _information(Path(path))
    except Exception:  # which the library also prints, where nobody reads it
        sys.exit(DAMAGED)


def _information(path: Path) -> Any:
    """What ITK knows of an image before it reads the values."""
    itk = needed("SimpleITK", "medical", "MetaImage")
    itk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = itk.ImageFileReader()
    reader.SetImageIO("MetaImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader


def _read_header(path: Path) -> _Header:
    """The header, checked against the file that holds the values."""
    fields, offset = _fields(path)
    shape = tuple(_whole_numbers(path, fields, "DimSize"))[::-1]
    channels = _whole_numbers(path, fields, "ElementNumberOfChannels", "1")[0]
    if [len(shape)] != _whole_numbers(path, fields, "NDims") or len(shape) not in AXES or min(shape) < 1:
        raise FileFormatError(f"{path.name} claims the sizes {shape[::-1][:8]}; 2 to 4 positive ones can be read.")
    if not 1 <= channels <= MOST_CHANNELS:
        raise FileFormatError(f"{path.name} claims {channels} channels; use an intact copy.")
    element = fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY")
    if element not in ELEMENTS:
        raise FileFormatError(f"{path.name} holds values of type {element[:40]!r}; numbers can be read: convert it.")
    if fields.get("BinaryData", "True")[:1] not in "Tt1":
        raise FileFormatError(f"{path.name} holds its values as text; save them as binary data.")
    msb = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))[:1] in "Tt1"
    dtype = np.dtype(ELEMENTS[element]).newbyteorder(">" if msb else "<")
    name = fields["ElementDataFile"]
    if name.split()[:1] == ["LIST"] or "%" in name:
        raise FileFormatError(f"{path.name} spreads its values over several files; save them as one .mha file.")
    values_in, start = (path, offset) if name in ("LOCAL", "Local", "local") else (data_file(path, name), 0)
    packed = fields.get("CompressedData", "False")[:1] in "Tt1"
    header = _Header(fields, shape, channels, dtype, values_in, start, packed)
    return header._replace(offset=_offset(path, header))


def _offset(path: Path, header: _Header) -> int:
    """Where the values begin in their file, which must be long enough for them."""
    stated = _whole_numbers(path, header.fields, "HeaderSize", "0")[0]
    length = header.values_in.stat().st_size
    start = stated if stated > 0 else max(0, length - header.bytes) if stated < 0 else header.offset
    if not 0 <= start < length or stated < -1:
        raise FileFormatError(f"{path.name} says that its values begin at byte {stated}; use an intact copy.")
    check_claim(header.values_in, header.bytes + (0 if header.packed else start), compressed=header.packed)
    return start


def _values(header: _Header) -> NDArray[Any]:
    """The values, (*shape) or (*shape, channels); of a packed file no more is unpacked than it claims."""
    values = np.empty(header.shape + ((header.channels,) if header.channels > 1 else ()), header.dtype)
    room = values.reshape(-1).view(np.uint8).data
    with open(header.values_in, "rb") as file:
        file.seek(header.offset)
        filled = _unpack(file, room) if header.packed else file.readinto(room)
    if filled != len(room):
        raise FileFormatError(
            f"{header.values_in.name} ends after {filled:,} of {len(room):,} bytes of values: it is truncated or "
            "damaged; use an intact copy."
        )
    return values


def _unpack(file: Any, room: memoryview) -> int:
    """Fills `room` from a zlib or gzip stream, which checks its sum at its end; returns how far it went."""
    unpacker, filled = zlib.decompressobj(wbits=EITHER_STREAM), 0
    while not unpacker.eof:
        packed = unpacker.unconsumed_tail or file.read(PIECE_BYTES)
        piece = unpacker.decompress(packed, max(1, len(room) - filled))
        if filled + len(piece) > len(room):
            raise FileFormatError("The file unpacks to more values than its header says; use an intact copy.")
        if not packed:
            return max(0, filled - 1)  # whatever came, it was not all
        room[filled : filled + len(piece)] = piece
        filled += len(piece)
    return filled


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The header's fields, of which the name of the data file is the last, and where it ends."""
    with open(path, "rb") as file:
        start = file.read(LONGEST_HEADER)
    fields: dict[str, str] = {}
    offset = 0
    for line in start.split(b"\n"):
        offset += len(line) + 1
        found = LINE.fullmatch(line.decode("latin-1"))
        name = found[1] if found else ""
        value = found[2].strip(" \t\r") if found else ""
        if found is None or name in fields or "\0" in value or "\r" in value:
            break
        fields[name] = value
        if name == "ElementDataFile":
            return fields, offset
    raise FileFormatError(f"{path.name} has no valid MetaImage header; it is damaged or not a MetaImage file.")


def _whole_numbers(path: Path, fields: dict[str, str], name: str, usual: str = "") -> list[int]:
    try:
        numbers = [int(word) for word in fields.get(name, usual).split()]
    except ValueError:
        numbers = []
    if not numbers:
        raise FileFormatError(f"{path.name} has no valid {name} in its header; use an intact copy.")
    return numbers


def _placement(header: _Header, image: Any) -> tuple[Placement, dict[str, float], dict[str, float]]:
    """Where the voxels lie, and step and start of time where there is such."""
    count = len(header.shape)
    directions = np.array(image.GetDirection(), dtype=np.float64).reshape(count, count)
    sizes, origin = (np.array(numbers, dtype=np.float64) for numbers in (image.GetSpacing(), image.GetOrigin()))
    steps = {axis: _in_3d(directions[:, i] * sizes[i]) for i, axis in enumerate("xyz"[:count])}
    placed = place(steps, _in_3d(origin), _space(header))
    if count < 4:
        return placed, {}, {}
    return placed, {"t": float(sizes[3])}, {"t": float(origin[3])}


def _in_3d(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([vector, np.zeros(3)])[:3]


def _space(header: _Header) -> Space:
    """LPS where the header says how a patient lies; of four dimensions ITK always says that in question marks."""
    letters = header.fields.get("AnatomicalOrientation", "").replace(" ", "")
    known = letters.strip("?") or (letters and len(header.shape) == 4)
    return "LPS" if known else ""
