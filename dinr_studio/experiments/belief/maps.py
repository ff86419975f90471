"""Maps to compare: one channel, at one moment, of a file's values or of a run's field, on a grid in space."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import unit_of
from dinr_studio.coordinates import TIME_AXIS, Grid
from dinr_studio.errors import ConfigError, DataError, MemoryShort
from dinr_studio.io.reading import open_volume
from dinr_studio.memory import available_bytes
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.sampling.target import frame_of
from dinr_studio.training.device import resolve_device
from dinr_studio.training.fit import field_of
from dinr_studio.training.run import Run
from dinr_studio.training.run_data import volume_of
from dinr_studio.training.run_file import read_run
from dinr_studio.volume import Volume
from dinr_studio.words import bytes_in_words

RUN_SUFFIX = ".dinr"
SAME_SIZE = 1e-3  # relative: what two voxel sizes may differ by and count as one


@dataclass(frozen=True)
class Choice:
    """Which part of a source: a channel, counted from 0, a frame where there is time, and where a run's data are."""

    channel: int = 0
    frame: int | None = None
    data: str | None = None
    device: str = "auto"
    open_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Map:
    """Values (*grid.shape), read-only, in value_unit; the grid has the axes of more than one voxel, all in space.

    notes: sentences on what was done to the values, such as missing voxels that were filled. missing: which these are.
    """

    name: str
    values: NDArray[np.float64]
    grid: Grid
    value_unit: str = ""
    notes: tuple[str, ...] = ()
    missing: NDArray[np.bool_] | None = None

    @property
    def unit(self) -> str:
        """The unit of length; ConfigError where axes have several."""
        units = set(self.grid.units)
        if len(units) > 1:
            raise ConfigError(
                f"The axes of {self.name} have the units {', '.join(self.grid.units)}, so frequencies have no common "
                "one; compare data whose axes are all lengths in one unit."
            )
        return units.pop()


def is_run(source: str | Path) -> bool:
    """Whether a name is that of a run file."""
    return Path(source).suffix.lower() == RUN_SUFFIX


def map_of_volume(volume: Volume, name: str, choice: Choice) -> Map:
    """One channel at one moment of a volume; missing voxels get the mean of the present ones, which is noted."""
    loaded = _framed(volume, choice.frame).loaded()
    _check_channel(name, loaded.channels, choice.channel)
    values = loaded.in_memory[..., choice.channel].astype(np.float64)
    notes: tuple[str, ...] = ()
    if loaded.missing is not None:
        if loaded.missing.all():
            raise DataError(f"{name} has no present voxel in what was chosen; choose another frame or part.")
        values[loaded.missing] = values[~loaded.missing].mean()
        notes = (f"{int(loaded.missing.sum()):,} missing voxels of {name} count as the mean of the others",)
    unit = unit_of(loaded.channel_names, loaded.value_unit, choice.channel)
    return _squeezed(Map(name, values, loaded.grid, unit, notes, loaded.missing))


def map_of_field(evaluated: FieldOnGrid, grid: Grid, name: str, channel: int = 0) -> Generator[float, None, Map]:
    """One channel of a field on a grid of one moment; yields the share done."""
    _check_channel(name, evaluated.channels, channel)
    needed, free = 2 * 8 * grid.size, available_bytes()
    if needed > free:
        raise MemoryShort(
            f"{name} on {grid.size:,} voxels takes {bytes_in_words(needed)} of memory and {bytes_in_words(free)} are "
            "free; choose a smaller factor or a smaller part."
        )
    values, done = np.empty(grid.shape), 0
    for slab in evaluate_slabs(evaluated, grid):
        values[done : done + len(slab)] = slab[..., channel]
        done += len(slab)
        yield done / grid.shape[0]
    return _squeezed(Map(name, values, grid, unit_of(evaluated.channel_names, evaluated.value_unit, channel)))


def read_map(source: str, choice: Choice, at: Grid | None = None) -> Generator[float, None, Map]:
    """The map in a volume file, or the field of a run on its own grid or on another, by physical place."""
    name = Path(source).name
    if not is_run(source):
        yield 0.0
        return map_of_volume(open_volume(source, **choice.open_options), name, choice)
    run = read_run(Path(source))
    grid = frame_of(run.grid, choice.frame) if at is None else _in_field(run, at, choice)
    evaluated = field_of(run, resolve_device(choice.device))
    return (yield from map_of_field(evaluated, grid, f"field of {name}", choice.channel))


def data_of(source: str, choice: Choice) -> Map:
    """The data that a run was fitted to, as a map."""
    run = read_run(Path(source))
    volume = volume_of(run, Path(source), choice.data)
    return map_of_volume(volume, f"data of {Path(source).name}", choice)


