"""The course of a measure over training: a run is trained once more from its start and looked at on the way.

Run files hold the weights of one step only. Fits on the processor repeat exactly, so training again gives the earlier
ones. How far the weights at the end are from the run's own is measured and told.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from dinr_studio.config import STEPS
from dinr_studio.errors import ConfigError, DataNotFound
from dinr_studio.experiments.inside.latent_probe import Data
from dinr_studio.experiments.steps import Steps, part
from dinr_studio.stages import Stage
from dinr_studio.training.fit import fit_again
from dinr_studio.training.run import Run, Weights
from dinr_studio.training.snapshot import Snapshot
from dinr_studio.volume import Volume

FIRST_STEP = 10  # of the first look; the start itself is known without training
MOST_LOOKS = 100
TIME_LIMIT = "time limit"  # what the reason of a run that ended by the clock begins with
SAME = 1e-4  # relative difference up to which weights count as the run's own

Measures = dict[str, float | bool]
Measure = Callable[[Weights, str], Steps[Measures]]


@dataclass(frozen=True)
class Look:
    """One look: after how many optimiser steps and epochs, and the measures by name."""

    step: int
    epoch: float
    measures: Measures

    def as_dict(self) -> dict[str, Any]:
        """For JSON; what is not finite is null."""
        kept = {name: value if math.isfinite(value) else None for name, value in self.measures.items()}
        return {"step": self.step, "epoch": self.epoch, **kept}


@dataclass(frozen=True)
class Course:
    """Looks in the order of training, the last one at the step whose weights the run kept.

    titles: of the measures, by name. difference: of the last look's weights from the run's, |w - w_run| / |w_run|.
    by_clock: whether the run's schedule went by a time limit; trained again, it goes by steps.
    """

    looks: tuple[Look, ...]
    titles: Mapping[str, str]
    difference: float
    by_clock: bool

    @property
    def steps(self) -> list[int]:
        """The steps of all looks."""
        return [look.step for look in self.looks]

    def values(self, name: str) -> list[float]:
        """One measure at all looks."""
        return [float(look.measures[name]) for look in self.looks]

    @property
    def note(self) -> str:
        """How far the training again repeats the run, in words."""
        if self.difference <= SAME:
            return "Trained again from the start; the last look is at the run's own weights."
        why = (
            "the run had a time limit, and its learning rate follows steps here"
            if self.by_clock
            else "it was resumed, or trained on another processor or with other numbers of threads"
        )
        return (
            f"Trained again from the start; the weights at the last look differ from the run's by "
            f"{100 * self.difference:.2g} % ({why})."
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON, within a study's: the looks, and how far the training again repeats the run."""
        described = [look.as_dict() for look in self.looks]
        return {"course": described, "course_difference": self.difference, "course_note": self.note}

    def columns(self) -> dict[str, list[float]]:
        """For a table: steps, epochs and measures, by their titles."""
        table = {"course: step": [float(step) for step in self.steps], "course: epoch": [k.epoch for k in self.looks]}
        return table | {f"course: {title}": self.values(name) for name, title in self.titles.items()}


def check_course(run: Run, looks: int) -> None:
    """Raises ConfigError where a run has no course to look at."""
    if not 0 <= looks <= MOST_LOOKS:
        raise ConfigError(f"A course of {looks} looks is asked for; 1 to {MOST_LOOKS} are allowed, 0 for none.")
    if looks and kept_step(run) < 1:
        raise ConfigError(
            "The run file does not say after how many steps its weights were kept, or they are those it began with; "
            "a course needs a full run file of a fit that has learnt."
        )


def course_data(run: Run, data: Data | None) -> Volume:
    """The volume to train on again; DataNotFound where it is not at hand."""
    volume: Volume | None = None if data is None else data()
    if volume is None:
        raise DataNotFound("A course trains again, which needs the data that the run was fitted to; open that.")
    return volume


