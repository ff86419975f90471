"""DICOM: the series of a folder, or that of one file of it, as volumes; through pydicom.

Slices lie by their position along the normal. Values are those that RescaleSlope and RescaleIntercept give, Hounsfield
units for CT. An index file (DICOMDIR) is never followed. Source: DICOM PS3.3.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.affine import placement
from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import Content, DatasetEntry, check_claim, check_memory, choose_dataset
from dinr_studio.io.dicom_headers import DEFLATED, Frame, files_below, frames_of, is_dicom
from dinr_studio.io.dicom_stacks import Stack, stacks_of
from dinr_studio.io.isolation import (
    COPIES,
    DAMAGED,
    check_all_harmless,
    limit_memory,
    limit_time,
    processor_seconds,
)
from dinr_studio.io.optional import needed
from dinr_studio.io.series import files_of, is_pattern

TRIED_WITH = ("pydicom.pixels",)
MM, SECOND = "mm", "s"
WHOLE_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
PLAIN_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "")
RUN_LENGTHS = "1.2.840.10008.1.2.5"
COLOURS = ("red", "green", "blue")


def list_dicom(path: Path) -> list[DatasetEntry]:
    """The volumes in a folder, each a series or a part of one; of a file, those that it belongs to."""
    return [_entry(stack) for stack in _stacks(path)]


def read_dicom(path: Path, dataset: str | None) -> Content:
    """One volume with its place in the patient's space (LPS) in mm; a single slice is y, x, colours are channels."""
    stacks = _stacks(path)
    if not stacks:
        raise FileFormatError(f"{path.name} holds no DICOM image; give a folder or a file that has one.")
    name = choose_dataset(path, [_entry(stack) for stack in stacks], dataset).name
    stack = next(stack for stack in stacks if stack.name == name)
    if stack.fault:
        raise FileFormatError(f"{path.name}: {name} is no volume: {stack.fault}.")
    first = stack.first
    _check(path, stack)
    values, missing, notes = _values(stack)
    axes, keep = _axes(stack)
    if first.colours:
        axes, keep = axes + "c", (*keep, slice(None))
    sizes, origins, units, orientation, more = _place(stack, axes)
    return Content(
        values[keep],
        axes,
        sizes,
        origins,
        units,
        value_unit="" if first.colours else first.value_unit,
        channel_names=COLOURS if first.colours else (),
        missing=None if missing is None else missing[keep],
        orientation=orientation,
        dataset=name,
        notes=stack.notes + more + notes,
        files=tuple(sorted({frame.file for frame in stack.present})),
    )


def _stacks(path: Path) -> list[Stack]:
    if path.name.upper() == "DICOMDIR":
        raise FileFormatError(f"{path.name} is an index of other files; open the folder that it lies in instead.")
    if path.is_dir():
        return stacks_of([frame for file in files_below(path) if is_dicom(file) for frame in frames_of(file)])
    if is_pattern(path):
        return stacks_of([frame for file in files_of(path) if is_dicom(file) for frame in frames_of(file)])
    own = frames_of(path)
    beside = sorted(f for f in path.parent.iterdir() if not f.name.startswith(".") and f.name != path.name)
    series = {frame.series for frame in own} - {""}
    others = [frame for file in beside if series and is_dicom(file) for frame in _if_intact(file)]
    stacks = stacks_of([*own, *(frame for frame in others if frame.series in series)])
    return [stack for stack in stacks if any(frame.file == path for frame in stack.present)]


def _if_intact(path: Path) -> list[Frame]:
    """Frames of a file beside the one that is opened, whose damage is no reason not to open that."""
    try:
        return frames_of(path) if path.name.upper() != "DICOMDIR" else []
    except FileFormatError:
        return []


def _entry(stack: Stack) -> DatasetEntry:
    first = stack.first
    shape: tuple[int, ...] = (len(stack.frames), len(stack.frames[0]), *first.shape)
    kept = tuple(n for i, n in enumerate(shape) if n > 1 or i > 1 or (i == 0 and stack.moving))
    colours = (3,) if first.colours else ()
    return DatasetEntry(stack.name, (*kept, *colours), str(_value_type(stack)), first.about)


def _axes(stack: Stack) -> tuple[str, tuple[Any, ...]]:
    """Letters, and the index that leaves out time and slices where there is one only."""
    keep: list[Any] = [slice(None) if stack.moving else 0, slice(None) if len(stack.frames[0]) > 1 else 0]
    letters = "".join(letter for letter, kept in zip("tz", keep, strict=True) if kept != 0)
    return letters + "yx", (*keep, slice(None), slice(None))


