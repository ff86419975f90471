"""A fit from beginning to end, as a generator of frozen snapshots: train, look, autosave, judge.

Not asking for the next snapshot pauses the run; its clock stops meanwhile. Closing the generator cancels it: what was
trained so far is in the run file, where one was named, and `resume` goes on from there.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dinr_studio import __version__
from dinr_studio.analysis.scores import psnr
from dinr_studio.config import FitConfig, TrainingConfig, changed
from dinr_studio.errors import DinrError, OutputError, RunFileError, TeamLost
from dinr_studio.fields.build import load_field, parameter_count
from dinr_studio.io.atomic import check_place
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.training.blended_run import blended_field
from dinr_studio.training.device import effective_precision, resident_bytes, resolve_device
from dinr_studio.training.distributed import ALONE, Team, run_id_of_job
from dinr_studio.training.environment import environment
from dinr_studio.training.keeping import Keeper
from dinr_studio.training.run import History, Run
from dinr_studio.training.snapshot import Phase, Snapshot
from dinr_studio.training.task import Task, prepare, prepare_as_fitted
from dinr_studio.training.trainer import Trainer, end_reason, never
from dinr_studio.training.trainer_state import restore, state_of
from dinr_studio.volume import Volume

REPORT_SECONDS = 0.1
SHOW_SECONDS = 1.0  # between frozen weights for whoever watches
AUTOSAVE_SECONDS = 60.0
FEWEST_STEPS, MOST_STEPS = 50, 500  # between looks at the held-out voxels
TRAIN_SCORE_VOXELS = 20_000


def fit(
    volume: Volume,
    config: FitConfig,
    *,
    path: Path | None = None,
    resume: Run | None = None,
    open_options: Mapping[str, Any] | None = None,
    enough: Callable[[], bool] = never,
    team: Team = ALONE,
    ready: Callable[[Volume, TrainingConfig], Task] | None = None,
) -> Generator[Snapshot, None, None]:
    """Fits a field to a volume; the last snapshot carries the finished Run.

    path: the run file, written every minute, at the end and on closing; replaced if it exists.
    resume: a run to go on with; config then holds its settings, perhaps with later ends.
    open_options: how the volume was opened, kept so that the run file can open it again.
    enough: asked between micro-batches; once it says True the fit ends early, is judged and counts as finished.
    team: the processes that train together. All must call this alike, and ask for all snapshots; `path`, `enough`, the
    clock and the judgement are the leader's, with whose end or closing the others are Dismissed or end before judging.
    ready: makes the task of the volume, where that is not the usual one.
    A run that its file refuses on the way (a full disk) goes on and tells of it; at the end it is saved elsewhere, and
    OutputError says where. Raises DataError, ConfigError, MemoryShort, OutputError, TrainingDiverged or TeamLost.
    """
    if path is not None:
        team.together(lambda: check_place(path) if team.leads else None)
    make = ready or (prepare if resume is None else partial(prepare_as_fitted, open_options=resume.open_options))
    task = team.together(lambda: make(volume, config.training))
    device = team.together(lambda: team.device(config.training.device))
    trainer = Trainer(task, config, device, team)
    run = resume or new_run(task, config, dict(open_options or {}), path)
    if resume is not None:
        team.together(lambda: _restore(trainer, run))
    yield from _Fit(trainer, run, config, path if team.leads else None, enough).snapshots()


def fit_again(
    volume: Volume, run: Run, shown: Collection[int], total_steps: int | None = None
) -> Generator[Snapshot, None, None]:
    """A run's fit once more from its start, with no file; at each step of `shown` a snapshot has the weights then.

    total_steps: where the learning rate's schedule ends, instead of where the settings end; a time limit, a goal and
    patience end nothing here. The run is not judged where its snapshots are not asked for that long. Raises as `fit`.
    """
    training = changed(run.config.training, time_limit=None, goal_psnr=None, patience=0)
    config = changed(run.config, training=training)
    task = prepare_as_fitted(volume, training, run.open_options)
    trainer = Trainer(task, config, resolve_device(training.device))
    trainer.total_steps = total_steps or trainer.total_steps
    again = new_run(task, config, dict(run.open_options))
    yield from _Fit(trainer, again, config, None, never, frozenset(shown)).snapshots()


def new_run(task: Task, config: FitConfig, open_options: dict[str, Any], path: Path | None = None) -> Run:
    """A run that has not begun; path: the file it is for, which within torchrun's job decides its id."""
    volume = task.volume
    if volume.is_stored:  # so that a resumed run holds out the same voxels, whatever memory it finds
        open_options = {**open_options, "stored": True}
    return Run(
        run_id=(None if path is None else run_id_of_job(path)) or uuid.uuid4().hex,
        program_version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config=config,
        grid=volume.grid,
        coordinates=task.coordinates,
        normalisation=task.normalisation,
        channel_ranges=volume.channel_ranges,
        channel_names=volume.channel_names,
        value_unit=volume.value_unit,
        provenance=volume.provenance,
        open_options=open_options,
        outliers=task.outliers,
        held_out=task.held_out_numbers,
        best={},
        scattered=task.scattered,
    )


