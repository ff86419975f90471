"""Frames of DICOM files put together: which make one volume, in which order, and where that lies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.io.dicom_headers import KINDS, Frame

ALIKE = 1e-3  # what components of directions may differ by within one stack
SAME_PLACE = 1e-2  # of a pixel: positions closer than this are one
EVEN = 0.02  # share that distances between slices may differ by and still count as equal
NUMBERED = ("TemporalPositionIdentifier", "AcquisitionNumber")  # the same for all slices of one point in time
MEASURED = ("TriggerTime", "FrameReferenceTime", "AcquisitionTime")  # each slice may have its own
SECONDS = {"TriggerTime": 1e-3, "FrameReferenceTime": 1e-3, "AcquisitionTime": 1.0}
SURE, LIKELY = (
    ("TemporalPositionIdentifier", "TriggerTime", "FrameReferenceTime"),
    ("AcquisitionNumber", "AcquisitionTime"),
)


@dataclass(frozen=True)
class Stack:
    """Frames that are one volume.

    frames: by point in time, then by slice; None where a slice is missing. affine: (i, j, k) voxel indices to x, y, z
    in LPS and mm, None where the files do not place the slices. moving: whether there is a time axis; seconds: its
    step, None where it is not known. fault: why it is no volume, in a sentence.
    """

    frames: tuple[tuple[Frame | None, ...], ...]
    affine: NDArray[np.float64] | None = None
    moving: bool = False
    seconds: float | None = None
    name: str = ""
    notes: tuple[str, ...] = ()
    fault: str = ""

    @property
    def first(self) -> Frame:
        """A frame that stands for all."""
        return next(frame for frame in self.frames[0] if frame is not None)

    @property
    def present(self) -> list[Frame]:
        """All frames that are there."""
        return [frame for row in self.frames for frame in row if frame is not None]


def stacks_of(frames: Sequence[Frame]) -> list[Stack]:
    """All volumes that the frames make, each with a name of its own."""
    stacks: list[Stack] = []
    for _, series in groupby(sorted(frames, key=_by_series), key=_by_series):
        for alike in _alike(list(series)):
            stacks += _arranged(alike, SURE)
    return _named(stacks)


def _by_series(frame: Frame) -> tuple[int, str]:
    return int(frame.number or 0), frame.series


def _named(stacks: list[Stack]) -> list[Stack]:
    """Names from the number of the series and the end of its UID; further stacks of a series are counted."""
    seen: Counter[str] = Counter()
    named = []
    for stack in stacks:
        name = f"series{stack.first.number}-{re.sub('[^0-9A-Za-z]', '', stack.first.series)[-8:]}".rstrip("-")
        seen[name] += 1
        named.append(replace(stack, name=name if seen[name] == 1 else f"{name}-{seen[name]}"))
    return named


def _alike(frames: list[Frame]) -> list[list[Frame]]:
    """Frames of one series parted into those of one shape, kind of pixel and direction."""
    parts: list[list[Frame]] = []
    for frame in sorted(frames, key=_in_order):
        for part in parts:
            if _fit_together(part[0], frame):
                part.append(frame)
                break
        else:
            parts.append([frame])
    return parts


def _in_order(frame: Frame) -> tuple[Any, ...]:
    digits = re.split(r"(\d+)", frame.file.name)
    return frame.order, [(int(part), "") if part.isdigit() else (0, part) for part in digits], frame.index


def _fit_together(one: Frame, other: Frame) -> bool:
    if (one.shape, one.colours, one.bits is None) != (other.shape, other.colours, other.bits is None):
        return False
    if one.directions is None or other.directions is None or one.spacing is None or other.spacing is None:
        return one.directions is other.directions
    return bool(
        np.abs(np.subtract(one.directions, other.directions)).max() < ALIKE
        and np.allclose(one.spacing, other.spacing, rtol=ALIKE)
    )


def _arranged(frames: list[Frame], keys: Sequence[str]) -> list[Stack]:
    """The volumes that frames of one direction make: one, or several of different kinds of image."""
    kept = list({frame.instance: frame for frame in reversed(frames)}.values())[::-1]
    notes = () if len(kept) == len(frames) else (f"Copies of slices were left out: {len(frames) - len(kept)}.",)
    if kept[0].position is None:
        return [_unplaced(kept, notes)]
    places = _places(kept)
    if all(len(place) == 1 for place in places):
        return [_placed([[place[0] for place in places]], notes)]
    for key in keys:
        if (rows := _by_time(places, key)) is not None:
            return [_moving(rows, key, notes)]
    for kind in KINDS:
        parts = [list(part) for _, part in groupby(sorted(kept, key=_of(kind)), key=_of(kind))]
        if len(parts) > 1:
            return [stack for part in parts for stack in _arranged(part, SURE)]
    if keys == SURE:
        return _arranged(frames, LIKELY)
    most = max(len(place) for place in places)
    fault = f"up to {most} slices lie at one place, and nothing tells them apart; keep one of each in the folder"
    return [Stack((tuple(kept),), notes=notes, fault=fault)]


def _of(kind: str) -> Callable[[Frame], str]:
    return lambda frame: frame.kinds[kind]


def _normal(frame: Frame) -> NDArray[np.float64]:
    assert frame.directions is not None
    normal: NDArray[np.float64] = np.cross(frame.directions[:3], frame.directions[3:])
    return normal / np.linalg.norm(normal)


def _places(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames by their place along the normal, in its direction."""
    assert frames[0].spacing is not None
    normal, near = _normal(frames[0]), SAME_PLACE * min(frames[0].spacing)
    along = [float(np.dot(frame.position or (), normal)) for frame in frames]
    places: list[list[Frame]] = []
    last = -np.inf
    for at, frame in sorted(zip(along, frames, strict=True), key=lambda pair: pair[0]):
        if at - last > near:
            places.append([])
            last = at
        places[-1].append(frame)
    return places


