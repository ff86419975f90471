"""Imaris files (.ims, version 5.5), which are HDF5: channels and times of one image, in several resolution levels.

Source: the file format's public description by its makers. Stored arrays are padded to whole chunks; the image's own
size says what of them counts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import Content, DatasetEntry, check_claim, choose_dataset
from dinr_studio.io.hdf5 import try_hdf5
from dinr_studio.io.hdf5_files import check_inward
from dinr_studio.io.isolation import check_harmless
from dinr_studio.io.positions import short_unit, spacing

TRIED_WITH = ("h5py",)
LEVEL, TIME, CHANNEL = "ResolutionLevel", "TimePoint", "Channel"
MOST_FRAMES, MOST_CHANNELS = 100_000, 1000


@dataclass(frozen=True)
class _Level:
    """A resolution level. shape: (frames, channels, z, y, x) of the image; stored: its arrays by frame and channel."""

    name: str
    shape: tuple[int, int, int, int, int]
    dtype: np.dtype[Any]
    stored: dict[tuple[int, int], Any]

    @property
    def axes(self) -> str:
        """The letters of the dimensions that are there: frames and channels only where these are several."""
        frames, channels = self.shape[:2]
        return "t" * (frames > 1) + "c" * (channels > 1) + "zyx"

    @property
    def kept(self) -> tuple[int, ...]:
        """The shape of these dimensions."""
        return tuple(n for n in self.shape[:2] if n > 1) + self.shape[2:]


def list_imaris(path: Path) -> list[DatasetEntry]:
    """The resolution levels, finest first."""
    with _opened(path) as file:
        return [DatasetEntry(level.name, level.kept, level.dtype.name) for level in _levels(path, file)]


def read_imaris(path: Path, dataset: str | None) -> Content:
    """One resolution level, the finest unless another is named, with its positions, times and channels."""
    with _opened(path) as file:
        levels = {level.name: level for level in _levels(path, file)}
        entries = [DatasetEntry(name, level.kept, level.dtype.name) for name, level in levels.items()]
        entry = choose_dataset(path, entries if dataset is not None else entries[:1], dataset)
        level = levels[entry.name]
        padded = sum(stored.size for stored in level.stored.values()) * level.dtype.itemsize
        claimed = max(padded, int(np.prod(level.shape, dtype=float)) * level.dtype.itemsize)
        check_claim(path, claimed, compressed=True)
        values, absent = _values(level)
        sizes, origins, unit = _extent(file, level)
        step, notes = _times(file, level.shape[0])
        lacking = level.shape[0] * level.shape[1] - len(level.stored)
        if lacking:
            notes += (f"{lacking} of the frames and channels are not in the file; they count as missing.",)
        return Content(
            values,
            level.axes,
            voxel_size=sizes | ({"t": step} if step else {}),
            origin=origins,
            units={**dict.fromkeys("zyx", unit), **({"t": "s"} if step else {})},
            channel_names=_channel_names(file, level.shape[1]),
            missing=absent,
            dataset=level.name,
            notes=notes,
        )


def try_imaris(path: str) -> None:
    """Touches all that reading a file would, and forgets it; see `check_harmless`."""
    import h5py

    check_inward(Path(path))
    with suppress(Exception), h5py.File(path, "r") as file:  # told when the file is read
        for level in _levels(Path(path), file):
            _extent(file, level)
            _times(file, level.shape[0])
            _channel_names(file, level.shape[1])
    try_hdf5(path)  # last, for it ends at the first thing that cannot be read


def _opened(path: Path) -> Any:
    import h5py

    check_harmless(path, __name__, try_imaris.__name__)
    check_inward(path)
    return h5py.File(path, "r")


def _levels(path: Path, file: Any) -> list[_Level]:
    """All levels that hold values; FileFormatError where there is none."""
    found = [_level(f"{LEVEL} {i}", group) for i, group in _numbered(file.get("DataSet", {}), LEVEL)]
    levels = [level for level in found if level is not None]
    if not levels:
        raise FileFormatError(f"{path.name} has no image data where Imaris files have them; use an intact copy.")
    return levels


def _level(name: str, group: Any) -> _Level | None:
    stored = {}
    for t, frame in _numbered(group, TIME):
        for c, channel in _numbered(frame, CHANNEL):
            if "Data" in channel and t < MOST_FRAMES and c < MOST_CHANNELS:
                stored[t, c] = channel["Data"]
                size = _image_size(channel)
    if not stored:
        return None
    shapes, dtypes = {data.shape for data in stored.values()}, {data.dtype for data in stored.values()}
    first = next(iter(stored.values()))
    if len(shapes) > 1 or len(dtypes) > 1 or first.ndim != 3 or first.dtype.kind not in "iuf":
        raise FileFormatError(f"The frames and channels of {name} differ in shape or type; use an intact copy.")
    if any(real > n for real, n in zip(size, first.shape, strict=True)):
        raise FileFormatError(f"{name} claims {size} voxels and {first.shape} are stored; use an intact copy.")
    cropped = [real or n for real, n in zip(size, first.shape, strict=True)]
    frames, channels = (max(index) + 1 for index in zip(*stored, strict=True))
    return _Level(name, (frames, channels, cropped[0], cropped[1], cropped[2]), first.dtype, stored)


def _numbered(group: Any, word: str) -> Iterator[tuple[int, Any]]:
    """Groups of the names WORD 0, WORD 1 and so on, in order."""
    matches = [re.fullmatch(rf"{word} (\d{{1,9}})", name) for name in group]
    for number in sorted(int(match[1]) for match in matches if match):
        item = group.get(f"{word} {number}")
        if item is not None and hasattr(item, "keys"):
            yield number, item


def _image_size(channel: Any) -> tuple[int, int, int]:
    """The image's own z, y, x size; 0 where it is not said."""
    texts = [_chars(channel, f"ImageSize{axis}") for axis in "ZYX"]
    z, y, x = (int(text) if text.isdecimal() else 0 for text in texts)
    return z, y, x