def _restore(trainer: Trainer, run: Run) -> None:
    if run.state is None:
        raise RunFileError("The run file holds no training state, so it cannot be resumed; start a new fit.")
    if not np.array_equal(trainer.task.held_out_numbers, run.held_out):
        raise RunFileError(
            "The data's held-out values differ from the run's: resume with the very file it was fitted to."
        )
    restore(trainer, run.state, dict(run.best), list(run.history.events))


class _Fit:
    """One fit in progress: the trainer with its clock, its history and its run file."""

    def __init__(
        self,
        trainer: Trainer,
        run: Run,
        config: FitConfig,
        path: Path | None,
        enough: Callable[[], bool],
        shown: Collection[int] = (),
    ) -> None:
        self.shown = shown  # steps whose weights are wanted, whatever the clock says
        self.trainer, self.run, self.config, self.keeper, self.enough = trainer, run, config, Keeper(path), enough
        self.team = trainer.team
        self.columns = {name: list(values) for name, values in run.history.columns.items()}
        self.look_every = min(max(trainer.batches.per_epoch, FEWEST_STEPS), MOST_STEPS)
        self.told_events = len(trainer.events)
        self.latest_psnr: float | None = None
        self.rate = 0.0
        self.fresh = trainer.step == 0
        self.latest_means: dict[str, float] = {}

    def snapshots(self) -> Iterator[Snapshot]:
        """All snapshots of the fit; see `fit`."""
        try:
            yield self._snapshot("preparing", {}, run=self._present_run(finished=False, reason="begun"))
            yield from self._train()
        except GeneratorExit:
            try:
                self.keeper.save(self._present_run(finished=False, reason="stopped"))
            finally:
                self.team.dismiss()
            raise
        except DinrError as error:
            self.keeper.save(self._present_run(finished=False, reason=str(error)))
            raise
        except RuntimeError as error:
            if not self.team.is_lost(error):
                raise
            raise self._lost() from error
        finally:
            self.trainer.give_up = never  # else the two hold each other, and the data, until a collection comes by
        yield self._snapshot("judging", {})
        if not self.team.leads:
            return
        run, refused = self._judged(), None
        try:
            self.keeper.save(run)
        except OutputError as error:
            refused = error
        yield self._snapshot("done", {}, run=run)  # whoever watches keeps it all the same
        if refused is not None:
            raise refused

    def _train(self) -> Iterator[Snapshot]:
        trainer, team = self.trainer, self.team
        saved = reported = shown = began = time.perf_counter()
        voxels = 0
        limit = self.config.training.time_limit or np.inf
        trainer.give_up = lambda: self.enough() or trainer.elapsed + time.perf_counter() - began >= limit
        (ended,) = team.told(self.enough())
        if self.fresh:
            self._look({})
        while (reason := end_reason(trainer)) is None:
            if ended:
                self._look(trainer.since_look.take())
                reason = f"ended by the user at step {trainer.step}"
                break
            advanced = trainer.advance()
            voxels += advanced
            now = time.perf_counter()
            elapsed = trainer.elapsed + now - began
            trainer.elapsed, ended, due = team.told(elapsed, self.enough(), now - reported >= REPORT_SECONDS)
            began = now
            looked = end_reason(trainer) is not None or (advanced > 0 and trainer.step % self.look_every == 0)
            wanted = advanced > 0 and trainer.step in self.shown
            if not (looked or wanted) and (advanced == 0 or not due):
                continue
            self.rate = voxels / max(now - reported, 1e-9)
            means = self.latest_means = trainer.reported.take() or self.latest_means
            if looked:
                self._look(trainer.since_look.take())
            if now - saved > AUTOSAVE_SECONDS:
                self._autosave()
                saved = time.perf_counter()
            trainer.elapsed += time.perf_counter() - began
            show = looked or wanted or now - shown > SHOW_SECONDS
            yield self._snapshot("training", means, looked=looked, weights=show)
            trainer.elapsed, ended = team.told(trainer.elapsed, self.enough())
            began = reported = time.perf_counter()
            shown = began if show else shown
            voxels = 0
        self.reason = reason

    def _look(self, means: dict[str, float]) -> None:
        """Looks at the held-out voxels and writes a line of history."""
        trainer = self.trainer
        self.latest_psnr = trainer.look()
        if means:
            trainer.watch_for_collapse(means["data_loss"])
        row = {
            "step": float(trainer.step),
            "epoch": trainer.epoch,
            "elapsed": trainer.elapsed,
            "learning_rate": trainer.learning_rate,
            "memory_bytes": float(resident_bytes()),
            "held_out_psnr": np.nan if self.latest_psnr is None else self.latest_psnr,
            **{name: means.get(name, np.nan) for name in ("data_loss", "kinetic_energy", "total_loss")},
        }
        rows = len(self.columns.get("step", ()))  # a run of an older version lacks a column
        for name, value in row.items():
            self.columns.setdefault(name, [np.nan] * rows).append(value)

    def _snapshot(
        self,
        phase: Phase,
        means: dict[str, float],
        *,
        looked: bool = False,
        weights: bool = False,
        run: Run | None = None,
    ) -> Snapshot:
        trainer = self.trainer
        events = tuple(sentence for _, sentence in trainer.events[self.told_events :])
        self.told_events = len(trainer.events)
        progress = trainer.progress
        best = trainer.best_psnr if np.isfinite(trainer.best_psnr) else None
        return Snapshot(
            run_id=self.run.run_id,
            phase=phase,
            step=trainer.step,
            total_steps=trainer.total_steps,
            epoch=trainer.epoch,
            data_loss=means.get("data_loss", np.nan),
            kinetic_energy=means.get("kinetic_energy", np.nan),
            total_loss=means.get("total_loss", np.nan),
            learning_rate=trainer.learning_rate,
            coordinates_per_second=self.rate,
            memory_bytes=resident_bytes(),
            elapsed=trainer.elapsed,
            device=str(trainer.device),
            remaining=trainer.elapsed * (1 - progress) / progress if progress > 0 else np.nan,
            held_out_psnr=self.latest_psnr,
            best_psnr=best,
            looked=looked,
            events=events,
            weights=trainer.frozen() if weights else None,
            run=run,
        )

    def _present_run(self, *, finished: bool, reason: str, scores: dict[str, Any] | None = None) -> Run:
        trainer = self.trainer
        return self.run.updated(
            config=self.config,
            best=trainer.best,
            state=state_of(trainer),
            history=History(
                {name: np.asarray(values, dtype=np.float64) for name, values in self.columns.items()},
                tuple(trainer.events),
            ),
            scores=scores or {},
            finished=finished,
            end_reason=reason,
        )

    def _autosave(self) -> None:
        told = self.keeper.autosave(self._present_run(finished=False, reason="autosaved"))
        if told:
            self.trainer.events.append((self.trainer.step, told))

    def _lost(self) -> TeamLost:
        """Saves what there is after the loss of another process; the error that says so."""
        self.keeper.save(self._present_run(finished=False, reason="another process was lost"))
        path = self.keeper.path
        kept = "" if path is None else f" {path} holds the run; --resume goes on with it."
        return TeamLost(f"Another process of this run ended or no longer answers, at step {self.trainer.step}.{kept}")

    def _judged(self) -> Run:
        """The run with its scores, by the best weights; saved without them where the data can't be read any more."""
        run = self._present_run(finished=True, reason=self.reason)
        try:
            scores = score(run, self.trainer.task, self.trainer.device)
            scores["environment"] = environment(str(self.trainer.device), self.team.size)
        except DinrError as error:
            self.keeper.save(self._present_run(finished=False, reason=str(error)))
            raise
        return self._present_run(finished=True, reason=self.reason, scores=scores)


