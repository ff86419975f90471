"""What a report of one run is made of: the run, its data where that is at hand, and what is worked out from both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dinr_studio.config import FitConfig
from dinr_studio.coordinates import Grid
from dinr_studio.errors import DataError, DinrError
from dinr_studio.experiments.compare import middle, part_on
from dinr_studio.experiments.repeat import Repeat, fitting_of, preset_of
from dinr_studio.experiments.run_facts import RunFacts
from dinr_studio.experiments.steps import Steps
from dinr_studio.stages import Stage
from dinr_studio.volume import Volume

if TYPE_CHECKING:
    import torch

    from dinr_studio.analysis.fsc import Fsc
    from dinr_studio.sampling.evaluate import FieldOnGrid
    from dinr_studio.sampling.latent import LatentProfile
    from dinr_studio.training.monitor import KernelLook, Spectra
    from dinr_studio.training.plan import Plan

KERNEL_POINTS = 512
FSC_VOXELS = 64**3  # of the middle, on which field and data are correlated
PICTURE_VOXELS = 512**2

T = TypeVar("T")


@dataclass(frozen=True)
class Slices:
    """The middle slice of the first channel: data, field and residual (rows, columns), NaN where missing.

    data and residual are None where the data is not at hand. where: at what place, in words.
    """

    grid: Grid
    data: NDArray[np.float64] | None
    field: NDArray[np.float64]
    residual: NDArray[np.float64] | None
    where: str


@dataclass(frozen=True)
class Material:
    """One run and what was found out of it; None where that was not possible, which `left_out` says in sentences.

    usual: the settings that the preset has of itself for this data. plan: what the fit would take on this machine now.
    repeat: what does it again.
    """

    facts: RunFacts
    repeat: Repeat
    volume: Volume | None = None
    usual: FitConfig | None = None
    plan: Plan | None = None
    slices: Slices | None = None
    spectra: Spectra | None = None
    kernel: KernelLook | None = None
    trajectory: LatentProfile | None = None
    fsc: Fsc | None = None
    left_out: tuple[str, ...] = ()


class _Attempts:
    """Tries what a report can do without, and notes in sentences what did not work."""

    def __init__(self) -> None:
        self.left_out: list[str] = []

    def __call__(self, what: str, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except DinrError as error:
            self.left_out.append(f"{what}: {error}")
            return None


def gather(facts: RunFacts, data: str | None, device: torch.device) -> Steps[Material]:
    """All that a report tells of a run; data: where its data is, where that is not found by itself."""
    from dinr_studio.training.fit import field_of
    from dinr_studio.training.run_data import volume_of

    attempt, run, path = _Attempts(), facts.run, Path(facts.file)
    yield Stage(0.0, f"opening the data of {facts.name}")
    volume = attempt("Data", lambda: volume_of(run, path, data))
    yield Stage(0.1, f"the preset of {facts.name}")
    usual = None if volume is None or run.partition is not None else _usual(run.config, volume, attempt)
    repeat = fitting_of(run, str(path), volume)
    field = attempt("Field", lambda: field_of(run, device))
    found: dict[str, Any] = {}
    if volume is not None and run.partition is None:
        yield Stage(0.2, f"planning {facts.name}")
        found["plan"] = attempt("Plan", lambda: _plan(volume, run.config))
    if field is not None:
        yield Stage(0.35, f"slices of {facts.name}")
        found["slices"] = attempt("Slices", lambda: _slices(volume, field))
        for doing, name, make in _analyses(facts, volume, field):
            yield Stage({"spectra": 0.5, "kernel": 0.65, "trajectory": 0.8, "fsc": 0.85}[name], doing)
            found[name] = attempt(doing.capitalize(), make)
    return Material(facts, repeat, volume, usual, left_out=tuple(attempt.left_out), **found)


def _usual(config: FitConfig, volume: Volume, attempt: _Attempts) -> FitConfig | None:
    return attempt("Settings of the preset", lambda: preset_of(config, volume))


def _plan(volume: Volume, config: FitConfig) -> Plan:
    from dinr_studio.training.plan import make_plan

    return make_plan(volume, config)


def _analyses(facts: RunFacts, volume: Volume | None, field: FieldOnGrid) -> list[tuple[str, str, Callable[[], Any]]]:
    """What is worked out of a field, each with what is being done and the name of its place in `Material`."""
    from dinr_studio.training.monitor import look_at_kernel, look_at_spectra, look_at_trajectory

    run = facts.run
    works: list[tuple[str, str, Callable[[], Any]]] = []
    if volume is not None:
        works.append(("power spectra", "spectra", lambda: look_at_spectra(volume, field, 0)))
    if run.partition is None:
        works.append(("neural tangent kernel", "kernel", lambda: look_at_kernel(run, run.best, _points(run.channels))))
        works.append(("latent trajectory", "trajectory", lambda: look_at_trajectory(field)))
    if volume is not None and volume.samples is None:
        works.append(("fourier shell correlation", "fsc", lambda: _correlation(volume, field)))
    return works


def _points(channels: int) -> int:
    """Fewer points where each has several outputs, so that the kernel stays as large."""
    return max(64, KERNEL_POINTS // channels)


def _slices(volume: Volume | None, field: FieldOnGrid) -> Slices | None:
    """The middle slice across the axes before the last two; None of a line."""
    from dinr_studio.sampling.difference import coarse
    from dinr_studio.sampling.evaluate import evaluate_slabs

    grid = field.grid
    axes = len(grid.shape)
    if axes < 2:
        return None
    start = [n // 2 if axis < axes - 2 else 0 for axis, n in enumerate(grid.shape)]
    stop = [s + 1 if axis < axes - 2 else n for axis, (s, n) in enumerate(zip(start, grid.shape, strict=True))]
    part = grid.cropped(start, stop)
    where = ", ".join(
        f"{part.axes[axis]} = {part.origin[axis]:.4g} {part.units[axis]}".rstrip() for axis in range(axes - 2)
    )
    shown = part if volume is not None else coarse(part, PICTURE_VOXELS)
    values = np.concatenate(list(evaluate_slabs(field, shown)))[..., 0].reshape(shown.shape[-2:]).astype(np.float64)
    if volume is None:
        return Slices(shown.along([axes - 2, axes - 1]), None, values, None, where)
    cropped = volume.cropped(start, stop).loaded()
    data = cropped.in_memory[..., 0].reshape(values.shape).astype(np.float64)
    if cropped.missing is not None:
        data[cropped.missing.reshape(values.shape)] = np.nan
    return Slices(part.along([axes - 2, axes - 1]), data, values, values - data, where)


def _correlation(volume: Volume, field: FieldOnGrid) -> Fsc:
    """Field against data on the volume's middle, of the first channel."""
    from dinr_studio.analysis.fsc import check_maps, fsc
    from dinr_studio.sampling.evaluate import evaluate_slabs

    grid = middle(field.grid, FSC_VOXELS)
    if len(grid.spatial) != len(grid.shape):
        raise DataError("with time there are no shells of one frequency; export a frame, and correlate that.")
    data = part_on(volume, field.grid, grid)
    maps = [np.concatenate(list(evaluate_slabs(field, grid)))[..., 0], data.in_memory[..., 0]]
    if data.missing is not None:
        raise DataError("values are missing in the middle of the data.")
    first, second = (one.astype(np.float64) for one in maps)
    check_maps(first, second, grid.voxel_size)
    return fsc(first, second, grid.voxel_size, unit=grid.units[0])
