"""The neural tangent kernel of a run: spectrum and eigenfunctions now and at the start, beside the static twin's."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.analysis.kernel_spectrum import FLOOR, KernelSpectrum, kernel_modes
from dinr_studio.config import STEPS, FieldConfig, changed
from dinr_studio.coordinates import TIME_AXIS
from dinr_studio.errors import ConfigError, DinrError
from dinr_studio.experiments.inside.course import Course, Measures, check_course, course_data, course_of, course_share
from dinr_studio.experiments.inside.kernel_forecast import Forecast, forecast
from dinr_studio.experiments.inside.kernel_places import Places, physical_spacing, places_of
from dinr_studio.experiments.inside.latent_probe import Data, trained_weights
from dinr_studio.experiments.steps import Steps, part
from dinr_studio.fields.build import Field, build_field, load_field
from dinr_studio.fields.equal import static_twin
from dinr_studio.fields.tangent_kernel import kernel_in_parts
from dinr_studio.stages import Stage, Stages, within
from dinr_studio.training.run import Run, Weights

KEPT_MODES = 16
TRAINING = "training the static twin"
AGAINST = ("none", "static")
COURSE = {
    "effective_rank": "effective rank (participation ratio)",
    "entropy_rank": "effective rank (entropy)",
    "condition_number": "condition number",
    "decay": "decay exponent",
}  # what is measured over training, and what it is in words


@dataclass(frozen=True)
class KernelWish:
    """What to look at. where: see PLACES; against: none or static; train_twin: seconds to train the twin for, or 0.

    course: looks over training, which trains the run again; 0 for none.
    """

    points: int = 1024
    where: str = "grid"
    against: str = "none"
    train_twin: float = 0.0
    course: int = 0


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
    dynamics at its start and after training, where asked for. no_forecast: why there is none. course: the measures over
    training, where asked for.
    """

    places: Places
    now: Measured
    start: Measured
    static: Measured | None = None
    static_trained: Measured | None = None
    forecast: Forecast | None = None
    no_forecast: str = ""
    course: Course | None = None

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
        described["forecast"] = None if self.forecast is None else self.forecast.as_dict()
        described["no_forecast"] = self.no_forecast
        if self.static is not None:
            described["static"] = self.static.as_dict()
        if self.static_trained is not None:
            described["static_trained"] = self.static_trained.as_dict()
        if self.course is not None:
            described |= self.course.as_dict()
        return described


def study_kernel(run: Run, wish: KernelWish, data: Data) -> Stages:
    """Takes the kernels that a wish names; the last stage has the KernelStudy. data: gives the run's volume.

    Raises ConfigError for a run of blocks and a wish that cannot be met, DataNotFound for a course without data.
    """
    _check(run, wish)
    if not wish.course:
        study = yield from _kernels(run, wish, data)
        yield Stage(1.0, "done", study)
        return
    volume = course_data(run, data)
    start = 1 - course_share(run, wish.course, 3, wish.train_twin)
    study = yield from part(_kernels(run, wish, data), 0, start)
    x = torch.from_numpy(study.places.network(run))
    yield Stage(start, "training again", study)
    course = yield from part(course_of(run, volume, wish.course, COURSE, partial(_look, run, x)), start, 1)
    yield Stage(1.0, "done", replace(study, course=course))


def _look(run: Run, x: torch.Tensor, weights: Weights, name: str) -> Steps[Measures]:
    """The measures of the kernel of some weights."""
    field = load_field(run.config.field, len(run.grid.shape), run.channels, weights)
    measured, _ = yield from _measured(name, field, x, 0, 1)
    return {measure: float(getattr(measured.spectrum, measure)) for measure in COURSE}


def _kernels(run: Run, wish: KernelWish, data: Data) -> Steps[KernelStudy]:
    """All but the course."""
    places = places_of(run, wish.where, wish.points)
    x = torch.from_numpy(places.network(run))
    twin = _twin_of(run) if wish.against == "static" else None
    parts = 2 if twin is None else 3 if not wish.train_twin else 5
    now, _ = yield from _measured("field", _field(run), x, 0, parts)
    start, modes = yield from _measured("field at its start", _begun(run, _config_of(run)), x, 1, parts)
    static = trained = None
    if twin is not None:
        static, _ = yield from _measured("static twin at its start", _begun(run, twin), x, 2, parts)
        if wish.train_twin:
            training = trained_weights(run, twin, data, wish.train_twin, seed=run.config.training.seed, doing=TRAINING)
            weights = yield from within(training, 3 / parts, 4 / parts)
            field = load_field(twin, len(run.grid.shape), run.channels, weights)
            trained, _ = yield from _measured("static twin, trained", field, x, 4, parts)
    return KernelStudy(places, now, start, static, trained, *_forecast(run, places, start, modes, data))


def _check(run: Run, wish: KernelWish) -> None:
    if run.partition is not None:
        raise ConfigError("The kernel is that of one field; of a run of blocks there is none to show.")
    if wish.against not in AGAINST:
        raise ConfigError(f"The kernel cannot be held against {wish.against!r}; choose one of {', '.join(AGAINST)}.")
    if wish.against == "none" and wish.train_twin:
        raise ConfigError("--train-twin trains the static twin; add --against static.")
    if wish.against == "static" and not run.config.field.family.startswith("dinr-"):
        raise ConfigError(f"The family {run.config.field.family} is static itself and has no static twin.")
    check_course(run, wish.course)


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


def _measured(
    name: str, field: Field, x: torch.Tensor, place: int, places: int
) -> Generator[Stage, None, tuple[Measured, NDArray[np.float64]]]:
    """Takes one kernel, telling how far it is of all; with all its eigenvectors as rows."""
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
    leading = modes[:KEPT_MODES].copy()
    leading.flags.writeable = False
    parameters = sum(parameter.numel() for parameter in field.parameters())
    measured = Measured(name, spectrum, leading, parameters, field.config.width, time.perf_counter() - started)
    return measured, modes


def _forecast(
    run: Run, places: Places, start: Measured, modes: NDArray[np.float64], data: Data
) -> tuple[Forecast | None, str]:
    """Of training, from the kernel at its start; or why there is none."""
    if run.scattered:
        return None, "The run was fitted to scattered samples, which lie on no voxels."
    try:
        volume = data()
    except DinrError as error:
        return None, str(error)
    if volume is None or volume.is_stored or volume.grid.shape != run.grid.shape:
        return None, "The data is not in memory, or is another part than was fitted."
    at = tuple(places.index.T)
    if volume.missing is not None and bool(volume.missing[at].any()):
        return None, "Some of the points have no value; choose others."
    target, x = run.normalisation.to_network(volume.values[at]), torch.from_numpy(places.network(run))
    with torch.no_grad():
        fields = _begun(run, _config_of(run)), _field(run)
        residuals = [(field(x).numpy() - target).astype(np.float64) for field in fields]
    losses = run.history.columns.get("data_loss", np.empty(0))
    known = losses[np.isfinite(losses)]
    loss = float(known[-1]) if len(known) else float(np.square(residuals[1]).mean())
    grid: dict[str, Any] = {}
    if places.shape and TIME_AXIS not in run.grid.axes and len(set(run.grid.units)) == 1:
        grid = {"shape": places.shape, "spacing": physical_spacing(places, run.grid), "unit": run.grid.units[0]}
    return forecast(start.spectrum, modes, residuals[0], residuals[1], loss, **grid), ""
