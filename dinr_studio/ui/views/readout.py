"""What a slice says in words: place, date and values under the pointer, and how fine the field's picture is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dinr_studio.coordinates import TIME_AXIS
from dinr_studio.ui.colours import with_unit
from dinr_studio.ui.views.slice_content import SliceContent


def readout(content: SliceContent, found: tuple[float, float], *, looks_at_field: bool) -> str:
    """found: row and column index of the volume. looks_at_field: whether the field's value is wanted too."""
    studio, plane = content.studio, content.plane
    volume = studio.volume
    if volume is None or plane is None:
        return ""
    grid = volume.grid
    index = list(studio.crosshair)
    index[plane.rows], index[plane.columns] = found
    places = []
    for axis, position, unit in zip(grid.axes, grid.world(np.array(index)), grid.units, strict=True):
        date = grid.moment(float(position)) if axis == TIME_AXIS else ""
        places.append(f"{axis} {date or with_unit(float(position), unit)}")
    value = content.data_value(found)
    absent = "is being read" if content.reading else "missing"
    said = with_unit(value, studio.unit) if np.isfinite(value) else absent
    field = content.field_value(found) if looks_at_field else None
    extra = "" if field is None else f"   ·   field {with_unit(field, studio.unit)}"
    return f"{', '.join(places)}   ·   data {said}{extra}"


def sign(content: SliceContent, contents: Sequence[str]) -> str:
    """How many times finer than the data the field is shown, or what is still to come; contents: what is drawn."""
    tiles, others = content.tiles, content.other_tiles
    open_tiles = tiles.open_tiles + others.open_tiles
    if tiles.fault:
        return tiles.fault
    if {"Data", "Residual"} & set(contents) and (content.reading or content.data_fault):
        return content.data_fault or "reading the file"
    if not {"Field", "Residual", "Other run"} & set(contents):
        return ""
    if content.studio.field is None:
        return "no field yet: press Fit"
    if open_tiles:
        return f"refining {open_tiles}"
    return f"{2**tiles.level}×" if "Field" in contents and tiles.level > 0 else ""
