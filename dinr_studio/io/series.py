"""Numbered files as one volume: images as its slices, or volumes as points in time.

They are found in a folder, or by a pattern such as slices/*.tif. What the files have in common besides a number is the
name of the series.
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import Content, DatasetEntry, check_memory, choose_dataset

DIGITS = re.compile(r"(\d+)")
LEADING_AXES = "yzt"  # what a file more in the series is a step along: the first that a file has not
FEWEST = 2
SHOWN = 6  # ranges of missing numbers that are listed
THICKNESS = (
    "The distance of slices is not known; they are taken as thick as a pixel is wide: state it with --voxel-size."
)
ENTERS_NO_SERIES = ("DICOM", "Zarr", "CSV", "Parquet")


@dataclass(frozen=True)
class Series:
    """Files in the order of their numbers; name: a pattern of what they have in common."""

    name: str
    files: tuple[Path, ...]
    numbers: tuple[int, ...]


def is_pattern(path: Path) -> bool:
    """Whether a path is a pattern for names of files, and not itself one."""
    try:
        return any(sign in str(path) for sign in "*?[") and not path.exists()
    except (OSError, ValueError):
        return False


def files_of(path: Path) -> list[Path]:
    """The files that a pattern or a folder stands for, hidden ones left out."""
    found = [Path(file) for file in glob.glob(str(path))] if is_pattern(path) else list(path.iterdir())
    return sorted(file for file in found if not file.name.startswith(".") and file.is_file())


def series_in(path: Path) -> list[Series]:
    """The series of numbered files that a folder or a pattern holds, by name."""
    from dinr_studio.io.reading import SUFFIXES

    by_skeleton: dict[str, list[Path]] = {}
    for file in files_of(path):
        if SUFFIXES.get(file.suffix.lower(), ENTERS_NO_SERIES[0]) not in ENTERS_NO_SERIES:
            by_skeleton.setdefault(DIGITS.sub("\0", file.name.lower()), []).append(file)
    found = [series for files in by_skeleton.values() if len(files) >= FEWEST for series in _parted(files)]
    return sorted(found, key=lambda series: series.name)


def _parted(files: list[Path]) -> list[Series]:
    """Files that differ in their numbers alone, parted so that within each series one number counts.

    That is the last one that differs; where each file has all numbers for itself (a count and a time of day, say), it
    is the first.
    """
    parts = [DIGITS.split(file.name) for file in files]
    differ = [i for i in range(1, len(parts[0]), 2) if len({int(part[i]) for part in parts}) > 1]
    if not differ:
        return []
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, part in enumerate(parts):
        groups.setdefault(tuple(int(part[i]) for i in differ[:-1]), []).append(row)
    if all(len(rows) == 1 for rows in groups.values()):
        return [_series(files, parts, range(len(files)), differ[0], differ)]
    return [_series(files, parts, rows, differ[-1], differ[-1:]) for rows in groups.values() if len(rows) >= FEWEST]


def _series(
    files: list[Path], parts: list[list[str]], rows: Sequence[int], counted: int, stars: Sequence[int]
) -> Series:
    order = sorted(rows, key=lambda row: (int(parts[row][counted]), files[row].name))
    name = "".join("*" if i in stars else text for i, text in enumerate(parts[order[0]]))
    return Series(name, tuple(files[row] for row in order), tuple(int(parts[row][counted]) for row in order))


def list_series(path: Path) -> list[DatasetEntry]:
    """The series in a folder, by the shape of their first file."""
    found = []
    for series in series_in(path):
        entry = _entry(series.files[0])
        found.append(DatasetEntry(series.name, (len(series.files), *entry.shape), entry.dtype))
    return found


def read_series(path: Path, dataset: str | None) -> Content:
    """One series as a volume: files of two dimensions lie along z, files of three along t."""
    name = choose_dataset(path, list_series(path), dataset).name
    series = next(series for series in series_in(path) if series.name == name)
    _check_numbers(series)
    _check_alike(series)
    first = _read(series.files[0])
    letter = next((letter for letter in LEADING_AXES if letter not in first.axes), None)
    if letter is None:
        raise FileFormatError(
            f"{series.files[0].name} has the axes {first.axes}; files of a series have at most z, y and x: "
            "open it by itself."
        )
    shape = (len(series.files), *first.values.shape)
    check_memory(series.name, len(series.files) * int(first.values.nbytes))
    values, missing = np.empty(shape, first.values.dtype), None
    for i, file in enumerate(series.files):
        content = first if i == 0 else _read(file)
        _check_same(series, file, first, content)
        values[i] = content.values
        if content.missing is not None:
            missing = np.zeros(shape, dtype=bool) if missing is None else missing
            missing[i] = content.missing
    sizes, units, notes = _step(first, letter)
    return replace(
        first,
        values=values,
        missing=missing,
        axes=letter + first.axes,
        voxel_size=sizes,
        units=units,
        orientation=first.orientation if letter == "t" else None,
        dataset=name,
        notes=(*first.notes, *_gaps(series), *notes),
        files=series.files,
    )


def _read(file: Path) -> Content:
    from dinr_studio.io.reading import READERS, format_of, guarded

    content: Content = guarded(file, lambda: READERS[format_of(file)][0](file, None))
    if not isinstance(content.values, np.ndarray):
        raise FileFormatError(f"{file.name} alone is as large as memory; open it by itself, not as one of a series.")
    return content


def _entry(file: Path) -> DatasetEntry:
    from dinr_studio.io.reading import READERS, format_of, guarded

    entries: list[DatasetEntry] = guarded(file, lambda: READERS[format_of(file)][1](file))
    if len(entries) != 1:
        raise FileFormatError(f"{file.name} holds {len(entries)} datasets; files of a series hold one each.")
    return entries[0]


def _check_numbers(series: Series) -> None:
    twice = [a.name for a, m, n in zip(series.files, series.numbers, series.numbers[1:], strict=False) if m == n]
    if twice:
        raise FileFormatError(f"Two files have the number of {twice[0]}; keep one of them in the folder.")


def _check_alike(series: Series) -> None:
    """FileFormatError names the file whose shape or type is not that of most."""
    kinds = {}
    for file in series.files:
        entry = _entry(file)
        kinds[file] = (entry.shape, entry.dtype)
    (usual, _), *others = Counter(kinds.values()).most_common()
    if others:
        odd = next(file for file, kind in kinds.items() if kind != usual)
        (shape, dtype), count = kinds[odd], sum(kind != usual for kind in kinds.values())
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise FileFormatError(
            f"{odd.name}{more} is {shape} {dtype} where the other files of {series.name} are {usual[0]} {usual[1]}; "
            "all files of a series must be alike: move it away."
        )


def _check_same(series: Series, file: Path, first: Content, other: Content) -> None:
    """The same once more, of what was read: a listing may say less than that."""
    mine, usual = ((c.values.shape, c.values.dtype, c.axes) for c in (other, first))
    if mine != usual:
        raise FileFormatError(
            f"{file.name} is {mine[0]} {mine[1]} where {series.files[0].name} is {usual[0]} {usual[1]}; "
            "all files of a series must be alike: move it away."
        )


def _step(first: Content, letter: str) -> tuple[dict[str, float], dict[str, str], tuple[str, ...]]:
    """Voxel sizes and units with those along the series; what is not known of slices is taken from their pixels."""
    sizes, units = dict(first.voxel_size), dict(first.units)
    if letter == "t" or "x" not in sizes:
        return sizes, units, ()
    sizes[letter] = sizes["x"]
    if "x" in units:
        units[letter] = units["x"]
    note = (
        "The distance of slices is not known; they are taken as thick as a pixel is wide: state it with --voxel-size."
    )
    return sizes, units, (note,)


def _gaps(series: Series) -> tuple[str, ...]:
    """Which numbers are missing, by the usual step from one to the next."""
    steps: Any = np.diff(series.numbers)
    usual = Counter(steps.tolist()).most_common(1)[0][0]
    ranges = [
        (number + usual, number + int(step) - usual)
        for number, step in zip(series.numbers, steps, strict=False)
        if step > usual
    ]
    if not ranges:
        return ()
    shown = [f"{a}" if a >= b else f"{a} to {b}" for a, b in ranges[:SHOWN]]
    more = "" if len(ranges) <= SHOWN else f" and {len(ranges) - SHOWN} more"
    return (
        f"The numbering of {series.name} has gaps ({', '.join(shown)}{more}); its files are taken as evenly spaced.",
    )
