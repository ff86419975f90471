"""Fourier shell correlation of two maps with all that goes with it: mask, directions, local resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.directional import Directional, directional
from dinr_studio.analysis.fsc import Fsc, check_maps, fsc
from dinr_studio.analysis.local_resolution import LocalResolution, local_resolution
from dinr_studio.analysis.soft_masks import SOFT_MASKS, softened
from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError, DataError
from dinr_studio.experiments.belief.maps import (
    Choice,
    Map,
    check_alike,
    map_of_field,
    map_of_volume,
    read_map,
    read_pair,
)
from dinr_studio.experiments.steps import Steps, part, within
from dinr_studio.io.reading import open_volume
from dinr_studio.io.writing import write_values
from dinr_studio.sampling.target import frame_of
from dinr_studio.stages import Stage
from dinr_studio.training.device import resolve_device
from dinr_studio.training.fit import field_of
from dinr_studio.training.run import Run
from dinr_studio.volume import Volume

NO_MASK = "none"


@dataclass(frozen=True)
class Wish:
    """What to find out of two maps.

    mask: none, sphere, box, or a file, opened by mask_options. directional: whether resolution is asked by direction.
    local: where to write the local resolution as a volume, or None; window and step are its, in voxels.
    """

    mask: str = NO_MASK
    directional: bool = False
    local: Path | None = None
    local_wanted: bool = False
    window: int | None = None
    step: int | None = None
    mask_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Correlated:
    """The correlation of two maps by their names, and what else was asked for."""

    first: str
    second: str
    mask: str
    fsc: Fsc
    directional: Directional | None = None
    local: LocalResolution | None = None
    local_file: str = ""
    grid: Grid | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, fit for JSON."""
        local = None if self.local is None else {**self.local.as_dict(), "file": self.local_file}
        return {
            "first": self.first,
            "second": self.second,
            "mask": self.mask,
            **self.fsc.as_dict(),
            "directional": None if self.directional is None else self.directional.as_dict(),
            "local": local,
        }


def correlated_sources(
    first: str, second: str | None, choice: Choice, wish: Wish, *, force: bool = False
) -> Steps[Correlated]:
    """The correlation of what two names stand for; see `read_pair`."""
    pair = yield from within(read_pair(first, second, choice), "reading the maps", 0.0, 0.3)
    return (yield from part(correlated(*pair, wish, force=force), 0.3, 1.0))


def correlated(first: Map, second: Map, wish: Wish, *, force: bool = False) -> Steps[Correlated]:
    """The correlation of two maps on one grid; raises a DinrError where that is not possible."""
    size, unit = first.grid.voxel_size, first.unit
    check_maps(first.values, second.values, size)
    yield Stage(0.0, "correlating")
    mask = mask_for(wish.mask, first, wish.mask_options)
    found = fsc(first.values, second.values, size, unit=unit, mask=mask)
    found = _noted(found, first, second)
    by_direction, by_place, file = None, None, ""
    if wish.directional:
        steps = directional(first.values, second.values, size, unit=unit, mask=mask)
        by_direction = yield from within(steps, "correlating by direction", 0.2, 0.6)
    if wish.local is not None or wish.local_wanted:
        steps_of_windows = local_resolution(
            first.values, second.values, size, unit=unit, mask=mask, window=wish.window, step=wish.step
        )
        by_place = yield from within(steps_of_windows, "correlating in windows", 0.6, 0.95)
        if wish.local is not None:
            write_local(by_place, first.grid, first.name, wish.local, force=force)
            file = str(wish.local)
    yield Stage(1.0, "done")
    return Correlated(first.name, second.name, wish.mask, found, by_direction, by_place, file, first.grid)


def write_local(found: LocalResolution, grid: Grid, name: str, path: Path, *, force: bool) -> None:
    """Writes a local resolution as a volume on the maps' grid, in any format; OutputError where that is refused."""
    notes = (f"local resolution of {name} at a correlation of {found.threshold:g}, windows of {found.window} voxels",)
    write_values(found.values[..., np.newaxis], grid, path, value_unit=found.unit, notes=notes, force=force)


def mask_for(name: str, of: Map, open_options: Mapping[str, Any] = MappingProxyType({})) -> NDArray[np.float64] | None:
    """A soft mask by its name (none, sphere, box), or the one in a file on the map's grid."""
    if name == NO_MASK:
        return None
    if name in SOFT_MASKS:
        return SOFT_MASKS[name](of.grid.shape, of.grid.voxel_size)
    if "." not in name and ":" not in name and not Path(name).exists():
        known = ", ".join((NO_MASK, *SOFT_MASKS))
        raise ConfigError(f"The mask {name} is not known; choose {known} or a file on the maps' grid.")
    mask = map_of_volume(open_volume(name, **open_options), Path(name).name, Choice())
    if mask.grid.shape != of.grid.shape:
        shapes = [" x ".join(map(str, grid.shape)) for grid in (mask.grid, of.grid)]
        raise DataError(f"The mask {mask.name} has {shapes[0]} voxels and the maps {shapes[1]}; it lies on their grid.")
    return softened(mask.values, of.grid.voxel_size)


def _noted(found: Fsc, first: Map, second: Map) -> Fsc:
    return replace(found, notes=tuple(dict.fromkeys((*first.notes, *second.notes))))


def correlated_open(
    name: str, volume: Volume, run: Run | None, other: str | None, choice: Choice, wish: Wish
) -> Steps[Correlated]:
    """The correlation of an open volume, or of the field of a run fitted to it, with another file or with each other.

    run: whose field is compared; None compares the volume itself. other: a file or a run file; None is the volume.
    """
    yield Stage(0.0, "reading the maps")
    grid = volume.grid if run is None else run.grid
    data = map_of_volume(volume.with_grid(grid), name, choice)
    second = data if other is None else (yield from within(read_map(other, choice, data.grid), "reading", 0.0, 0.1))
    first = data
    if run is not None:
        evaluated, own = field_of(run, resolve_device(choice.device)), frame_of(grid, choice.frame)
        steps = map_of_field(evaluated, own, f"field of {name}", choice.channel)
        first = yield from within(steps, "evaluating the field", 0.1, 0.3)
    return (yield from part(correlated(first, check_alike(first, second), wish), 0.3, 1.0))
