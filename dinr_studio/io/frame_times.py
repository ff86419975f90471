"""Frames of time that do not come at one step: gaps are filled with missing frames, other times are told or refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import Content
from dinr_studio.io.positions import Spacing

ON_STEP = 0.01  # of a step: what times may be off by and still count as some steps apart
MOST_STRETCH = 4  # times as many frames as there are that gaps may be filled up to
FARTHEST = 0.5  # of a step: what a frame may be moved by where times are uneven


def with_gaps_filled(content: Content, axis: int, times: NDArray[Any], found: Spacing) -> tuple[Content, Spacing]:
    """The content with missing frames where times, one for each frame along an axis, leave gaps between equal steps.

    Times that come at no such step are moved to the nearest regular ones, which a note says. found: of these. Raises
    FileFormatError where that would move a frame by half a step or more, or where times neither rise nor fall.
    """
    times = np.asarray(times, dtype=np.float64)
    steps = np.diff(times)
    if len(times) < 3 or found.size is None:
        return content, found
    if not ((steps > 0).all() or (steps < 0).all()):
        raise FileFormatError(
            f"The times of {content.dataset or 'the frames'} neither rise nor fall throughout; sort the frames first."
        )
    step = float(np.abs(steps).min())
    numbers = np.abs(times - times[0]) / step
    frames = np.rint(numbers).astype(np.int64)
    if np.abs(numbers - frames).max() > ON_STEP or frames[-1] >= MOST_STRETCH * len(times):
        return content, _moved(content, times, found)
    if frames[-1] + 1 == len(times):
        return content, found
    if content.layout is not None:
        raise FileFormatError("Frames are missing between others, so the volume cannot stay in its file; crop it.")
    lacking = int(frames[-1]) + 1 - len(times)
    note = f"{lacking} of {frames[-1] + 1} frames are not in the file; they count as missing."
    return _spread_out(content, axis, frames), replaced(found, step, note)


def replaced(found: Spacing, step: float, note: str) -> Spacing:
    """A regular axis of another step, with what there is to say of it in place of its unevenness."""
    return found._replace(size=step, notes=(note, *(old for old in found.notes if "uneven" not in old)))


def _moved(content: Content, times: NDArray[np.float64], found: Spacing) -> Spacing:
    """The regular axis that uneven times are moved to, with how far at most."""
    regular = np.linspace(times[0], times[-1], len(times))
    step, farthest = abs(float(regular[1] - regular[0])), float(np.abs(times - regular).max())
    steps = np.abs(np.diff(times))
    if farthest >= FARTHEST * step:
        raise FileFormatError(
            f"The times of {content.dataset or 'the frames'} are too uneven (steps of {steps.min():g} to "
            f"{steps.max():g}): frames would be moved by up to {farthest:g}. Bring them to equal steps first."
        )
    note = f"The times are uneven (steps of {steps.min():g} to {steps.max():g}); they are taken as {step:g} apart, "
    return replaced(found, step, f"{note}which moves frames by up to {farthest:g}.")


def _spread_out(content: Content, axis: int, frames: NDArray[np.int64]) -> Content:
    """Frames at their numbers along an axis; those between are missing."""
    values = np.asarray(content.values)
    shape = list(values.shape)
    shape[axis] = int(frames[-1]) + 1
    place: tuple[Any, ...] = (*[slice(None)] * axis, frames)
    spread, missing = np.zeros(shape, dtype=values.dtype), np.ones(shape, dtype=bool)
    spread[place] = values
    missing[place] = False if content.missing is None else content.missing
    return replace(content, values=spread, missing=missing)
