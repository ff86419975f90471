"""Looks at the field beside its training: kernel, spectra, trajectory, rivals; within a share of the time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from dinr_studio.analysis.scores import Scores
from dinr_studio.channels import Component
from dinr_studio.training.run import Run, Weights
from dinr_studio.ui.evaluator import Answer, FieldState, Question, field_for
from dinr_studio.ui.studio import Studio
from dinr_studio.volume import Volume

SHARE = 0.08  # of the time that has passed in a fit; looks beyond it wait
POINTS = 216
ASKER, RIVALS = "watch", "rivals"


@dataclass(frozen=True)
class Look:
    """What was seen at one moment of a run: kind is kernel, static, spectra or profile."""

    kind: str
    epoch: float
    value: Any


class Watch(QObject):
    """Asks for looks while a fit runs, and once when it ends or a run is opened. cost: seconds spent on looks."""

    looked = Signal(object)
    rivals_known = Signal()
    restarted = Signal()

    def __init__(self, studio: Studio, parent: QObject) -> None:
        super().__init__(parent)
        self.studio = studio
        self.points = POINTS
        self.cost = 0.0
        self.rivals: Mapping[str, Scores] = {}
        self._began = time.perf_counter()
        self._volume: Volume | None = None
        self._run_id = ""
        self._looks = 0
        studio.analyses.answered.connect(self._on_answered)
        studio.rivals.answered.connect(self._on_answered)
        studio.fit.begun.connect(self._on_begun)
        studio.fit.looked.connect(self._on_looked)
        studio.fit.ended.connect(self._on_ended)
        studio.volume_opened.connect(self._on_opened)
        studio.grid_changed.connect(self._on_grid)

    @property
    def share(self) -> float:
        """Share of the time since the fit began that looks have taken, of one thread."""
        return self.cost / max(time.perf_counter() - self._began, 1e-9)

    def look_again(self) -> None:
        """Looks at the present field now, whatever the share."""
        state = self.studio.field
        if state is not None:
            self._ask(state.run, state.run.best, self._epoch())

    def set_points(self, points: int) -> None:
        """How many points the kernel is taken on, at most."""
        self.points = points
        self.look_again()

    def _epoch(self) -> float:
        return 0.0 if self.studio.fit.last is None else self.studio.fit.last.epoch

    def _restart(self, run: Run | None) -> None:
        self._began, self.cost = time.perf_counter(), 0.0
        self._volume = self.studio.fitted_volume
        self.rivals = {}
        self._run_id = "" if run is None else run.run_id
        self.restarted.emit()

    @Slot()
    def _on_opened(self) -> None:
        run = self.studio.run
        self.studio.rivals.ask(RIVALS, [])
        self._restart(run)
        if run is not None:
            self._take_rivals(run)
            self.look_again()

    @Slot()
    def _on_grid(self) -> None:
        """A voxel size was put right: what was seen before is in the wrong unit."""
        self._volume = self.studio.fitted_volume
        self.look_again()

    def _take_rivals(self, run: Run) -> None:
        held = run.scores.get("held_out")
        if isinstance(held, Mapping):
            names = ("psnr", "ssim", "mae", "relative_l2")
            self.rivals = {
                name: Scores(**{key: scores[key] for key in names}) for name, scores in held["interpolation"].items()
            }
            self.rivals_known.emit()

    @Slot()
    def _on_begun(self) -> None:
        run, volume = self.studio.fit.run, self.studio.fitted_volume
        self._restart(run)
        if run is None or volume is None:
            return
        points, config = self.points, run.config
        self.studio.analyses.ask(ASKER, [Question(("static", 0.0, run.run_id), lambda: _static(run, points))])
        self.studio.rivals.ask(RIVALS, [Question(run.run_id, lambda: _rivals(volume, config))])

    @Slot()
    def _on_looked(self) -> None:
        fit = self.studio.fit
        spent = self.cost <= SHARE * (time.perf_counter() - self._began)
        if spent and self.studio.analyses.idle and fit.run is not None and fit.latest is not None:
            self._ask(fit.run, fit.latest, self._epoch())

    @Slot(str)
    def _on_ended(self, outcome: str) -> None:
        run = self.studio.fit.run
        if run is not None and self.studio.run is not None:
            if run.finished:
                self._take_rivals(run)
            self._ask(run, self.studio.fit.best or run.best, self._epoch())

    def _ask(self, run: Run, weights: Weights, epoch: float) -> None:
        volume, points, channel = self._volume, self.points, self.studio.channel
        self._looks += 1
        state = FieldState(-self._looks, run.updated(best=weights))  # the studio's own versions count upwards
        key = (epoch, run.run_id)
        questions = [Question(("profile", *key), lambda: _profile(state))]
        if run.partition is None:
            questions.append(Question(("kernel", *key), lambda: _kernel(run, weights, points)))
        if volume is not None and volume.grid.shape == run.grid.shape:
            questions.append(Question(("spectra", *key), lambda: _spectra(volume, state, channel)))
        self.studio.analyses.ask(ASKER, questions)

    @Slot(object)
    def _on_answered(self, answer: Answer) -> None:
        if answer.asker == RIVALS and answer.key == self._run_id and not answer.fault:
            self.rivals = answer.value
            self.rivals_known.emit()
        elif answer.asker == ASKER and answer.value is not None:
            kind, epoch, run_id = answer.key
            value, seconds = answer.value
            if run_id == self._run_id and value is not None:
                self.cost += seconds
                self.looked.emit(Look(kind, epoch, value))


def _timed(value: Any, start: float) -> tuple[Any, float]:
    return value, time.perf_counter() - start


def _kernel(run: Run, weights: Weights, points: int) -> tuple[Any, float]:
    from dinr_studio.training.monitor import look_at_kernel

    start = time.perf_counter()
    return _timed(look_at_kernel(run, weights, points), start)


def _static(run: Run, points: int) -> tuple[Any, float]:
    from dinr_studio.training.monitor import look_at_static_kernel

    start = time.perf_counter()
    return _timed(look_at_static_kernel(run, points), start)


def _profile(state: FieldState) -> tuple[Any, float]:
    from dinr_studio.training.monitor import look_at_trajectory

    start = time.perf_counter()
    return _timed(look_at_trajectory(field_for(state)), start)


def _spectra(volume: Volume, state: FieldState, channel: Component) -> tuple[Any, float]:
    from dinr_studio.training.monitor import look_at_spectra

    start = time.perf_counter()
    return _timed(look_at_spectra(volume, field_for(state), channel), start)


def _rivals(volume: Volume, config: Any) -> Any:
    from dinr_studio.training.monitor import look_at_rivals

    return look_at_rivals(volume, config)