def _chars(group: Any, name: str) -> str:
    """An attribute's text, which Imaris stores letter by letter."""
    given = group.attrs.get(name, "")
    if isinstance(given, np.ndarray):
        return given.astype("S").tobytes().decode("utf-8", "replace").strip("\0 ")
    return (given.decode("utf-8", "replace") if isinstance(given, bytes) else str(given)).strip("\0 ")


def _values(level: _Level) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """The image, of the kept shape, and which of it the file lacks."""
    frames, channels, *size = level.shape
    values = np.zeros(level.shape, level.dtype)
    box = tuple(slice(n) for n in size)
    for (t, c), data in level.stored.items():
        values[t, c] = data[box]
    there = np.zeros((frames, channels), dtype=bool)
    for t, c in itertools.product(range(frames), range(channels)):
        there[t, c] = (t, c) in level.stored
    if there.all():
        return values.reshape(level.kept), None
    absent = np.broadcast_to(~there[..., None, None, None], level.shape)
    return values.reshape(level.kept), absent.reshape(level.kept)


def _extent(file: Any, level: _Level) -> tuple[dict[str, float], dict[str, float], str]:
    """Voxel sizes and centres of the first voxel from the box that the image fills, and its unit."""
    image = file.get("DataSetInfo/Image")
    sizes: dict[str, float] = {}
    origins: dict[str, float] = {}
    if image is None:
        return sizes, origins, ""
    for number, (axis, n) in enumerate(zip("xyz", reversed(level.shape[2:]), strict=True)):
        low, high = (_number(_chars(image, f"Ext{end}{number}")) for end in ("Min", "Max"))
        if low is not None and high is not None and high > low:
            sizes[axis] = (high - low) / n
            origins[axis] = low + sizes[axis] / 2
    return sizes, origins, short_unit(_chars(image, "Unit") or "um") if sizes else ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _times(file: Any, frames: int) -> tuple[float | None, tuple[str, ...]]:
    """Seconds from frame to frame, and when the first one was taken."""
    times = file.get("DataSetInfo/TimeInfo")
    if frames < 2 or times is None:
        return None, ()
    try:
        taken = [datetime.fromisoformat(_chars(times, f"TimePoint{i + 1}")) for i in range(frames)]
    except ValueError:
        return None, ()
    found = spacing(np.array([(moment - taken[0]).total_seconds() for moment in taken]), "t")
    if found is None or found.falling:
        return None, ()
    return found.size, (*found.notes, f"Time counts in seconds since {taken[0]}.")


def _channel_names(file: Any, channels: int) -> tuple[str, ...]:
    groups = [file.get(f"DataSetInfo/Channel {c}") for c in range(channels)]
    names = tuple("" if group is None else _chars(group, "Name") for group in groups)
    return names if channels > 1 and any(names) else ()