def read_pair(first: str, second: str | None, choice: Choice) -> Generator[float, None, tuple[Map, Map]]:
    """Two maps on one grid: of two files, or of a run and a file, or of two runs, or of a run and its own data.

    A run beside a file of its own shape is compared voxel by voxel; beside another one it is evaluated at the file's
    places. Raises ConfigError or DataError where they have none in common.
    """
    if second is None:
        if not is_run(first):
            raise ConfigError(f"{first} stands alone; give a second map, or a run file, which has its data beside it.")
        data = data_of(first, choice)
        evaluated = yield from read_map(first, choice)
        return evaluated, check_alike(evaluated, data)
    if is_run(first) and not is_run(second):
        other = yield from read_map(second, choice)
        evaluated = yield from _on_grid_of(other, first, choice)
        return evaluated, other
    one = yield from read_map(first, choice)
    if is_run(second):
        return one, (yield from _on_grid_of(one, second, choice))
    return one, check_alike(one, (yield from read_map(second, choice)))


def _on_grid_of(other: Map, source: str, choice: Choice) -> Generator[float, None, Map]:
    return check_alike(other, (yield from read_map(source, choice, other.grid)))


def check_alike(first: Map, second: Map) -> Map:
    """The second of two maps; DataError where two maps do not have voxels of one shape and size."""
    a, b = first.grid, second.grid
    if a.shape != b.shape:
        shapes = [" x ".join(map(str, grid.shape)) for grid in (a, b)]
        raise DataError(
            f"{first.name} has {shapes[0]} voxels and {second.name} {shapes[1]}; maps to compare lie on one grid."
        )
    if a.units == b.units and not np.allclose(a.voxel_size, b.voxel_size, rtol=SAME_SIZE):
        sizes = [", ".join(f"{v:.5g}" for v in grid.voxel_size) for grid in (a, b)]
        raise DataError(
            f"Voxels of {first.name} measure {sizes[0]} and those of {second.name} {sizes[1]}; put the wrong one right "
            "(--voxel-size)."
        )
    return second


def _in_field(run: Run, at: Grid, choice: Choice) -> Grid:
    """A map's grid with the axes that a run's field has; ConfigError where the two do not go together."""
    own = frame_of(run.grid, choice.frame)
    long = tuple(name for name, n in zip(own.axes, own.shape, strict=True) if n > 1)
    if long != at.axes:
        raise ConfigError(f"The field has the axes {', '.join(long)} and the map {', '.join(at.axes)}.")
    squeezed = own.along([own.axes.index(name) for name in long])
    if squeezed.shape == at.shape and np.allclose(squeezed.voxel_size, at.voxel_size, rtol=SAME_SIZE):
        return own  # voxel by voxel, as two files are compared: half maps and their like often differ in origin alone
    _check_within(squeezed, at)
    find = {name: i for i, name in enumerate(at.axes)}

    def merged(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(theirs[find[axis]] if axis in find else mine for axis, mine in zip(own.axes, ours, strict=True))

    return Grid(
        merged(own.shape, at.shape),
        merged(own.voxel_size, at.voxel_size),
        merged(own.origin, at.origin),
        own.units,
        own.axes,
    )


def _check_within(own: Grid, at: Grid) -> None:
    """DataError where a map reaches beyond the box that a field was fitted in, where the field knows nothing."""
    for axis, name in enumerate(own.axes):
        low = own.origin[axis] - own.voxel_size[axis] / 2
        high = low + own.extent[axis]
        first = at.origin[axis] - at.voxel_size[axis] / 2
        slack = max(own.voxel_size[axis], at.voxel_size[axis])
        if first < low - slack or first + at.extent[axis] > high + slack:
            raise DataError(
                f"Along {name} the map reaches from {first:g} to {first + at.extent[axis]:g} {at.units[axis]} and the "
                f"field from {low:g} to {high:g}; put the origin of one right, or compare maps of one shape."
            )


def _framed(volume: Volume, frame: int | None) -> Volume:
    """One frame of a volume with time."""
    if TIME_AXIS not in volume.grid.axes:
        frame_of(volume.grid, frame)
        return volume
    axis = volume.grid.axes.index(TIME_AXIS)
    chosen = frame_of(volume.grid, frame)
    first = round((chosen.origin[axis] - volume.grid.origin[axis]) / volume.grid.voxel_size[axis])
    start = [first if i == axis else 0 for i in range(len(volume.grid.shape))]
    stop = [first + 1 if i == axis else n for i, n in enumerate(volume.grid.shape)]
    return volume.cropped(start, stop)


def _check_channel(name: str, channels: int, channel: int) -> None:
    if not 0 <= channel < channels:
        raise ConfigError(f"{name} has channels 0 to {channels - 1}; {channel} is none of them.")


def _squeezed(one: Map) -> Map:
    """A map without its axes of one voxel."""
    axes = [i for i, n in enumerate(one.grid.shape) if n > 1]
    if not axes:
        raise DataError(f"{one.name} is a single voxel; choose a larger part.")
    values = one.values.reshape([one.grid.shape[i] for i in axes])
    values.flags.writeable = False
    grid = one.grid if len(axes) == len(one.grid.shape) else one.grid.along(axes)
    missing = None if one.missing is None else one.missing.reshape(values.shape)
    return Map(one.name, values, grid, one.value_unit, one.notes, missing)
