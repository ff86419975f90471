"""A fit of a volume in blocks, one field each, as a generator: fit the blocks, put them together, judge the whole.

While it is under way each block has a run file of its own in the folder NAME.dinr.blocks beside NAME.dinr, which holds
what the blocks have in common. A block that is finished is never fitted again, one that was interrupted goes on from
its last save. Once all are finished they move into NAME.dinr, and the folder is deleted. In a team the blocks are
spread over the processes, each of which fits its own ones by itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dinr_studio.config import FitConfig, changed
from dinr_studio.errors import DinrError, RunFileError, TrainingDiverged
from dinr_studio.io.atomic import refusals_in_words
from dinr_studio.partition import Partition, block_maps
from dinr_studio.training.blended_run import no_blocks, together
from dinr_studio.training.block_task import block_task
from dinr_studio.training.distributed import ALONE, Team
from dinr_studio.training.environment import environment
from dinr_studio.training.fit import fit, new_run, score
from dinr_studio.training.run import History, Run
from dinr_studio.training.run_file import read_description, read_run, write_run
from dinr_studio.training.snapshot import Snapshot
from dinr_studio.training.task import Task, prepare, prepare_as_fitted
from dinr_studio.training.trainer import never
from dinr_studio.volume import Volume

ENDS = ("max_epochs", "time_limit", "goal_psnr", "patience")  # settings that may change from one start to the next
HISTORY_ROWS = 200
EMPTY = "no voxel to fit to"

Phase = Literal["fitting", "judging", "stopped", "done"]


@dataclass(frozen=True)
class BlocksProgress:
    """How far a fit in blocks is: which block this process is at, how many it has finished and how many are its own.

    finished: blocks finished before, in this process or an earlier start. snapshot: of the block in progress. run comes
    with phase `done`, finished.
    """

    phase: Phase
    count: int
    finished: int
    own: int
    own_finished: int
    block: int = 0
    snapshot: Snapshot | None = None
    run: Run | None = None


@dataclass(frozen=True)
class BlocksStart:
    """What a fit in blocks begins, or goes on, with: the whole's task, and its run."""

    whole: Task
    run: Run
    partition: Partition


def begin_blocks(
    volume: Volume, partition: Partition, config: FitConfig, path: Path, options: dict[str, Any]
) -> BlocksStart:
    """A fit in blocks that has not begun; options: how the volume was opened. Raises DataError."""
    whole = prepare(volume, config.training)
    run = new_run(whole, config, options, path).updated(
        partition=partition,
        block_maps=block_maps(volume.grid, partition, config.training.scaling),
        best=no_blocks(config.field, len(volume.grid.shape), volume.channels),
        end_reason="begun",
    )
    return BlocksStart(whole, run, partition)


def resume_blocks(volume: Volume, run: Run) -> BlocksStart:
    """The fit in blocks that an unfinished run is of; RunFileError where the data is no longer the run's."""
    if run.partition is None or run.finished:
        raise RunFileError("The run's blocks are all fitted, and their training was not kept; start a new fit.")
    whole = prepare_as_fitted(volume, run.config.training, run.open_options)
    same = np.array_equal(whole.held_out_numbers, run.held_out) and whole.normalisation == run.normalisation
    if not same or volume.grid.shape != run.grid.shape:
        raise RunFileError("The data differs from the run's: resume with the very file it was fitted to.")
    return BlocksStart(whole, run, run.partition)


def fit_blocks(
    volume: Volume, start: BlocksStart, path: Path, *, stop: Callable[[], bool] = never, team: Team = ALONE
) -> Iterator[BlocksProgress]:
    """Fits the blocks that are not finished yet, and judges the blend of all; see the head of this file.

    stop: asked between a block's snapshots; once it says True in any process the blocks in progress are saved, and the
    last item says `stopped`. team: the processes that share the blocks; all must call this alike, and ask for all
    items. Raises DataError, MemoryShort, OutputError or TeamLost; what is finished by then is kept.
    """
    return _BlocksFit(volume, start, path, stop, team).progress()