def _place(stack: Stack, axes: str) -> tuple[dict[str, float], dict[str, float], dict[str, str], Any, tuple[str, ...]]:
    """Voxel size, origin and unit by axis, orientation, and what is to be said about them."""
    first, orientation = stack.first, None
    sizes: dict[str, float] = {}
    origins: dict[str, float] = {}
    notes: tuple[str, ...] = ()
    if stack.affine is not None and "z" in axes:
        found = placement(stack.affine, "LPS")
        sizes, origins = dict(found.voxel_size), dict(found.origin)
        orientation, notes = found.orientation, found.notes
    elif first.spacing is not None:
        sizes = {"y": first.spacing[0], "x": first.spacing[1]}
        if "z" in axes:
            sizes["z"] = first.distance or first.spacing[1]
            if first.distance is None:
                notes = ("The distance of slices is not known; they are taken as thick as a pixel is wide.",)
    units = dict.fromkeys(sizes, MM)
    if stack.moving and stack.seconds:
        sizes["t"], units["t"] = abs(stack.seconds), SECOND
    return sizes, origins, units, orientation, notes


def _check(path: Path, stack: Stack) -> None:
    """FileFormatError where files are too short for what they claim, memory is, or a library would crash."""
    by_file: dict[Path, list[Frame]] = {}
    for frame in stack.present:
        by_file.setdefault(frame.file, []).append(frame)
    for file, frames in by_file.items():
        pixels = sum(frame.shape[0] * frame.shape[1] for frame in frames)
        plain = frames[0].syntax in PLAIN_SYNTAXES
        check_claim(file, pixels * (frames[0].bits or 32) // 8, compressed=not plain)
    count = len(stack.frames) * len(stack.frames[0]) * (3 if stack.first.colours else 1)
    rows, columns = stack.first.shape
    check_memory(path.name, count * rows * columns * _value_type(stack).itemsize)
    packed = {f.file: f.syntax for f in stack.present if f.syntax not in (*PLAIN_SYNTAXES, DEFLATED, RUN_LENGTHS)}
    for syntax, file in {syntax: file for file, syntax in packed.items()}.items():
        _check_readable(file, syntax)
    if packed:
        check_all_harmless(sorted(packed), __name__, "decode")


def _check_readable(path: Path, syntax: str) -> None:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID, UID_dictionary

    name = UID(syntax).name if syntax in UID_dictionary else "something unknown"
    try:
        readable = get_decoder(UID(syntax)).is_available
    except NotImplementedError:
        raise FileFormatError(
            f"{path.name} is compressed as {name}, which cannot be read; save it uncompressed."
        ) from None
    if not readable:
        needed("pylibjpeg", "medical", "Compressed DICOM")
        raise FileFormatError(
            f"{path.name} is compressed as {name}, for which a library is missing; "
            "add it with: pip install 'dinr-studio[medical]'."
        )


def decode(path: str) -> None:
    """Decodes all of a file and keeps nothing: what is tried in a process of its own, where any failure is damage."""
    from pydicom.pixels import iter_pixels

    try:
        frames = frames_of(Path(path))
        pixels = 8 * frames[0].shape[0] * frames[0].shape[1]
        limit_memory(COPIES * pixels + os.path.getsize(path))
        limit_time(os.path.getsize(path) + 4 * pixels * len(frames), processor_seconds())
        for _ in iter_pixels(path):
            pass
    except Exception:
        sys.exit(DAMAGED)


def _value_type(stack: Stack) -> np.dtype[Any]:
    """The type that holds every value of a volume: the stored one, a larger one, or float32."""
    frames = stack.present
    if any(frame.bits is None for frame in frames):
        return np.dtype(np.float32)
    if stack.first.colours:
        return np.dtype(np.uint8 if max(frame.bits or 8 for frame in frames) <= 8 else np.uint16)
    if any(not (frame.slope.is_integer() and frame.intercept.is_integer()) for frame in frames):
        return np.dtype(np.float32)
    ends = [end * frame.slope + frame.intercept for frame in frames for end in _stored_range(frame)]
    for name in WHOLE_TYPES:
        limits = np.iinfo(name)
        if limits.min <= min(ends) and max(ends) <= limits.max:
            return np.dtype(name)
    return np.dtype(np.float32)


def _stored_range(frame: Frame) -> tuple[int, int]:
    bits = frame.bits or 16
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if frame.signed else (0, (1 << bits) - 1)


def _values(stack: Stack) -> tuple[NDArray[Any], NDArray[np.bool_] | None, tuple[str, ...]]:
    """Values (t, z, y, x[, channels]), where they are missing, and what was done to them."""
    first = stack.first
    shape = (len(stack.frames), len(stack.frames[0]), *first.shape, *((3,) if first.colours else ()))
    values = np.zeros(shape, _value_type(stack))
    padded = any(frame.padding is not None for frame in stack.present) and not first.colours
    gaps = len(stack.present) < shape[0] * shape[1]
    missing = np.zeros(shape, dtype=bool) if padded or gaps else None
    slots = {frame: (t, z) for t, row in enumerate(stack.frames) for z, frame in _numbered(row)}
    if missing is not None:
        missing[...] = True
    for frame, stored in _decoded(stack.present):
        at = slots[frame]
        if missing is not None:
            missing[at] = False if frame.padding is None or first.colours else stored == frame.padding
        values[at] = _rescaled(frame, stored)
    return values, missing, _value_notes(stack, missing)


def _numbered(row: Sequence[Frame | None]) -> Iterator[tuple[int, Frame]]:
    return ((z, frame) for z, frame in enumerate(row) if frame is not None)


def _rescaled(frame: Frame, stored: NDArray[Any]) -> NDArray[Any]:
    """What stored pixels mean; pictures stored as negatives, which have no unit, are turned to positives."""
    if frame.colours:
        return stored
    whole = frame.bits is not None and frame.slope.is_integer() and frame.intercept.is_integer()
    values = stored.astype(np.int64 if whole else np.float64)
    if _is_negative(frame):
        values = sum(_stored_range(frame)) - values
    if whole:
        return values * int(frame.slope) + int(frame.intercept)
    return values * frame.slope + frame.intercept


def _is_negative(frame: Frame) -> bool:
    return frame.photometric == "MONOCHROME1" and not frame.value_unit and frame.bits is not None


def _value_notes(stack: Stack, missing: NDArray[np.bool_] | None) -> tuple[str, ...]:
    first, notes = stack.first, []
    if _is_negative(first):
        notes.append("The images are stored as negatives (MONOCHROME1); their values were turned round.")
    elif first.photometric == "MONOCHROME1":
        notes.append("Low values are meant to be shown bright (MONOCHROME1); the values are left as they are.")
    if first.photometric == "PALETTE COLOR":
        notes.append("The colours of the palette were put in.")
    if first.table:
        notes.append("A look-up table for the values (modality LUT) is not applied; these are the stored values.")
    gaps = sum(frame is None for row in stack.frames for frame in row) * first.shape[0] * first.shape[1]
    if first.padding is not None and missing is not None and np.count_nonzero(missing) > gaps:
        notes.append("Voxels of the padding value count as missing.")
    return tuple(notes)


def _decoded(frames: Sequence[Frame]) -> Iterator[tuple[Frame, NDArray[Any]]]:
    """Each frame with its stored pixels, (y, x) or, of colours, (y, x, 3)."""
    by_file: dict[Path, list[Frame]] = {}
    for frame in frames:
        by_file.setdefault(frame.file, []).append(frame)
    for file, own in by_file.items():
        own.sort(key=lambda frame: frame.index)
        yield from zip(own, _pixels(file, own), strict=True)


def _pixels(file: Path, frames: list[Frame]) -> Iterator[NDArray[Any]]:
    from pydicom import Dataset
    from pydicom.pixels import apply_color_lut, iter_pixels

    described = Dataset()
    damage = FileFormatError(f"{file.name} is damaged: its pixels cannot be decoded; use an intact copy.")
    try:  # what the library says may quote the file, and with it the patient
        indices = [frame.index for frame in frames]
        for frame, pixels in zip(frames, iter_pixels(file, ds_out=described, indices=indices), strict=True):
            if frame.photometric == "PALETTE COLOR":
                pixels = apply_color_lut(pixels, described)[..., :3]
            if pixels.shape[:2] != frame.shape or pixels.ndim != (3 if frame.colours else 2):
                raise damage from None
            yield pixels
    except (MemoryError, FileFormatError):
        raise
    except Exception:
        raise damage from None
