"""NIfTI-1 and NIfTI-2 files (.nii, .nii.gz, and pairs of .hdr and .img), through nibabel.

A volume lies where its sform says, else its qform, else by voxel size alone; positions are those of space RAS.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinr_studio.affine import Placement
from dinr_studio.errors import FileFormatError
from dinr_studio.io.beside import data_file
from dinr_studio.io.compressed import is_compressed, opened
from dinr_studio.io.content import Content, DatasetEntry, check_claim
from dinr_studio.io.geometry import place
from dinr_studio.io.lengths import shortest
from dinr_studio.io.optional import needed

HEADER_BYTES = {348: 1, 540: 2}  # length of a header to its version
MAGIC_AT = {1: 344, 2: 4}
LONGEST_EXTENSIONS = 1 << 28  # bytes between header and values
SPACE_UNITS = {1: "m", 2: "mm", 3: "um"}
TIME_UNITS = {8: "s", 16: "ms", 24: "us", 32: "Hz", 40: "ppm", 48: "rad/s"}
CHANNEL_INTENTS = (1004, 1005, 1006, 1007, 1008, 1009, 2003, 2004)  # matrices, vectors, points, colours
COLOURS = ("red", "green", "blue")


class _Header(NamedTuple):
    """What a header says. shape: x, y, z, t, c, of which `axes` names those that there are."""

    fields: Any
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    values_in: Path
    offset: int


def list_nifti(path: Path) -> list[DatasetEntry]:
    """The one array in a NIfTI file, by its header."""
    header = _read_header(path)
    return [DatasetEntry("image", header.shape[::-1], str(header.dtype))]


def read_nifti(path: Path, dataset: str | None) -> Content:
    """The image in a NIfTI file, its values scaled by slope and intercept, in space RAS where it has an affine.

    The fourth dimension is time, unless the intent says that voxels hold vectors; the fifth is channels.
    """
    header = _read_header(path)
    claimed = header.offset + math.prod(header.shape) * header.dtype.itemsize
    check_claim(header.values_in, claimed, compressed=is_compressed(header.values_in))
    values, axes = _values(header), header.axes[::-1]
    names: tuple[str, ...] = ()
    notes = _notes(header)
    if header.dtype.names:
        values, axes, names = values.view(np.uint8).reshape(*values.shape, -1)[..., :3], axes + "c", COLOURS
        if len(header.dtype.names) > 3:
            notes += ("The image's transparency was left out.",)
    placed, place_notes = _placement(header)
    size, origin, units = _time(header)
    unit = SPACE_UNITS.get(int(header.fields["xyzt_units"]) & 7, "")
    if not unit:
        place_notes += ("The header names no unit of length; most programs take it as mm: state it with --unit mm.",)
    return Content(
        values=values,
        axes=axes,
        voxel_size=dict(placed.voxel_size) | size,
        origin=dict(placed.origin) | origin,
        units=dict.fromkeys("zyx", unit) | units,
        channel_names=names,
        orientation=placed.orientation,
        dataset="image",
        notes=notes + place_notes,
        files=() if header.values_in == path else (path, header.values_in),
    )


def _read_header(path: Path) -> _Header:
    """The header, checked as far as it says where values lie; nibabel's own checks would mend it, and print."""
    nifti1, nifti2 = (needed(f"nibabel.nifti{version}", "medical", "NIfTI") for version in (1, 2))
    with opened(path) as file:
        raw = file.read(540)
    lengths = [int.from_bytes(raw[:4], order) for order in ("little", "big")]
    version = next((HEADER_BYTES[n] for n in lengths if n in HEADER_BYTES), 0)
    magic = raw[MAGIC_AT[version] :][:3] if version else b""
    length = 540 if version == 2 else 348
    if magic not in (b"n+1", b"ni1", b"n+2", b"ni2") or len(raw) < length:
        raise FileFormatError(f"{path.name} has no NIfTI header; it is damaged or not a NIfTI file.")
    kind = nifti2.Nifti2PairHeader if version == 2 else nifti1.Nifti1PairHeader
    fields = kind(raw[:length], check=False)
    axes, shape = _axes(path, fields)
    single = magic[:2] == b"n+"
    offset = float(fields["vox_offset"]) or (length + 4.0) * single  # zero is said where the usual place is meant
    if not (length * single <= offset <= LONGEST_EXTENSIONS and offset == int(offset)):
        raise FileFormatError(f"{path.name} says that its values begin at byte {offset:g}; use an intact copy.")
    values_in = path if single else data_file(path, path.with_suffix(".img").name)
    return _Header(fields, axes, shape, _dtype(path, fields), values_in, int(offset))


def _axes(path: Path, fields: Any) -> tuple[str, tuple[int, ...]]:
    """Letters and lengths of the dimensions that are there, x first."""
    dimensions = [int(n) for n in fields["dim"]]
    count, lengths = dimensions[0], dimensions[1:]
    if not 1 <= count <= 7 or min(lengths[:count]) < 1:
        raise FileFormatError(f"{path.name} claims the dimensions {tuple(lengths)}; it is damaged: use an intact copy.")
    lengths = lengths[:count] + [1] * (7 - count)
    if max(lengths[5:]) > 1:
        raise FileFormatError(
            f"{path.name} has {count} dimensions {tuple(lengths[:count])}; x, y, z, time and one for channels can be "
            "read: save the part you want."
        )
    letters = "xyztc"
    if lengths[4] == 1 and int(fields["intent_code"]) in CHANNEL_INTENTS:
        letters = "xyzct"
    leading = min(count, 3) if count <= 3 else 1  # beyond z, lengths of 1 may be there to keep the places
    kept = [i for i in range(5) if i < leading or lengths[i] > 1]
    return "".join(letters[i] for i in kept), tuple(lengths[i] for i in kept)