def _by_time(places: list[list[Frame]], key: str) -> list[list[Frame]] | None:
    """Frames by point in time, then slice, where a key tells them apart without doubt."""
    count = len(places[0])
    if any(key not in frame.times for place in places for frame in place):
        return None
    ordered = [sorted(place, key=lambda frame: frame.times[key]) for place in places]
    known = [tuple(frame.times[key] for frame in place) for place in ordered]
    if any(len(times) != count or len(set(times)) != count for times in known):
        return None
    if key in NUMBERED and len(set(known)) != 1:
        return None
    return [list(row) for row in zip(*ordered, strict=True)]


def _moving(rows: list[list[Frame]], key: str, notes: tuple[str, ...]) -> Stack:
    times = np.array([[frame.times[key] for frame in row] for row in rows])
    steps = np.diff(times.mean(axis=1)) * SECONDS.get(key, 1.0)
    seconds = float(steps.mean()) if key in MEASURED else None
    if key in MEASURED and np.ptp(steps) > EVEN * abs(steps.mean()):
        notes += (f"Points in time are {steps.min():g} to {steps.max():g} s apart; their mean is taken.",)
    if key == "TemporalPositionIdentifier" and rows[0][0].resolution:
        seconds = rows[0][0].resolution * 1e-3
    if key in MEASURED and np.ptp(times, axis=1).max() > 0:
        notes += (f"Slices of one point in time are matched by the order of their {_words(key)}.",)
    return replace(_placed(rows, notes), moving=True, seconds=seconds)


def _words(keyword: str) -> str:
    return re.sub("(?<!^)([A-Z])", r" \1", keyword).lower() + "s"


def _placed(rows: list[list[Frame]], notes: tuple[str, ...]) -> Stack:
    """A volume of slices in the order of their positions; where one is missing between even ones, it is left empty."""
    first = rows[0][0]
    assert first.directions is not None
    assert first.spacing is not None
    at = np.array([frame.position for frame in rows[0]])
    slots, step, more = _spread(at @ _normal(first), first.distance or min(first.spacing))
    affine = np.eye(4)
    affine[:3, 0] = np.multiply(first.directions[:3], first.spacing[1])
    affine[:3, 1] = np.multiply(first.directions[3:], first.spacing[0])
    affine[:3, 2] = (at[-1] - at[0]) / slots[-1] if slots[-1] else step * _normal(first)
    affine[:3, 3] = at[0]
    if len(at) > 2:
        more += _shifted(at - at[0] - np.outer(slots, affine[:3, 2]), affine, uneven=bool(more))
    frames = []
    for row in rows:
        full: list[Frame | None] = [None] * (slots[-1] + 1)
        for slot, frame in zip(slots, row, strict=True):
            full[slot] = frame
        frames.append(tuple(full))
    return Stack(tuple(frames), affine, notes=notes + more)


def _spread(along: NDArray[np.float64], alone: float) -> tuple[list[int], float, tuple[str, ...]]:
    """The slot of each slice along the normal, the distance between slots, and what is to be said about it.

    along: positions in mm, ascending. alone: the distance where there is one slice only.
    """
    if len(along) < 2:
        return [0], alone, ()
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    steps = np.rint(gaps / usual).astype(int)
    missing = int((steps - 1).sum())
    if np.ptp(gaps) <= EVEN * usual:
        return list(range(len(along))), usual, ()
    whole = steps.min() >= 1 and np.abs(gaps / usual - steps).max() <= EVEN * 2
    if not whole or missing > len(along):
        note = (
            f"Slices are {gaps.min():.4g} to {gaps.max():.4g} mm apart; they are taken as even, {gaps.mean():.4g} mm."
        )
        return list(range(len(along))), float(gaps.mean()), (note,)
    between = [f"{along[i]:.4g} and {along[i + 1]:.4g} mm" for i in np.flatnonzero(steps > 1)]
    shown = ", ".join(between[:4]) + (f" and {len(between) - 4} more places" if len(between) > 4 else "")
    what = "A slice seems" if missing == 1 else f"{missing} slices seem"
    note = f"{what} to be missing between {shown} along the stack; the voxels there count as missing."
    return [0, *np.cumsum(steps).tolist()], usual, (note,)


def _shifted(off: NDArray[np.float64], affine: NDArray[np.float64], *, uneven: bool) -> tuple[str, ...]:
    """Says so where slices lie beside the straight line of the others; off: how far, (slices, 3), in mm."""
    sideways = off @ (affine[:3, :2] / np.linalg.norm(affine[:3, :2], axis=0) ** 2)
    largest = float(np.abs(sideways).max())
    if uneven or largest < 0.5:
        return ()
    return (f"Slices are shifted against each other by up to {largest:.2g} pixels; they are taken as straight.",)


def _unplaced(frames: list[Frame], notes: tuple[str, ...]) -> Stack:
    """Frames whose files do not say where they lie: a film, or slices in the order of their numbers."""
    first = frames[0]
    if len(frames) > 1 and len({frame.file for frame in frames}) == 1 and first.frame_time is not None:
        seconds = first.frame_time * 1e-3 if first.frame_time > 0 else None
        return Stack(tuple((frame,) for frame in frames), None, True, seconds, notes=notes)
    if len(frames) > 1:
        notes += ("The files do not say where the slices lie; they are in the order of their numbers.",)
    return Stack((tuple(frames),), notes=notes)
