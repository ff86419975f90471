"""Values to colours: colour maps, pictures of slices, and numbers with a sensible count of digits."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtGui import QImage

COLORMAPS = {
    "gray": "CET-L1",
    "viridis": "viridis",
    "magma": "magma",
    "inferno": "inferno",
    "cividis": "cividis",
    "blue-red (diverging)": "CET-D1A",
    "rainbow": "CET-R4",
}
DIVERGING = "CET-D1A"
ENTRIES = 256


@cache
def colormap(name: str) -> Any:
    """The colour map of a name in COLORMAPS (pyqtgraph's ColorMap)."""
    return pg.colormap.get(COLORMAPS.get(name, name))


@cache
def lookup_table(name: str) -> NDArray[np.uint32]:
    """(ENTRIES,) colours as QImage's ARGB32 words."""
    red, green, blue = colormap(name).getLookupTable(nPts=ENTRIES, alpha=False).astype(np.uint32).T
    table = (np.uint32(255) << np.uint32(24)) | (red << np.uint32(16)) | (green << np.uint32(8)) | blue
    return np.asarray(table, dtype=np.uint32)


def picture(values: NDArray[np.float32], limits: tuple[float, float], name: str) -> QImage:
    """Values (rows, columns) as an image, transparent where they are not finite numbers."""
    low, high = limits
    scale = (ENTRIES - 1) / (high - low) if high > low else 0.0
    with np.errstate(invalid="ignore"):
        index = np.clip((values - np.float32(low)) * np.float32(scale) + np.float32(0.5), 0, ENTRIES - 1)
        missing = ~np.isfinite(values)
        index[missing] = 0
        words = lookup_table(name)[index.astype(np.uint8)]
    words[missing] = 0
    rows, columns = words.shape
    return QImage(words.data, columns, rows, 4 * columns, QImage.Format.Format_ARGB32).copy()


def colour_picture(values: NDArray[np.float32], limits: tuple[float, float]) -> QImage:
    """Red, green and blue (rows, columns, 3) as an image, each from black at the lower limit to full at the upper one.

    Transparent where one is not a finite number.
    """
    low, high = limits
    scale = 255 / (high - low) if high > low else 0.0
    missing: NDArray[np.bool_] = np.logical_not(np.isfinite(values).all(axis=-1))
    parts = np.clip(np.where(missing[..., np.newaxis], 0, (values - low) * scale) + 0.5, 0, 255).astype(np.uint32)
    words = (np.uint32(255) << np.uint32(24)) | (parts[..., 0] << np.uint32(16)) | (parts[..., 1] << np.uint32(8))
    words |= parts[..., 2]
    words[missing] = 0
    rows, columns = words.shape
    return QImage(words.data, columns, rows, 4 * columns, QImage.Format.Format_ARGB32).copy()


def number(value: float, digits: int = 4) -> str:
    """A number for people: few digits, a true minus sign, no needless exponent."""
    return f"{value:.{digits}g}".replace("-", "−").replace("e+0", "e").replace("e−0", "e−").replace("e+", "e")


def with_unit(value: float, unit: str, digits: int = 4) -> str:
    """A number and its unit."""
    return f"{number(value, digits)} {unit}".rstrip()