def course_of(run: Run, volume: Volume, looks: int, titles: Mapping[str, str], measure: Measure) -> Steps[Course]:
    """Trains the run again up to the step whose weights it kept, and measures at `looks` steps, evenly in their log.

    measure: gives the measures that have titles, and others; takes weights, and words for where they are from. Closing
    it ends the training. Raises as `fit`.
    """
    wanted = look_steps(kept_step(run), looks)
    found: list[Look] = []
    difference, pace = math.nan, _Pace(wanted[-1], len(wanted))
    with closing(fit_again(volume, run, wanted, total_steps(run))) as snapshots:
        for snapshot in _up_to(snapshots, wanted[-1]):
            share = pace.trained(snapshot.step)
            yield Stage(share, f"training again, step {snapshot.step:,} of {wanted[-1]:,}")
            if snapshot.step == wanted[len(found)] and snapshot.weights is not None:
                measures = yield from part(measure(snapshot.weights, f"field at step {snapshot.step:,}"), share, share)
                found.append(Look(snapshot.step, snapshot.epoch, measures))
                difference = _difference(snapshot.weights, run.best)
                pace.looked()
    return Course(tuple(found), titles, difference, _by_clock(run))


def look_steps(last: int, looks: int) -> list[int]:
    """At most `looks` different steps, evenly in their logarithm, from one of the first to the last."""
    if looks == 1:
        return [last]
    return sorted({round(step) for step in np.geomspace(min(FIRST_STEP, last), last, looks)})


def kept_step(run: Run) -> int:
    """After how many optimiser steps the run kept its weights; 0 where the file does not say."""
    if run.state is not None and run.state.scalars.get("best_step") is not None:
        return int(run.state.scalars["best_step"] or 0)
    steps, scores = (run.history.columns.get(name, np.empty(0)) for name in ("step", "held_out_psnr"))
    if not len(steps):
        return 0
    return int(steps[np.nanargmax(scores)] if np.isfinite(scores).any() else steps[-1])


def total_steps(run: Run) -> int | None:
    """Where the learning rate's schedule ended, in steps, of a run that went by a clock; None of one by epochs."""
    columns, training = run.history.columns, run.config.training
    if not _by_clock(run) or not len(columns.get("step", ())):
        return None
    step = float(columns["step"][-1])
    if run.end_reason.startswith(TIME_LIMIT):
        return max(1, round(step))
    by_time = float(columns["elapsed"][-1]) / training.time_limit if training.time_limit else 0.0
    progress = min(1.0, max(float(columns["epoch"][-1]) / training.max_epochs, by_time))
    return max(1, round(step / progress)) if progress > 0 else None


def course_share(run: Run, looks: int, before: int, seconds: float = 0.0) -> float:
    """What share of a work its course is likely to take, beside `before` looks of about a second and other seconds."""
    elapsed = run.history.columns.get("elapsed", np.empty(0))
    training = float(elapsed[-1]) if len(elapsed) else 60.0
    return (training + looks) / (training + looks + before + seconds) if looks else 0.0


def _by_clock(run: Run) -> bool:
    return run.config.training.time_limit is not None or run.end_reason.startswith(TIME_LIMIT)


def _up_to(snapshots: Iterator[Snapshot], last: int) -> Iterator[Snapshot]:
    """The snapshots of training up to a step."""
    for snapshot in snapshots:
        yield snapshot
        if snapshot.step >= last:
            return


class _Pace:
    """How far a course is, by what training and looks have taken so far."""

    def __init__(self, steps: int, looks: int) -> None:
        self.steps, self.looks = steps, looks
        self.training = self.looking = self.share = 0.0
        self.taken = 0
        self.since = time.perf_counter()

    def trained(self, step: int) -> float:
        """The share of the work that is done, 0 to 1, now that training is at a step."""
        self.training += self._passed()
        left = self.training / max(step, 1) * (self.steps - step)
        left += self.looking / max(self.taken, 1) * (self.looks - self.taken)
        spent = self.training + self.looking
        if step:
            self.share = max(self.share, spent / max(spent + left, 1e-9))
        return self.share

    def looked(self) -> None:
        """A look was taken."""
        self.looking += self._passed()
        self.taken += 1

    def _passed(self) -> float:
        now = time.perf_counter()
        passed, self.since = now - self.since, now
        return passed


def _difference(weights: Weights, own: Weights) -> float:
    """|w - w_run| / |w_run| over all parameters."""
    names = [name for name in own if name != STEPS]
    off = sum(float(np.square(np.float64(weights[name]) - own[name]).sum()) for name in names)
    return math.sqrt(off / max(sum(float(np.square(np.float64(own[name])).sum()) for name in names), 1e-300))