def parts_folder(path: Path) -> Path:
    """Where the blocks' run files lie while not all are finished."""
    return path.with_name(f"{path.name}.blocks")


def part_path(path: Path, number: int) -> Path:
    """The run file of a block."""
    return parts_folder(path) / f"{number:04d}.dinr"


def discard_parts(path: Path) -> None:
    """Deletes the blocks' run files, and nothing else that may lie beside them."""
    folder = parts_folder(path)
    with refusals_in_words(path):
        if folder.is_dir() and not folder.is_symlink():
            for part in folder.glob("[0-9]*.dinr"):
                part.unlink(missing_ok=True)
            if not any(folder.iterdir()):
                shutil.rmtree(folder)


def finished_parts(run: Run, path: Path) -> list[int]:
    """Numbers of the blocks of a run that are finished."""
    count = 0 if run.partition is None else run.partition.count
    found = []
    for number in range(count):
        try:
            part = read_description(part_path(path, number))
        except RunFileError:
            continue
        if part.finished and _belongs(part, run, number):
            found.append(number)
    return found


class _BlocksFit:
    def __init__(self, volume: Volume, start: BlocksStart, path: Path, stop: Callable[[], bool], team: Team) -> None:
        self.volume, self.whole, self.run, self.partition = volume, start.whole, start.run, start.partition
        self.path, self.stop, self.team = path, stop, team
        self.stopped = False
        self.own: list[int] = []
        self.before = self.own_finished = 0

    def progress(self) -> Iterator[BlocksProgress]:
        self.team.together(lambda: self.team.device(self.run.config.training.device))
        patient = self.team.patient()
        unfinished = self.team.decided(self._begun)
        self.before = self.partition.count - len(unfinished)
        self.own = unfinished[self.team.rank :: self.team.size]
        fault: DinrError | None = None
        try:
            yield from self._fitted()
        except DinrError as error:
            fault = error
        patient.together(lambda: _raised(fault))
        self.stopped = bool(patient.gathered(self.stopped).any())
        if self.stopped:
            yield self._at("stopped")
        elif self.team.leads:
            yield self._at("judging")
            run = self._put_together()
            write_run(run, self.path)
            discard_parts(self.path)
            yield self._at("done", run=run)

    def _begun(self) -> list[int]:
        """Makes file and folder; the blocks that are not finished."""
        with refusals_in_words(self.path):
            parts_folder(self.path).mkdir(exist_ok=True)
        finished = set(finished_parts(self.run, self.path))
        write_run(self.run, self.path)
        return [number for number in range(self.partition.count) if number not in finished]

    def _fitted(self) -> Iterator[BlocksProgress]:
        for number in self.own:
            if self.stop():
                self.stopped = True
                return
            yield from self._fitted_block(number)
            if self.stopped:
                return
            self.own_finished += 1

    def _fitted_block(self, number: int) -> Iterator[BlocksProgress]:
        config, path = self.run.config, part_path(self.path, number)
        task = block_task(self.whole, self.volume, self.partition, number, config.training)
        options = {name: value for name, value in self.run.open_options.items() if name != "stored"}
        options["crop"] = _crop(self.run, self.partition, number)
        if task is None:
            write_run(self._nothing(number, options), path)
            return
        resume = _part_of(self.run, path, number)
        try:
            with closing(
                fit(task.volume, config, path=path, resume=resume, open_options=options, ready=lambda *_: task)
            ) as snapshots:
                for snapshot in snapshots:
                    yield self._at("fitting", block=number, snapshot=snapshot)
                    if snapshot.phase == "training" and self.stop():
                        self.stopped = True
                        return
        except TrainingDiverged as error:  # its best weights are kept, and other blocks need not wait for better ones
            write_run(read_run(path).updated(finished=True, end_reason=str(error)), path)

    def _nothing(self, number: int, options: dict[str, Any]) -> Run:
        """The finished run of a block without any voxel to train on: its field is a constant."""
        grid = self.run.grid.cropped(*self.partition.box(number))
        best = {name: np.zeros(array.shape[1:], dtype=np.float32) for name, array in self.run.best.items()}
        return self.run.updated(
            grid=grid,
            coordinates=self.run.block_maps[number],
            open_options=options,
            held_out=np.empty(0, dtype=np.int64),
            best=best,
            finished=True,
            end_reason=EMPTY,
            partition=None,
            block_maps=(),
        )

    def _put_together(self) -> Run:
        blocks, histories, scores = [], [], []
        for number in range(self.partition.count):
            part = read_run(part_path(self.path, number))
            blocks.append(part.best)
            histories.append(part.history)
            scores.append(_score_of_block(part, number))
        run = self.run.updated(
            best=together(blocks, self.run.config.field),
            history=mean_history(histories),
            finished=True,
            end_reason=f"all {self.partition.count} blocks fitted",
        )
        device = self.team.device(run.config.training.device)
        made = {"blocks": scores, "environment": environment(str(device), self.team.size)}
        return run.updated(scores={**score(run, self.whole, device), **made})

    def _at(
        self, phase: Phase, block: int = 0, snapshot: Snapshot | None = None, run: Run | None = None
    ) -> BlocksProgress:
        return BlocksProgress(
            phase,
            self.partition.count,
            self.before + self.own_finished,
            len(self.own),
            self.own_finished,
            block,
            snapshot,
            run,
        )