def score(run: Run, task: Task, device: torch.device) -> dict[str, Any]:
    """The scores of a run's best weights, as they stand in the run file and in `fit --json`."""
    field = field_of(run, device)
    seed = run.config.training.seed
    trained = task.some_trained(TRAIN_SCORE_VOXELS, seed)
    report = task.judged(field, seed)
    blocks = 1 if run.partition is None else run.partition.count
    return {
        "parameters": parameter_count(run.config.field, len(run.grid.shape), run.channels) * blocks,
        "train": {
            "psnr": psnr(task.source.values(trained), task.predicted(field, trained), task.data_range),
            "voxels": len(trained),
        },
        "held_out": None if report is None else report.as_dict(),
    }


def field_of(run: Run, device: torch.device) -> FieldOnGrid:
    """The field of a run's best weights, ready to evaluate."""
    precision = effective_precision(run.config.training.precision, device)
    if run.partition is None:
        module: nn.Module = load_field(
            run.config.field, len(run.grid.shape), run.channels, run.best, precision=precision
        )
    else:
        module = blended_field(run, run.partition, precision)
    return FieldOnGrid(
        module=module.to(device),
        coordinates=run.coordinates,
        normalisation=run.normalisation,
        grid=run.grid,
        channels=run.channels,
        channel_names=run.channel_names,
        value_unit=run.value_unit,
        device=device,
    )
