"""Quality for time: seconds to some PSNRs of fit, and held-out PSNR at equal seconds, against baseline and spline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.interpolation import interpolate
from dinr_studio.analysis.scores import psnr
from dinr_studio.analysis.stacking import cells_of, cross_fitted
from dinr_studio.config import FAMILIES, FitConfig, with_changes
from dinr_studio.errors import TrainingDiverged
from dinr_studio.experiments.benchmark.contestants import CPU, OurRacer, PlainRacer, Racer
from dinr_studio.experiments.benchmark.effort import Budget, Effort
from dinr_studio.experiments.benchmark.race import Finish, compared, race
from dinr_studio.experiments.benchmark.tasks import Measured, sample, six_fields
from dinr_studio.experiments.benchmark.throughput import Doing
from dinr_studio.sampling.evaluate import values_at_indices
from dinr_studio.training.fit import field_of, fit
from dinr_studio.training.presets import preset_config
from dinr_studio.training.task import VolumeTask, prepare_volume
from dinr_studio.volume import Volume

GOALS = (30.0, 35.0, 40.0)  # dB of fit
BASELINE_BATCH = 8_192  # the quicker of the plain baseline's two batches
LOOKED_AT = 4_096  # trained voxels that a fit's PSNR is measured on
OURS = "auto"  # the preset that races: what Fit gives
TRAINED_SHARE = 0.25  # of the voxels at equal seconds
OURS_SHARE = 0.25  # of a race's time that ours may take
LEAST_SECONDS = 0.5
FEWEST_JUDGED = 1_000  # held-out voxels that steered nothing; where there are fewer, all held-out ones are judged
OVERHEAD = 0.6  # of the time for equal seconds that is trained; the rest prepares and judges

Voxels = NDArray[np.integer[Any]]


def time_to_db(effort: Effort, budget: Budget) -> Doing:
    """By sample and goal: seconds of training of ours (preset auto) and of baseline B to a PSNR of fit; see `compared`.

    Both are measured on the same trained voxels, in the data's range. Yields what it does.
    """
    tasks: dict[str, VolumeTask] = {}
    ours: dict[str, Finish] = {}
    for number, name in enumerate(effort.raced):
        part = budget.share(len(effort.raced) - number)
        volume = sample(name).volume
        limit = max(LEAST_SECONDS, min(effort.race, OURS_SHARE * part.left))
        yield f"time to {GOALS[-1]:.0f} dB on {name}: ours, {limit:.0f} s at most"
        config = with_changes(preset_config(OURS, volume, device="cpu"), {"device": "cpu", "time_limit": limit})
        tasks[name] = prepare_volume(volume, config.training)
        racer = OurRacer(tasks[name], config)
        ours[name] = race(racer, GOALS, _fit_psnr(tasks[name]), limit=limit, budget=part)
    baselines: dict[str, Finish] = {}
    waiting = sorted((name for name in ours if ours[name].reached), key=lambda name: max(ours[name].reached.values()))
    for number, name in enumerate(waiting):  # those that need the least first: what they leave, the others have
        part = budget.share(len(waiting) - number)
        longest = effort.factor * max(ours[name].reached.values())
        yield f"time to {max(ours[name].reached):.0f} dB on {name}: plain, {min(longest, part.left):.0f} s at most"
        plain = PlainRacer(tasks[name], BASELINE_BATCH)
        baselines[name] = race(plain, GOALS, _fit_psnr(tasks[name]), limit=longest, budget=part)
    return {
        name: {f"{goal:.0f}": compared(goal, finish, baselines.get(name)) for goal in GOALS}
        for name, finish in ours.items()
    }


def _fit_psnr(task: VolumeTask) -> Callable[[Racer], float]:
    voxels = _some(task.training, LOOKED_AT)
    true = task.source.values(voxels)
    return lambda racer: _finite(psnr(true, racer.predicted(voxels), task.data_range))


def equal_seconds(effort: Effort, budget: Budget) -> Doing:
    """By field: held-out PSNR (dB) of each family, of `auto`, of the cubic spline, and of spline and auto together.

    A quarter of the voxels is trained on. Every contestant gets the same seconds, its settings derived by preset auto;
    PSNRs are of held-out voxels that steered nothing, against clean values. Yields what it does.
    """
    fields = six_fields()
    seconds = min(effort.equal, OVERHEAD * budget.left / (len(fields) * (len(FAMILIES) + 1)))
    seconds = max(LEAST_SECONDS, seconds)
    result: dict[str, Any] = {}
    for number, (name, measured) in enumerate(fields.items()):
        part = budget.share(len(fields) - number)
        yield f"equal seconds on {name}: cubic spline"
        judgement = _Judgement(measured, effort.judged)
        found: dict[str, Any] = {"cubic": judgement.psnr(judgement.spline)}
        trained: dict[str, tuple[FitConfig, NDArray[Any], float | None]] = {}
        for contestant in (*FAMILIES, OURS):
            yield f"equal seconds on {name}: {contestant}, {seconds:.1f} s"
            config = _equal_config(measured.volume, contestant, seconds)
            same = next((other for other in trained.values() if _alike(other[0], config)), None)
            trained[contestant] = same or (config, *judgement.trained(config))
            found[contestant] = judgement.psnr(trained[contestant][1])
        config, predicted, reached = trained[OURS]
        found["stacked"] = judgement.psnr(judgement.stacked(predicted))
        found |= {"auto_family": config.field.family, "seconds": seconds}
        ours = Finish({} if reached is None else {judgement.goal: reached}, seconds)
        baseline = None
        if reached is not None and effort.spline_baseline:
            yield f"time to the spline's score on {name}: plain"
            racer = PlainRacer(judgement.task, BASELINE_BATCH)
            baseline = race(racer, [judgement.goal], judgement.held_out, limit=effort.factor * reached, budget=part)
        found["time_to_spline"] = compared(judgement.goal, ours, baseline)
        result[name] = found
    return result


class _Judgement:
    """One field at equal seconds: what is trained on, what is judged, and the spline's values there."""

    def __init__(self, measured: Measured, most: int) -> None:
        self.measured = measured
        self.task = prepare_volume(measured.volume, _equal_config(measured.volume, OURS, 1.0).training)
        held_out = np.flatnonzero(self.task.held_out)
        unwatched = np.setdiff1d(held_out, self.task.watched)
        self.voxels = _some(unwatched if len(unwatched) >= FEWEST_JUDGED else held_out, most)
        self.truth, self.range = measured.values(self.voxels), measured.data_range
        self.own = self.task.source.values(self.voxels)
        self.spline = interpolate("cubic", self.task.volume, self.task.held_out, self.voxels)
        self.goal = _finite(psnr(self.own, self.spline, self.task.data_range))

    def psnr(self, predicted: NDArray[Any]) -> float:
        """Of values (N, channels) at the judged voxels, against the truth, in dB."""
        return _finite(psnr(self.truth, predicted, self.range))

    def held_out(self, racer: Racer) -> float:
        """A racer's held-out PSNR against the data's own values, in dB."""
        return _finite(psnr(self.own, racer.predicted(self.voxels), self.task.data_range))

    def trained(self, config: FitConfig) -> tuple[NDArray[Any], float | None]:
        """Values of a fit, as `fit` does it, at the judged voxels, and the seconds until its score was the spline's."""
        reached, weights, run = None, None, None
        try:
            for snapshot in fit(self.measured.volume, config):
                run = run or snapshot.run
                if snapshot.looked and snapshot.held_out_psnr is not None:
                    if snapshot.held_out_psnr == snapshot.best_psnr:
                        weights = snapshot.weights
                    if reached is None and snapshot.held_out_psnr >= self.goal:
                        reached = snapshot.elapsed
                if snapshot.phase == "judging":
                    break
        except TrainingDiverged:
            pass  # the best weights so far count
        if run is None or weights is None:
            return np.full(self.own.shape, self.own.mean()), None
        return values_at_indices(field_of(run.updated(best=weights), CPU), self.voxels), reached

    def stacked(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """The mean of field and spline with weights that are fitted on half of the judged voxels for the other half."""
        cells = cells_of(self.voxels, self.task.volume.grid.shape)
        if cells is None:
            return predicted
        return cross_fitted(self.own, predicted, self.spline, cells, seed=0)


def _equal_config(volume: Volume, contestant: str, seconds: float) -> FitConfig:
    """Preset auto, of a family or as it chooses; what it takes to derive the settings is taken off the seconds."""
    start = time.perf_counter()
    family = None if contestant == OURS else contestant
    config = preset_config("auto", volume, family, "cpu", 1 - TRAINED_SHARE)
    spent = time.perf_counter() - start
    changes = {"held_out_share": 1 - TRAINED_SHARE, "held_out_scheme": "random", "device": "cpu"}
    return with_changes(config, {**changes, "time_limit": max(LEAST_SECONDS, seconds - spent)})


def _alike(one: FitConfig, other: FitConfig) -> bool:
    """Whether two fits differ in no setting but the seconds that deriving the settings has left."""
    without = [with_changes(config, {"time_limit": None}) for config in (one, other)]
    return without[0].field == without[1].field and without[0].training == without[1].training


def _some(voxels: Voxels, most: int) -> Voxels:
    if len(voxels) <= most:
        return voxels
    return np.sort(np.random.default_rng(0).choice(voxels, most, replace=False))


def _finite(decibels: float) -> float:
    """0 dB where values have overflowed."""
    return decibels if np.isfinite(decibels) else 0.0