def _raised(fault: DinrError | None) -> None:
    if fault is not None:
        raise fault


def _part_of(run: Run, path: Path, number: int) -> Run | None:
    """The run of a block that was begun, to go on with; None where there is none, or one that is no use."""
    try:
        part = read_run(path)
    except RunFileError:
        return None
    return part if part.state is not None and _belongs(part, run, number) else None


def _belongs(part: Any, run: Run, number: int) -> bool:
    """Whether a block's run, or its description, is what this run would make of the block but for when it ends."""
    partition = run.partition
    ends = {name: getattr(run.config.training, name) for name in ENDS}
    return (
        partition is not None
        and part.config.field == run.config.field
        and changed(part.config.training, **ends) == run.config.training
        and part.provenance.sha256 == run.provenance.sha256
        and part.normalisation == run.normalisation
        and part.open_options.get("crop") == _crop(run, partition, number)
        and part.grid == run.grid.cropped(*partition.box(number))
    )


def _crop(run: Run, partition: Partition, number: int) -> list[list[int]]:
    """What opens a block's part of the file."""
    start, stop = partition.box(number)
    before = run.open_options.get("crop") or [[0, 0]] * len(start)
    return [[a + first, b + first] for a, b, (first, _) in zip(start, stop, before, strict=True)]


def _score_of_block(part: Run, number: int) -> dict[str, Any]:
    """A block's own field on its own held-out voxels, and what it took; psnr is None where none are held out."""
    state = part.state
    psnr = None if state is None else state.scalars["best_psnr"]
    return {
        "block": number,
        "psnr": psnr,
        "seconds": 0.0 if state is None else state.elapsed,
        "steps": 0 if state is None else state.step,
        "end_reason": part.end_reason,
        "events": [sentence for _, sentence in part.history.events],
    }


def mean_history(histories: Sequence[History]) -> History:
    """The mean of several curves, each from its beginning to its end; steps and times are those of all in turn."""
    curves = [history.columns for history in histories if history.columns]
    if not curves:
        return History()
    rows = min(HISTORY_ROWS, max(len(curve["step"]) for curve in curves))
    names = [name for name in curves[0] if all(name in curve for curve in curves)]
    columns = {name: np.mean([_at_rows(curve[name], rows) for curve in curves], axis=0) for name in names}
    for name in ("step", "elapsed"):
        columns[name] *= len(curves)
    return History(columns)


def _at_rows(column: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """A column at so many places evenly spread over it; NaN only where there is nothing else."""
    known = np.flatnonzero(np.isfinite(column))
    if not len(known):
        return np.full(rows, np.nan)
    found: NDArray[np.float64] = np.interp(np.linspace(0, len(column) - 1, rows), known, column[known])
    return found
