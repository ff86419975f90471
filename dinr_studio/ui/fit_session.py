"""One fit at a time, in a thread of its own: what it has told so far, and how it is paused, ended or thrown away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from dinr_studio.config import FitConfig
from dinr_studio.training.run import Run, Weights
from dinr_studio.training.snapshot import Snapshot
from dinr_studio.ui.background import Work, spare_threads
from dinr_studio.volume import Volume

log = logging.getLogger(__name__)

FIT_NICE = 3
CURVE = ("step", "epoch", "elapsed", "data_loss", "kinetic_energy", "total_loss", "learning_rate", "held_out_psnr")


def fitting(
    volume: Volume,
    config: FitConfig,
    path: Path,
    resume: Run | None,
    options: Mapping[str, Any],
    enough: Callable[[], bool],
) -> Iterator[Snapshot]:
    """The core's fit on all processors but one; runs in the fit's thread, where torch is first imported."""
    import torch

    torch.set_num_threads(spare_threads())
    from dinr_studio.training.fit import fit

    path.parent.mkdir(parents=True, exist_ok=True)
    if resume is not None:
        resume = _as_saved(resume, path)
    return fit(volume, config, path=path, resume=resume, open_options=options, enough=enough)


def _as_saved(run: Run, path: Path) -> Run:
    """A run as far as its file has it: of a fit that was stopped, only that knows the last step."""
    if not path.exists():
        return run
    from dinr_studio.training.run_file import read_run

    saved = read_run(path)
    return run.updated(best=saved.best, state=saved.state, history=saved.history) if saved.run_id == run.run_id else run


class FitSession(QObject):
    """The fit in progress, and the curve and weights that it has told.

    begun comes with the run before its first step; looked with each set of frozen weights; ended comes last, with what
    became of it in a sentence ("" where it was discarded).
    """

    begun = Signal()
    progressed = Signal(object)
    looked = Signal()
    state_changed = Signal()
    failed = Signal(str)
    ended = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._work: Work | None = None
        self._enough = threading.Event()
        self._discarding = False
        self.fault = ""
        self.ending = False
        self.path = Path()
        self.config: FitConfig | None = None
        self._forget()

    def _forget(self) -> None:
        self.run: Run | None = None
        self.latest: Weights | None = None
        self.best: Weights | None = None
        self.last: Snapshot | None = None
        self.events: list[tuple[int, str]] = []
        self._columns: dict[str, list[float]] = {name: [] for name in CURVE}

    @property
    def running(self) -> bool:
        """Whether a fit is in progress, paused ones included."""
        return self._work is not None

    @property
    def paused(self) -> bool:
        """Whether the fit in progress waits."""
        return self._work is not None and self._work.held

    def start(
        self, volume: Volume, config: FitConfig, path: Path, options: Mapping[str, Any], resume: Run | None = None
    ) -> None:
        """Begins a fit that saves itself to a path; or goes on with a run."""
        if self.running:
            raise RuntimeError("a fit is in progress")
        self._forget()
        self._enough = threading.Event()
        self._discarding, self.ending, self.fault = False, False, ""
        self.path, self.config = path, config
        enough = self._enough.is_set
        self._work = Work(lambda: fitting(volume, config, path, resume, dict(options), enough), self, niceness=FIT_NICE)
        self._work.made.connect(self._on_made)
        self._work.failed.connect(self._on_failed)
        self._work.ended.connect(self._on_ended)
        self._work.start()
        self.state_changed.emit()

    def pause(self) -> None:
        """Waits before the next step; the clock of a time limit stops meanwhile."""
        if self._work is not None:
            self._work.hold()
            self.state_changed.emit()

    def resume(self) -> None:
        """Goes on."""
        if self._work is not None:
            self._work.release()
            self.state_changed.emit()

    def finish(self) -> None:
        """Ends the fit early: it is judged on the held-out voxels and kept."""
        if self._work is not None:
            self._enough.set()
            self.ending = True
            self._work.release()
            self.state_changed.emit()

    def suspend(self) -> None:
        """Stops at once without judging; the run file keeps everything, and the fit can be resumed from it."""
        if self._work is not None:
            self.ending = True
            self._work.cancel()
            self.state_changed.emit()

    def discard(self) -> None:
        """Stops and deletes the run file."""
        self._discarding = True
        self.suspend()

    def wait(self) -> bool:
        """Waits for the end of a fit that was told to stop; for closing the program."""
        ended = self._work is None or self._work.wait()
        if ended and self._discarding:  # nobody may be there any more when the work tells of its end
            self.path.unlink(missing_ok=True)
        return ended

    def curve(self) -> dict[str, NDArray[np.float64]]:
        """The curve so far by column, one entry for each snapshot; NaN where something was not measured."""
        return {name: np.asarray(values, dtype=np.float64) for name, values in self._columns.items()}

    @Slot(object)
    def _on_made(self, snapshot: Snapshot) -> None:
        self.last = snapshot
        if snapshot.phase == "training":
            for name in CURVE:
                value = getattr(snapshot, name)
                if name == "held_out_psnr" and not snapshot.looked:  # no look at this moment: the last one's again
                    value = None
                self._columns[name].append(np.nan if value is None else float(value))
        for sentence in snapshot.events:
            self.events.append((snapshot.step, sentence))
            log.warning(sentence)
        if snapshot.run is not None:
            self.run = snapshot.run
            self.best = self.latest = snapshot.run.best
            if not snapshot.run.finished:
                self.begun.emit()
        if snapshot.weights is not None:
            self.latest = snapshot.weights
            if snapshot.held_out_psnr is None or (snapshot.looked and snapshot.held_out_psnr == snapshot.best_psnr):
                self.best = snapshot.weights
            self.looked.emit()
        self.progressed.emit(snapshot)

    @Slot(str)
    def _on_failed(self, sentence: str) -> None:
        self.fault = sentence
        self.failed.emit(sentence)

    @Slot()
    def _on_ended(self) -> None:
        self._work = None
        if self._discarding:
            self.path.unlink(missing_ok=True)
            outcome = ""
        elif self.fault:
            outcome = self.fault
        elif self.run is not None and self.run.finished:
            outcome = f"The fit is done: {self.run.end_reason}.{_verdict(self.run)}"
        else:
            outcome = "The fit was stopped; its run file can be resumed."
        self.ending = False
        self.state_changed.emit()
        self.ended.emit(outcome)


def _verdict(run: Run) -> str:
    held = run.scores.get("held_out")
    return f" {held['verdict']}" if isinstance(held, Mapping) else ""
