"""Sentences on what a file format cannot carry, where several formats lack the same."""

from __future__ import annotations

import numpy as np

from dinr_studio.coordinates import TIME_AXIS, Grid, Orientation
from dinr_studio.errors import OutputError
from dinr_studio.io.lengths import all_lengths, spatial_units
from dinr_studio.io.writing import VolumeHeader, in_metres


def check_type(header: VolumeHeader, name: str, types: tuple[str, ...]) -> None:
    """OutputError where a format cannot hold the values' type."""
    if header.dtype.name not in types:
        raise OutputError(f"{name} cannot hold {header.dtype.name}; choose one of {', '.join(types)}, or .h5.")


def lost_lengths(grid: Grid, name: str, unit: str) -> tuple[str, ...]:
    """What happens to positions in a format that measures in one unit of length."""
    units = spatial_units(grid)
    if not all_lengths(grid):
        return (f"{name} measures in {unit}; voxel sizes in {_listed(units)} were written as plain numbers.",)
    if all(in_metres(old) == in_metres(unit) for old in units):
        return ()
    return (f"{name} measures in {unit}; positions in {_listed(units)} were converted.",)


def lost_units(grid: Grid, name: str) -> tuple[str, ...]:
    """What a format loses that knows no units of positions at all."""
    units = {unit for unit in grid.units if unit}
    return (f"{name} has no place for units; positions in {_listed(units)} were written as plain numbers.",) * bool(
        units
    )


def lost_orientation(grid: Grid, name: str) -> tuple[str, ...]:
    """What a format loses that does not know how axes lie in space."""
    if grid.orientation is None:
        return ()
    if np.array_equal(grid.orientation.directions, Orientation().directions):
        space = grid.orientation.space
        return (f"{name} has no place for the patient's space ({space}).",) * bool(space)
    return (f"{name} has no place for the directions of the axes: the volume's rotation in space was left out.",)


def lost_value_unit(header: VolumeHeader, name: str) -> tuple[str, ...]:
    """What a format loses that does not know what values are measured in."""
    return (f"{name} has no place for the value's unit ({header.value_unit}).",) * bool(header.value_unit)


def lost_channel_names(header: VolumeHeader, name: str) -> tuple[str, ...]:
    """What a format loses that does not name channels."""
    return (f"{name} has no place for the names of the channels.",) * bool(header.channel_names)


def lost_epoch(grid: Grid, name: str) -> tuple[str, ...]:
    """What a format loses that knows times but no dates."""
    if grid.epoch is None or TIME_AXIS not in grid.axes:
        return ()
    unit = grid.units[grid.axes.index(TIME_AXIS)]
    return (f"{name} has no place for dates; times were written in {grid.epoch.since(unit)} all the same.",)


def check_single_time(grid: Grid, name: str) -> None:
    """OutputError where there are frames and a format holds one."""
    if TIME_AXIS in grid.axes:
        raise OutputError(f"{name} holds one moment and the field has a time axis; choose .h5, .nii or .nrrd.")


def _listed(units: set[str]) -> str:
    return " and ".join(sorted(unit or "unknown units" for unit in units))
