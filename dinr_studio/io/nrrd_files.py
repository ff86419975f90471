"""NRRD files (.nrrd, and .nhdr with its values in a file beside it), through pynrrd.

Axes whose kind is space or domain are x, y and z in the file's order; time is time, and a list, vector or colour is
channels. Their places are in nrrd_places.
"""

from __future__ import annotations

import bz2
import gzip
import io
import math
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError
from dinr_studio.io.beside import data_file
from dinr_studio.io.compressed import skip
from dinr_studio.io.content import Content, DatasetEntry, check_claim
from dinr_studio.io.nrrd_places import axes_of, nrrd_places
from dinr_studio.io.optional import needed

LONGEST_HEADER = 1 << 20
LONGEST_SKIP = 1 << 28
LONGEST_NUMBER = 64  # characters of a value in a file of text
BASE_BYTES = {
    "char": 1, "int8": 1, "short": 2, "short int": 2, "int16": 2, "int": 4, "int32": 4, "longlong": 8,
    "long long": 8, "long long int": 8, "int64": 8, "float": 4, "double": 8,
}  # fmt: skip
TEXT, GZIP, BZIP2 = ("ascii", "text", "txt"), ("gzip", "gz"), ("bzip2", "bz2")


class _Header(NamedTuple):
    """A header and where its values are. axes: letters in the file's order, the fastest first."""

    fields: dict[str, Any]
    axes: str
    shape: tuple[int, ...]
    itemsize: int
    values_in: Path
    offset: int


def list_nrrd(path: Path) -> list[DatasetEntry]:
    """The one array in an NRRD file, by its header."""
    header = _read_header(path)
    return [DatasetEntry("image", header.shape[::-1], str(header.fields["type"]))]


def read_nrrd(path: Path, dataset: str | None) -> Content:
    """The array in an NRRD file, placed in space RAS or LPS where the header names one."""
    header = _read_header(path)
    values = _values(header)
    places = nrrd_places(header.fields, header.axes)
    return Content(
        values=values,
        axes=header.axes[::-1],
        voxel_size=places.voxel_size,
        origin=places.origin,
        units=places.units,
        value_unit=str(header.fields.get("sample units", "")).strip('" '),
        orientation=places.orientation,
        dataset="image",
        notes=places.notes,
        files=() if header.values_in == path else (path, header.values_in),
    )


def _read_header(path: Path) -> _Header:
    """The header and where its values lie, checked before any of them is read."""
    nrrd = needed("nrrd", "medical", "NRRD")
    raw = _header_bytes(path)
    try:
        fields = dict(nrrd.read_header(io.BytesIO(raw)))
        sizes = tuple(int(n) for n in fields["sizes"])
        kind, encoding, dimension = str(fields["type"]), str(fields["encoding"]).lower(), int(fields["dimension"])
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise FileFormatError(f"{path.name} has no valid NRRD header ({reason}); use an intact copy.") from error
    if dimension != len(sizes) or not 1 <= len(sizes) <= 5 or min(sizes) < 1:
        raise FileFormatError(f"{path.name} claims the sizes {sizes}; 1 to 5 positive ones can be read.")
    itemsize = _itemsize(kind)
    if not itemsize:
        raise FileFormatError(f"{path.name} holds values of type {kind[:40]!r}; use integers, float or double.")
    named = fields.get("data file", fields.get("datafile"))
    if named is not None and (named.split()[:1] == ["LIST"] or "%" in named):
        raise FileFormatError(f"{path.name} spreads its values over several files; save them as one .nrrd file.")
    values_in, offset = (path, len(raw)) if named is None else (data_file(path, named), 0)
    header = _Header(fields | {"encoding": encoding}, axes_of(path, fields, sizes), sizes, itemsize, values_in, offset)
    _check_claims(header)
    return header


def _header_bytes(path: Path) -> bytes:
    """All up to and including the first empty line, or the whole file where there is none."""
    with open(path, "rb") as file:
        start = file.read(LONGEST_HEADER)
    if not start.startswith(b"NRRD"):
        raise FileFormatError(f"{path.name} does not begin with NRRD; it is damaged or not an NRRD file.")
    ends = [start.find(end) + len(end) for end in (b"\n\n", b"\n\r\n") if end in start]
    return start[: min(ends)] if ends else start


def _itemsize(name: str) -> int:
    """Bytes of a value of a type by its NRRD name; 0 where it is no type of numbers."""
    words = name.strip().removesuffix("_t")
    for prefix in ("signed ", "unsigned "):
        words = words.removeprefix(prefix)
    return BASE_BYTES.get(words) or BASE_BYTES.get(words.removeprefix("u"), 0)


def _skips(fields: dict[str, Any]) -> tuple[int, int]:
    """Lines, then bytes, to leave out before the values; -1 bytes where the values end the file."""
    lines, count = (int(fields.get(f"{name} skip", fields.get(f"{name}skip", 0))) for name in ("line", "byte"))
    return lines, count


def _check_claims(header: _Header) -> None:
    """FileFormatError where the data file cannot hold what the header claims."""
    encoding, (lines, skipped) = header.fields["encoding"], _skips(header.fields)
    if encoding not in ("raw", *TEXT, *GZIP, *BZIP2):
        raise FileFormatError(f"The values are encoded as {encoding[:40]!r}; raw, ascii, gzip and bzip2 can be read.")
    compressed = encoding in (*GZIP, *BZIP2)
    if not (0 <= lines <= LONGEST_HEADER and -1 + compressed <= skipped <= LONGEST_SKIP):
        raise FileFormatError(
            f"The header leaves out {lines} lines and {skipped} bytes before the values; use an intact copy."
        )
    values = math.prod(header.shape)
    claimed = (2 * values - 1 if encoding in TEXT else values * header.itemsize) + max(0, skipped)
    check_claim(header.values_in, claimed + (0 if compressed else header.offset), compressed=compressed)
    most = LONGEST_SKIP + values * (LONGEST_NUMBER if encoding in TEXT else header.itemsize)
    if not compressed and header.values_in.stat().st_size > most:  # pynrrd would read it all
        raise FileFormatError(f"{header.values_in.name} is far longer than the header says; use the right data file.")


def _values(header: _Header) -> NDArray[Any]:
    """The values in C order, the fastest axis last; of a compressed file no more is unpacked than it claims."""
    import nrrd

    fields = {name: header.fields[name] for name in ("dimension", "sizes", "type", "endian") if name in header.fields}
    encoding, (lines, skipped) = header.fields["encoding"], _skips(header.fields)
    values: NDArray[Any]
    with open(header.values_in, "rb") as file:
        file.seek(header.offset)
        for _ in range(lines):
            file.readline(LONGEST_SKIP)
        if encoding not in (*GZIP, *BZIP2):
            values = nrrd.read_data(fields | {"encoding": encoding, "byte skip": skipped}, file, index_order="C")
            return values
        plain: Any = gzip.GzipFile(fileobj=file) if encoding in GZIP else bz2.BZ2File(file)
        with plain:
            skip(plain, skipped)
            content = plain.read(math.prod(header.shape) * header.itemsize)
    values = nrrd.read_data(fields | {"encoding": "raw"}, io.BytesIO(content), index_order="C")
    return values
