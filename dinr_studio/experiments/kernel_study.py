"""The neural tangent kernel of a run: spectrum and eigenfunctions now and at the start, beside the static twin's."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.analysis.kernel_spectrum import FLOOR, KernelSpectrum, kernel_modes
from dinr_studio.config import STEPS, FieldConfig, changed
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.kernel_places import Places, places_of
from dinr_studio.experiments.latent_probe import Data, trained_weights
from dinr_studio.fields.build import Field, build_field, load_field
from dinr_studio.fields.equal import static_twin
from dinr_studio.fields.tangent_kernel import kernel_in_parts
from dinr_studio.stages import Stage, Stages, within
from dinr_studio.training.run import Run

KEPT_MODES = 16
TRAINING = "training the static twin"
AGAINST = ("none", "static")


@dataclass(frozen=True)
class KernelWish:
    """What to look at. where: see PLACES; against: none or static; train_twin: seconds to train the twin for, or 0."""

    points: int = 1024
    where: str = "grid"
    against: str = "none"
    train_twin: float = 0.0


@dataclass(frozen=True)
class Measured:
    """One field's kernel. modes: the leading eigenfunctions at the points, (KEPT_MODES, N), of length 1."""

    name: str
    spectrum: KernelSpectrum
    modes: NDArray[np.float64]
    parameters: int
    width: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "effective_rank": self.spectrum.effective_rank,
            "entropy_rank": self.spectrum.entropy_rank,
            "condition_number": self.spectrum.condition_number,
            "decay": self.spectrum.decay,
            "floor": self.spectrum.floor,
            "eigenvalues": [float(value) for value in self.spectrum.eigenvalues],
            "parameters": self.parameters,
            "width": self.width,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class KernelStudy:
    """What was seen of a run's kernel at some places.

    now: of the run's weights; start: of the weights it began with; static, static_trained: of the twin without
    dynamics at its start and after training, where asked for.
    """

    places: Places
    now: Measured
    start: Measured
    static: Measured | None = None
    static_trained: Measured | None = None

    @property
    def all(self) -> tuple[Measured, ...]:
        """All kernels that were taken."""
        return tuple(one for one in (self.now, self.start, self.static_trained, self.static) if one is not None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the field's own measures at the top."""
        described: dict[str, Any] = {
            **self.now.as_dict(),
            "points": self.places.count,
            "where": self.places.where,
            "relative_floor": FLOOR,
            "start": self.start.as_dict(),
        }
        if self.static is not None:
            described["static"] = self.static.as_dict()
        if self.static_trained is not None:
            described["static_trained"] = self.static_trained.as_dict()
        return described


def study_kernel(run: Run, wish: KernelWish, data: Data) -> Stages:
    """Takes the kernels that a wish names; the last stage has the KernelStudy. data: gives the run's volume.

    Raises ConfigError for a run of blocks, and for a wish that cannot be met.
    """
    _check(run, wish)
    places = places_of(run, wish.where, wish.points)
    x = torch.from_numpy(places.network(run))
    twin = _twin_of(run) if wish.against == "static" else None
    parts = 2 if twin is None else 3 if not wish.train_twin else 5
    now = yield from _measured("field", _field(run), x, 0, parts)
    start = yield from _measured("field at its start", _begun(run, _config_of(run)), x, 1, parts)
    static = trained = None
    if twin is not None:
        static = yield from _measured("static twin at its start", _begun(run, twin), x, 2, parts)
        if wish.train_twin:
            training = trained_weights(run, twin, data, wish.train_twin, seed=run.config.training.seed, doing=TRAINING)
            weights = yield from within(training, 3 / parts, 4 / parts)
            field = load_field(twin, len(run.grid.shape), run.channels, weights)
            trained = yield from _measured("static twin, trained", field, x, 4, parts)
    yield Stage(1.0, "done", KernelStudy(places, now, start, static, trained))


def _check(run: Run, wish: KernelWish) -> None:
    if run.partition is not None:
        raise ConfigError("The kernel is that of one field; of a run of blocks there is none to show.")
    if wish.against not in AGAINST:
        raise ConfigError(f"The kernel cannot be held against {wish.against!r}; choose one of {', '.join(AGAINST)}.")
    if wish.against == "none" and wish.train_twin:
        raise ConfigError("--train-twin trains the static twin; add --against static.")
    if wish.against == "static" and not run.config.field.family.startswith("dinr-"):
        raise ConfigError(f"The family {run.config.field.family} is static itself and has no static twin.")


def _config_of(run: Run) -> FieldConfig:
    """The field's settings with the steps that its weights serve."""
    return changed(run.config.field, steps=int(run.best[STEPS])) if STEPS in run.best else run.config.field


def _field(run: Run) -> Field:
    return load_field(run.config.field, len(run.grid.shape), run.channels, run.best)


def _begun(run: Run, config: FieldConfig) -> Field:
    """A field as a fit with the run's seed begins it."""
    return build_field(config, len(run.grid.shape), run.channels, seed=run.config.training.seed).eval()


def _twin_of(run: Run) -> FieldConfig:
    return static_twin(run.config.field, len(run.grid.shape), run.channels)


def _measured(name: str, field: Field, x: torch.Tensor, place: int, places: int) -> Generator[Stage, None, Measured]:
    """Takes one kernel, telling how far it is of all."""
    started = time.perf_counter()
    parts = kernel_in_parts(field, x)
    while True:
        try:
            share = next(parts)
        except StopIteration as end:
            kernel = end.value
            break
        yield Stage((place + share) / places, f"kernel of the {name}")
    spectrum, modes = kernel_modes(kernel.numpy())
    modes = modes[:KEPT_MODES].copy()
    modes.flags.writeable = False
    parameters = sum(parameter.numel() for parameter in field.parameters())
    return Measured(name, spectrum, modes, parameters, field.config.width, time.perf_counter() - started)