def _dtype(path: Path, fields: Any) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = fields.get_data_dtype()
    except Exception as error:
        raise FileFormatError(
            f"{path.name} holds values of NIfTI type {int(fields['datatype'])}, which is not known; use an intact copy."
        ) from error
    if dtype.itemsize == 0 or (dtype.kind == "V" and not dtype.names):
        raise FileFormatError(
            f"{path.name} holds values of NIfTI type {int(fields['datatype'])}; integers, floating-point numbers and "
            "colours can be read: convert it."
        )
    return dtype


def _values(header: _Header) -> NDArray[Any]:
    """The values in C order, x last, scaled by slope and intercept where these say more than 1 and 0."""
    from nibabel.arrayproxy import ArrayProxy

    with opened(header.values_in) as file:
        proxy = ArrayProxy(file, (header.shape, header.dtype, header.offset), mmap=False)
        stored: NDArray[Any] = np.asarray(proxy.get_unscaled()).T
    if stored.dtype.kind == "f" and stored.dtype.itemsize > 8:
        stored = stored.astype(np.float64)
    slope, intercept = (float(header.fields[name]) for name in ("scl_slope", "scl_inter"))
    if not np.isfinite(slope) or slope == 0 or (slope, intercept) == (1.0, 0.0) or stored.dtype.kind not in "iuf":
        return stored
    if not np.isfinite(intercept):
        raise FileFormatError("The file's scaling has an intercept that is no number; use an intact copy.")
    scaled = np.empty(stored.shape, np.float32 if stored.dtype.itemsize <= 2 else np.float64)
    for i, part in enumerate(stored):
        scaled[i] = part.astype(np.float64) * slope + intercept
    return scaled


def _notes(header: _Header) -> tuple[str, ...]:
    fields, notes = header.fields, []
    text = bytes(fields["descrip"]).split(b"\0")[0].decode("utf-8", "replace").strip()
    if text:
        notes.append(f"Described in the file as: {text}")
    intent = bytes(fields["intent_name"]).split(b"\0")[0].decode("utf-8", "replace").strip()
    if intent:
        notes.append(f"Intent named in the file: {intent}")
    if "t" in header.axes and int(fields["xyzt_units"]) & 56 == 0:
        notes.append("The fourth dimension is taken as time; its header names no unit of time.")
    return tuple(notes)


def _placement(header: _Header) -> tuple[Placement, tuple[str, ...]]:
    """Where the voxels lie, by sform, qform or voxel size; the shortest decimals where these are single precision."""
    fields = header.fields
    sizes = [shortest(fields["pixdim"][i]) for i in (1, 2, 3)]
    if int(fields["sform_code"]) > 0:
        affine = np.array([[shortest(v) for v in fields[f"srow_{axis}"]] for axis in "xyz"])
    elif int(fields["qform_code"]) > 0:
        fields = fields.copy()
        fields["pixdim"][0] = -1 if fields["pixdim"][0] < 0 else 1
        fields["pixdim"][1:4] = np.abs(fields["pixdim"][1:4])
        affine = fields.get_qform()[:3]
    else:
        return _by_size(header, sizes)
    there = [axis for axis in header.axes if axis in "xyz"]
    found = place({axis: affine[:, "xyz".index(axis)] for axis in there}, affine[:, 3], "RAS")
    stated = dict(zip("xyz", np.abs(sizes).tolist(), strict=True))
    close = {axis: v for axis, v in stated.items() if abs(v - found.voxel_size[axis]) < 1e-6 * v}
    return replace(found, voxel_size=dict(found.voxel_size) | close), found.notes


def _by_size(header: _Header, sizes: list[float]) -> tuple[Placement, tuple[str, ...]]:
    usable = [abs(size) if np.isfinite(size) and size != 0 else 1.0 for size in sizes]
    notes: tuple[str, ...] = ("The header does not place the volume in space; it is taken to begin at 0.",)
    there = [i for i, axis in enumerate("xyz") if axis in header.axes]
    if any(usable[i] != abs(sizes[i]) for i in there):
        notes += ("The header gives no voxel size, so 1 is taken: state it with --voxel-size.",)
    return Placement(dict(zip("xyz", usable, strict=True)), {}, None), notes


def _time(header: _Header) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """Step, start and unit of time, where there is a time axis."""
    if "t" not in header.axes:
        return {}, {}, {}
    step, start = abs(shortest(header.fields["pixdim"][4])), shortest(header.fields["toffset"])
    size = {"t": step} if np.isfinite(step) and step > 0 else {}
    unit = TIME_UNITS.get(int(header.fields["xyzt_units"]) & 56, "")
    return size, {"t": start} if np.isfinite(start) else {}, {"t": unit}
