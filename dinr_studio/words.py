"""Sizes and time spans in words."""

from __future__ import annotations

import math


def bytes_in_words(count: float) -> str:
    """A size of memory or of a file."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in ("B", "kB") else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def seconds_in_words(seconds: float) -> str:
    """A time span."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 1:
        return "under 1 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def capitalised(text: str) -> str:
    """A text whose first letter is large, all others as they are."""
    return text[:1].upper() + text[1:]
