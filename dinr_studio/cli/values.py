"""What users type, turned into values: times, lists of numbers, boxes, settings."""

from __future__ import annotations

import math
import re
from typing import Any

from dinr_studio.config import value_from
from dinr_studio.errors import ConfigError

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds(text: str | None) -> float | None:
    """A time such as 60s, 5m, 1.5h or 90."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|)\s*", text)
    if match is None or float(match[1]) == 0:
        raise ConfigError(f"The time {text!r} is not understood; write it as 60s, 5m or 1.5h.")
    return float(match[1]) * SECONDS[match[2]]


def numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    """Comma-separated numbers."""
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = (math.nan,)
    if not all(math.isfinite(value) for value in values):
        raise ConfigError(f"{option} is {text!r}; write numbers separated by commas, such as 2 or 2,1,1.")
    return values


def whole_numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    """Comma-separated positive whole numbers."""
    values = numbers(text, option)
    if values is None:
        return None
    if any(value != int(value) or value < 1 for value in values):
        raise ConfigError(f"{option} is {text!r}; write positive whole numbers separated by commas, such as 64,64,64.")
    return tuple(int(value) for value in values)


def box(text: str | None) -> tuple[tuple[float, float], ...] | None:
    """One START:STOP for each axis, in world units, separated by commas."""
    if text is None:
        return None
    ranges = []
    for part in text.split(","):
        try:
            start, stop = (float(end) for end in part.split(":"))
        except ValueError:
            start = stop = math.nan
        if not (math.isfinite(start) and math.isfinite(stop)):
            raise ConfigError(f"--box is {text!r}; write START:STOP for each axis, such as 0:50,-20:20,0:100.")
        ranges.append((start, stop))
    return tuple(ranges)


def setting(text: str) -> tuple[str, Any]:
    """A setting as NAME=VALUE; the value is a number, none, true, false or a word."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ConfigError(f"--set {text!r} is not understood; write --set NAME=VALUE, such as --set width=96.")
    return name, value_from(value)
